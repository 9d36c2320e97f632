"""The tiny conditional decoder: latents and low-quality frames to RGB in one light network.

A TAEHV-style decoder. `decoder.I` in the released file counts every layer of a flat list, ReLUs
included, and so does the list here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.decoder import DecoderMemory
from flashvsr_core.schedule import FRAMES_PER_LATENT

_LATENTS_AT_ONCE = 2
"""Latent frames decoded together: what a steady chunk has, so that the first one needs no more."""


@dataclass(frozen=True)
class TinyDecoderConfig:
    """Channel counts; the released model has 784 in and 512, 256, 128, 128 inside."""

    in_channels: int
    channels: tuple[int, int, int, int]

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> "TinyDecoderConfig":
        """Read the sizes from a checkpoint's shapes; a missing key raises KeyError."""
        return cls(
            in_channels=shapes["decoder.1.weight"][1],
            channels=(
                shapes["decoder.1.weight"][0],
                shapes["decoder.10.weight"][0],
                shapes["decoder.16.weight"][0],
                shapes["decoder.22.weight"][0],
            ),
        )


class Clamp(nn.Module):
    """Bound the input smoothly to (-3, 3)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply tanh(x / 3) * 3."""
        return torch.tanh(x / 3) * 3


class MemoryBlock(nn.Module):
    """Three convolutions over a frame and the same layer's input one frame earlier."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Transform (T, C, h, w), consecutive frames of the stream."""
        before = memory[self] if self in memory else torch.zeros_like(x[:1])
        memory[self] = x[-1:]
        earlier = torch.cat([before, x[:-1]])
        return F.relu(self.conv(torch.cat([x, earlier], dim=1)) + x)


class TemporalGrow(nn.Module):
    """One frame to `factor` frames by a 1x1 convolution."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.conv = nn.Conv2d(channels, factor * channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (T, C, h, w) to (factor * T, C, h, w), in time order."""
        grown: Tensor = rearrange(self.conv(x), "t (k c) h w -> (t k) c h w", k=self.factor)
        return grown


class Upsample(nn.Module):
    """Nearest-neighbour enlargement by 2."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (T, C, h, w) to (T, C, 2h, 2w)."""
        return F.interpolate(x, scale_factor=2, mode="nearest")


class TinyDecoder(nn.Module):
    """The decoder of the tiny pipeline; satisfies `Decoder`."""

    def __init__(self, config: TinyDecoderConfig) -> None:
        super().__init__()
        c1, c2, c3, c4 = config.channels
        self.decoder = nn.ModuleList(
            [
                Clamp(),
                nn.Conv2d(config.in_channels, c1, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(c1, c1, 3, padding=1, bias=False),
                nn.ReLU(),
                *(MemoryBlock(c1) for _ in range(3)),
                Upsample(),
                TemporalGrow(c1, 1),
                nn.Conv2d(c1, c2, 3, padding=1, bias=False),
                *(MemoryBlock(c2) for _ in range(3)),
                Upsample(),
                TemporalGrow(c2, 2),
                nn.Conv2d(c2, c3, 3, padding=1, bias=False),
                *(MemoryBlock(c3) for _ in range(3)),
                Upsample(),
                TemporalGrow(c3, 2),
                nn.Conv2d(c3, c4, 3, padding=1, bias=False),
                nn.ReLU(),
                nn.Conv2d(c4, c4, 3, padding=1, bias=False),
                nn.ReLU(),
                nn.Conv2d(c4, 3, 3, padding=1),
            ]
        )

    def decode(self, latents: Tensor, low_quality: Tensor, memory: DecoderMemory) -> Tensor:
        """Decode the next latent frames of a stream; see `Decoder`."""
        extra = FRAMES_PER_LATENT - 1 if memory.is_empty else 0
        if extra:
            # Only one frame stands behind a stream's first latent frame: it is shown four times.
            repeated = low_quality[:, :1].expand(-1, extra, -1, -1)
            low_quality = torch.cat([repeated, low_quality], dim=1)
        cells = rearrange(
            low_quality, "c (f t) (h p) (w q) -> f (c t p q) h w", t=FRAMES_PER_LATENT, p=8, q=8
        )
        inputs = torch.cat([cells, latents.movedim(1, 0)], dim=1)
        frames = torch.cat(
            [self._run(part, memory) for part in torch.split(inputs, _LATENTS_AT_ONCE)]
        )
        return frames[extra:].movedim(1, 0) * 2 - 1

    def _run(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Map (f, C, h, w) to (4f, 3, 8h, 8w) in about [0, 1]."""
        layers = iter(self.decoder)
        for layer in layers:
            if isinstance(layer, MemoryBlock):
                x = layer(x, memory)
            elif isinstance(layer, Upsample):
                # A 1x1 convolution and a nearest enlargement commute: growing first is 4x cheaper.
                grow = next(layers)
                x = layer(grow(x))
            else:
                x = layer(x)
        return x
