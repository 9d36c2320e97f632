"""What the training loop knows of a stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from flashvsr_core.dit.windows import Grid
from training.batch import Batch
from training.config import StageConfig
from training.whitening import Whitening

CELL_PX = 16
LAG = 4
"""Frames that a stream reads ahead of those that come out."""


@dataclass(frozen=True)
class Terms:
    """What an objective gives for one slot."""

    loss: Tensor
    logged: Mapping[str, Tensor]
    """Single numbers without gradients, averaged over slots and processes for the log."""
    handed: Mapping[str, Tensor] = field(default_factory=dict)
    """Tensors without gradients for the next player's objective on the same slot."""


@dataclass(frozen=True)
class Whitened:
    """The coordinates in which a player learns, and how it looks at what they depend on."""

    whitening: Whitening
    look: Callable[[Batch], None]
    """Runs the network on a batch, and has `whitening` see what its convolutions read."""


@dataclass(frozen=True)
class Player:
    """One optimizer and its objective; most stages have one, the distillation has two."""

    name: str
    objective: nn.Module
    """`forward(batch, handed) -> Terms`, with every parameter of `groups` inside."""
    groups: tuple[tuple[nn.Module, float], ...]
    """Modules that are trained, and the learning rate of each."""
    whitened: Whitened | None = None
    """Takes the steps of some of them in coordinates of their inputs."""
    record: Callable[[Batch], None] | None = None
    """Records what is to be replayed. Nothing else may use the GPU meanwhile, or CUDA fails."""


class Stage(Protocol):
    """One stage, built from its configuration and what earlier stages left in the run folder."""

    @property
    def pieces(self) -> Mapping[str, nn.Module]:
        """What checkpoints hold, by name."""
        ...

    @property
    def players(self) -> tuple[Player, ...]:
        """In the order of their turns."""
        ...


def grid_of(batch: Batch) -> Grid:
    """Return the tokens of a batch's clips, T = 8n + 1 frames read."""
    _, _, T, H, W = batch.high.shape
    return Grid((T - 1) // LAG, H // CELL_PX, W // CELL_PX)


def weigh(config: StageConfig, terms: Mapping[str, Tensor]) -> Terms:
    """Sum terms by the configuration's weights; every term is logged."""
    first = next(iter(terms.values()))
    loss = first.new_zeros(())
    for name, term in terms.items():
        weight = config.losses.get(name, 0.0)
        if weight:
            loss = loss + weight * term
    return Terms(loss, {"loss": loss.detach(), **{k: t.detach() for k, t in terms.items()}})
