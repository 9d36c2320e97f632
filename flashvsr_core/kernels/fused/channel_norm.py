"""The fused form of `norm_silu`: one pass over every pixel."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from flashvsr_core.kernels.channel_norm import TINY


@triton.jit
def _norm_silu(
    x_ptr,
    gamma_ptr,
    bias_ptr,
    out_ptr,
    pixels,
    channels,
    root,
    tiny,
    HAS_BIAS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    pixel = tl.program_id(0).to(tl.int64) * PIXELS + tl.arange(0, PIXELS)[:, None]
    channel = tl.arange(0, CHANNELS)[None, :]
    inside = (pixel < pixels) & (channel < channels)
    place = pixel * channels + channel
    x = tl.load(x_ptr + place, mask=inside, other=0.0).to(tl.float32)
    if HAS_BIAS:
        x += tl.load(bias_ptr + channel, mask=channel < channels, other=0.0).to(tl.float32)
    length = tl.maximum(tl.sqrt(tl.sum(x * x, axis=1)), tiny)
    gamma = tl.load(gamma_ptr + channel, mask=channel < channels, other=0.0).to(tl.float32)
    x = x * (root / length)[:, None] * gamma
    x *= tl.sigmoid(x)
    tl.store(out_ptr + place, x.to(out_ptr.dtype.element_ty), mask=inside)


def norm_silu_fused(x: Tensor, gamma: Tensor, bias: Tensor | None) -> Tensor:
    """See `norm_silu`."""
    x = x.contiguous()
    channels = x.shape[-1]
    pixels = x.numel() // channels
    width = triton.next_power_of_2(channels)
    taken = max(1, 4096 // width)
    out = torch.empty_like(x)
    _norm_silu[(triton.cdiv(pixels, taken),)](
        x,
        gamma.contiguous(),
        x if bias is None else bias,
        out,
        pixels,
        channels,
        channels**0.5,
        TINY,
        HAS_BIAS=bias is not None,
        PIXELS=taken,
        CHANNELS=width,
        num_warps=4,
    )
    return out
