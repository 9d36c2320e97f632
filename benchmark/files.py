"""A video file to a video file: reading, the model and writing side by side."""

import tempfile
import time
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import av
import numpy as np
from torch import Tensor

from benchmark.stream import SCALE
from flashvsr_core import FlashVSR, StreamSettings
from flashvsr_core.color import ColorFix, to_levels
from flashvsr_core.geometry import Size, plan_geometry
from media.encoding import Encoding
from media.open import open_sink, open_source
from upscaling.run import upscale

FRAMES_PER_SECOND = 24


def file_frames_per_second(
    model: FlashVSR, output: Size, frames: int, preset: str | None = None
) -> float:
    """Return frames a second from an H.264 file of a quarter the size to a new H.264 file.

    The clock runs from before the input is opened until the output is whole. Random weights paint
    noise, on which an encoder takes many times longer than on any video: everything is computed,
    and the enlarged input is written in its place.

    Args:
        model: with random weights.
        output: the size of the new file.
        frames: how many.
        preset: the encoder's; None is the command's default.

    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        _write_clip(path, Size(output.height_px // SCALE, output.width_px // SCALE), frames)
        with patch("flashvsr_core.finish.to_levels", _drop_result):
            started = time.perf_counter()
            with open_source(path) as source:
                geometry = plan_geometry(Size(source.height_px, source.width_px), scale=SCALE)
                sink = open_sink(
                    Path(folder, "large.mp4"),
                    source,
                    geometry.output.width_px,
                    geometry.output.height_px,
                    Encoding(preset=preset),
                )
                done = upscale(model, source, sink, geometry, StreamSettings())
            seconds = time.perf_counter() - started
        assert done.frames_done == frames
        return frames / seconds


def _drop_result(result: Tensor, source: Tensor, fix: ColorFix, bit_depth: int) -> Tensor:
    to_levels(result, source, fix, bit_depth)
    return to_levels(source, source, "none", bit_depth)


def _write_clip(path: Path, size: Size, frames: int) -> None:
    """Write a picture with the spectrum of natural ones (amplitude 1 / frequency) that drifts."""
    random = np.random.default_rng(0)
    height, width = size.height_px + frames, size.width_px + frames
    down, across = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    amplitude = 1 / np.maximum(np.hypot(down, across), 1 / width)
    planes = []
    for _ in range(3):
        spectrum = np.fft.fft2(random.standard_normal((height, width))) * amplitude
        plane = np.fft.ifft2(spectrum).real
        planes.append(128 + 50 * plane / plane.std())
    world = np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = size.width_px, size.height_px, "yuv420p"
        stream.time_base = Fraction(1, FRAMES_PER_SECOND)
        for index in range(frames):
            pixels = world[index : index + size.height_px, index : index + size.width_px]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
