"""`flashvsr doctor`: what this machine has, and what is missing."""

import json
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from cli.errors import NOT_HERE
from cli.folders import SMALL_MODEL, downloaded_weights


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_good: bool
    is_needed: bool
    remark: str


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Report what this machine has; exit 6 if something needed is missing."""
    findings = [*_find_tools(), *_find_encoders(), *_find_engine(), *_find_weights()]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            mark = "ok " if finding.is_good else ("BAD" if finding.is_needed else "-  ")
            print(f"{mark}  {finding.what:<28} {finding.remark}")
    if any(finding.is_needed and not finding.is_good for finding in findings):
        raise typer.Exit(NOT_HERE)


def _find_tools() -> Iterator[Finding]:
    yield Finding("Python", True, True, platform.python_version())
    ffprobe = shutil.which("ffprobe")
    yield Finding(
        "ffprobe", ffprobe is not None, True, ffprobe or "missing; install Debian's package ffmpeg"
    )
    import av

    yield Finding("PyAV", True, True, f"{av.__version__}, FFmpeg {av.ffmpeg_version_info}")


def _find_encoders() -> Iterator[Finding]:
    from media.encoding import can_open

    for name in ("libx264", "libx265", "libsvtav1", "h264_nvenc", "hevc_nvenc", "av1_nvenc"):
        opens = can_open(name, 8)
        yield Finding(f"encoder {name}", opens, name == "libx264", "opens" if opens else "not here")


def _find_engine() -> Iterator[Finding]:
    for package in ("torch", "safetensors", "einops"):
        try:
            yield Finding(package, True, True, version(package))
        except PackageNotFoundError:
            yield Finding(package, False, True, "missing; pip install 'flashvsr-service[engine]'")
            return
    import torch

    from flashvsr_core.dit.attention import BACKEND_NAMES, available_backends
    from flashvsr_core.pipeline import choose_device
    from flashvsr_core.weights.names import bundled_models, find_weights

    device = choose_device("auto")
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        remark = (
            f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, sm_{facts.major}{facts.minor}"
        )
        yield Finding("GPU", True, False, remark)
    else:
        yield Finding(
            "GPU", False, False, "none that torch can use; the CPU runs in float32, slowly"
        )
    available = available_backends(device)
    for name in BACKEND_NAMES:
        remark = "not here"
        if name in available:
            remark = "runs; chosen by default" if name == available[0] else "runs"
        yield Finding(f"attention {name}", name in available, False, remark)
    is_there = SMALL_MODEL in bundled_models()
    remark = str(find_weights(SMALL_MODEL)) if is_there else "missing; install this project again"
    yield Finding(f"model '{SMALL_MODEL}'", is_there, False, remark)


def _find_weights() -> Iterator[Finding]:
    folder = downloaded_weights()
    remark = (
        str(folder)
        if folder
        else f"none; '{SMALL_MODEL}' is used until 'flashvsr weights download'"
    )
    yield Finding("released weights", folder is not None, False, remark)
