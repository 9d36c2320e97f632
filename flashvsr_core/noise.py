"""The noise that each chunk starts from, the same on every machine and for every clip length."""

import hashlib
import struct
from collections.abc import Callable

import torch
from torch import Tensor

from flashvsr_core.schedule import Chunk

NoiseSource = Callable[[Chunk, tuple[int, ...]], Tensor]
"""(chunk, shape) -> standard normal float32 of that shape, on the CPU."""


def seeded_noise(seed: int) -> NoiseSource:
    """Return noise that depends on the seed (64 bit) and the chunk's number alone."""

    def draw(chunk: Chunk, shape: tuple[int, ...]) -> Tensor:
        key = struct.pack("<QQ", seed % 2**64, chunk.index)
        digest = hashlib.blake2b(key, digest_size=8).digest()
        # Always drawn on the CPU: the generators of GPUs differ from it and from one another.
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        return torch.randn(shape, generator=generator)

    return draw
