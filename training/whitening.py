"""Steps of convolutions in coordinates of their inputs that are centred and not correlated.

What a decoder's convolutions read is carried with an offset, and neighbours rise and fall together:
of what they read, detail is a small part. An optimizer that scales every weight's gradient by its
size then moves how bright things are, again and again, and hardly ever what is drawn of detail.

Here a convolution that computes W x + b learns V and c of V M (x - m) + c, where m is the mean of
the patches x and M the inverse root of their covariance (arXiv 1507.00210; the input's side of
arXiv 1503.05671). The network itself does not change: gradients are brought into these coordinates,
and steps back out of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.forward.tiny_decoder import convolve
from training.graphed import Replayed
from training.held import Copy

_LARGEST = 2500
"""Of a covariance. Convolutions that read more are treated tap by tap: all taps alike."""
_RIDGE = 3e-3
"""Added to the covariance, as a share of the mean variance: what varies less is hardly there."""
_PATCHES = 40_000
_LOOKS = (0, 300, 1000, 2000)
_LOOKS_EVERY = 4000

Average = Callable[[Tensor], Tensor]
"""The mean over all processes of one tensor."""


@dataclass(frozen=True)
class _Coordinates:
    """Of n inputs: all taps of all channels, or all channels of any tap."""

    mean: Tensor
    root: Tensor
    """(n, n), symmetric: the inverse root of the covariance."""

    @classmethod
    def of(cls, mean: Tensor, moment: Tensor) -> "_Coordinates":
        """Solve for them; moment is the mean of x x^T, (n, n)."""
        covariance = moment - torch.outer(mean.double(), mean.double())
        ridge = _RIDGE * covariance.diagonal().mean().clamp_min(1e-12)
        values, vectors = torch.linalg.eigh(covariance)
        scale = (values.clamp_min(0) + ridge).rsqrt()
        return cls(mean, ((vectors * scale) @ vectors.T).to(mean))

    def turn(self, weight: Tensor) -> Tensor:
        """Multiply weights (C', C, k, k) by the root, from the right."""
        n = len(self.root)
        if n == weight[0].numel():
            return (weight.flatten(1) @ self.root).view_as(weight)
        return torch.einsum("oc...,cd->od...", weight, self.root)

    def on_average(self, weight: Tensor) -> Tensor:
        """Return what weights (C', C, k, k) make of the mean patch, (C',)."""
        return (weight * self.mean_patch(weight)).flatten(1).sum(dim=1)

    def mean_patch(self, weight: Tensor) -> Tensor:
        """Return the mean patch in the shape of one output's weights."""
        if len(self.mean) == weight[0].numel():
            return self.mean.view_as(weight[0])
        return self.mean.view(-1, 1, 1).expand_as(weight[0])


class _Layer:
    """One convolution, which weights of it are held, and where its bias is.

    What steps read and write stays where it is, so that they can be replayed.
    """

    def __init__(self, conv: nn.Conv2d, held: Tensor | None, held_bias: Tensor | None) -> None:
        self.conv = conv
        self._is_free = None if held is None else ~held
        self._is_bias_free = None if held_bias is None else ~held_bias
        self.constant: int | None = None
        """The input that is 1 everywhere, for a convolution without a bias."""
        self.coordinates: _Coordinates | None = None
        self.gradient = torch.zeros_like(conv.weight)
        """Of the weights; of a step, it is brought into the coordinates here."""
        self.bias_gradient = None if conv.bias is None else torch.zeros_like(conv.bias)
        self._before = torch.zeros_like(conv.weight)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean of the patches of (B, C, h, w), and the mean of x x^T."""
        weight = self.conv.weight
        side = self.conv.kernel_size[0] if weight[0].numel() <= _LARGEST else 1
        places = x.shape[0] * x.shape[2] * x.shape[3]
        # Odd, or every place would be in the first half of a cell.
        stride = 2 * int((places / _PATCHES) ** 0.5 / 2) + 1
        patches = F.unfold(x.float(), side, stride=stride).movedim(1, 2).flatten(0, 1)
        mean = patches.mean(dim=0)
        # Details are small beside the offset, and would be rounded away in squares of it.
        apart = patches - mean
        square = (apart.T @ apart / len(apart)).double()
        moment = square + torch.outer(mean.double(), mean.double())
        if self.conv.bias is None and self.constant is None:
            # Nothing could take up what the mean makes: it is left where it is.
            mean = torch.zeros_like(mean)
        return mean, moment

    def take(self, coordinates: _Coordinates) -> None:
        """Take up these coordinates."""
        if self.coordinates is None:
            self.coordinates = coordinates
            return
        self.coordinates.mean.copy_(coordinates.mean)
        self.coordinates.root.copy_(coordinates.root)

    def enter(self) -> None:
        """Bring the gradient into the coordinates, and remember the weights."""
        weight, place = self.conv.weight, self._place
        assert self.coordinates
        gradient = self.gradient
        constant = gradient[place].clone() if place else None
        by_bias = constant if self.bias_gradient is None else self.bias_gradient
        if by_bias is not None:
            mean_patch = self.coordinates.mean_patch(weight)
            gradient = gradient - by_bias.view(-1, 1, 1, 1) * mean_patch
        gradient = self.coordinates.turn(self._free(gradient))
        if place and constant is not None:
            gradient[place] = constant
        self.gradient.copy_(self._free(gradient))
        self._before.copy_(weight)

    def leave(self) -> None:
        """Bring the step that was made out of the coordinates."""
        weight, bias, place = self.conv.weight, self.conv.bias, self._place
        assert self.coordinates
        step = weight - self._before
        constant = step[place].clone() if place else None
        if place:
            step[place] = 0
        step = self.coordinates.turn(step)
        if place:
            step[place] = 0
        step = self._free(step)
        shift = -self.coordinates.on_average(step)
        if constant is not None:
            step[place] = constant + shift
            step = self._free(step)
        elif bias is not None:
            bias += shift if self._is_bias_free is None else shift * self._is_bias_free
        weight.copy_(self._before + step)

    @property
    def _place(self) -> tuple[slice, int, int, int] | None:
        """Where the weights of the constant input are: its middle tap stands for a bias."""
        middle = self.conv.kernel_size[0] // 2
        return None if self.constant is None else (slice(None), self.constant, middle, middle)

    def _free(self, weight: Tensor) -> Tensor:
        """Return 0 for what is held."""
        return weight if self._is_free is None else weight * self._is_free


class Whitening:
    """The coordinates of all convolutions of a network, and the ways in and out."""

    def __init__(self, network: nn.Module, copy: Copy) -> None:
        """Prepare for a network on its device; weights of the copy that are held stay so."""
        self._layers: dict[int, _Layer] = {}
        for name, conv in network.named_modules():
            if not isinstance(conv, nn.Conv2d):
                continue
            masks = (copy.held.get(f"{name}.{kind}") for kind in ("weight", "bias"))
            held, held_bias = (None if m is None else m.to(conv.weight.device) for m in masks)
            layer = _Layer(conv, held, held_bias)
            if conv.bias is None and name in copy.carried:
                layer.constant = copy.carried[name] - 1
            self._layers[id(conv)] = layer
        self._seen: dict[int, list[tuple[Tensor, Tensor]]] = {}
        device = next(network.parameters()).device
        self._inward = Replayed(lambda: self._each(_Layer.enter), device)
        self._outward = Replayed(lambda: self._each(_Layer.leave), device)

    def is_due(self, step: int) -> bool:
        """Return whether inputs are to be looked at before this step.

        They change most in the beginning. A process that has seen none looks at once.
        """
        return not self._has_looked or step in _LOOKS or step % _LOOKS_EVERY == 0

    @property
    def _has_looked(self) -> bool:
        return all(layer.coordinates for layer in self._layers.values())

    def watched(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        """Compute a convolution, and see what it reads; for `decode_clips`."""
        self.observe(conv, x)
        return convolve(conv, x)

    @torch.no_grad()
    def observe(self, conv: nn.Conv2d, x: Tensor) -> None:
        """See what a convolution reads, (B, C, h, w); every batch counts as much."""
        self._seen.setdefault(id(conv), []).append(self._layers[id(conv)].statistics(x))

    @torch.no_grad()
    def settle(self, average: Average) -> None:
        """Take up coordinates by what all processes have seen since the last time."""
        for key, seen in self._seen.items():
            mean, moment = (
                average(torch.stack(each).mean(dim=0)) for each in zip(*seen, strict=True)
            )
            self._layers[key].take(_Coordinates.of(mean, moment))
        self._seen = {}

    @torch.no_grad()
    def enter(self) -> None:
        """Bring all gradients into the coordinates, before the optimizer's step."""
        theirs, ours = self._gradients()
        torch._foreach_copy_(ours, theirs)
        self._inward()
        torch._foreach_copy_(theirs, ours)

    @torch.no_grad()
    def leave(self) -> None:
        """Bring the optimizer's step out of them."""
        self._outward()

    def _each(self, do: Callable[[_Layer], None]) -> None:
        for layer in self._layers.values():
            do(layer)

    def _gradients(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the gradients as the optimizer sees them, and where they are worked on."""
        pairs = []
        for layer in self._layers.values():
            pairs.append((layer.conv.weight.grad, layer.gradient))
            if layer.bias_gradient is not None:
                assert layer.conv.bias is not None
                pairs.append((layer.conv.bias.grad, layer.bias_gradient))
        theirs = [gradient for gradient, _ in pairs if gradient is not None]
        assert len(theirs) == len(pairs)
        return theirs, [ours for _, ours in pairs]
