"""Batches by number: step 17 is the same whoever asks for it, and whenever.

Every clip and every group draws from a generator of its own, seeded by (seed, step, position), so
training resumes exactly, and two processes with half the batch each see what one would see.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.data.degradation import Degradation
from training.data.packed import PackedClips


@dataclass(frozen=True)
class BatchSettings:
    """The shape of one process's batches."""

    batch: int
    """Clips per process, B."""
    frames: int
    size_px: int
    """Side of the high-quality clips."""
    group: int = 4
    """Clips that share the order and the sizes of the degradation; a divisor of `batch`."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch % self.group:
            raise ValueError(
                f"A batch of {self.batch} does not divide into groups of {self.group}."
            )


class Batches:
    """Pairs of high- and low-quality clips."""

    def __init__(
        self,
        clips: PackedClips,
        degradation: Degradation,
        settings: BatchSettings,
        device: torch.device | str = "cpu",
        rank: int = 0,
    ) -> None:
        self._clips = clips
        self._degradation = degradation
        self._settings = settings
        self._device = torch.device(device)
        self._rank = rank

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Make the batch of one step.

        Returns:
            High quality (B, 3, T, H, W) and low quality (B, 3, T, H/scale, W/scale), in [-1, 1].

        """
        shape = self._settings
        first = self._rank * shape.batch
        high = torch.stack(
            [
                self._clips.draw(shape.frames, shape.size_px, self._generator(step, 0, first + i))
                for i in range(shape.batch)
            ]
        ).to(self._device)
        groups = high.split(shape.group)
        low = [
            self._degradation(group, self._generator(step, 1, first // shape.group + i))
            for i, group in enumerate(groups)
        ]
        return high, torch.cat(low)

    def _generator(self, step: int, purpose: int, position: int) -> torch.Generator:
        # Torch seeds its CPU generator with 32 bits, whatever it is given.
        words = np.random.SeedSequence([self._settings.seed, step, purpose, position])
        return torch.Generator().manual_seed(int(words.generate_state(1)[0]))
