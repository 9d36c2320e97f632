"""Sensor noise: Gaussian and Poisson, in colour or in grey."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NoiseSettings:
    """Ranges of the noise that is drawn."""

    sigma: tuple[float, float] = (1 / 255, 15 / 255)
    """Of Gaussian noise, for values in [0, 1]."""
    poisson_scale: tuple[float, float] = (0.05, 1.5)
    """Times the noise of a sensor that counts 256 photons at white."""
    gaussian_share: float = 0.5
    grey_share: float = 0.4
    drift: float = 0.1
    """Greatest change of the strength within a clip, as a share."""


def add_noise(
    frames: Tensor, drift: Tensor, settings: NoiseSettings, generator: torch.Generator
) -> Tensor:
    """Add noise of one kind and strength per clip, new in every frame.

    Args:
        frames: (N, T, 3, H, W) in [0, 1].
        drift: (N, T) in [-1, 1].
        settings: ranges.
        generator: on the CPU; it also seeds the generator of the frames' device.

    Returns:
        (N, T, 3, H, W), not clamped.

    """
    clips = len(frames)
    is_gaussian, is_grey, share = torch.rand(3, clips, generator=generator)
    seed = int(torch.randint(2**62, (), generator=generator))
    own = torch.Generator(frames.device).manual_seed(seed)
    white = torch.randn(frames.shape, generator=own, device=frames.device)
    grey = white[:, :, :1].expand_as(white)
    use_grey = (is_grey < settings.grey_share).to(frames.device)[:, None, None, None, None]
    white = torch.where(use_grey, grey, white)
    low, high = settings.sigma
    sigma = low + (high - low) * share
    low, high = settings.poisson_scale
    scale = low + (high - low) * share
    growth = (1 + settings.drift * drift)[:, :, None, None, None].to(frames.device)
    # Counts of photons are so many here that Poisson's law is the normal one with that variance.
    photon = (frames.clamp(0, 1) / 256).sqrt() * scale.to(frames.device)[:, None, None, None, None]
    flat = sigma.to(frames.device)[:, None, None, None, None].expand_as(photon)
    use_flat = (is_gaussian < settings.gaussian_share).to(frames.device)[:, None, None, None, None]
    return frames + white * torch.where(use_flat, flat, photon) * growth
