"""RMS norm over the channels of pictures and clips, with gradients."""

import torch.nn.functional as F
from torch import Tensor


def normalise_channels(x: Tensor, gamma: Tensor) -> Tensor:
    """Scale every channel vector of (B, C, ...) to length sqrt(C), then by gamma (C, 1, ...)."""
    scaled: Tensor = F.normalize(x, dim=1) * (x.shape[1] ** 0.5) * gamma
    return scaled
