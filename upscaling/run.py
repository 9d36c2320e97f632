"""Read, enlarge and write one video, all three at the same time."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from flashvsr_core import FlashVSR, Geometry, StreamSettings
from media.frame import Frame, FrameSink, FrameSource
from media.prefetch import BackgroundSink, Prefetch
from upscaling.fetch import Fetch

QUEUED_FRAMES = 16
"""Frames that may wait between two of the three stages: two chunks."""


@dataclass(frozen=True)
class Progress:
    """How far one video is; taken between chunks."""

    frames_done: int
    frames_total: int | None
    """None where the container does not say."""
    elapsed_s: float

    @property
    def frames_per_second(self) -> float:
        """Finished frames a second since the start."""
        return self.frames_done / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds left at the pace so far; None where that cannot be said."""
        if not self.frames_total or not self.frames_done:
            return None
        return max(0, self.frames_total - self.frames_done) / self.frames_per_second


def upscale(
    model: FlashVSR,
    source: FrameSource,
    sink: FrameSink,
    geometry: Geometry,
    settings: StreamSettings,
    report: Callable[[Progress], None] = lambda _progress: None,
) -> Progress:
    """Enlarge every frame of `source` into `sink`, which is committed, or aborted on an error.

    Args:
        model: the loaded model.
        source: opened, at its first frame.
        sink: opened for `geometry.output`.
        geometry: the sizes.
        settings: choices for this video.
        report: called after every chunk; what it raises, such as a cancellation, ends the work.

    Returns:
        The final progress.

    Raises:
        MediaError: reading or writing failed; nothing is left of the output.
        EngineError: the frames do not fit the geometry.

    """
    started = time.monotonic()
    waiting: deque[Frame] = deque()
    fetched: deque[Fetch] = deque()
    done = 0

    def progress() -> Progress:
        return Progress(done, source.frame_count, time.monotonic() - started)

    def write(batch: Tensor) -> None:
        """Begin to fetch a batch, and write the one before it while the GPU goes on."""
        fetched.append(Fetch(batch))
        if len(fetched) > 1 or batch.device.type == "cpu":
            write_fetched()

    def write_fetched() -> None:
        nonlocal done
        batch = fetched.popleft().wait()
        for pixels in batch.numpy():
            frame = waiting.popleft()
            out.write(pixels, frame.pts, frame.duration)
        done += len(batch)
        report(progress())

    with BackgroundSink(sink, QUEUED_FRAMES) as out, Prefetch(source, QUEUED_FRAMES) as frames:
        report(progress())
        stream = model.stream(geometry, settings)
        for frame in frames:
            waiting.append(frame)
            for batch in stream.feed(torch.from_numpy(frame.pixels).unsqueeze(0)):
                write(batch)
        for batch in stream.flush():
            write(batch)
        while fetched:
            write_fetched()
    return progress()
