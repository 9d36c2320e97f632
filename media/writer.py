"""Write RGB frames as a video file that keeps everything else of its source."""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from media.carried_streams import CarriedStreams, live_tags
from media.color import ColorTags
from media.containers import TAG_ERRORS, WRITABLE_FORMATS, file_url
from media.convert import FromRgb
from media.encoding import EncoderChoice, Encoding, choose_encoder
from media.errors import (
    EncodeError,
    EncodingNotSupportedError,
    MediaError,
    OutputFormatError,
    OutputFullError,
)
from media.facts import VideoFacts
from media.frame import FrameSink, Pixels
from media.publish import FULL_DISK_ERRNOS, PartialOutput
from media.scheduling import kept_scheduling

MILLISECOND = Fraction(1, 1000)
MAX_MOVIE_TIMESCALE = 10_000_000
MAX_HINTED_RATE = 240
"""SVT-AV1 opens at no more; the hint steers rate control only, never a timestamp."""


class VideoWriter(FrameSink):
    """One output video, published whole when the `with` block ends without an exception.

    The constructor checks everything that can be checked: path, codec, container, every stream
    of the source. Timestamps are the source's, exact in mp4 and mov, to the millisecond in mkv
    and webm (the source's own precision if it is one of these).
    notes: sentences about streams of the source that are left out.
    """

    def __init__(
        self,
        path: Path,
        facts: VideoFacts,
        width_px: int,
        height_px: int,
        encoding: Encoding | None = None,
    ) -> None:
        encoding = encoding or Encoding()
        self.path, self.width_px, self.height_px = path, width_px, height_px
        self._facts = facts
        muxer = WRITABLE_FORMATS.get(path.suffix.lower())
        if muxer is None:
            raise OutputFormatError(
                f"{path.name}: {path.suffix or 'a name without an ending'} cannot be written; "
                f"choose one of {', '.join(WRITABLE_FORMATS)}"
            )
        choice = choose_encoder(encoding, width_px, height_px, facts)
        color = output_color(facts, width_px, height_px)
        self._from_rgb = FromRgb(choice.pixel_format, color, encoding.bit_depth)
        self._partial = PartialOutput(path, facts.path)
        self._container: OutputContainer | None = None
        self._carried: CarriedStreams | None = None
        self._frames_in, self._frames_out = 0, 0
        self._pending_durations: dict[int, int] = {}
        self._last_pts: int | None = None
        self._is_done = False
        try:
            self._open(muxer, choice, color)
        except BaseException:
            self.abort()
            raise

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about streams of the source that are left out."""
        assert self._carried is not None
        return tuple(self._carried.notes)

    def _open(self, muxer: str, choice: EncoderChoice, color: ColorTags) -> None:
        url = file_url(self._partial.path)
        self._container = av.open(url, "w", format=muxer, metadata_errors=TAG_ERRORS)
        carried = self._carried = CarriedStreams(self._facts, self._container)
        if muxer in ("mp4", "mov"):
            self._container.container_options.update(
                movflags="+faststart", movie_timescale=str(_movie_timescale(carried.starts_s()))
            )
        self._time_base = carried.picture.time_base or self._facts.time_base
        self._shift = round(carried.origin_s / self._time_base)
        carried.declare_before_picture()
        self._stream = self._add_picture(choice, color)
        self._stream.metadata.update(live_tags(carried.picture.metadata))
        self._stream.disposition = carried.picture.disposition
        carried.declare_after_picture()
        try:
            with kept_scheduling():
                self._container.start_encoding()
        except FFmpegError as error:
            if not self._stream.codec_context.is_open:
                raise EncodingNotSupportedError(
                    f"{self.path.name}: {choice.name} does not take {self.width_px}x"
                    f"{self.height_px} with these settings; change preset, crf or codec"
                ) from error
            if error.errno in FULL_DISK_ERRNOS:
                raise self._failure(error) from error
            raise carried.refusal() from error

    def _add_picture(self, choice: EncoderChoice, color: ColorTags) -> VideoStream:
        assert self._container is not None
        facts = self._facts
        rate = min(facts.average_rate or Fraction(25), Fraction(MAX_HINTED_RATE))
        try:
            stream = self._container.add_stream(
                choice.name,
                rate=rate,
                options=choice.options,
                width=self.width_px,
                height=self.height_px,
                time_base=self._time_base,
            )
        except ValueError as error:
            raise EncodingNotSupportedError(
                f"{self.path.name}: {self.path.suffix} cannot hold {choice.name} video; "
                "choose .mp4 or .mkv, or codec av1 for .webm"
            ) from error
        stream = cast(VideoStream, stream)
        context = stream.codec_context
        context.pix_fmt = choice.pixel_format
        context.sample_aspect_ratio = facts.sample_aspect_ratio
        context.color_range = {"tv": 1, "pc": 2}[color.range or "tv"]
        context.colorspace = color.matrix_number
        context.color_primaries = color.primaries_number
        context.color_trc = color.transfer_number
        if choice.threads and choice.name == "libx264":
            context.thread_count = choice.threads
        if choice.name in ("libx265", "hevc_nvenc") and self.path.suffix.lower() not in (
            ".mkv",
            ".webm",
        ):
            # Apple's players open HEVC only under this name.
            context.codec_tag = "hvc1"
        return stream

    def write(self, pixels: Pixels, pts: int, duration: int = 0) -> None:
        """Add one (H, W, 3) RGB picture, uint8 or uint16 (0..65535).

        pts, duration: in the source's time base; pts must rise, a duration of 0 is unknown.
        """
        if pixels.shape != (self.height_px, self.width_px, 3):
            raise ValueError(f"expected {self.width_px}x{self.height_px} RGB, got {pixels.shape}")
        if pixels.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"expected uint8 or uint16, got {pixels.dtype}")
        if self._last_pts is not None and pts <= self._last_pts:
            raise ValueError(f"timestamps must rise: {pts} after {self._last_pts}")
        # Only the last frame's duration reaches the file: without one, it lasts as the one before.
        previous_gap = 0 if self._last_pts is None else pts - self._last_pts
        self._pending_durations[pts - self._shift] = duration or previous_gap
        self._last_pts = pts
        self._frames_in += 1
        frame = self._from_rgb.convert(pixels, pts - self._shift, self._time_base)
        self._encode(frame)

    def _encode(self, frame: av.VideoFrame | None) -> None:
        assert self._container is not None
        assert self._carried is not None
        try:
            for packet in self._stream.encode(frame):
                packet.duration = self._pending_durations.pop(packet.pts or 0, 0)
                self._frames_out += 1
                if packet.dts is not None:
                    self._carried.mux_until(packet.dts * packet.time_base)
                self._container.mux(packet)
            if frame is None:
                self._carried.mux_until(None)
        except FFmpegError as error:
            raise self._failure(error) from error

    def commit(self) -> None:
        """Finish and publish; raises `EncodeError` if no frame was written."""
        if self._is_done:
            return
        assert self._container is not None
        try:
            if self._frames_in == 0:
                raise EncodeError(f"{self.path.name}: no frame was written; nothing is published")
            self._encode(None)
            try:
                self._container.close()
            except FFmpegError as error:
                raise self._failure(error) from error
            if self._frames_out != self._frames_in:
                raise EncodeError(
                    f"{self.path.name}: the encoder returned {self._frames_out} of "
                    f"{self._frames_in} frames; choose another codec or preset"
                )
            self._partial.publish()
        except BaseException:
            self.abort()
            raise
        self._finish()

    def abort(self) -> None:
        """Stop and remove every trace; more than once, or after `commit`, does no harm."""
        if self._is_done:
            return
        if self._container is not None:
            # A full disk also stops the trailer; the file is thrown away in any case.
            with suppress(FFmpegError):
                self._container.close()
        self._partial.discard()
        self._finish()

    def _finish(self) -> None:
        self._is_done = True
        if self._carried is not None:
            self._carried.close()

    def _failure(self, error: FFmpegError) -> MediaError:
        if error.errno in FULL_DISK_ERRNOS:
            return OutputFullError(
                f"{self.path}: the disk is full or a size limit is reached; free some space"
            )
        return EncodeError(
            f"{self.path.name}: writing failed after {self._frames_in} frames "
            f"({error.strerror}); try an .mkv output or another codec"
        )


def output_color(facts: VideoFacts, width_px: int, height_px: int) -> ColorTags:
    """Decide the output's colour tags: the source's, with matrix and range always spelled out.

    An untagged SD source is BT.601 to every player; enlarged and still untagged it would turn into
    BT.709 and change its colours. RGB sources become YUV with the matrix usual at the new size.
    """
    if facts.color.matrix == "gbr":
        bare = ColorTags(primaries=facts.color.primaries, transfer=facts.color.transfer)
        return bare.resolved(width_px, height_px)
    return facts.resolved_color


def _movie_timescale(starts_s: list[Fraction]) -> int:
    """Return the ticks per second in which mp4 can state every stream's start without rounding."""
    scale = math.lcm(MILLISECOND.denominator, *(start.denominator for start in starts_s))
    return scale if scale <= MAX_MOVIE_TIMESCALE else MILLISECOND.denominator
