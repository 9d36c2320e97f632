"""Whole clips through the engine: frames in memory in, frames in the device's memory out."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.machine import finish
from flashvsr_core import FlashVSR
from flashvsr_core.geometry import Size, plan_geometry

GIB = 2**30
SCALE = 4


@dataclass(frozen=True)
class StreamFigures:
    """One run."""

    frames: int
    seconds: float
    peak_bytes: int

    @property
    def frames_per_second(self) -> float:
        """Frames out a second, the first chunk's included."""
        return self.frames / self.seconds


def random_clip(output: Size, frames: int) -> Tensor:
    """Return (T, H, W, 3) uint8 frames that are enlarged by 4 to the output size."""
    shape = (frames, output.height_px // SCALE, output.width_px // SCALE, 3)
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def run_stream(model: FlashVSR, output: Size, frames: int) -> StreamFigures:
    """Enlarge a clip and throw the frames away; the first call of a size also compiles."""
    clip = random_clip(output, frames)
    geometry = plan_geometry(Size(*clip.shape[1:3]), scale=SCALE)
    device = model.network.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    finish(device)
    started = time.perf_counter()
    count = sum(len(batch) for batch in model.upscale([clip], geometry))
    finish(device)
    seconds = time.perf_counter() - started
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return StreamFigures(count, seconds, peak)
