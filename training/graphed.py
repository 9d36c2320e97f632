"""Forward and backward passes replayed as CUDA graphs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Graphed:
    """Calls a module; on a GPU its many small kernels are recorded once, and started together.

    A small network's step is otherwise as slow as the host that starts its kernels. Inputs take no
    gradients and are always of one shape.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module: Callable[..., Any] = module
        self._is_recorded = False

    def __call__(self, *inputs: Tensor) -> Any:  # noqa: ANN401  (whatever the module gives)
        """Return what the module gives."""
        if inputs[0].is_cuda and not self._is_recorded:
            samples = tuple(torch.empty_like(x).copy_(x) for x in inputs)
            self._module = torch.cuda.make_graphed_callables(self._module, samples)
            self._is_recorded = True
        return self._module(*inputs)
