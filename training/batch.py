"""One slot of one step: clips, their enlarged low-quality versions, and its own noise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from flashvsr_core.geometry import Size, enlarge, plan_geometry


@dataclass(frozen=True)
class Source:
    """The low-quality frames of some clips of a batch, as they were made."""

    low: Tensor
    """(b, 3, T, h, w), uint8."""
    is_clean: Tensor
    """(b,): 1.0 where they were only reduced, else 0.0."""


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
    sources: tuple[Source, ...] = ()
    """Of all clips in order, where the stage matches clips to their sources."""

    @property
    def tensors(self) -> Iterator[Tensor]:
        """All of them, wherever they are kept."""
        yield from (self.high, self.low)
        for source in self.sources:
            yield from (source.low, source.is_clean)

    def noise(self, shape: Sequence[int]) -> Tensor:
        """Draw standard normal float32 noise."""
        return torch.randn(tuple(shape), generator=self.generator, device=self.high.device)

    def noise_like(self, reference: Tensor) -> Tensor:
        """Draw standard normal float32 noise of the same shape."""
        return self.noise(reference.shape)

    def noise_for_latents(self, channels: int, frames: int | None = None) -> Tensor:
        """Draw noise of the latents' shape, of as many frames as the clips have or fewer."""
        B, _, T, H, W = self.high.shape
        return self.noise((B, channels, ((frames or T) + 3) // 4, H // 8, W // 8))

    def uniform(self) -> Tensor:
        """Draw one number in [0, 1) for every clip, (B,)."""
        return torch.rand(len(self.high), generator=self.generator, device=self.high.device)


def without_its_noise(batch: Batch) -> Batch:
    """Return a batch with another generator: a look at it changes nothing of its step."""
    generator = torch.Generator(batch.high.device)
    generator.manual_seed(batch.step)
    return replace(batch, generator=generator)


def enlarge_clips(low: Tensor, scale: int) -> Tensor:
    """Enlarge (B, 3, T, h, w) uint8 to (B, 3, T, H, W) in [-1, 1], as the engine does it."""
    B, _, T, height, width = low.shape
    frames = low.permute(0, 2, 3, 4, 1).flatten(0, 1)
    geometry = plan_geometry(Size(height, width), scale=scale)
    large = enlarge(frames, geometry, torch.float32)
    large = large[..., : height * scale, : width * scale]
    clips: Tensor = large.unflatten(1, (B, T)).movedim(1, 0)
    return clips
