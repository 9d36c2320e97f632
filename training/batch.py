"""One slot of one step: clips, their enlarged low-quality versions, and its own noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from flashvsr_core.geometry import Size, enlarge, plan_geometry


@dataclass(frozen=True)
class Batch:
    """What an objective sees; everything random in it comes from `generator`."""

    high: Tensor
    """(B, 3, T, H, W) in [-1, 1]."""
    low: Tensor
    """(B, 3, T, H, W) in [-1, 1], enlarged as the engine does it."""
    generator: torch.Generator
    """On the device; seeded by (seed, step, slot)."""
    step: int

    def noise_like(self, reference: Tensor) -> Tensor:
        """Draw standard normal float32 noise."""
        return torch.randn(reference.shape, generator=self.generator, device=reference.device)

    def uniform(self) -> Tensor:
        """Draw one number in [0, 1) for every clip, (B,)."""
        return torch.rand(len(self.high), generator=self.generator, device=self.high.device)


def enlarge_clips(low: Tensor, scale: int) -> Tensor:
    """Enlarge (B, 3, T, h, w) in [-1, 1] on 8-bit levels to (B, 3, T, H, W), as the engine does."""
    B, _, T, height, width = low.shape
    levels = ((low.float() + 1) * 127.5).round_().to(torch.uint8)
    frames = levels.permute(0, 2, 3, 4, 1).flatten(0, 1)
    geometry = plan_geometry(Size(height, width), scale=scale)
    large = enlarge(frames, geometry, torch.float32)
    large = large[..., : height * scale, : width * scale]
    clips: Tensor = large.unflatten(1, (B, T)).movedim(1, 0)
    return clips
