"""A moving average of all weights of a stage."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def tensors_of(pieces: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return every tensor of the pieces as `piece/name`."""
    return {
        f"{piece}/{name}": tensor
        for piece, module in pieces.items()
        for name, tensor in module.state_dict().items()
    }


class WeightsAverage:
    """Follows the weights of the pieces; statistics and other buffers are copied as they are."""

    def __init__(self, pieces: Mapping[str, nn.Module], decay: float) -> None:
        """Begin with the weights as they are."""
        self._decay = decay
        self._live = tensors_of(pieces)
        self._parameters = {
            f"{piece}/{name}" for piece, m in pieces.items() for name, _ in m.named_parameters()
        }
        self.tensors = {name: tensor.clone() for name, tensor in self._live.items()}

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take in the weights after a step; early in a run the average is short."""
        decay = min(self._decay, (1 + step) / (10 + step))
        names = sorted(self._parameters)
        torch._foreach_lerp_(
            [self.tensors[name] for name in names],
            [self._live[name] for name in names],
            1 - decay,
        )
        for name in self.tensors.keys() - self._parameters:
            self.tensors[name].copy_(self._live[name])

    @torch.no_grad()
    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from the average of a checkpoint."""
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])
