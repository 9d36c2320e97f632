"""Compare what a container promises with what came out of it, so that no cut file passes for whole.

mp4 and mov list every frame in an index, AVI counts them in its header, Matroska states durations.
MPEG-TS promises nothing; a cut one cannot be told from a short one.
"""

from __future__ import annotations

from fractions import Fraction

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from media.errors import TruncatedError
from media.facts import VideoFacts

SLACK_S = Fraction(1, 2)
"""How much earlier than promised a file may end: writers round, and pad the last block."""


class Promise:
    """What the container of one video says about its own end."""

    def __init__(self, container: InputContainer, stream: VideoStream, facts: VideoFacts) -> None:
        self._facts = facts
        self.frame_count: int | None = None
        self._end_s: Fraction | None = None
        self._reached_s = Fraction(0)
        if facts.container.startswith("mov"):
            # Edit lists hide frames from the index entries on, which nb_frames does not know.
            # A fragmented file's index grows while it is read: its count is taken at the end.
            self._index = stream.index_entries
            self.frame_count = self._indexed_count()
        elif facts.container == "avi":
            self._promise_avi(stream)
        elif facts.container.startswith("matroska") and container.duration is not None:
            self._end_s = Fraction(container.duration, 1_000_000)

    def _promise_avi(self, stream: VideoStream) -> None:
        # Empty chunks keep the rhythm of an AVI and are no frames. The index at the end of the
        # file tells them apart; without it the header's count of chunks is as good as a duration.
        sizes = [entry.size for entry in stream.index_entries]
        if len(sizes) >= stream.frames:
            self.frame_count = sum(size > 0 for size in sizes) or None
        elif stream.frames and stream.time_base is not None:
            self._end_s = stream.frames * stream.time_base

    def note(self, packet: Packet[Stream]) -> None:
        """Look at a packet on its way to a decoder."""
        start = packet.pts if packet.pts is not None else packet.dts
        if start is not None and self._end_s is not None:
            end_s = (start + (packet.duration or 0)) * packet.time_base
            self._reached_s = max(self._reached_s, end_s)

    def check(self, frame_count: int) -> None:
        """Raise `TruncatedError` unless the frames read so far are all that was promised."""
        promised = self.frame_count
        if self._facts.container.startswith("mov"):
            promised = self._indexed_count()
        if promised is not None and frame_count < promised:
            raise TruncatedError(
                f"{self._facts.path.name}: the file holds {frame_count} of the {promised} frames "
                "that its header promises; copy it again"
            )
        if self._end_s is not None and self._reached_s + SLACK_S < self._end_s:
            raise TruncatedError(
                f"{self._facts.path.name}: the file ends at {float(self._reached_s):.2f} s of the "
                f"{float(self._end_s):.2f} s that its header promises; copy it again"
            )

    def _indexed_count(self) -> int | None:
        return sum(not entry.is_discard for entry in self._index) or None
