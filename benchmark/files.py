"""A video file to a video file: reading, the model and writing side by side."""

import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmark.stream import SCALE
from flashvsr_core import FlashVSR, StreamSettings
from flashvsr_core.geometry import Size, plan_geometry
from media.open import open_sink, open_source
from upscaling.run import upscale

FRAMES_PER_SECOND = 24


def file_frames_per_second(model: FlashVSR, output: Size, frames: int) -> float:
    """Return frames a second from an H.264 file of a quarter the size to a new H.264 file.

    The clock runs from before the input is opened until the output is whole.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        _write_clip(path, Size(output.height_px // SCALE, output.width_px // SCALE), frames)
        started = time.perf_counter()
        with open_source(path) as source:
            geometry = plan_geometry(Size(source.height_px, source.width_px), scale=SCALE)
            target = Path(folder, "large.mp4")
            sink = open_sink(target, source, geometry.output.width_px, geometry.output.height_px)
            done = upscale(model, source, sink, geometry, StreamSettings())
        seconds = time.perf_counter() - started
        assert done.frames_done == frames
        return frames / seconds


def _write_clip(path: Path, size: Size, frames: int) -> None:
    """Write a picture with much detail that moves slowly."""
    random = np.random.default_rng(0)
    shape = (size.height_px + frames, size.width_px + frames, 3)
    world = random.integers(0, 256, shape, dtype=np.uint8)
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
