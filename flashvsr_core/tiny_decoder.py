"""The tiny conditional decoder: latents and low-quality frames to RGB in one light network.

A TAEHV-style decoder. `decoder.I` in the released file counts every layer of a flat list, ReLUs
included, and so does the list here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from flashvsr_core.decoder import DecoderMemory
from flashvsr_core.kernels.convolution import (
    Enlargement,
    FewChannels,
    PairConvolution,
    convolve_relu,
)
from flashvsr_core.schedule import FRAMES_PER_LATENT

_BLOCKS_PER_STAGE = 3

_GPU_BAND_BYTES, _CPU_BAND_BYTES = 640 * 2**20, 24 * 2**20
"""Largest activation of the last stages: enough pixels to fill a GPU; little enough for a CPU's
caches, and for memory that glibc keeps when it is freed (32 MiB at most)."""

_BAND_MARGIN = 2
"""Rows beside a band, before enlargement, that its three convolutions may look at."""


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
        return (x / 3).tanh_() * 3


class MemoryBlock(nn.Module):
    """Three convolutions over a frame and the same layer's input one frame earlier."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        pair = PairConvolution(channels)
        second = nn.Conv2d(channels, channels, 3, padding=1)
        third = nn.Conv2d(channels, channels, 3, padding=1)
        self._parts = (pair, second, third)
        self.conv = nn.Sequential(pair, nn.ReLU(), second, nn.ReLU(), third)

    def forward(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Transform (T, C, h, w), consecutive frames of the stream."""
        pair, second, third = self._parts
        before = memory.get(self)
        memory[self] = x[-1:]
        return convolve_relu(convolve_relu(pair.relu(x, before), second), third, residual=x)


class TemporalGrow(nn.Module):
    """One frame to `factor` frames by a 1x1 convolution."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, factor * channels, 1, bias=False)


class Upsample(nn.Module):
    """Enlargement by 2, together with the growth and the convolution that follow it."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self._enlarge = Enlargement(factor)

    def forward(
        self, x: Tensor, grow: TemporalGrow, convolution: nn.Conv2d, *, relu: bool
    ) -> Tensor:
        """Map (T, C, h, w) to (factor * T, C', 2h, 2w), in time order."""
        return self._enlarge(x, convolution, grow.conv, relu=relu)

    def in_turn(self, x: Tensor, grow: TemporalGrow, convolution: nn.Conv2d) -> Iterator[Tensor]:
        """Yield the new frames of one frame (1, C, h, w), each only when it is wanted."""
        return self._enlarge.in_turn(x, convolution, grow.conv)


@dataclass(frozen=True)
class _Stage:
    """Memory blocks at one size, and what enlarges their result."""

    blocks: tuple[MemoryBlock, ...]
    upsample: Upsample
    grow: TemporalGrow
    convolution: nn.Conv2d

    @classmethod
    def build(cls, c_in: int, c_out: int, factor: int) -> "_Stage":
        return cls(
            tuple(MemoryBlock(c_in) for _ in range(_BLOCKS_PER_STAGE)),
            Upsample(factor),
            TemporalGrow(c_in, factor),
            nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
        )

    @property
    def layers(self) -> tuple[nn.Module, ...]:
        return (*self.blocks, self.upsample, self.grow, self.convolution)

    def remember(self, x: Tensor, memory: DecoderMemory) -> Tensor:
        """Run the memory blocks on (T, C, h, w)."""
        for block in self.blocks:
            x = block(x, memory)
        return x

    def enlarge(self, x: Tensor, *, relu: bool = False) -> Tensor:
        """Map (T, C, h, w) to (factor * T, C', 2h, 2w)."""
        enlarged: Tensor = self.upsample(x, self.grow, self.convolution, relu=relu)
        return enlarged

    def enlarge_parts(self, x: Tensor) -> Iterator[Tensor]:
        """Yield what `enlarge` gives in parts of bounded size."""
        growth_bytes = 4 * self.convolution.out_channels * x.nbytes // x.shape[1]
        if len(x) == 1 and 2 * growth_bytes > _band_bytes(x):
            yield from self.upsample.in_turn(x, self.grow, self.convolution)
        else:
            enlarged = self.enlarge(x)
            yield from _groups(enlarged, enlarged.nbytes)


class TinyDecoder(nn.Module):
    """The decoder of the tiny pipeline; satisfies `Decoder`."""

    def __init__(self, config: TinyDecoderConfig) -> None:
        super().__init__()
        c1, c2, c3, c4 = config.channels
        clamp = Clamp()
        first = nn.Conv2d(config.in_channels, c1, 3, padding=1)
        second = nn.Conv2d(c1, c1, 3, padding=1, bias=False)
        stages = (_Stage.build(c1, c2, 1), _Stage.build(c2, c3, 2), _Stage.build(c3, c4, 2))
        third = nn.Conv2d(c4, c4, 3, padding=1, bias=False)
        last = FewChannels(c4, 3)
        self._begin = (clamp, first, second)
        self._stages = stages
        self._end = (third, last)
        self.decoder = nn.ModuleList(
            [
                *(clamp, first, nn.ReLU(), second, nn.ReLU()),
                *(layer for stage in stages for layer in stage.layers),
                *(nn.ReLU(), third, nn.ReLU(), last),
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
            low_quality, "c (f t) (h p) (w q) -> f h w (c t p q)", t=FRAMES_PER_LATENT, p=8, q=8
        )
        # Channels last in memory: CPUs run these convolutions about twice as fast, and GPUs need
        # no conversions of layout.
        inputs = torch.cat([cells, latents.permute(1, 2, 3, 0)], dim=-1).movedim(-1, 1)
        del cells
        latents_at_once = 1 if self._last_stage_bytes(inputs[:2]) > _band_bytes(inputs) else 2
        groups = torch.split(inputs, latents_at_once)
        frames = torch.cat([part for group in groups for part in self._run(group, memory)])
        return frames.mul_(2).sub_(1)[extra:].movedim(1, 0)

    def _run(self, x: Tensor, memory: DecoderMemory) -> Iterator[Tensor]:
        """Map (f, C, h, w) to parts of (4f, 3, 8h, 8w) in about [0, 1]."""
        clamp, first, second = self._begin
        x = convolve_relu(convolve_relu(clamp(x), first), second)
        early, middle, _ = self._stages
        x = middle.remember(early.enlarge(early.remember(x, memory)), memory)
        for part in middle.enlarge_parts(x):
            remembered = self._stages[-1].remember(part, memory)
            del part
            for group in _groups(remembered, _finish_bytes(remembered)):
                yield self._finish(group)

    def _last_stage_bytes(self, x: Tensor) -> int:
        """Return the size of one activation that (f, C, h, w) becomes in the last stage."""
        f, _, height, width = x.shape
        channels = self._stages[-1].convolution.in_channels
        return 2 * f * 4 * height * 4 * width * channels * x.element_size()

    def _finish(self, x: Tensor) -> Tensor:
        """Map (T, C, h, w) to (2T, 3, 2h, 2w), in bands if frames are large.

        From here on frames do not know one another, and rows only their neighbours. Zeros follow
        the picture's border, so a band that ends inside it is computed with some rows more.
        """
        height = x.shape[2]
        rows = height
        if _finish_bytes(x) > _band_bytes(x):
            # Half the size each: a frame that is cut anyway leaves less memory for its bands.
            rows = max(1, height // -(-2 * _finish_bytes(x) // _band_bytes(x)))
        bands = []
        for top in range(0, height, rows):
            above = min(top, _BAND_MARGIN)
            band = x[:, :, top - above : top + rows + _BAND_MARGIN]
            kept = slice(2 * above, 2 * (above + min(rows, height - top)))
            bands.append(self._finish_band(band)[:, :, kept])
        return torch.cat(bands, dim=2)

    def _finish_band(self, x: Tensor) -> Tensor:
        third, last = self._end
        frames: Tensor = last(convolve_relu(self._stages[-1].enlarge(x, relu=True), third))
        return frames


def _groups(x: Tensor, size_bytes: int) -> tuple[Tensor, ...]:
    """Split frames into groups of bounded size, given the size that all of them have."""
    return torch.split(x, max(1, _band_bytes(x) * len(x) // size_bytes))


def _band_bytes(x: Tensor) -> int:
    return _GPU_BAND_BYTES if x.is_cuda else _CPU_BAND_BYTES


def _finish_bytes(x: Tensor) -> int:
    """Return the size of one activation that (T, C, h, w) becomes at the full size."""
    return 2 * 4 * x.numel() * x.element_size()
