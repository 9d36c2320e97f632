"""Weights that are set once and held, while the rest of a network learns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Copy:
    """Which weights of a decoder make its copy; nothing for a decoder too narrow for one."""

    held: dict[str, Tensor] = field(default_factory=dict)
    """By parameter: True where a weight belongs to the copy."""
    begun: dict[str, Tensor] = field(default_factory=dict)
    """By parameter: True where a weight has its beginning: what is held, and more."""
    carried: dict[str, int] = field(default_factory=dict)
    """By convolution: how many of its first inputs carry frames; the last of these is 1."""

    def hold(self, network: nn.Module) -> None:
        """Let no gradient reach these weights; the network must be on its device already."""
        for name, mask in self.held.items():
            parameter = network.get_parameter(name)
            parameter.register_hook(partial(torch.mul, (~mask).to(parameter)))


class CopyWriter:
    """Writes a copy into a network, and keeps account of what it wrote."""

    def __init__(self, network: nn.Module, copy: Copy | None = None, *, holds: bool = True) -> None:
        """Write into this network, and into this account; without `holds` weights may learn on."""
        self.copy = copy or Copy()
        self._holds = holds
        self._modules = {id(module): name for name, module in network.named_modules()}

    def rows(
        self, conv: nn.Module, weight: Tensor, *, first_row: int = 0, carried: int = 0
    ) -> None:
        """Set some outputs' weights of the first inputs; they look at nothing else."""
        rows = slice(first_row, first_row + len(weight))
        _weight(conv)[rows] = 0
        _weight(conv)[rows, : weight.shape[1]] = weight
        self._mark(conv, "weight", rows)
        self.reads(conv, carried)

    def part(self, conv: nn.Module, weight: Tensor, *, carried: int = 0) -> None:
        """Set the first outputs' weights of the first inputs; they may learn to look at others."""
        where = (slice(len(weight)), slice(weight.shape[1]))
        _weight(conv)[where] = weight
        self._mark(conv, "weight", where)
        self.reads(conv, carried)

    def fix(self, conv: nn.Module, rows: Sequence[int]) -> None:
        """Hold some outputs as they are now."""
        for row in rows:
            self._mark(conv, "weight", row)
            self._mark(conv, "bias", row)

    def bias(
        self, conv: nn.Module, values: Sequence[float], times: int, *, first_row: int = 0
    ) -> None:
        """Set the biases of some outputs: each value so many times."""
        assert isinstance(conv.bias, Tensor)
        rows = slice(first_row, first_row + len(values) * times)
        conv.bias[rows] = torch.tensor(values).repeat_interleave(times)
        self._mark(conv, "bias", rows)

    def reads(self, conv: nn.Module, carried: int) -> None:
        """Note how many of a convolution's first inputs carry frames."""
        if carried:
            self.copy.carried[self._modules[id(conv)]] = carried

    def _mark(self, conv: nn.Module, kind: str, where: Any) -> None:  # noqa: ANN401  (an index)
        """Note what was written."""
        name = f"{self._modules[id(conv)]}.{kind}"
        for masks in (self.copy.begun, self.copy.held) if self._holds else (self.copy.begun,):
            nowhere = torch.zeros_like(conv.get_parameter(kind), dtype=torch.bool)
            masks.setdefault(name, nowhere)[where] = True


def _weight(conv: nn.Module) -> Tensor:
    assert isinstance(conv.weight, Tensor)
    return conv.weight
