"""Work replayed as CUDA graphs: many small kernels are recorded once, and started together.

A small network's step is otherwise as slow as the host that starts its kernels.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Graphed:
    """Calls a module, and replays its forward and backward passes once they are recorded.

    Inputs take no gradients, and are always of one shape when they are replayed.
    """

    def __init__(self, module: nn.Module) -> None:
        """Record nothing yet. A module can be recorded once, by one of these."""
        self._module: Callable[..., Any] = module

    def record(self, *inputs: Tensor) -> None:
        """Record both passes, on inputs that are not learned from.

        Nothing else may use the GPU meanwhile, or CUDA fails.
        """
        samples = tuple(torch.empty_like(x).copy_(x) for x in inputs)
        self._module = torch.cuda.make_graphed_callables(self._module, samples)

    def __call__(self, *inputs: Tensor) -> Any:  # noqa: ANN401  (whatever the module gives)
        """Return what the module gives."""
        return self._module(*inputs)


class Replayed:
    """Does work on tensors that stay where they are; on a GPU it is replayed from the third time.

    The first time prepares the libraries, the second one records. Other threads may use the GPU.
    """

    def __init__(self, work: Callable[[], None], device: torch.device) -> None:
        self._work, self._is_on_gpu = work, device.type == "cuda"
        self._graph: torch.cuda.CUDAGraph | None = None
        self._is_prepared = False

    def __call__(self) -> None:
        """Do it."""
        if not self._is_on_gpu or not self._is_prepared:
            self._work()
            self._is_prepared = True
            return
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._work()
        self._graph.replay()
