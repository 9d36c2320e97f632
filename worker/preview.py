"""A poster and a short film of before and after, made from frames as they pass by.

Nothing is decoded a second time. They are extras: where they cannot be made, there are none.
"""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.stream import VideoStream
from PIL import Image

from flashvsr_core import Size
from media.errors import TooLargeError
from media.facts import VideoFacts
from media.frame import ClosedOnExit, Frame, FrameSink, FrameSource, Pixels

PREVIEW_S = 5
FRAMES_MAX = 300
HALF_PX = 640
"""Each half of the preview fits into a square of this side."""
POSTER_PX = 1920

_BT709 = 1
_LIMITED_RANGE = 1
_MISTAKES = (FFmpegError, OSError, ValueError)

log = logging.getLogger(__name__)


class Showcase:
    """Watches one video from both ends; wrap its source and its sink."""

    def __init__(
        self, folder: Path, facts: VideoFacts, output: Size, longest_s: float | None = None
    ) -> None:
        """Plan what to show.

        Args:
            folder: in which `finish` leaves its files.
            facts: of the source.
            output: size of the result.
            longest_s: a source whose header did not tell its duration ends with an error here.

        """
        self._poster, self._preview = folder / "poster.jpg", folder / "preview.mp4"
        self._longest_s = longest_s
        rate = facts.average_rate or Fraction(25)
        wanted = min(FRAMES_MAX, max(1, round(rate * PREVIEW_S)))
        count = facts.frame_count or 0
        # Films often begin in the dark; a quarter in, there is something to see.
        self._poster_at = count // 4
        start = max(0, min(self._poster_at, count - wanted))
        self._window = range(start, start + wanted)
        self._half = _fit(output, HALF_PX)
        self._poster_size = _fit(output, POSTER_PX)
        self._before: dict[int, npt.NDArray[np.uint8]] = {}
        self._film: _Film | None = None
        self._is_broken = False
        self._rate = rate
        self._shown = 0

    def source(self, reader: FrameSource) -> FrameSource:
        """Look at what is read."""
        return _WatchedSource(reader, self)

    def sink(self, writer: FrameSink) -> FrameSink:
        """Look at what is written."""
        return _WatchedSink(writer, self)

    def saw_before(self, number: int, frame: Frame, first_pts: int) -> None:
        """Remember a frame of the source if it will be shown; called by the reading thread."""
        if self._longest_s is not None and (frame.pts - first_pts) * frame.time_base > Fraction(
            self._longest_s
        ):
            raise TooLargeError(
                f"The video is longer than the limit of {self._longest_s:.0f} s; cut it into parts."
            )
        if number in self._window and not self._is_broken:
            self._before[number] = _resized(frame.pixels, self._half)
            if number == self._window.start:
                self._first_pts, self._time_base = frame.pts, frame.time_base

    def saw_after(self, number: int, pixels: Pixels, pts: int) -> None:
        """Show a frame of the result; called by the writing thread."""
        if self._is_broken or (number not in self._window and number not in (0, self._poster_at)):
            return
        try:
            if number in (0, self._poster_at):
                Image.fromarray(_resized(pixels, self._poster_size)).save(self._poster, quality=90)
            if number in self._window:
                pair = np.hstack([self._before.pop(number), _resized(pixels, self._half)])
                if self._film is None:
                    self._film = _Film(self._preview, pair, self._rate, self._time_base)
                self._film.add(pair, pts - self._first_pts)
        except _MISTAKES:
            log.exception("there will be no preview")
            self.abort()

    def finish(self) -> tuple[Path | None, Path | None]:
        """Close the files; return poster and preview, or None for what there is not."""
        try:
            if self._film is not None:
                self._film.close()
        except _MISTAKES:
            log.exception("there will be no preview")
            self.abort()
        return tuple(path if path.exists() else None for path in (self._poster, self._preview))  # type: ignore[return-value]

    def abort(self) -> None:
        """Leave nothing behind."""
        self._is_broken = True
        self._before.clear()
        film, self._film = self._film, None
        if film is not None:
            film.abort()
        self._preview.unlink(missing_ok=True)
        self._poster.unlink(missing_ok=True)


class _Film:
    def __init__(
        self, path: Path, first: npt.NDArray[np.uint8], rate: Fraction, time_base: Fraction
    ) -> None:
        height_px, width_px = first.shape[:2]
        self._container = av.open(str(path), "w", options={"movflags": "+faststart"})
        self._time_base = time_base
        # H.264, because browsers play it everywhere; they play HEVC almost nowhere.
        stream = self._container.add_stream(
            "libx264",
            rate=min(rate, Fraction(240)),
            width=width_px,
            height=height_px,
            time_base=time_base,
            options={"preset": "veryfast", "crf": "21"},
        )
        assert isinstance(stream, VideoStream)
        self._stream = stream
        context = stream.codec_context
        context.pix_fmt = "yuv420p"
        context.color_range = _LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = _BT709

    def add(self, picture: npt.NDArray[np.uint8], pts: int) -> None:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE
        )
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def abort(self) -> None:
        try:
            self._container.close()
        except _MISTAKES:
            log.debug("an unfinished preview could not be closed", exc_info=True)


class _WatchedSource(ClosedOnExit):
    """Passes on a source."""

    def __init__(self, reader: FrameSource, showcase: Showcase) -> None:
        self._reader, self._showcase = reader, showcase

    @property
    def path(self) -> Path:
        return self._reader.path

    @property
    def width_px(self) -> int:
        return self._reader.width_px

    @property
    def height_px(self) -> int:
        return self._reader.height_px

    @property
    def bit_depth(self) -> int:
        return self._reader.bit_depth

    @property
    def frame_count(self) -> int | None:
        return self._reader.frame_count

    def __iter__(self) -> Iterator[Frame]:
        first_pts = None
        for number, frame in enumerate(self._reader):
            first_pts = frame.pts if first_pts is None else first_pts
            self._showcase.saw_before(number, frame, first_pts)
            yield frame

    def close(self) -> None:
        self._reader.close()


class _WatchedSink(FrameSink):
    """Passes on to a sink."""

    def __init__(self, writer: FrameSink, showcase: Showcase) -> None:
        self._writer, self._showcase = writer, showcase
        self._number = 0

    def write(self, pixels: Pixels, pts: int, duration: int = 0) -> None:
        self._writer.write(pixels, pts, duration)
        self._showcase.saw_after(self._number, pixels, pts)
        self._number += 1

    def commit(self) -> None:
        self._writer.commit()

    def abort(self) -> None:
        self._writer.abort()


def _fit(size: Size, side_px: int) -> tuple[int, int]:
    """Return width and height, both even, that fit into a square; nothing is made larger."""
    factor = min(1.0, side_px / max(size.width_px, size.height_px))
    width, height = (
        max(2, 2 * round(length * factor / 2)) for length in (size.width_px, size.height_px)
    )
    return width, height


def _resized(pixels: Pixels, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    bytes_ = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(bytes_))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
