"""A beginning for the tiny decoder: it draws its low-quality frames.

From random weights it would spend most of its training on learning to copy. Here some channels of
every layer carry the frames from the input to the output, and these weights are held: what is
learned is added to the copy. All other channels are free.

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
from flashvsr_core.tiny_decoder import MemoryBlock, TemporalGrow, TinyDecoder
from training.held import Copy, CopyWriter

_COLORS = 3
_CELL_PX = 8
_PLANES = _COLORS * FRAMES_PER_LATENT
_CARRIED = (4 * _PLANES + 1, _PLANES + 1, 2 * _COLORS + 1, _COLORS + 1)
"""Channels at an eighth, a quarter, half and the whole of the size. The last of each is 1: layers
without a bias take offsets away with it, and free channels may use it as one."""
_LEAST_WIDTHS = (_CARRIED[0], 2 * _PLANES, *_CARRIED[2:])
_INTERPOLATE = (0.25, 0.5, 0.25)

_PART_OFFSET, _FRAME_OFFSET = 1.0, 1.5
"""Added to each of four parts, and to frames in [-1, 1]: nothing below 0 gets through a ReLU."""

_BENT_FROM, _UNBEND = 0.5, 0.0765
"""The clamp in front bends frames, x to x - x^3 / 27. What lies farther from grey than the first
is drawn out by the second again, which leaves 0.6 of 255 levels."""


@torch.no_grad()
def pass_frames_through(decoder: TinyDecoder) -> Copy:
    """Overwrite some channels so that frames in [-1, 1] come out; a narrow decoder stays as it is.

    The memory blocks must pass their input on already, and the last layer is to draw nothing else.
    """
    plain = [layer for layer in decoder.decoder if isinstance(layer, nn.Conv2d)]
    first, second, early, middle, late, third, last = plain
    begins = (first, early, middle, late)
    if any(c.out_channels < least for c, least in zip(begins, _LEAST_WIDTHS, strict=True)):
        return Copy()
    grows = [layer.conv for layer in decoder.decoder if isinstance(layer, TemporalGrow)]
    blocks = [layer for layer in decoder.decoder if isinstance(layer, MemoryBlock)]
    at_eighth, at_quarter, at_half, at_whole = _CARRIED
    write = CopyWriter(decoder)

    write.rows(first, F.pad(_cells_to_channels(), (0, 0, 0, 0, 0, 0, 0, 1)))
    write.bias(first, (_PART_OFFSET,), at_eighth - 1)
    write.bias(first, (1.0,), 1, first_row=at_eighth - 1)
    write.rows(second, _at_centre(torch.eye(at_eighth)), carried=at_eighth)

    write.rows(grows[0], torch.eye(at_eighth)[..., None, None], carried=at_eighth)
    write.rows(early, _with_one(_channels_to_halves()), carried=at_eighth)
    per_size = len(blocks) // 3
    right, bottom, tones = blocks[per_size : 2 * per_size]
    _mend_edge(write, right, _RIGHT)
    _mend_edge(write, bottom, _BOTTOM)
    _unbend(write, tones)
    for grow, enlarged, carried_in, carried in (
        (grows[1], middle, at_quarter, at_half),
        (grows[2], late, at_half, at_whole),
    ):
        for half in range(2):
            frames = _with_one(_beside_one(_half_of_frames(carried_in - 1, half)))
            write.rows(grow, frames, first_row=half * grow.in_channels, carried=carried_in)
        write.rows(enlarged, _with_one(_interpolation(carried - 1)), carried=carried)

    write.rows(third, _at_centre(torch.eye(at_whole)), carried=at_whole)
    write.part(last, _beside_one(_at_centre(torch.eye(_COLORS) / 2)), carried=at_whole)
    write.bias(last, ((1 - _FRAME_OFFSET) / 2,), _COLORS)
    for index, block in enumerate(blocks):
        carried = _CARRIED[index // per_size]
        write.reads(block.conv[0], carried)
        write.nothing(block.conv[-1], carried - 1)
    return write.copy


_RIGHT, _BOTTOM = ((1, 2), (1, 0)), ((2, 1), (0, 1))
"""At which tap of a 3x3 kernel lies the pixel beyond this edge, and the one on the other side."""


def _mend_edge(write: CopyWriter, block: MemoryBlock, taps: tuple[tuple[int, int], ...]) -> None:
    """Have the last pixels before an edge be what their neighbours are: u ends before them.

    One feature of each plane is the neighbour minus the pixel, and one is 0; both are lifted above
    0 at the edge, and pushed below it wherever there is a 1 beyond.
    """
    (beyond, neighbour), lift = taps, 2 * _FRAME_OFFSET
    pair, _, second, _, third = block.conv
    weight = _at_centre(F.pad(-torch.eye(_PLANES), (0, 1, 0, 1)))
    weight[:-1, :-1, *neighbour] = torch.eye(_PLANES)
    weight[:-1, -1, *beyond] = -2 * lift
    weight[-1, -1, *beyond] = -lift
    write.rows(pair, weight)
    write.bias(pair, (lift,), _PLANES + 1)
    write.rows(second, _at_centre(torch.eye(_PLANES + 1)))
    write.bias(second, (0.0,), _PLANES + 1)
    minus_lift = -torch.ones(_PLANES, 1)
    write.part(third, _at_centre(torch.cat([torch.eye(_PLANES), minus_lift], dim=1)))


def _unbend(write: CopyWriter, block: MemoryBlock) -> None:
    """Have a block at a quarter of the size draw out what the clamp has bent."""
    pair, _, second, _, third = block.conv
    planes = torch.eye(_PLANES)
    write.rows(pair, _at_centre(torch.cat([planes, -planes])))
    write.bias(pair, (-_FRAME_OFFSET - _BENT_FROM, _FRAME_OFFSET - _BENT_FROM), _PLANES)
    write.rows(second, _at_centre(torch.eye(2 * _PLANES)))
    write.bias(second, (0.0,), 2 * _PLANES)
    write.part(third, _at_centre(torch.cat([planes, -planes], dim=1) * _UNBEND))


def _interpolation(planes: int) -> Tensor:
    """Return weights (planes, planes + 1, 3, 3); at a picture's edge no offset is missing."""
    taps = _outer(_INTERPOLATE)
    weight = torch.eye(planes)[..., None, None] * taps
    offset = _at_centre(torch.full((planes, 1), _FRAME_OFFSET)) - _FRAME_OFFSET * taps
    return torch.cat([weight, offset], dim=1)


def _beside_one(weight: Tensor) -> Tensor:
    """Add an input that is not looked at: 1."""
    return F.pad(weight, (0, 0, 0, 0, 0, 1))


def _with_one(weight: Tensor) -> Tensor:
    """Add an output that is the last input: 1."""
    inputs, height, width = weight.shape[1:]
    one = torch.zeros(1, inputs, height, width)
    one[0, -1, height // 2, width // 2] = 1
    return torch.cat([weight, one])


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
