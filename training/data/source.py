"""One photograph, or one unbroken segment of a clip, at several sizes."""

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_SIDE_PX = 256
"""Pictures with a side below this are not halved any more."""


@dataclass(frozen=True)
class Source:
    """One photograph (T = 1) or one unbroken segment of a clip.

    levels: (T, 3, H, W) uint8, each level half the size of the one before.
    """

    name: str
    levels: tuple[Tensor, ...]

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return len(self.levels[0])

    @classmethod
    def build(cls, name: str, pixels: Tensor) -> Self:
        """Make the levels of (T, H, W, 3) uint8."""
        levels = [pixels.movedim(-1, 1).contiguous()]
        while min(levels[-1].shape[-2:]) >= SMALLEST_SIDE_PX:
            # A frame at a time: the floating copy of a whole clip would be large.
            halves = [F.avg_pool2d(f[None].float(), 2).round_() for f in levels[-1]]
            levels.append(torch.cat([half.to(torch.uint8) for half in halves]))
        return cls(name, tuple(levels))

    def choose_level(self, reduction: float, size_px: tuple[int, int]) -> tuple[Tensor, float]:
        """Return a level, and the step on it (1 to 2 where possible) that gives a reduction.

        reduction: source pixels per sampled pixel; less is given where the picture is too small.
        size_px: (height, width) of what is sampled.
        """
        height, width = self.levels[0].shape[-2:]
        reduction = min(reduction, height / size_px[0], width / size_px[1])
        level = 0
        while reduction >= 2 and level + 1 < len(self.levels):
            reduction, level = reduction / 2, level + 1
        return self.levels[level], reduction
