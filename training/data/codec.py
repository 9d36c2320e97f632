"""Video compression by real codecs, through PyAV, in worker processes."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

Frames = npt.NDArray[np.uint8]
"""(T, H, W, 3) RGB."""

CodecName = Literal["libx264", "mpeg4", "mpeg2video"]
RATE = Fraction(25)


@dataclass(frozen=True)
class Compression:
    """One way of compressing a clip.

    crf: for libx264, 0 (lossless) to 51.
    quantizer: for the others, 1 (best) to 31.
    """

    codec: CodecName = "libx264"
    crf: int = 28
    quantizer: int = 8


def compress(frames: Frames, compression: Compression) -> Frames:
    """Encode and decode a clip; same shape, same number of frames.

    Chroma is halved as in nearly every video file, so sides are made even by repeating the border.
    """
    count, height, width = frames.shape[:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    decoded = _round_trip(even, compression)
    if len(decoded) != count:
        raise RuntimeError(
            f"{compression.codec} gave back {len(decoded)} of {count} frames; report it"
        )
    return np.stack(decoded)[:, :height, :width]


def _round_trip(frames: Frames, compression: Compression) -> list[Frames]:
    # Machines that only evaluate or train without codecs need no PyAV.
    import av
    from av.video.codeccontext import VideoCodecContext

    encoder = VideoCodecContext.create(compression.codec, "w")
    encoder.width, encoder.height = frames.shape[2], frames.shape[1]
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = RATE
    encoder.time_base = 1 / RATE
    encoder.thread_count = 1
    encoder.gop_size = 24
    encoder.options = _options(compression)
    name = "h264" if compression.codec == "libx264" else compression.codec
    decoder = VideoCodecContext.create(name, "r")
    decoder.thread_count = 1
    decoded: list[Frames] = []

    def take(packet: "Packet[Stream] | None") -> None:
        for frame in decoder.decode(packet):
            decoded.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))

    for index, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts = index
        for packet in encoder.encode(frame.reformat(format="yuv420p")):
            take(packet)
    for packet in encoder.encode(None):
        take(packet)
    take(None)
    return decoded


def _options(compression: Compression) -> dict[str, str]:
    if compression.codec == "libx264":
        return {"preset": "veryfast", "crf": str(compression.crf)}
    # A fixed quantiser: the older codecs have no constant quality of their own.
    return {"qmin": str(compression.quantizer), "qmax": str(compression.quantizer)}


class CodecPool:
    """Processes that compress clips side by side; 0 workers compress in the caller.

    Use it as a context manager, or close it.
    """

    def __init__(self, workers: int = 0) -> None:
        self._pool: ProcessPoolExecutor | None = None
        if workers:
            # Forking a process that uses CUDA is not allowed; the fork server never touches it.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([__name__])
            self._pool = ProcessPoolExecutor(workers, mp_context=context)

    def compress(self, jobs: Sequence[tuple[Frames, Compression]]) -> list[Frames]:
        """Compress every clip with its own compression; results in the same order."""
        if self._pool is None:
            return [compress(frames, compression) for frames, compression in jobs]
        futures = [self._pool.submit(compress, *job) for job in jobs]
        return [future.result() for future in futures]

    def close(self) -> None:
        """End the processes; more than once does no harm."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def default_workers() -> int:
    """Return the number of processor cores less one, at most 12."""
    return max(1, min(12, (os.cpu_count() or 2) - 1))
