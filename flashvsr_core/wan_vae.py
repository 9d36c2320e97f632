"""The decoder of the Wan2.1 video VAE, streamed one latent frame at a time.

Every causal convolution remembers the last two frames that it saw, zeros at the start. Attributes
carry the released checkpoint's parameter names; the encoder's weights are not used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.decoder import DecoderMemory
from flashvsr_core.lq_projection import ChannelNorm

_WAN21_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
_WAN21_STD = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip

_BLOCKS_PER_STAGE = 3
_PAST = 2


@dataclass(frozen=True)
class LatentStatistics:
    """Mean and standard deviation of every latent channel; the DiT works on normalised latents."""

    mean: Tensor
    std: Tensor

    @classmethod
    def wan21(cls) -> "LatentStatistics":
        """Return those of the released Wan2.1 VAE."""
        return cls(torch.tensor(_WAN21_MEAN, device="cpu"), torch.tensor(_WAN21_STD, device="cpu"))


@dataclass(frozen=True)
class WanVAEConfig:
    """Channel counts; the released model has base 96."""

    base: int
    latent_channels: int

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> "WanVAEConfig":
        """Read the sizes from a checkpoint's shapes; a missing key raises KeyError."""
        return cls(
            base=shapes["decoder.head.2.weight"][1], latent_channels=shapes["conv2.weight"][0]
        )


class CausalConv3d(nn.Conv3d):
    """A convolution over time that looks back only, with its past in the stream's memory."""

    def __init__(self, c_in: int, c_out: int, kernel: tuple[int, int, int]) -> None:
        super().__init__(c_in, c_out, kernel, padding=(0, kernel[1] // 2, kernel[2] // 2))

    def run(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Map (1, C, t, h, w) to as many frames."""
        past = memory[self] if self in memory else x.new_zeros(_past_shape(x))
        joined = torch.cat([past, x], dim=2)
        memory[self] = joined[:, :, -_PAST:]
        convolved: Tensor = self(joined)
        return convolved


def _past_shape(x: Tensor) -> tuple[int, ...]:
    return (*x.shape[:2], _PAST, *x.shape[3:])


class ResidualBlock(nn.Module):
    """Norm, SiLU and causal convolution, twice, beside a shortcut."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            ChannelNorm(c_in),
            nn.SiLU(),
            CausalConv3d(c_in, c_out, (3, 3, 3)),
            ChannelNorm(c_out),
            nn.SiLU(),
            nn.Identity(),  # the dropout of training, which the checkpoint's numbering counts
            CausalConv3d(c_out, c_out, (3, 3, 3)),
        )
        self.shortcut = nn.Identity() if c_in == c_out else nn.Conv3d(c_in, c_out, 1)

    def run(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Map (1, C_in, t, h, w) to (1, C_out, t, h, w)."""
        shortcut: Tensor = self.shortcut(x)
        for layer in self.residual:
            x = layer.run(x, memory) if isinstance(layer, CausalConv3d) else layer(x)
        summed: Tensor = x + shortcut
        return summed


class FrameNorm(nn.Module):
    """RMS norm over the channels of (T, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Scale every position's channel vector to length sqrt(C), then by gamma."""
        scaled: Tensor = F.normalize(x, dim=1) * (x.shape[1] ** 0.5) * self.gamma
        return scaled


class FrameAttention(nn.Module):
    """Dense single-head attention inside each frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = FrameNorm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (1, C, t, h, w)."""
        height, width = x.shape[-2:]
        frames = rearrange(x, "1 c t h w -> t c h w")
        q, k, v = rearrange(
            self.to_qkv(self.norm(frames)), "t (n c) h w -> n t 1 (h w) c", n=3
        ).unbind(0)
        attended = F.scaled_dot_product_attention(q, k, v)
        attended = rearrange(attended, "t 1 (h w) c -> t c h w", h=height, w=width)
        summed: Tensor = x + rearrange(self.proj(attended), "t c h w -> 1 c t h w")
        return summed


class Resample(nn.Module):
    """Twice the height and width, half the channels; twice the frames where `doubles_time`."""

    def __init__(self, channels: int, *, doubles_time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(channels, channels // 2, 3, padding=1),
        )
        self.time_conv = CausalConv3d(channels, 2 * channels, (3, 1, 1)) if doubles_time else None

    def run(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Map (1, C, t, h, w) to (1, C/2, t or 2t, 2h, 2w)."""
        if self.time_conv is not None:
            if self.time_conv in memory:
                x = rearrange(self.time_conv.run(x, memory), "1 (k c) t h w -> 1 c (t k) h w", k=2)
            else:
                # A stream's first frame stands alone, and is never seen by later ones here.
                memory[self.time_conv] = x.new_zeros(_past_shape(x))
        frames = self.resample(rearrange(x, "1 c t h w -> t c h w"))
        video: Tensor = rearrange(frames, "t c h w -> 1 c t h w")
        return video


class _DecoderNetwork(nn.Module):
    """Everything under `decoder.` in the checkpoint."""

    def __init__(self, config: WanVAEConfig) -> None:
        super().__init__()
        wide, middle, narrow = 4 * config.base, 2 * config.base, config.base
        self.conv1 = CausalConv3d(config.latent_channels, wide, (3, 3, 3))
        self.middle = nn.ModuleList(
            [ResidualBlock(wide, wide), FrameAttention(wide), ResidualBlock(wide, wide)]
        )
        self.upsamples = nn.ModuleList(
            [
                *_stage(wide, wide),
                Resample(wide, doubles_time=True),
                *_stage(wide // 2, wide),
                Resample(wide, doubles_time=True),
                *_stage(wide // 2, middle),
                Resample(middle, doubles_time=False),
                *_stage(middle // 2, narrow),
            ]
        )
        self.head = nn.Sequential(
            ChannelNorm(narrow), nn.SiLU(), CausalConv3d(narrow, 3, (3, 3, 3))
        )

    def run(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Map (1, 16, t, h, w) to (1, 3, T, 8h, 8w)."""
        for layer in [self.conv1, *self.middle, *self.upsamples, *self.head]:
            if isinstance(layer, CausalConv3d | ResidualBlock | Resample):
                x = layer.run(x, memory)
            else:
                x = layer(x)
        return x


def _stage(c_in: int, c_out: int) -> list[ResidualBlock]:
    return [ResidualBlock(c_in if i == 0 else c_out, c_out) for i in range(_BLOCKS_PER_STAGE)]


class WanVAE(nn.Module):
    """The decoder of the full pipeline; satisfies `Decoder`."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: WanVAEConfig, statistics: LatentStatistics | None = None) -> None:
        super().__init__()
        statistics = statistics or LatentStatistics.wan21()
        self.conv2 = nn.Conv3d(config.latent_channels, config.latent_channels, 1)
        self.decoder = _DecoderNetwork(config)
        self.register_buffer("latent_mean", statistics.mean, persistent=False)
        self.register_buffer("latent_std", statistics.std, persistent=False)

    def decode(self, latents: Tensor, low_quality: Tensor, memory: DecoderMemory) -> Tensor:
        """Decode the next latent frames of a stream; see `Decoder`."""
        mean = self.latent_mean.view(1, -1, 1, 1, 1).to(latents)
        std = self.latent_std.view(1, -1, 1, 1, 1).to(latents)
        hidden = self.conv2(latents.unsqueeze(0) * std + mean)
        frames = [self.decoder.run(part, memory) for part in hidden.split(1, dim=2)]
        return torch.cat(frames, dim=2)[0].clamp(-1, 1)
