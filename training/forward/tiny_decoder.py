"""The tiny conditional decoder over a batch of whole clips, with gradients."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.schedule import FRAMES_PER_LATENT
from flashvsr_core.tiny_decoder import MemoryBlock, TemporalGrow, TinyDecoder, Upsample

Convolve = Callable[[nn.Conv2d, Tensor], Tensor]


def convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Return what a convolution makes of (B, C, h, w)."""
    return F.conv2d(x, conv.weight, conv.bias, padding=conv.padding)


def decode_clips(
    decoder: TinyDecoder,
    latents: Tensor,
    low_quality: Tensor,
    convolved: Convolve = convolve,
) -> Tensor:
    """Decode whole clips.

    Args:
        decoder: its weights; gradients reach them.
        latents: (B, 16, f, H/8, W/8).
        low_quality: (B, 3, 4f - 3, H, W), RGB in [-1, 1]: the enlarged frames that come out.
        convolved: computes the convolutions; another one may look on, or set weights.

    Returns:
        (B, 3, 4f - 3, H, W), RGB in about [-1, 1].

    """
    B, _, f = latents.shape[:3]
    extra = FRAMES_PER_LATENT - 1
    repeated = low_quality[:, :, :1].expand(-1, -1, extra, -1, -1)
    cells = rearrange(
        torch.cat([repeated, low_quality], dim=2),
        "b c (f t) (h p) (w q) -> (b f) (c t p q) h w",
        t=FRAMES_PER_LATENT,
        p=8,
        q=8,
    )
    x = torch.cat([cells, rearrange(latents, "b c f h w -> (b f) c h w").to(cells.dtype)], dim=1)
    x = x.contiguous(memory_format=torch.channels_last)
    frames = f
    for layer in decoder.decoder:
        if isinstance(layer, MemoryBlock):
            x = _remember(layer, x, frames, convolved)
        elif isinstance(layer, TemporalGrow):
            factor = layer.conv.out_channels // layer.conv.in_channels
            # Growing, a 1x1 convolution, and the enlargement before it commute: this is cheaper.
            grown = _grow(convolved(layer.conv, x), factor)
            x = F.interpolate(grown, scale_factor=2, mode="nearest")
            frames *= factor
        elif isinstance(layer, nn.Conv2d):
            # Not the layer's own forward, which on a GPU may be a kernel without gradients.
            x = convolved(layer, x)
        elif not isinstance(layer, Upsample):
            x = layer(x)
    video = rearrange(x.float(), "(b t) c h w -> b c t h w", b=B)
    return video[:, :, extra:] * 2 - 1


def _remember(block: MemoryBlock, x: Tensor, frames: int, convolved: Convolve) -> Tensor:
    """Run a memory block on (B * frames, C, h, w): zeros stand before each clip's first frame."""
    clips = x.unflatten(0, (-1, frames))
    earlier = torch.cat([torch.zeros_like(clips[:, :1]), clips[:, :-1]], dim=1).flatten(0, 1)
    joined = torch.cat([x, earlier], dim=1).contiguous(memory_format=torch.channels_last)
    first, second, third = (layer for layer in block.conv if isinstance(layer, nn.Conv2d))
    hidden = convolved(second, F.relu(convolved(first, joined)))
    return F.relu(convolved(third, F.relu(hidden)) + x)


def _grow(grown: Tensor, factor: int) -> Tensor:
    """Map (B * t, factor * C, h, w) to (B * t * factor, C, h, w), in time order, channels last."""
    split = rearrange(grown.movedim(1, -1), "t h w (k c) -> (t k) h w c", k=factor)
    return split.movedim(-1, 1)
