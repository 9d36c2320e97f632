"""Read a video file as upright, full-range RGB frames with their own timestamps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from media.completeness import Promise
from media.containers import open_input
from media.convert import ToRgb
from media.errors import (
    AlphaNotSupportedError,
    DecodeError,
    HardwareNotAvailableError,
    NotAVideoError,
    NoVideoStreamError,
    SizeChangedError,
    TimestampError,
)
from media.facts import VideoFacts
from media.frame import ClosedOnExit, Frame

Hwaccel = Literal["auto", "none", "cuda"]


class VideoReader(ClosedOnExit):
    """The frames of one video, in the order in which they are shown; can be iterated once.

    Interlaced pictures are deinterlaced one for one, rotation is applied, damaged or missing
    frames raise `DecodeError` or `TruncatedError` (the latter after the last good frame).
    hwaccel: "none" decodes on the processor, which notices damage; "auto" takes a CUDA decoder
    where there is one, "cuda" insists on it, and both may paint over damage.
    """

    def __init__(self, facts: VideoFacts, hwaccel: Hwaccel = "none") -> None:
        if facts.has_alpha:
            raise AlphaNotSupportedError(
                f"{facts.path.name}: transparency is not supported; flatten it onto a background"
            )
        self.facts = facts
        self._container = _open(facts, hwaccel)
        self._stream = _picture_stream(self._container, facts)
        self._stream.thread_type = "AUTO"
        # Damage must not be painted over: an error instead of a guessed picture.
        self._stream.codec_context.options = {"err_detect": "explode"}
        self._promise = Promise(self._container, self._stream, facts)
        self._was_started = False

    @property
    def path(self) -> Path:
        """The file that is read."""
        return self.facts.path

    @property
    def width_px(self) -> int:
        """Width of the upright picture."""
        return self.facts.width_px

    @property
    def height_px(self) -> int:
        """Height of the upright picture."""
        return self.facts.height_px

    @property
    def bit_depth(self) -> int:
        """8 or 10; 10 stands for every depth above 8."""
        return self.facts.bit_depth

    @property
    def frame_count(self) -> int | None:
        """Number of frames if the container knows, else an estimate, else None."""
        return self._promise.frame_count or self.facts.frame_count

    def __iter__(self) -> Iterator[Frame]:
        if self._was_started:
            raise RuntimeError("a VideoReader can be iterated once; open the file again")
        self._was_started = True
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        facts = self.facts
        to_rgb = ToRgb(facts)
        time_base = self._stream.time_base or facts.time_base
        clock = _Clock(facts, time_base)
        times: deque[tuple[int, int]] = deque()
        count = 0
        for decoded in self._decode(clock):
            times.append(clock.stamp(decoded))
            for pixels in to_rgb.feed(decoded):
                count += 1
                yield Frame(pixels, times[0][0], time_base, times.popleft()[1])
        for pixels in to_rgb.flush():
            count += 1
            yield Frame(pixels, times[0][0], time_base, times.popleft()[1])
        if count == 0:
            raise NoVideoStreamError(
                f"{facts.path.name}: the video stream holds no frame; give a file with a picture"
            )
        self._promise.check(count)

    def _decode(self, clock: _Clock) -> Iterator[av.VideoFrame]:
        """Decode to the very end, checking every picture; the demuxer ends with a flush packet."""
        name, count, has_key = self.facts.path.name, 0, False
        raw_size = (self._stream.width, self._stream.height)
        # All streams are demuxed, since the longest one tells whether the file is whole.
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                self._promise.check(count)
                raise self._damage(count) from error
            if packet is None:
                return
            self._promise.note(packet)
            if packet.stream is not self._stream:
                continue
            # A broadcast recording may start between key frames; nobody can show those pictures.
            has_key = has_key or packet.is_keyframe or self.facts.container != "mpegts"
            if not has_key:
                continue
            clock.note(packet)
            try:
                frames = packet.decode()
            except FFmpegError as error:
                if packet.is_corrupt:  # The demuxer could read only a part of it.
                    self._promise.check(count)
                raise self._damage(count) from error
            for frame in frames:
                assert isinstance(frame, av.VideoFrame)
                if frame.is_corrupt:
                    raise self._damage(count)
                if (frame.width, frame.height) != raw_size:
                    raise SizeChangedError(
                        f"{name}: the picture changes from {raw_size[0]}x{raw_size[1]} to "
                        f"{frame.width}x{frame.height} at frame {count}; cut the video there"
                    )
                count += 1
                yield frame

    def _damage(self, frame_count: int) -> DecodeError:
        return DecodeError(
            f"{self.facts.path.name}: the video is damaged after frame {frame_count}; "
            "repair it or copy it again"
        )

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        self._container.close()


class _Clock:
    """Gives every decoded frame its timestamp, and insists that they rise."""

    def __init__(self, facts: VideoFacts, time_base: Fraction) -> None:
        self._name = facts.path.name
        rate = facts.average_rate or Fraction(25)
        self._usual_duration = max(1, round(1 / rate / time_base))
        self._last: int | None = None
        # AVI knows only the order of decoding, and FFmpeg's guess at the order of showing is wrong
        # for B-frames: the n-th frame shown takes the time of the n-th packet.
        self._packet_times: deque[int] | None = deque() if facts.container == "avi" else None

    def note(self, packet: Packet[Stream]) -> None:
        """Look at a packet on its way to the decoder."""
        if self._packet_times is not None and packet.size and packet.dts is not None:
            self._packet_times.append(packet.dts)

    def stamp(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Return pts and duration of the next frame."""
        pts = frame.pts if frame.pts is not None else frame.dts
        if self._packet_times is not None:
            pts = self._packet_times.popleft() if self._packet_times else None
        if pts is None:
            pts = 0 if self._last is None else self._last + self._usual_duration
        if self._last is not None and pts <= self._last:
            if self._last - pts > self._usual_duration:
                raise TimestampError(
                    f"{self._name}: timestamps jump back by {self._last - pts} ticks; "
                    "remux or cut the video there"
                )
            # Two frames at one instant: the later one moves by one tick, as no frame is dropped.
            pts = self._last + 1
        self._last = pts
        return pts, frame.duration or 0


def _open(facts: VideoFacts, hwaccel: Hwaccel) -> InputContainer:
    if hwaccel not in ("auto", "none", "cuda"):
        raise ValueError(f"hwaccel must be auto, none or cuda, not {hwaccel!r}")
    attempts = {"auto": [True, False], "cuda": [True], "none": [False]}[hwaccel]
    for with_hardware in attempts:
        accelerator = (
            HWAccel("cuda", allow_software_fallback=hwaccel == "auto") if with_hardware else None
        )
        try:
            return open_input(facts.path, accelerator)
        except (FFmpegError, RuntimeError, NotImplementedError) as error:
            if not with_hardware:
                raise NotAVideoError(
                    f"{facts.path.name}: this is not a video that can be read; "
                    "check that it plays, and copy it again"
                ) from error
            if hwaccel == "cuda":
                raise HardwareNotAvailableError(
                    f"{facts.path.name}: no CUDA decoder for {facts.codec} on this machine; "
                    'use hwaccel "auto"'
                ) from error
    raise AssertionError("the last attempt either returns or raises")


def _picture_stream(container: InputContainer, facts: VideoFacts) -> VideoStream:
    stream = container.streams[facts.stream_index]
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        container.close()
        raise NotAVideoError(
            f"{facts.path.name}: there is no decoder for {facts.codec}; convert it to h264 first"
        )
    return stream
