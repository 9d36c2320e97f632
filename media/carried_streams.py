"""Everything but the picture: sound, subtitles, chapters, tags; copied packet by packet."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import AttachmentStream, Stream
from av.subtitles.stream import SubtitleStream

from media.containers import open_input
from media.errors import StreamNotSupportedByContainerError, TruncatedError
from media.facts import VideoFacts

# Tags that describe the old file and would be wrong in the new one.
STALE_TAGS = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "rotate",
    "vendor_id",
    "duration",
    "bps",
    "number_of_frames",
    "number_of_bytes",
    "_statistics_writing_app",
    "_statistics_writing_date_utc",
    "_statistics_tags",
    "alpha_mode",
}

REWRITTEN_TRACKS = ("tmcd", "text")
"""mp4 and mov tracks that the muxer makes anew, from the timecode tag and from the chapters."""


class CarriedStreams:
    """Copies the other streams of a video into an output, in step with its new picture.

    notes: one sentence for each stream that the output cannot hold and that is left out: data
    tracks, cover art, further video streams, attachments outside Matroska. Sound and subtitles
    are never left out; an output that cannot hold them is refused.
    """

    def __init__(self, facts: VideoFacts, output: OutputContainer) -> None:
        self._facts = facts
        self._output = output
        self._input = open_input(facts.path)
        self._codecs = {stream.index: stream.codec for stream in facts.other_streams}
        self._targets: dict[int, Stream] = {}
        self.notes: list[str] = []
        self.origin_s = self._origin_s()
        self._packets: Iterator[Packet[Stream]] = iter(())
        self._next: Packet[Stream] | None = None

    @property
    def picture(self) -> Stream:
        """The source's own picture stream."""
        return self._input.streams[self._facts.stream_index]

    def starts_s(self) -> list[Fraction]:
        """When each stream of the source starts, in seconds on the output's clock."""
        return [
            stream.start_time * stream.time_base - self.origin_s
            for stream in self._input.streams
            if stream.start_time is not None and stream.time_base is not None
        ]

    def declare_before_picture(self) -> None:
        """Add to the output the streams that come before the picture in the source."""
        self._declare(list(self._input.streams)[: self._facts.stream_index])

    def declare_after_picture(self) -> None:
        """Add the streams that come after it, and the chapters and tags of the whole file."""
        self._declare(list(self._input.streams)[self._facts.stream_index + 1 :])
        self._output.metadata.update(live_tags(self._input.metadata))
        self._output.set_chapters(self._input.chapters())
        wanted = [self._input.streams[index] for index in self._targets]
        self._packets = self._input.demux(wanted) if wanted else iter(())
        self._advance()

    def mux_until(self, time_s: Fraction | None) -> None:
        """Copy packets up to a time, or all that are left; keeps the output interleaved."""
        while self._next is not None:
            packet = self._next
            when = packet.dts if packet.dts is not None else packet.pts
            if time_s is not None and self._time_s(when, packet) > time_s:
                return
            # The demuxer ends each stream with an empty packet, which is for decoders only.
            if packet.size:
                shift = round(self.origin_s / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                packet.stream = self._targets[packet.stream.index]
                self._output.mux(packet)
            self._advance()

    def _advance(self) -> None:
        try:
            self._next = next(self._packets, None)
        except FFmpegError as error:
            raise TruncatedError(
                f"{self._facts.path.name}: sound or subtitles cannot be read to the end; "
                "copy it again"
            ) from error

    def _time_s(self, ticks: int | None, packet: Packet[Stream]) -> Fraction:
        # An undated packet belongs right behind the one before it.
        return Fraction(0) if ticks is None else ticks * packet.time_base - self.origin_s

    def close(self) -> None:
        """Close the source."""
        self._input.close()

    def _origin_s(self) -> Fraction:
        # Broadcast clocks start anywhere: such a file begins at its first packet. Every other
        # container's zero is kept, so that each frame stays at exactly its own time.
        if self._facts.container != "mpegts":
            return Fraction(0)
        starts = [
            stream.start_time * stream.time_base
            for stream in self._input.streams
            if stream.start_time is not None and stream.time_base is not None
        ]
        return min(starts, default=Fraction(0))

    def _declare(self, streams: list[Stream]) -> None:
        is_matroska = self._output.format.name == "matroska"
        is_quicktime = self._output.format.name in ("mp4", "mov")
        for stream in streams:
            if stream.type in ("audio", "subtitle"):
                self._carry(stream)
            elif isinstance(stream, AttachmentStream) and is_matroska:
                self._output.add_attachment(
                    stream.name or "attachment", stream.mimetype or "", stream.data
                )
            elif not (self._codecs.get(stream.index) in REWRITTEN_TRACKS and is_quicktime):
                codec = self._codecs.get(stream.index, "unknown")
                self.notes.append(
                    f"{self._facts.path.name}: stream {stream.index} ({stream.type}, {codec}) "
                    "is not carried over"
                )

    def _carry(self, stream: Stream) -> None:
        try:
            target = self._output.add_stream_from_template(stream)
        except (ValueError, FFmpegError) as error:
            raise self.refusal(stream) from error
        if isinstance(stream, SubtitleStream):
            target.codec_context.extradata = stream.codec_context.extradata
        target.metadata.update(live_tags(stream.metadata))
        target.disposition = stream.disposition
        self._targets[stream.index] = target

    def refusal(self, stream: Stream | None = None) -> StreamNotSupportedByContainerError:
        """Name the stream that does not fit, or all of them where only the muxer knows."""
        streams = (
            [stream] if stream is not None else [self._input.streams[i] for i in self._targets]
        )
        named = ", ".join(
            f"{each.type} stream {each.index} ({cast(str, each.name)})" for each in streams
        )
        others = "an .mp4" if self._output.format.name == "matroska" else "an .mkv"
        return StreamNotSupportedByContainerError(
            f"{self._facts.path.name}: {named} cannot be put into {self._output.format.name}; "
            f"choose {others} output"
        )


def live_tags(tags: dict[str, str]) -> dict[str, str]:
    """Keep the tags that stay true in the new file."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower().removesuffix("-eng") not in STALE_TAGS
    }
