"""A video as scenes: each is a stream of its own, so that nothing is carried over a cut."""

from collections.abc import Callable, Iterator

from torch import Tensor

from flashvsr_core.cuts import CutDetector
from flashvsr_core.stream import UpscaleStream


class SceneStreams:
    """One video: feed frames in order, then flush; as many frames come out as went in.

    Memory does not grow with the number of frames. Not safe for use from two threads at once.
    """

    def __init__(self, start: Callable[[], UpscaleStream]) -> None:
        """Begin a video; `start` begins a stream, of the same geometry each time."""
        self._start = start
        self._stream = start()
        self._cuts = CutDetector()

    def feed(self, frames: Tensor) -> Iterator[Tensor]:
        """Take the next frames and yield finished ones; as `UpscaleStream.feed`."""
        first = 0
        for index, frame in enumerate(frames):
            if self._cuts.begins_scene(frame):
                yield from self._stream.feed(frames[first:index])
                yield from self._stream.flush()
                self._stream, first = self._start(), index
        yield from self._stream.feed(frames[first:])

    def flush(self) -> Iterator[Tensor]:
        """End the video and yield the frames that are still on their way."""
        yield from self._stream.flush()
