"""A beginning for the tiny decoder's free channels: they see detail, and not how bright it is.

Frames are carried with an offset, many times larger than the detail in them. Random weights would
sum up offsets: half of all features would be nothing everywhere, the other half something
everywhere, and none would depend on the detail. So what is read of carried frames adds up to 0
over each kernel, and every feature's mean and deviation over sample pictures are set, layer by
layer (arXiv 1511.06422).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashvsr_core.schedule import FRAMES_PER_LATENT
from flashvsr_core.tiny_decoder import MemoryBlock, TemporalGrow, TinyDecoder
from training.forward.tiny_decoder import convolve, decode_clips
from training.held import Copy
from training.position_code import write_code

_PLANES = 3 * FRAMES_PER_LATENT
_CELL_PX = 8
_DEVIATION = 0.5
_LEAST = 1e-6
"""Outputs that vary less are meant to be 0."""

_SAMPLES, _SAMPLE_PX, _CORRELATION = 8, 128, 0.97
"""Pictures, their sides, and the correlation of pixels before enlargement by 4."""


@torch.no_grad()
def begin_free_channels(decoder: TinyDecoder, copy: Copy) -> None:
    """Give everything that is not held its beginning; all draws come from torch's generator."""
    if not copy.held:
        return
    free = _FreeChannels(decoder, copy)
    free.see_detail()
    frames = _sample_pictures()
    latent_size = (side // 8 for side in frames.shape[-2:])
    latents = torch.randn(len(frames), free.latent_channels, 2, *latent_size)
    decode_clips(decoder, write_code(latents), frames, free.normalise)


class _FreeChannels:
    """The outputs of a decoder's convolutions that do not belong to its copy."""

    def __init__(self, decoder: TinyDecoder, copy: Copy) -> None:
        self._layers, self._copy = list(decoder.decoder), copy
        self._names = {id(module): name for name, module in decoder.named_modules()}
        plain = [layer for layer in self._layers if isinstance(layer, nn.Conv2d)]
        self._first, self._last = plain[0], plain[-1]

    @property
    def latent_channels(self) -> int:
        return self._first.in_channels - _PLANES * _CELL_PX**2

    def see_detail(self) -> None:
        """Centre what they read of carried frames; the last layer reads none of them yet."""
        self._centre(self._first, slice(_PLANES * _CELL_PX**2), _CELL_PX**2)
        # Latents are many times larger than detail, and may be noise: what is of use in them is
        # learned. The code is carried for all to see.
        self._first.weight[self._outputs(self._first), _PLANES * _CELL_PX**2 :] = 0
        for layer in self._layers:
            if isinstance(layer, MemoryBlock):
                conv = layer.conv[0]
                assert isinstance(conv, nn.Conv2d)
                # It reads its input twice: as it is, and as it was a frame earlier.
                self._centre(conv, self._carried(conv, conv.out_channels))
                self._centre(conv, self._carried(conv))
            elif isinstance(layer, TemporalGrow):
                self._centre(layer.conv, self._carried(layer.conv))
            elif isinstance(layer, nn.Conv2d) and layer is not self._first:
                self._centre(layer, self._carried(layer))
        self._last.weight[:, self._carried(self._last).stop :] = 0

    def normalise(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        """Set mean and deviation of what a convolution makes of sample pictures, and return it."""
        deviation = convolve(conv, x).std(dim=(0, 2, 3))
        free = self._outputs(conv) & (deviation > _LEAST)
        middle = conv.kernel_size[0] // 2
        conv.weight[free] *= (_DEVIATION / deviation[free]).view(-1, 1, 1, 1)
        mean = convolve(conv, x).mean(dim=(0, 2, 3))[free]
        if conv.bias is None:
            one = self._carried(conv).stop - 1
            conv.weight[free, one, middle, middle] -= mean
        else:
            conv.bias[free] -= mean
        return convolve(conv, x)

    def _carried(self, conv: nn.Module, start: int = 0) -> slice:
        return slice(start, start + self._copy.carried[self._names[id(conv)]])

    def _outputs(self, conv: nn.Conv2d) -> Tensor:
        """Return which outputs of a convolution have no weight that is held."""
        begun = self._copy.begun.get(f"{self._names[id(conv)]}.weight")
        if begun is None:
            return torch.ones(conv.out_channels, dtype=torch.bool)
        return ~begun.flatten(1).any(dim=1)

    def _centre(self, conv: nn.Conv2d, inputs: slice, group: int = 1) -> None:
        """Have the weights of every `group` of inputs, over all taps, add up to 0."""
        free = self._outputs(conv)
        weight = conv.weight[free, inputs].unflatten(1, (-1, group))
        centred = weight - weight.mean(dim=(2, 3, 4), keepdim=True)
        conv.weight[free, inputs] = centred.flatten(1, 2)


def _sample_pictures() -> Tensor:
    """Return still clips (B, 3, 5, H, W) in [-1, 1], as smooth as photographs enlarged by 4."""
    side = _SAMPLE_PX // 4
    distance = torch.arange(side).sub(torch.arange(side)[:, None]).abs()
    root = torch.linalg.cholesky(_CORRELATION**distance)
    small = root @ torch.randn(_SAMPLES, 3, side, side) @ root.T / 3
    large = F.interpolate(small.clamp(-1, 1), scale_factor=4, mode="bicubic")
    return large[:, :, None].expand(-1, -1, FRAMES_PER_LATENT + 1, -1, -1)
