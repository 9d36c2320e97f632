"""RMS norm over channels and SiLU, for pictures with the channels last."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashvsr_core.kernels.fusing import is_fused

TINY = 1e-12
"""Vectors shorter than this are divided by it instead of their length."""


class ChannelNorm(nn.Module):
    """The factors of an RMS norm over channels, with the shape that the checkpoint gives them."""

    def __init__(self, channels: int, extra_dims: int = 3) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *[1] * extra_dims))


def channel_norm(x: Tensor, gamma: Tensor) -> Tensor:
    """Scale every channel vector of (..., C) to length sqrt(C), then by gamma (C, 1 ...)."""
    wide = x.float()
    inverse = torch.rsqrt(wide.square().sum(dim=-1, keepdim=True).clamp_min(TINY**2))
    scaled: Tensor = wide * inverse * (x.shape[-1] ** 0.5 * gamma.flatten())
    return scaled.to(x.dtype)


def norm_silu(x: Tensor, gamma: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return SiLU of `channel_norm` of x plus bias (C,); (..., C)."""
    if is_fused(x):
        from flashvsr_core.kernels.fused.channel_norm import norm_silu_fused

        return norm_silu_fused(x, gamma, bias)
    return F.silu(channel_norm(x if bias is None else x + bias, gamma))
