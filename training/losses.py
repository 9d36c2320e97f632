"""Loss terms between clips (B, 3, T, H, W) in [-1, 1], all in float32."""

import torch
from torch import Tensor

_EPS = 1e-3


def charbonnier(result: Tensor, target: Tensor) -> Tensor:
    """Return the mean of sqrt(d^2 + eps^2): the absolute difference, smooth at 0."""
    return ((result.float() - target.float()).square() + _EPS**2).sqrt().mean()


def mean_square(result: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference."""
    return (result.float() - target.float()).square().mean()


@torch.no_grad()
def psnr_db(result: Tensor, target: Tensor) -> Tensor:
    """Return the mean PSNR of the clips, after clamping to [-1, 1]."""
    difference = result.float().clamp(-1, 1) - target.float()
    error = difference.square().flatten(1).mean(dim=1) / 4
    return (-10 * error.clamp_min(1e-10).log10()).mean()
