"""Open an input and its output by what they are: a video, an image, a folder of images."""

from __future__ import annotations

from pathlib import Path

from media.encoding import Encoding
from media.errors import OutputFormatError
from media.frame import FrameSink, FrameSource
from media.image_writer import ImageWriter
from media.images import IMAGE_SUFFIXES, ImageReader
from media.probe import ProbeLimits, probe
from media.reader import Hwaccel, VideoReader
from media.writer import VideoWriter


def open_source(
    path: str | Path, limits: ProbeLimits | None = None, hwaccel: Hwaccel = "none"
) -> FrameSource:
    """Open a video, an image or a folder of images, or raise the `InputError` that says why not."""
    path = Path(path)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageReader(path, limits)
    return VideoReader(probe(path, limits), hwaccel)


def open_sink(
    path: str | Path,
    source: FrameSource,
    width_px: int,
    height_px: int,
    encoding: Encoding | None = None,
) -> FrameSink:
    """Open the output that belongs to a source: a video for a video, images for images.

    Raises an `OutputError` before any work is done where the output could not be written.
    """
    path = Path(path)
    if isinstance(source, VideoReader):
        return VideoWriter(path, source.facts, width_px, height_px, encoding)
    if isinstance(source, ImageReader):
        return ImageWriter(path, source, width_px, height_px)
    raise OutputFormatError(f"{path.name}: no output is known for a {type(source).__name__}")
