"""The Wan VAE's decoder over a batch of whole clips, with gradients."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.kernels.channel_norm import ChannelNorm
from flashvsr_core.wan_vae import CausalConv3d, FrameAttention, Resample, ResidualBlock, WanVAE
from training.forward.channel_norm import normalise_channels


def decode_clips(vae: WanVAE, hidden: Tensor) -> Tensor:
    """Decode latents that are not normalised.

    Args:
        vae: its weights; gradients reach them.
        hidden: (B, 16, f, H/8, W/8), as the encoder gives them.

    Returns:
        (B, 3, 4f - 3, H, W), RGB in about [-1, 1], not clamped.

    """
    network = vae.decoder
    x = vae.conv2(hidden).contiguous(memory_format=torch.channels_last_3d)
    x = convolve(network.conv1, x)
    for layer in [*network.middle, *network.upsamples]:
        if isinstance(layer, ResidualBlock):
            x = run_residual(layer, x)
        elif isinstance(layer, FrameAttention):
            x = attend_frames(layer, x)
        else:
            assert isinstance(layer, Resample)
            x = _enlarge(layer, x)
    norm, _, last = network.head
    return convolve(last, activate(norm, x)).float()


def convolve(conv: nn.Module, x: Tensor) -> Tensor:
    """Convolve (B, C, t, h, w) causally, with zeros before its first frame."""
    assert isinstance(conv, CausalConv3d)
    past = conv.kernel_size[0] - 1
    return F.conv3d(F.pad(x, (0, 0, 0, 0, past, 0)), conv.weight, conv.bias, padding=conv.padding)


def activate(norm: nn.Module, x: Tensor) -> Tensor:
    """Normalise the channels of (B, C, t, h, w), then SiLU."""
    assert isinstance(norm, ChannelNorm)
    return F.silu(normalise_channels(x, norm.gamma))


def run_residual(block: ResidualBlock, x: Tensor) -> Tensor:
    """Map (B, C_in, t, h, w) to (B, C_out, t, h, w)."""
    shortcut: Tensor = block.shortcut(x)
    norm1, _, first, norm2, _, _, second = block.residual
    x = convolve(first, activate(norm1, x))
    return convolve(second, activate(norm2, x)) + shortcut


def attend_frames(attention: FrameAttention, x: Tensor) -> Tensor:
    """Attend densely inside each frame of (B, C, t, h, w)."""
    B, _, _, height, width = x.shape
    frames = rearrange(x, "b c t h w -> (b t) c h w")
    q, k, v = rearrange(
        attention.to_qkv(normalise_channels(frames, attention.norm.gamma)),
        "t (n c) h w -> n t 1 (h w) c",
        n=3,
    ).unbind(0)
    attended = rearrange(
        F.scaled_dot_product_attention(q, k, v), "t 1 (h w) c -> t c h w", h=height, w=width
    )
    summed: Tensor = x + rearrange(attention.proj(attended), "(b t) c h w -> b c t h w", b=B)
    return summed


def _enlarge(layer: Resample, x: Tensor) -> Tensor:
    """Map (B, C, t, h, w) to (B, C/2, t or 2t - 1, 2h, 2w)."""
    if layer.time_conv is not None and x.shape[2] > 1:
        # A stream's first frame stands alone, and later ones never see it here.
        first, rest = x[:, :, :1], x[:, :, 1:]
        doubled = rearrange(convolve(layer.time_conv, rest), "b (k c) t h w -> b c (t k) h w", k=2)
        x = torch.cat([first.to(doubled.dtype), doubled], dim=2)
    frames = layer.resample(rearrange(x, "b c t h w -> (b t) c h w"))
    enlarged: Tensor = rearrange(frames, "(b t) c h w -> b c t h w", b=len(x))
    return enlarged
