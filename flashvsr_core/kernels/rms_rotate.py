"""Root mean square norm over the full width, then rotary position embedding of every head."""

import torch
from torch import Tensor

from flashvsr_core.kernels.fusing import is_fused

EPS = 1e-6
HEAD_DIM = 128


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Normalise (L, D) in float32 over D, times weight (D,); the result keeps x's dtype."""
    if is_fused(x):
        from flashvsr_core.kernels.fused.rms_rotate import rms_rotate_fused

        return rms_rotate_fused(x, weight, None, torch.empty_like(x))
    wide = x.float()
    scaled = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + EPS)
    return scaled.to(x.dtype) * weight


def rms_rotate(
    x: Tensor, weight: Tensor, rotation: tuple[Tensor, Tensor], out: Tensor | None = None
) -> Tensor:
    """Normalise as `rms_norm` does, then rotate consecutive pairs of every head.

    Args:
        x: (L, D), D a multiple of 128.
        weight: (D,).
        rotation: cosine and sine, (L, 64) float32 each.
        out: (L, K, 128), filled and returned if given.

    Returns:
        (L, K, 128) in x's dtype.

    """
    if is_fused(x):
        from flashvsr_core.kernels.fused.rms_rotate import rms_rotate_fused

        out = torch.empty_like(x).unflatten(-1, (-1, HEAD_DIM)) if out is None else out
        return rms_rotate_fused(x, weight, rotation, out)
    rotated = rotate(rms_norm(x, weight).unflatten(-1, (-1, HEAD_DIM)), rotation)
    return rotated if out is None else out.copy_(rotated)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate consecutive pairs of (L, K, 128) by (L, 64) angles; the result keeps x's dtype."""
    cos, sin = (part.unsqueeze(1) for part in rotation)
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    rotated = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return rotated.flatten(-2).to(x.dtype)
