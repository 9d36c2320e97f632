"""Which frames and latents each chunk takes: integers only, no tensors.

The first chunk reads 25 frames and emits 21, every later one reads 8 and emits 8, so the output
lags its input by four frames. Latent frames are numbered through the whole stream.
"""

from dataclasses import dataclass

LAG = 4
"""Frames that the model looks ahead: read by a chunk, emitted by the next one."""

FRAMES_PER_LATENT = 4


@dataclass(frozen=True)
class Chunk:
    """One DiT call: `reads` new frames, `latents` latent frames, `emits` finished frames."""

    index: int
    reads: int
    latents: int
    emits: int
    first_latent: int
    """Position of the chunk's first latent frame in the stream; the time axis of RoPE."""


def chunk_at(index: int) -> Chunk:
    """Return the chunk with this number, counted from 0; there is no last one."""
    if index == 0:
        return Chunk(index=0, reads=25, latents=6, emits=21, first_latent=0)
    return Chunk(index=index, reads=8, latents=2, emits=8, first_latent=4 + 2 * index)


def chunk_count(frames: int) -> int:
    """Return how many chunks a clip of `frames` frames (at least 1) takes."""
    if frames < 1:
        raise ValueError(f"A clip has at least one frame, not {frames}.")
    return 1 + max(0, -(-(frames - chunk_at(0).emits) // chunk_at(1).emits))


def padded_frames(frames: int) -> int:
    """Return the length `8n + 1` to which a clip of `frames` frames is padded at its tail."""
    return chunk_at(0).reads + (chunk_count(frames) - 1) * chunk_at(1).reads
