"""Learning rates of layers that differ in width."""

import torch
from torch import nn

_FULL_RATE_INPUTS = 144
"""A 3x3 convolution over 16 channels."""


def rates_by_inputs(module: nn.Module, rate: float) -> tuple[tuple[nn.Module, float], ...]:
    """Return each convolution of a module with its learning rate.

    Adam moves every weight by about the rate, and the inputs of a picture's layer rise and fall
    together: what comes out moves by the rate times the number of inputs. The 7,056 of the tiny
    decoder's first layer, at the rate of its last, undo in 20 steps whatever was there before.
    Above 144 inputs the rate therefore falls with their number (arXiv 2203.03466 says so for Adam).
    """
    convolutions = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    return tuple((layer, rate * _share(layer.weight)) for layer in convolutions)


def _share(weight: torch.Tensor) -> float:
    return min(1.0, _FULL_RATE_INPUTS / weight[0].numel())
