"""Enlarging files of this machine one after another with one model."""

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cli.choices import ColorName
from cli.errors import UsageError
from cli.folders import default_weights
from cli.progress import progress_bar
from cli.sizes import parse_size
from media.encoding import Encoding
from media.frame import FrameSource
from media.open import open_sink, open_source

if TYPE_CHECKING:
    from flashvsr_core import FlashVSR, Geometry
    from upscaling import Progress


@dataclass(frozen=True)
class Options:
    """What can be chosen for one file; what another of them makes of a file is another result."""

    scale: int | None = None
    size: str | None = None
    seed: int = 0
    color: ColorName = "auto"
    codec: Literal["h264", "hevc", "av1"] | None = None
    bit_depth: int | None = None
    crf: int | None = None
    preset: str | None = None
    tile: int | None = None
    local_range: int = 11
    sparse_ratio: float = 2.0

    def __post_init__(self) -> None:
        if self.scale is not None and self.size is not None:
            raise UsageError("--scale and --size exclude each other; give one of them")
        if self.size is not None:
            parse_size(self.size)


@dataclass(frozen=True)
class Machine:
    """How it is computed, and with which weights."""

    pipeline: Literal["tiny", "full"] = "tiny"
    weights: str | None = None
    model_version: Literal["v1", "v1.1"] | None = None
    attention: str = "auto"
    device: str = "auto"
    hardware: Literal["auto", "none", "nvenc"] = "none"
    hwaccel: Literal["none", "auto", "cuda"] = "none"


@dataclass(frozen=True)
class Enlarged:
    """What became of one file."""

    output: Path
    geometry: "Geometry"
    done: "Progress"
    notes: tuple[str, ...]
    model: "FlashVSR"

    def as_json(self) -> dict[str, Any]:
        """Describe it in plain JSON types."""
        return {
            "output": str(self.output),
            "width_px": self.geometry.output.width_px,
            "height_px": self.geometry.output.height_px,
            "frames": self.done.frames_done,
            "elapsed_s": round(self.done.elapsed_s, 3),
            "frames_per_second": round(self.done.frames_per_second, 3),
            "device": str(self.model.network.device),
            **_peak_memory(self.model),
        }

    def __str__(self) -> str:
        names = {"peak_memory_bytes": "memory", "peak_gpu_memory_bytes": "GPU memory"}
        memory = _peak_memory(self.model)
        peak = ", ".join(f"{value / 2**30:.2f} GiB {names[key]}" for key, value in memory.items())
        return (
            f"{self.output}: {self.done.frames_done} frames of {self.geometry.output} in"
            f" {self.done.elapsed_s:.1f} s ({self.done.frames_per_second:.2f} frames/s; {peak})"
        )


class Enlarger:
    """Enlarges files; the model is loaded for the first of them."""

    def __init__(self, options: Options, machine: Machine) -> None:
        self._options, self._machine = options, machine
        self._model: FlashVSR | None = None

    def enlarge(self, path: Path, output: Path, *, has_bar: bool) -> Enlarged:
        """Make the output, which appears when it is whole.

        Raises:
            UsageError: the options do not suit the file.
            MediaError: the file cannot be read, or the output not be written.

        """
        chosen, machine = self._options, self._machine
        with open_source(path, hwaccel=machine.hwaccel) as source:
            depth = _depth_of(source) if chosen.bit_depth is None else chosen.bit_depth
            if depth not in (8, 10):
                raise UsageError(f"A bit depth of {depth} is not supported; choose 8 or 10")
            encoding = Encoding(
                codec=chosen.codec or ("h264" if depth == 8 else "hevc"),
                bit_depth=10 if depth == 10 else 8,
                crf=chosen.crf,
                preset=chosen.preset,
                hardware=machine.hardware,
            )
            # Torch takes seconds to import, so mistakes in the arguments are reported before it.
            from flashvsr_core import StreamSettings
            from upscaling import upscale

            geometry = self._geometry(source)
            settings = StreamSettings(
                seed=chosen.seed,
                color=chosen.color,
                bit_depth=depth,
                local_range=chosen.local_range,
                sparse_ratio=chosen.sparse_ratio,
                tile_px=chosen.tile,
            )
            sink = open_sink(
                output, source, geometry.output.width_px, geometry.output.height_px, encoding
            )
            try:
                model = self._load()
                with progress_bar(path.name, is_shown=has_bar) as update:
                    done = upscale(model, source, sink, geometry, settings, update)
            except BaseException:
                sink.abort()
                raise
        return Enlarged(output, geometry, done, tuple(getattr(sink, "notes", ())), model)

    def _geometry(self, source: FrameSource) -> "Geometry":
        from flashvsr_core import Size, plan_geometry

        frame = Size(source.height_px, source.width_px)
        if self._options.size is None:
            return plan_geometry(frame, scale=self._options.scale or 4)
        width_px, height_px = parse_size(self._options.size)
        return plan_geometry(frame, output=Size(height_px, width_px))

    def _load(self) -> "FlashVSR":
        if self._model is None:
            from flashvsr_core import FlashVSR
            from flashvsr_core.weights.names import find_weights

            machine = self._machine
            self._model = FlashVSR.load(
                find_weights(machine.weights or default_weights()),
                pipeline=machine.pipeline,
                device=machine.device,
                attention=machine.attention,
                version=machine.model_version,
            )
        return self._model


def _depth_of(source: FrameSource) -> int:
    return 8 if source.bit_depth == 8 else 10


def _peak_memory(model: "FlashVSR") -> dict[str, int]:
    # Linux counts the peak resident set in KiB.
    peaks = {"peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if model.network.device.type == "cuda":
        import torch

        peaks["peak_gpu_memory_bytes"] = torch.cuda.max_memory_allocated(model.network.device)
    return peaks
