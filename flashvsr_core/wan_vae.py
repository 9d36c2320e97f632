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
from flashvsr_core.kernels.channel_norm import ChannelNorm, channel_norm, norm_silu
from flashvsr_core.kernels.convolution import Enlargement
from flashvsr_core.kernels.derived import Derived
from flashvsr_core.kernels.fusing import runs_on_hopper

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
        self._flat = Derived(_flatten)

    def run(self, x: Tensor, memory: DecoderMemory, residual: Tensor | None = None) -> Tensor:
        """Map (t, h, w, C) to (t, h, w, C'), plus `residual` if given."""
        past = memory.get(self)
        recent = x[-_PAST:]
        if len(x) < _PAST:
            before = torch.zeros_like(x) if past is None else past[-1:]
            recent = torch.cat([before, x])
        memory[self] = recent
        if runs_on_hopper(x) and self.in_channels % 32 == 0:
            return self._run_fused(x, past, residual)
        first = x.new_zeros((_PAST, *x.shape[1:])) if past is None else past
        joined = torch.cat([first, x]).movedim(-1, 0).unsqueeze(0)
        weight = self.weight.contiguous(memory_format=torch.channels_last_3d)
        padding = (0, *self.padding[1:])
        convolved = F.conv3d(joined, weight, self.bias, padding=padding)[0].movedim(0, -1)
        return convolved if residual is None else convolved + residual

    def _run_fused(self, x: Tensor, past: Tensor | None, residual: Tensor | None) -> Tensor:
        from flashvsr_core.kernels.fused.stream_conv import convolve_stream

        assert self.bias is not None
        weight, bias = self._flat(self.weight, self.bias)
        out = convolve_stream(
            x.contiguous(),
            past,
            weight,
            kernel=self.kernel_size[1],
            frames=_PAST + 1,
            bias=bias,
            residual=None if residual is None else residual.contiguous(),
        )
        return out[..., : self.out_channels]


def _flatten(weight: Tensor, bias: Tensor) -> list[Tensor]:
    """Flatten for the fused kernel, which wants a multiple of 8 results."""
    from flashvsr_core.kernels.fused.stream_conv import flatten_weight

    spare = -len(bias) % 8
    return [F.pad(flatten_weight(weight), (0, spare)), F.pad(bias, (0, spare))]


class ResidualBlock(nn.Module):
    """Norm, SiLU and causal convolution, twice, beside a shortcut."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        norm1, norm2 = ChannelNorm(c_in), ChannelNorm(c_out)
        first = CausalConv3d(c_in, c_out, (3, 3, 3))
        second = CausalConv3d(c_out, c_out, (3, 3, 3))
        self._parts = (norm1, first, norm2, second)
        # The identity is the dropout of training, which the checkpoint's numbering counts.
        self.residual = nn.Sequential(
            norm1, nn.SiLU(), first, norm2, nn.SiLU(), nn.Identity(), second
        )
        self.shortcut = nn.Identity() if c_in == c_out else nn.Conv3d(c_in, c_out, 1)

    def run(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Map (t, h, w, C_in) to (t, h, w, C_out)."""
        norm1, first, norm2, second = self._parts
        hidden = first.run(norm_silu(x, norm1.gamma), memory)
        shortcut = x if isinstance(self.shortcut, nn.Identity) else _mix(x, self.shortcut)
        return second.run(norm_silu(hidden, norm2.gamma), memory, residual=shortcut)


def _mix(x: Tensor, layer: nn.Conv2d | nn.Conv3d) -> Tensor:
    """Apply a convolution over single pixels to (..., C)."""
    return F.linear(x, layer.weight.flatten(1), layer.bias)


class FrameAttention(nn.Module):
    """Dense single-head attention inside each frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels, extra_dims=2)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (t, h, w, C)."""
        mixed = _mix(channel_norm(x, self.norm.gamma), self.to_qkv)
        q, k, v = mixed.flatten(1, 2).unsqueeze(1).chunk(3, dim=-1)
        attended = F.scaled_dot_product_attention(q, k, v)[:, 0].unflatten(1, x.shape[1:3])
        return x + _mix(attended, self.proj)


class Resample(nn.Module):
    """Twice the height and width, half the channels; twice the frames where `doubles_time`."""

    def __init__(self, channels: int, *, doubles_time: bool) -> None:
        super().__init__()
        convolution = nn.Conv2d(channels, channels // 2, 3, padding=1)
        self._convolution = (convolution,)
        self.resample = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), convolution)
        self.time_conv = CausalConv3d(channels, 2 * channels, (3, 1, 1)) if doubles_time else None
        self._enlarge = Enlargement()

    def run(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Map (t, h, w, C) to (t or 2t, 2h, 2w, C/2)."""
        if self.time_conv is not None:
            if memory.get(self.time_conv) is not None:
                grown = self.time_conv.run(x, memory)
                x = rearrange(grown, "t h w (k c) -> (t k) h w c", k=2)
            else:
                # A stream's first frame stands alone, and is never seen by later ones here.
                memory[self.time_conv] = x.new_zeros((_PAST, *x.shape[1:]))
        return self._enlarge(x.movedim(-1, 1), *self._convolution).movedim(1, -1)


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
        norm, last = ChannelNorm(narrow), CausalConv3d(narrow, 3, (3, 3, 3))
        self._last = (norm, last)
        self.head = nn.Sequential(norm, nn.SiLU(), last)

    def run(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Map (t, h, w, 16) to (T, 8h, 8w, 3)."""
        x = self.conv1.run(x, memory)
        for layer in [*self.middle, *self.upsamples]:
            x = layer(x) if isinstance(layer, FrameAttention) else layer.run(x, memory)
        norm, last = self._last
        return last.run(norm_silu(x, norm.gamma), memory)


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
        mean, std = self.latent_mean.to(latents), self.latent_std.to(latents)
        hidden = _mix(latents.permute(1, 2, 3, 0) * std + mean, self.conv2)
        frames = [self.decoder.run(part, memory) for part in hidden.split(1)]
        return torch.cat(frames).movedim(-1, 0).clamp(-1, 1)
