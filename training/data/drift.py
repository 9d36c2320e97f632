"""How parameters wander along a clip: slowly, as a real camera's do."""

from math import tau

import torch
from torch import Tensor


def draw_drift(clips: int, frames: int, generator: torch.Generator) -> Tensor:
    """Draw (N, T) smooth curves in [-1, 1]: one cosine of 20 to 100 frames each."""
    period = 20 + 80 * torch.rand(clips, 1, generator=generator)
    phase = tau * torch.rand(clips, 1, generator=generator)
    return torch.cos(tau * torch.arange(frames) / period + phase)
