"""Look at an untrusted file without decoding it, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.containers import READABLE_FORMATS, file_url
from media.errors import (
    FormatNotAllowedError,
    InputMissingError,
    NotAVideoError,
    ProbeToolMissingError,
    TooLargeError,
)
from media.facts import VideoFacts
from media.ffprobe_report import read_report

CHILD = Path(__file__).with_name("probe_child.py")


@dataclass(frozen=True)
class ProbeLimits:
    """How large a file may be, and how much work may go into finding out.

    frame_pixels: width times height of one frame. memory_bytes is address space, of which ffprobe
    needs about 0.5 GiB for its libraries alone.
    """

    size_bytes: int = 256 * 2**30
    frame_pixels: int = 8192 * 8192
    duration_s: float = 24 * 3600.0
    wall_time_s: float = 60.0
    cpu_time_s: int = 30
    memory_bytes: int = 2 * 2**30


def probe(path: str | Path, limits: ProbeLimits | None = None) -> VideoFacts:
    """Describe a video file, or raise the `InputError` that says why it is none."""
    path, limits = Path(path), limits or ProbeLimits()
    size_bytes = check_regular_file(path, limits)
    facts = read_report(path, _run_child(path, limits), size_bytes, limits.frame_pixels)
    if facts.duration_s is not None and facts.duration_s > limits.duration_s:
        raise TooLargeError(
            f"{path.name}: {facts.duration_s:.0f} s is beyond the limit of "
            f"{limits.duration_s:.0f} s; cut the video into parts"
        )
    return facts


def check_regular_file(path: Path, limits: ProbeLimits) -> int:
    """Return the size in bytes of a non-empty, readable file within the limits."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise InputMissingError(
            f"{path}: no such file, or not readable; check the path ({error})"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise NotAVideoError(f"{path.name}: this is not a regular file; give a video file")
    if not os.access(path, os.R_OK):
        raise InputMissingError(f"{path.name}: this file may not be read; change its permissions")
    if status.st_size == 0:
        raise NotAVideoError(f"{path.name}: this file is empty; copy or upload it again")
    if status.st_size > limits.size_bytes:
        raise TooLargeError(
            f"{path.name}: {status.st_size} bytes are beyond the limit of {limits.size_bytes}; "
            "cut the video into parts"
        )
    return status.st_size


def _run_child(path: Path, limits: ProbeLimits) -> dict[str, Any]:
    # -P keeps this folder, whose module names are common words, off the child's import path.
    command = [sys.executable, "-P", "-B", str(CHILD), file_url(path), READABLE_FORMATS]
    command += [str(limits.cpu_time_s), str(limits.memory_bytes)]
    # A session of its own, so that a timeout ends ffprobe together with its parent.
    with subprocess.Popen(  # noqa: S603 - our own program; the path is one argument
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        try:
            output, complaint = child.communicate(timeout=limits.wall_time_s)
        except subprocess.TimeoutExpired as error:
            os.killpg(child.pid, signal.SIGKILL)
            raise TooLargeError(
                f"{path.name}: reading the header took longer than {limits.wall_time_s:g} s; "
                "remux the file or raise the limit"
            ) from error
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
    if child.returncode != 0:
        last_line = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise TooLargeError(
            f"{path.name}: reading the header needed more than {limits.memory_bytes} bytes or "
            f"{limits.cpu_time_s} s of processor time; remux the file or raise the limits "
            f"({last_line or f'exit status {child.returncode}'})"
        )
    answer: dict[str, Any] = json.loads(output)
    if "missing" in answer:
        raise ProbeToolMissingError("ffprobe is not installed; install the ffmpeg package")
    if "error" in answer:
        raise _refusal(path, answer["error"], limits)
    return answer


def _refusal(path: Path, complaint: str, limits: ProbeLimits) -> Exception:
    if "not on whitelist" in complaint:
        return FormatNotAllowedError(
            f"{path.name}: this format is not accepted; convert it to mp4, mkv or another video"
        )
    # Where even ffprobe's own libraries do not fit, the loader is the one that complains.
    signs = ("Cannot allocate memory", "shared libraries")
    if any(sign in complaint for sign in signs) or not complaint.strip():
        return TooLargeError(
            f"{path.name}: reading the header needed more than {limits.memory_bytes} bytes or "
            f"{limits.cpu_time_s} s of processor time; remux the file or raise the limits"
        )
    if "moov atom not found" in complaint:
        return NotAVideoError(
            f"{path.name}: not a video, or one that was cut before its index; copy it again"
        )
    return NotAVideoError(
        f"{path.name}: this is not a video that can be read; check that it plays, and copy it again"
    )
