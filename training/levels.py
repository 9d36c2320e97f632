"""8-bit levels and the range [-1, 1] that networks see; clips are on levels in both."""

import torch
from torch import Tensor


def to_levels(clips: Tensor) -> Tensor:
    """Return uint8 of clips in [-1, 1]."""
    return ((clips + 1) * 127.5).round_().to(torch.uint8)


def from_levels(levels: Tensor) -> Tensor:
    """Return float32 in [-1, 1] of uint8."""
    return levels.float().mul_(2 / 255).sub_(1)
