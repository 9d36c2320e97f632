"""Tensors computed from weights once, and again only if the weights change."""

from collections.abc import Callable

import torch
from torch import Tensor


class Derived:
    """What `build` makes of some weights, kept until they are replaced or written to."""

    def __init__(
        self,
        build: Callable[..., list[Tensor]],
        layout: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self._build = build
        self._layout = layout
        self._state: tuple[tuple[int, int], ...] = ()
        self._made: list[Tensor] = []
        self._frozen = False

    def __call__(self, *weights: Tensor) -> list[Tensor]:
        """Return `build(*weights)` in the weights' dtype; differentiable while they are trained."""
        if self._frozen:
            return self._made
        if torch.is_grad_enabled() and any(weight.requires_grad for weight in weights):
            return self._build(*weights)
        state = tuple((weight.data_ptr(), _version(weight)) for weight in weights)
        if state != self._state:
            made = self._build(*(weight.detach().float() for weight in weights))
            dtype = weights[0].dtype
            self._made = [
                tensor.to(dtype).contiguous(memory_format=self._layout) for tensor in made
            ]
            self._state = state
        return self._made

    def freeze(self, *weights: Tensor) -> None:
        """Build now and keep what was made; the weights' memory is given back."""
        with torch.inference_mode():
            self(*weights)
        self._frozen = True
        for weight in weights:
            weight.data = weight.data.new_empty(0)


def _version(weight: Tensor) -> int:
    """Return how often a weight was written to; tensors made for inference do not count."""
    return 0 if weight.is_inference() else weight._version
