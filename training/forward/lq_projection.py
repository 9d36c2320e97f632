"""The low-quality projection over a batch of whole clips, with gradients."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.kernels.channel_norm import ChannelNorm
from flashvsr_core.lq_projection import CELL_PX, LQProjection
from training.forward.channel_norm import normalise_channels
from training.forward.tokens import to_windows

_BITE = 4
_PAST = 2


def project_clips(projection: LQProjection, low_quality: Tensor) -> Tensor:
    """Turn enlarged low-quality clips into tokens.

    Args:
        projection: its weights; gradients reach them.
        low_quality: (B, 3, T, H, W), RGB in [-1, 1], T = 8n + 1; all frames that a stream reads.

    Returns:
        (B, L, D) in window order, (T - 1) / 4 latent frames.

    """
    cells = rearrange(low_quality, "b c t (h p) (w q) -> b (c p q) t h w", p=CELL_PX, q=CELL_PX)
    features = _causal(projection, cells) if projection.causal else _in_bites(projection, cells)
    tokens: Tensor = projection.linear_layers[0](features)
    return to_windows(tokens)


def _causal(projection: LQProjection, cells: Tensor) -> Tensor:
    """v1.1; (B, n, h, w, C2)."""
    first = cells[:, :, :1].expand(-1, -1, _PAST + _BITE, -1, -1)
    between = _convolve(projection.conv1, projection.norm1, first)
    joined = torch.cat([first[:, :, :_PAST], cells[:, :, 1:]], dim=2)
    between = torch.cat([between, _convolve(projection.conv1, projection.norm1, joined)], dim=2)
    features = _convolve(projection.conv2, projection.norm2, between)
    return rearrange(features, "b c t h w -> b t h w c")


def _in_bites(projection: LQProjection, cells: Tensor) -> Tensor:
    """v1: every bite follows its own last two frames; (B, n, h, w, C2)."""
    bites = rearrange(cells[:, :, 1:], "b c (n t) h w -> (b n) c t h w", t=_BITE)
    between = _convolve(
        projection.conv1, projection.norm1, torch.cat([bites[:, :, -_PAST:], bites], dim=2)
    )
    features = _convolve(
        projection.conv2, projection.norm2, torch.cat([between[:, :, -_PAST:], between], dim=2)
    )
    return rearrange(features, "(b n) c 1 h w -> b n h w c", b=len(cells))


def _convolve(conv: nn.Conv3d, norm: ChannelNorm, x: Tensor) -> Tensor:
    padded = F.pad(x, (1, 1, 1, 1, 0, 0), mode="replicate")
    return F.silu(normalise_channels(conv(padded), norm.gamma))
