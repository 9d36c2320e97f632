"""The perceptual term: LPIPS where its package and weights are, else gradients at several sizes.

The paper uses LPIPS. Its weights come from a hub; without them `gradients` compares edges and
texture at three sizes. That is no learned metric, and not claimed to be as good as one.
"""

import importlib
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from training.errors import TrainingError

PerceptualLoss = Callable[[Tensor, Tensor], Tensor]
"""(result, target), (B, 3, T, H, W) in [-1, 1] each -> one number."""

_LEVELS = 3


def load_perceptual(name: str) -> PerceptualLoss:
    """Return the term of that name.

    Raises:
        TrainingError: there is none, or its package or weights are missing.

    """
    if name == "gradients":
        return compare_gradients
    if name == "lpips":
        return _load_lpips()
    raise TrainingError(f"There is no perceptual loss '{name}'; choose gradients or lpips.")


def compare_gradients(result: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of horizontal and vertical steps at three sizes."""
    result, target = (x.float().transpose(1, 2).flatten(0, 1) for x in (result, target))
    total = result.new_zeros(())
    for level in range(_LEVELS):
        if level:
            result, target = (F.avg_pool2d(x, 2) for x in (result, target))
        for axis in (-1, -2):
            total = total + (result.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
    return total / (2 * _LEVELS)


def _load_lpips() -> PerceptualLoss:
    try:
        lpips = importlib.import_module("lpips")
    except ImportError as error:
        raise TrainingError(
            "The perceptual loss 'lpips' needs the package lpips and its weights; install it, or"
            ' set perceptual = "gradients".'
        ) from error
    network = lpips.LPIPS(net="vgg").eval().requires_grad_(requires_grad=False)

    def compare(result: Tensor, target: Tensor) -> Tensor:
        network.to(result.device)
        frames = (x.transpose(1, 2).flatten(0, 1) for x in (result, target))
        distance: Tensor = network(*frames).mean()
        return distance

    return compare
