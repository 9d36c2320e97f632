"""The encoder of a Wan-style video VAE: frames to latents, for training only.

Attributes carry the names of Wan2.1's checkpoint, where they stand under `encoder.` and `conv1.`.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.kernels.channel_norm import ChannelNorm
from flashvsr_core.wan_vae import CausalConv3d, FrameAttention, ResidualBlock
from training.forward.wan_vae import activate, attend_frames, convolve, run_residual

_BLOCKS_PER_STAGE = 2


@dataclass(frozen=True)
class EncoderConfig:
    """Channel counts; Wan2.1 has base 96 and 16 latent channels."""

    base: int
    latent_channels: int = 16


class _Reduce(nn.Module):
    """Half the height and width; half the frames after the first where `halves_time`."""

    def __init__(self, channels: int, *, halves_time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(channels, channels, 3, stride=2)
        )
        self.time_conv = (
            nn.Conv3d(channels, channels, (3, 1, 1), stride=(2, 1, 1)) if halves_time else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, t, h, w) to (B, C, t or (t + 1) / 2, h/2, w/2)."""
        frames = self.resample(rearrange(x, "b c t h w -> (b t) c h w"))
        x = rearrange(frames, "(b t) c h w -> b c t h w", b=len(x))
        if self.time_conv is not None and x.shape[2] > 1:
            # The first frame stands alone; every later pair is read with the frame before it.
            x = torch.cat([x[:, :, :1], self.time_conv(x)], dim=2)
        return x


class _EncoderNetwork(nn.Module):
    """Everything under `encoder.`."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        narrow, middle, wide = config.base, 2 * config.base, 4 * config.base
        self.conv1 = CausalConv3d(3, narrow, (3, 3, 3))
        self.downsamples = nn.ModuleList(
            [
                *_stage(narrow, narrow),
                _Reduce(narrow, halves_time=False),
                *_stage(narrow, middle),
                _Reduce(middle, halves_time=True),
                *_stage(middle, wide),
                _Reduce(wide, halves_time=True),
                *_stage(wide, wide),
            ]
        )
        self.middle = nn.ModuleList(
            [ResidualBlock(wide, wide), FrameAttention(wide), ResidualBlock(wide, wide)]
        )
        self.head = nn.Sequential(
            ChannelNorm(wide), nn.SiLU(), CausalConv3d(wide, 2 * config.latent_channels, (3, 3, 3))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = convolve(self.conv1, x)
        for layer in [*self.downsamples, *self.middle]:
            if isinstance(layer, ResidualBlock):
                x = run_residual(layer, x)
            elif isinstance(layer, FrameAttention):
                x = attend_frames(layer, x)
            else:
                x = layer(x)
        norm, _, last = self.head
        return convolve(last, activate(norm, x))


def _stage(c_in: int, c_out: int) -> list[ResidualBlock]:
    return [ResidualBlock(c_in if i == 0 else c_out, c_out) for i in range(_BLOCKS_PER_STAGE)]


class Encoder(nn.Module):
    """Frames to the mean and the log-variance of their latents."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.encoder = _EncoderNetwork(config)
        self.conv1 = nn.Conv3d(2 * config.latent_channels, 2 * config.latent_channels, 1)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Encode clips.

        Args:
            frames: (B, 3, 4f - 3, H, W), RGB in [-1, 1], sides multiples of 8.

        Returns:
            Mean and log-variance, (B, 16, f, H/8, W/8) float32 each.

        """
        # Channels last: GPUs' convolutions want no other layout, and would convert to it each time.
        frames = frames.contiguous(memory_format=torch.channels_last_3d)
        mean, log_variance = self.conv1(self.encoder(frames)).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-20.0, 4.0)
