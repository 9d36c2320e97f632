"""Weights that are set once and held, while the rest of a network learns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Copy:
    """Which weights of a decoder make its copy; nothing for a decoder too narrow for one."""

    held: dict[str, Tensor] = field(default_factory=dict)
    """By parameter: True where a weight belongs to the copy."""
    carried: dict[str, int] = field(default_factory=dict)
    """By convolution: how many of its first inputs carry frames; the last of these is 1."""

    def hold(self, network: nn.Module) -> None:
        """Let no gradient reach these weights; the network must be on its device already."""
        for name, mask in self.held.items():
            parameter = network.get_parameter(name)
            parameter.register_hook(partial(torch.mul, (~mask).to(parameter)))


class CopyWriter:
    """Writes a copy into a network, and keeps account of what it wrote."""

    def __init__(self, network: nn.Module) -> None:
        """Write into this network."""
        self.copy = Copy()
        self._modules = {id(module): name for name, module in network.named_modules()}

    def rows(
        self, conv: nn.Module, weight: Tensor, *, first_row: int = 0, carried: int = 0
    ) -> None:
        """Set some outputs' weights of the first inputs; they look at nothing else."""
        rows = slice(first_row, first_row + len(weight))
        _weight(conv)[rows] = 0
        _weight(conv)[rows, : weight.shape[1]] = weight
        self._hold(conv, "weight")[rows] = True
        self.reads(conv, carried)

    def part(self, conv: nn.Module, weight: Tensor, *, carried: int = 0) -> None:
        """Set the first outputs' weights of the first inputs; they may learn to look at others."""
        where = (slice(len(weight)), slice(weight.shape[1]))
        _weight(conv)[where] = weight
        self._hold(conv, "weight")[where] = True
        self.reads(conv, carried)

    def nothing(self, conv: nn.Module, row: int) -> None:
        """Have one output be 0 for good."""
        _weight(conv)[row] = 0
        self._hold(conv, "weight")[row] = True
        self.bias(conv, (0.0,), 1, first_row=row)

    def bias(
        self, conv: nn.Module, values: Sequence[float], times: int, *, first_row: int = 0
    ) -> None:
        """Set the biases of some outputs: each value so many times."""
        assert isinstance(conv.bias, Tensor)
        rows = slice(first_row, first_row + len(values) * times)
        conv.bias[rows] = torch.tensor(values).repeat_interleave(times)
        self._hold(conv, "bias")[rows] = True

    def reads(self, conv: nn.Module, carried: int) -> None:
        """Note how many of a convolution's first inputs carry frames."""
        if carried:
            self.copy.carried[self._modules[id(conv)]] = carried

    def _hold(self, conv: nn.Module, kind: str) -> Tensor:
        name = f"{self._modules[id(conv)]}.{kind}"
        return self.copy.held.setdefault(
            name, torch.zeros_like(conv.get_parameter(kind), dtype=torch.bool)
        )


def _weight(conv: nn.Module) -> Tensor:
    assert isinstance(conv.weight, Tensor)
    return conv.weight
