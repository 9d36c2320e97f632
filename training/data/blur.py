"""Blur kernels of Real-ESRGAN (arXiv 2107.10833, appendix A): Gaussian families and sinc."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin

import torch
import torch.nn.functional as F
from torch import Tensor

KERNEL_PX = 21
"""Side of every kernel; small ones are padded by zeros."""

_TRANSFORM_MULTIPLE_PX = 64
"""Transforms have few sizes: on a GPU, planning one for a new size takes longer than running it."""


@dataclass(frozen=True)
class BlurSettings:
    """Ranges of the kernels that are drawn; sigmas in pixels."""

    sigma_px: tuple[float, float] = (0.2, 2.5)
    beta_generalized: tuple[float, float] = (0.5, 4.0)
    beta_plateau: tuple[float, float] = (1.0, 2.0)
    sinc_share: float = 0.1
    """Share of sinc kernels, which ring as sharpening and codecs do."""
    cutoff_rad: tuple[float, float] = (pi / 3, pi)
    isotropic_share: float = 0.6
    drift: float = 0.05
    """Greatest change of sigma within a clip, as a share."""


def draw_kernels(
    clips: int, drift: Tensor, settings: BlurSettings, generator: torch.Generator
) -> Tensor:
    """Draw one kernel per clip that changes slowly along its frames.

    Args:
        clips: N.
        drift: (N, T) in [-1, 1].
        settings: ranges.
        generator: on the CPU.

    Returns:
        (N, T, 21, 21) on the CPU; every kernel sums to 1.

    """
    kernels = []
    for clip in range(clips):
        draw = torch.rand(8, generator=generator)
        growth = 1 + settings.drift * drift[clip]
        if draw[0] < settings.sinc_share:
            cutoff = _within(settings.cutoff_rad, draw[1]) / growth
            kernels.append(sinc_kernel(cutoff.clamp(max=pi)))
            continue
        sigma_x = _within(settings.sigma_px, draw[2])
        is_isotropic = draw[3] < settings.isotropic_share
        sigma_y = sigma_x if is_isotropic else _within(settings.sigma_px, draw[4])
        angle = 0.0 if is_isotropic else float(draw[5] * 2 - 1) * pi
        shape = _family(float(draw[6]), draw[7], settings)
        kernels.append(gaussian_kernel(growth * sigma_x, growth * sigma_y, angle, shape))
    return torch.stack(kernels)


def _within(bounds: tuple[float, float], share: Tensor) -> float:
    return float(bounds[0] + (bounds[1] - bounds[0]) * share)


Shape = Callable[[Tensor], Tensor]
"""From the squared Mahalanobis distance to a weight."""


def _gaussian(q: Tensor) -> Tensor:
    return torch.exp(-0.5 * q)


def _family(choice: float, share: Tensor, settings: BlurSettings) -> Shape:
    """Choose as Real-ESRGAN does: 70 % Gaussian, 15 % generalised, 15 % plateau."""
    if choice < 0.7:
        return _gaussian
    if choice < 0.85:
        exponent = _within(settings.beta_generalized, share)
        return lambda q: torch.exp(-0.5 * q**exponent)
    steepness = _within(settings.beta_plateau, share)
    return lambda q: 1 / (1 + q**steepness)


def gaussian_kernel(
    sigma_x: Tensor, sigma_y: Tensor, angle_rad: float, shape: Shape = _gaussian
) -> Tensor:
    """Return (T, 21, 21) kernels of an ellipse with (T,) sigmas in pixels, turned by an angle."""
    x, y = _grid()
    along, across = (
        cos(angle_rad) * x + sin(angle_rad) * y,
        cos(angle_rad) * y - sin(angle_rad) * x,
    )
    q = (along / sigma_x[:, None, None]) ** 2 + (across / sigma_y[:, None, None]) ** 2
    weights = shape(q)
    normalized: Tensor = weights / weights.sum(dim=(-2, -1), keepdim=True)
    return normalized


def sinc_kernel(cutoff_rad: Tensor) -> Tensor:
    """Return (T, 21, 21) circular low-pass kernels with (T,) cutoffs in radians a pixel."""
    x, y = _grid()
    radius = torch.sqrt(x**2 + y**2)
    cutoff = cutoff_rad[:, None, None]
    weights = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * pi * radius.clamp(min=1e-6))
    middle = KERNEL_PX // 2
    weights[:, middle, middle] = cutoff_rad**2 / (4 * pi)
    normalized: Tensor = weights / weights.sum(dim=(-2, -1), keepdim=True)
    return normalized


def _grid() -> tuple[Tensor, Tensor]:
    axis = torch.arange(KERNEL_PX, dtype=torch.float32) - KERNEL_PX // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def blur(frames: Tensor, kernels: Tensor) -> Tensor:
    """Blur (M, 3, H, W) with (M, 21, 21) kernels; the border is mirrored."""
    edge = KERNEL_PX // 2
    mode = "reflect" if min(frames.shape[-2:]) > edge else "replicate"
    padded = F.pad(frames, (edge, edge, edge, edge), mode=mode)
    # By FFT: 441 products a pixel would be the slowest thing of the whole degradation.
    height, width = padded.shape[-2:]
    size = tuple(
        -(-side // _TRANSFORM_MULTIPLE_PX) * _TRANSFORM_MULTIPLE_PX for side in (height, width)
    )
    spectrum = torch.fft.rfft2(kernels.to(frames.device, frames.dtype), s=size)[:, None]
    result: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded, s=size) * spectrum, s=size)
    return result[..., 2 * edge : height, 2 * edge : width]
