"""Looks at finished files with ffmpeg and ffprobe, independent of the code under test."""

from __future__ import annotations

import json
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from media.encoding import Encoding
from media.open import open_sink, open_source


def ffprobe(path: Path, *arguments: str) -> Any:
    command = ["ffprobe", "-v", "error", "-of", "json", *arguments, f"file:{path}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def video_stream(path: Path) -> Any:
    return ffprobe(path, "-show_streams", "-select_streams", "v:0")["streams"][0]


def shown_at(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds, exactly."""
    report = ffprobe(path, "-show_frames", "-show_streams", "-select_streams", "v:0")
    time_base = Fraction(report["streams"][0]["time_base"])
    return [frame["best_effort_timestamp"] * time_base for frame in report["frames"]]


def packets_md5(path: Path, selector: str) -> str:
    """MD5 of a stream's packets, byte by byte."""
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-map", f"0:{selector}"]
    command += ["-c", "copy", "-f", "streamhash", "-hash", "md5", "-"]
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "MD5=" in line
    return ";".join(part.rpartition("MD5=")[2] for part in line.splitlines())


def rgb_frames(path: Path) -> npt.NDArray[np.uint8]:
    """All frames as FFmpeg itself shows them: (frames, H, W, 3)."""
    stream = video_stream(path)
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-fps_mode", "passthrough"]
    command += ["-sws_flags", "accurate_rnd+full_chroma_int", "-pix_fmt", "rgb24"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, stream["height"], stream["width"], 3)


def rgb_frames_upright(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The first frame as FFmpeg itself turns and shows it."""
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-frames:v", "1", "-pix_fmt", "rgb24"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(shape)


def enlarge(source: Path, target: Path, scale: int = 2, encoding: Encoding | None = None) -> None:
    """The whole path of a video, with pixel doubling in the model's place."""
    with open_source(source) as frames:
        size = (frames.width_px * scale, frames.height_px * scale)
        with open_sink(target, frames, *size, encoding) as sink:
            for frame in frames:
                larger = frame.pixels.repeat(scale, 0).repeat(scale, 1)
                sink.write(larger, frame.pts, frame.duration)
