"""What of three cells of a low-quality row its parts must take, by least squares.

Parts are what `training.pass_through` carries: sums and differences of brightness, u and r of
color. Rows are those of a process with falling correlation, reduced and enlarged as low quality is;
all their second moments together stand in the rows of `_rows`, and nothing is drawn at random.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_CELL_PX = 8

_CELLS, _AROUND = 11, 4
"""Of a row, and left out at both of its ends."""
_CORRELATION = 0.97
"""Of neighbouring pixels, about as in photographs."""
_RIDGE = 1e-5
"""Keeps weights small; parts could else be large and cancel each other."""

_Draw = Callable[[Tensor], Tensor]
"""(N, cells, channels) -> (N, 8 * cells): a row as the decoder draws it."""


def cell_parts() -> Tensor:
    """Return weights (2, 2, 3, 8): of quarters; of cells; cells; pixels.

    Each first half the sum of both halves, then half their difference: of a quarter's halves, and
    of a cell's. What is drawn comes nearest to the rows as they were before they were reduced by 2,
    which is sharper than what was enlarged.
    """
    rows, truth = _rows(scale=2)
    by_half = _solve(_draw_pixels, 4, rows, truth).unflatten(0, (2, 2)).transpose(0, 1)
    return _sum_and_difference(_sum_and_difference(by_half, dim=0), dim=1)


def color_parts() -> Tensor:
    """Return weights (2, 3, 8): u and r of cells; cells; pixels. Drawn as it was enlarged by 4."""
    rows, _ = _rows(scale=4)
    return _solve(_draw_cells, 2, rows, rows)


def _sum_and_difference(pair: Tensor, dim: int) -> Tensor:
    first, second = pair.unbind(dim)
    return torch.stack([first + second, first - second], dim) / 2


def _draw_pixels(pixels: Tensor) -> Tensor:
    """Channels: a cell's four pixels at half the size."""
    return _interpolate(pixels.flatten(1))


def _draw_cells(parts: Tensor) -> Tensor:
    """Channels: u, r."""
    return _interpolate(_interpolate(_join(*parts.unbind(2))))


def _join(u: Tensor, r: Tensor) -> Tensor:
    """Return a row twice as long; at its end u is missing."""
    after = F.pad(u[:, 1:], (0, 1))
    return torch.stack([u + r, after + r], dim=2).flatten(1)


def _interpolate(row: Tensor) -> Tensor:
    row = F.pad(row.repeat_interleave(2, dim=1), (1, 1))
    return row[:, :-2] / 4 + row[:, 1:-1] / 2 + row[:, 2:] / 4


def _solve(draw: _Draw, channels: int, rows: Tensor, wanted: Tensor) -> Tensor:
    """Return weights (channels, 3, 8) of three cells' pixels."""
    cells = rows.unflatten(1, (_CELLS, _CELL_PX))
    around = F.pad(cells, (0, 0, 1, 1)).unfold(1, 3, 1).transpose(2, 3).flatten(2)
    inner = slice(3 * _CELL_PX, -3 * _CELL_PX)
    drawn = []
    for channel in range(channels):
        for pixel in around.unbind(2):
            parts = around.new_zeros(*around.shape[:2], channels)
            parts[..., channel] = pixel
            drawn.append(draw(parts)[:, inner].flatten())
    matrix = torch.stack(drawn, dim=1)
    ridge = _RIDGE * len(rows) * torch.eye(matrix.shape[1])
    answer = matrix.T @ wanted[:, inner].flatten()
    weights: Tensor = torch.linalg.solve(matrix.T @ matrix + ridge, answer)
    return weights.float().reshape(channels, 3, _CELL_PX)


def _rows(scale: int) -> tuple[Tensor, Tensor]:
    """Return rows (N, 88) reduced and enlarged by `scale`, and as they were, float64."""
    length = (_CELLS + 2 * _AROUND) * _CELL_PX
    distance = torch.arange(length, dtype=torch.float64).sub(torch.arange(length)[:, None]).abs()
    truth = torch.linalg.cholesky(_CORRELATION**distance).T
    low = _resize(truth, length // scale)
    inner = slice(_AROUND * _CELL_PX, -_AROUND * _CELL_PX)
    return _resize(low, length)[:, inner], truth[:, inner]


def _resize(rows: Tensor, length: int) -> Tensor:
    """Resize (N, n) as Pillow does; see `flashvsr_core.geometry`."""
    resized = F.interpolate(rows[:, None, None], (1, length), mode="bicubic", antialias=True)
    return resized[:, 0, 0]
