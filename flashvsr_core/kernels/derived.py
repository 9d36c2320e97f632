"""Tensors computed from weights once, and again only if the weights change."""

from collections.abc import Callable

import torch
from torch import Tensor


class Derived:
    """What `build` makes of some weights, kept until they are replaced or written to."""

    def __init__(self, build: Callable[..., list[Tensor]]) -> None:
        self._build = build
        self._state: tuple[tuple[int, int], ...] = ()
        self._made: list[Tensor] = []

    def __call__(self, *weights: Tensor) -> list[Tensor]:
        """Return `build(*weights)` in the weights' dtype; differentiable while they are trained."""
        if torch.is_grad_enabled() and any(weight.requires_grad for weight in weights):
            return self._build(*weights)
        state = tuple((weight.data_ptr(), _version(weight)) for weight in weights)
        if state != self._state:
            made = self._build(*(weight.detach().float() for weight in weights))
            self._made = [tensor.to(weights[0].dtype).contiguous() for tensor in made]
            self._state = state
        return self._made


def _version(weight: Tensor) -> int:
    """Return how often a weight was written to; tensors made for inference do not count."""
    return 0 if weight.is_inference() else weight._version
