"""A beginning for the tiny decoder: it draws its low-quality frames.

From random weights it would spend most of its training on learning to copy. Here some channels of
every layer carry the frames from the input to the output, and all others begin at random.

Enlargement repeats a pixel, and the convolution after it cannot tell the copies apart but by their
neighbours. A row of cells therefore travels as u, which belongs to the border before a cell, and
r, which belongs to the cell: the first copy takes u[k] + r[k], the second one u[k + 1] + r[k].
Later enlargements interpolate: 3/4 of the nearer pixel, 1/4 of the other. What of three cells u
and r must take, so that frames enlarged by 4 come out as they were, is solved by least squares.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashvsr_core.schedule import FRAMES_PER_LATENT
from flashvsr_core.tiny_decoder import TemporalGrow, TinyDecoder

_COLORS = 3
_CELL_PX = 8
_PLANES = _COLORS * FRAMES_PER_LATENT
_CARRIED = (4 * _PLANES, _PLANES, _COLORS * 2, _COLORS)
"""Channels at an eighth, a quarter, half and the whole of the size."""
_INTERPOLATE = (0.25, 0.5, 0.25)

_PART_OFFSET, _FRAME_OFFSET = 1.0, 1.5
"""Added to each of four parts, and to frames in [-1, 1]: nothing below 0 gets through a ReLU."""


@torch.no_grad()
def pass_frames_through(decoder: TinyDecoder) -> None:
    """Overwrite some channels so that frames in [-1, 1] come out; a narrow decoder stays as it is.

    The memory blocks must pass their input on already.
    """
    convolutions = [layer for layer in decoder.decoder if isinstance(layer, nn.Conv2d)]
    first, second, early, middle, late, third, last = convolutions
    widths = (first.out_channels - 1, early.out_channels, middle.out_channels, late.out_channels)
    if any(width < carried for width, carried in zip(widths, _CARRIED, strict=True)):
        return
    grows = [layer.conv for layer in decoder.decoder if isinstance(layer, TemporalGrow)]
    at_eighth, _, at_half, at_whole = _CARRIED

    assert first.bias is not None
    # One channel more is 1 everywhere: later layers have no bias to take offsets away with.
    _carry(first, F.pad(_cells_to_channels(), (0, 0, 0, 0, 0, 0, 0, 1)))
    first.bias[:at_eighth] = _PART_OFFSET
    first.bias[at_eighth] = 1.0
    _carry(second, _at_centre(torch.eye(at_eighth + 1)))

    _carry(grows[0], torch.eye(at_eighth + 1)[..., None, None])
    _carry(early, _channels_to_halves())
    for grow, convolution, carried in ((grows[1], middle, at_half), (grows[2], late, at_whole)):
        channels = grow.in_channels
        for half in range(2):
            _carry(grow, _half_of_frames(2 * carried, half), first_row=half * channels)
        _carry(convolution, torch.eye(carried)[..., None, None] * _outer(_INTERPOLATE))

    _carry(third, _at_centre(torch.eye(at_whole)))
    _carry(last, _at_centre(torch.eye(at_whole) / 2))
    assert last.bias is not None
    last.bias.fill_((1 - _FRAME_OFFSET) / 2)


def _carry(convolution: nn.Conv2d, weight: Tensor, first_row: int = 0) -> None:
    """Set the first outputs' weights of the first inputs; they look at nothing else."""
    rows = slice(first_row, first_row + len(weight))
    convolution.weight[rows] = 0
    convolution.weight[rows, : weight.shape[1]] = weight


def _at_centre(weight: Tensor) -> Tensor:
    """Make 3x3 taps of a matrix."""
    return F.pad(weight[..., None, None], (1, 1, 1, 1))


def _outer(taps: tuple[float, ...]) -> Tensor:
    row = torch.tensor(taps)
    return row[:, None] * row


def _cells_to_channels() -> Tensor:
    """Return weights (48, 768, 3, 3): u and r along rows and columns, for each color and frame."""
    pair = _border_and_cell()
    # (which along rows, which along columns, rows of pixels, columns of pixels, taps)
    one = torch.einsum("aip,bjq->abpqij", pair, pair)
    weight = torch.zeros(4, _PLANES, _PLANES, _CELL_PX, _CELL_PX, 3, 3)
    for plane in range(_PLANES):
        weight[:, plane, plane] = one.flatten(0, 1)
    return weight.reshape(4 * _PLANES, _PLANES * _CELL_PX**2, 3, 3)


_CORRELATION = 0.97
"""Of neighbouring pixels in a low-quality row, about as in photographs."""
_RIDGE = 3e-5
"""Keeps weights small; u and r could else be large and cancel each other."""


def _border_and_cell(cells: int = 9) -> Tensor:
    """Return weights (2, 3, 8) of the pixels in three cells for u and r, by least squares.

    Rows are those of a process with falling correlation, seen through the enlargement by 4. All
    their second moments together stand in the rows of `frames`; nothing is drawn at random.
    """
    low = 2 * cells + 4
    distance = torch.arange(low, dtype=torch.float64).sub(torch.arange(low)[:, None]).abs()
    root = torch.linalg.cholesky(_CORRELATION**distance)
    frames = F.interpolate(root.T[:, None, None], scale_factor=(1, 4), mode="bicubic")[:, 0, 0]
    rows = frames[:, 8:-8].unflatten(1, (cells, _CELL_PX))
    around = F.pad(rows, (0, 0, 1, 1)).unfold(1, 3, 1).transpose(2, 3).flatten(2)
    nothing = torch.zeros_like(around)
    drawn = torch.cat([_draw_row(around, nothing), _draw_row(nothing, around)], dim=2)
    inner = slice(3 * _CELL_PX, -3 * _CELL_PX)
    matrix = drawn[:, inner].flatten(0, 1)
    wanted = rows.flatten(1)[:, inner].flatten()
    moments = matrix.T @ matrix + _RIDGE * len(root) * torch.eye(matrix.shape[1])
    weights: Tensor = torch.linalg.solve(moments, matrix.T @ wanted)
    return weights.float().reshape(2, 3, _CELL_PX)


def _draw_row(u: Tensor, r: Tensor) -> Tensor:
    """Return (N, 8k, ...) as the decoder draws it of u and r, (N, k, ...)."""
    after = torch.cat([u[:, 1:], torch.zeros_like(u[:, :1])], dim=1)
    row = torch.stack([u + r, after + r], dim=2).flatten(1, 2)
    for _ in range(2):
        row = row.repeat_interleave(2, dim=1)
        zero = torch.zeros_like(row[:, :1])
        before, after = torch.cat([zero, row[:, :-1]], 1), torch.cat([row[:, 1:], zero], 1)
        row = _INTERPOLATE[0] * before + _INTERPOLATE[1] * row + _INTERPOLATE[2] * after
    return row


def _channels_to_halves() -> Tensor:
    """Return weights (12, 49, 3, 3): u is taken from the next pixel, r from the same one.

    The last channel, which is 1, takes the parts' offsets away and gives the frames theirs.
    """
    taps = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    one = torch.einsum("ai,bj->abij", taps, taps).flatten(0, 1)
    weight = torch.zeros(_PLANES, 4, _PLANES, 3, 3)
    for plane in range(_PLANES):
        weight[plane, :, plane] = one
    # At the same places, so that a part that is missing at the picture's edge lacks both.
    offset = one.sum(dim=0) * (_FRAME_OFFSET / 4 - _PART_OFFSET)
    return torch.cat([weight.flatten(1, 2), offset.expand(_PLANES, 1, 3, 3)], dim=1)


def _half_of_frames(planes: int, half: int) -> Tensor:
    """Return weights (planes / 2, planes, 1, 1) for the first or second half of the frames."""
    by_color = torch.eye(planes).reshape(_COLORS, 2, -1, planes)
    return by_color[:, half].reshape(-1, planes, 1, 1)
