"""What keeps a decoder's features from falling silent for good.

While the weights that read it are still wrong, the quickest way to a smaller error is to turn a
feature off, and behind a ReLU nothing turns it on again. Here a feature costs as soon as its mean
lies more than half a deviation below 0.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from flashvsr_core.tiny_decoder import MemoryBlock, TinyDecoder
from training.forward.tiny_decoder import convolve, decode_clips
from training.held import Copy

_BELOW = 0.5
_LEAST = 1e-4


class Drawing(nn.Module):
    """A decoder that draws, and tells how silent its features are."""

    def __init__(self, decoder: TinyDecoder, copy: Copy) -> None:
        """Watch all features that go through a ReLU, but those of the copy."""
        super().__init__()
        self._decoder = decoder
        self._free: dict[int, Tensor] = {}
        names = {id(module): name for name, module in decoder.named_modules()}
        for conv in _before_relu(decoder):
            begun = copy.begun.get(f"{names[id(conv)]}.weight")
            free = torch.ones(conv.out_channels) if begun is None else ~begun.flatten(1).any(dim=1)
            self._free[id(conv)] = free.to(conv.weight)

    def forward(self, latents: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames as `decode_clips` does, and one number: 0 where no feature is silent."""
        costs: list[Tensor] = []

        def look(conv: nn.Conv2d, x: Tensor) -> Tensor:
            y = convolve(conv, x)
            free = self._free.get(id(conv))
            if free is not None:
                costs.append(_silence(y, free))
            return y

        frames = decode_clips(self._decoder, latents, low, look)
        return frames, torch.stack(costs).sum()


def _silence(y: Tensor, free: Tensor) -> Tensor:
    """Return the mean cost of the free ones of (B, C, h, w)."""
    mean = y.mean(dim=(0, 2, 3))
    deviation = y.detach().std(dim=(0, 2, 3)) + _LEAST
    cost = (mean / deviation + _BELOW).clamp(max=0).square() * free
    return cost.sum() / free.sum().clamp_min(1)


def _before_relu(decoder: TinyDecoder) -> list[nn.Conv2d]:
    layers = list(decoder.decoder)
    plain = [
        layer
        for layer, after in pairwise(layers)
        if isinstance(layer, nn.Conv2d) and isinstance(after, nn.ReLU)
    ]
    blocks = [layer for layer in layers if isinstance(layer, MemoryBlock)]
    hidden = [conv for block in blocks for conv in list(block.conv)[:-1]]
    return [*plain, *(conv for conv in hidden if isinstance(conv, nn.Conv2d))]
