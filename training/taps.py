"""Weights of 3x3 convolutions that copy, join and interpolate."""

import torch
import torch.nn.functional as F
from torch import Tensor

from training.layout import FRAME_OFFSET, PART_OFFSET, PARTS

_INTERPOLATE = (0.25, 0.5, 0.25)
_BESIDE = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0))
"""Of an enlarged row: u is taken from the next pixel, r from the same one."""


def join_parts(planes: int) -> Tensor:
    """Return weights (planes, 4 * planes + 1, 3, 3) of u and r, and of 1.

    The latter takes the parts' offsets away and gives the frames theirs: at the same places, so
    that a part that is missing at the picture's edge lacks both.
    """
    beside = torch.tensor(_BESIDE)
    one = torch.einsum("ai,bj->abij", beside, beside).flatten(0, 1)
    weight = torch.einsum("kij,np->nkpij", one, torch.eye(planes)).flatten(1, 2)
    offset = one.sum(dim=0) * (FRAME_OFFSET / PARTS - PART_OFFSET)
    return torch.cat([weight, offset.expand(planes, 1, 3, 3)], dim=1)


def interpolation(mix: Tensor) -> Tensor:
    """Return weights (M, N + 1, 3, 3) of mixed planes; at an edge no offset is missing."""
    row = torch.tensor(_INTERPOLATE)
    taps = row[:, None] * row
    weight = mix[..., None, None] * taps
    offsets = FRAME_OFFSET * mix.sum(dim=1, keepdim=True)[..., None, None] * taps
    offset = at_centre(torch.full((len(mix), 1), FRAME_OFFSET)) - offsets
    return torch.cat([weight, offset], dim=1)


def beside_one(weight: Tensor) -> Tensor:
    """Add an input that is not looked at: 1."""
    return F.pad(weight, (0, 0, 0, 0, 0, 1))


def with_one(weight: Tensor) -> Tensor:
    """Add an output that is the last input: 1."""
    inputs, height, width = weight.shape[1:]
    one = torch.zeros(1, inputs, height, width)
    one[0, -1, height // 2, width // 2] = 1
    return torch.cat([weight, one])


def at_centre(weight: Tensor) -> Tensor:
    """Make 3x3 taps of a matrix."""
    return F.pad(weight[..., None, None], (1, 1, 1, 1))
