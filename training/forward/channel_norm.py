"""RMS norm over the channels of pictures and clips, with gradients."""

import torch
from torch import Tensor

from flashvsr_core.kernels.channel_norm import TINY


def normalise_channels(x: Tensor, gamma: Tensor) -> Tensor:
    """Scale every channel vector of (B, C, ...) to length sqrt(C), then by gamma (C, 1, ...)."""
    # Only the lengths are float32: whole activations of that width would double the time.
    square = x.square().mean(dim=1, keepdim=True, dtype=torch.float32)
    inverse = square.clamp_min(TINY**2 / x.shape[1]).rsqrt()
    scaled: Tensor = x * inverse.to(x.dtype) * gamma.to(x.dtype)
    return scaled
