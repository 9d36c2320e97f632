"""A beginning for the tiny decoder: it draws its low-quality frames.

From random weights it would spend most of its training on learning to copy. Here some channels of
every layer carry the frames from the input to the output, and these weights are held: what is
learned is added to the copy. All other channels are free.

Enlargement repeats a pixel, and the convolution after it does the same to all copies: what it draws
is made of boxes two pixels wide, and waves that repeat from pixel to pixel are lost. Where pixels
are cells of 8, pictures are full of these; where they are quarters of a cell, frames enlarged by 2
are. Brightness therefore travels as sums and differences of halves, and after each of the first two
enlargements two memory blocks, which know from the position code which half is which, add a
difference to one half and take it from the other.

Color is smoother. It travels as u, which belongs to the border before a cell, and r, which belongs
to the cell: the first half becomes u[k] + r[k], the second one u[k + 1] + r[k]. Later enlargements
of color, and the last one, interpolate: 3/4 of the nearer pixel, 1/4 of the other.

What of three cells the parts must take is solved for by least squares: `training.parts`.
"""

import torch
from torch import Tensor, nn

from flashvsr_core.schedule import FRAMES_PER_LATENT
from flashvsr_core.tiny_decoder import MemoryBlock, TemporalGrow, TinyDecoder
from training.held import Copy, CopyWriter
from training.layout import (
    COLORS,
    FRAME_OFFSET,
    HALF,
    PART_OFFSET,
    PARTS,
    QUARTER,
    Layout,
)
from training.parts import cell_parts, color_parts
from training.position_code import CODED_CHANNELS
from training.taps import at_centre, beside_one, interpolation, join_parts, with_one

_LUMA = torch.tensor([[0.299, 0.587, 0.114]])
_CHROMA = torch.tensor([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_TO_YCC = torch.cat([_LUMA, _CHROMA])
_TO_RGB = torch.linalg.inv(_TO_YCC).contiguous()

_AT_EIGHTH = 4 * QUARTER.luma + PARTS * QUARTER.chroma + CODED_CHANNELS + 1
"""Sums, differences across, down and of both; chroma; the code; 1. The last one everywhere is 1:
layers without a bias take offsets away with it, and free channels may use it as one."""
_GROWN = 4 * HALF.luma + HALF.chroma + CODED_CHANNELS + 1
_AT_WHOLE = COLORS + 1
_LEAST_WIDTHS = (_AT_EIGHTH, QUARTER.width, HALF.width, _AT_WHOLE)

_GONE = -10.0
"""Brings any channel to 0 for good."""

_BENT_FROM, _UNBEND = 0.5, 0.0765
"""The clamp in front bends frames, x to x - x^3 / 27. What lies farther from grey than the first
is drawn out by the second again, which leaves 0.6 of 255 levels."""


@torch.no_grad()
def pass_frames_through(decoder: TinyDecoder) -> Copy:
    """Overwrite some channels so that frames in [-1, 1] come out; a narrow decoder stays as it is.

    The memory blocks must pass their input on already, and the last layer is to draw nothing else.
    Latents must hold the position code.
    """
    plain = [layer for layer in decoder.decoder if isinstance(layer, nn.Conv2d)]
    first, second, early, middle, late, third, last = plain
    begins = (first, early, middle, late)
    if any(c.out_channels < least for c, least in zip(begins, _LEAST_WIDTHS, strict=True)):
        return Copy()
    grows = [layer.conv for layer in decoder.decoder if isinstance(layer, TemporalGrow)]
    blocks = [layer for layer in decoder.decoder if isinstance(layer, MemoryBlock)]
    at_eighth, at_quarter, at_half = blocks[:3], blocks[3:6], blocks[6:]
    write = CopyWriter(decoder)

    _read_cells(write, first, second)
    for block in at_eighth:
        write.reads(block.conv[0], _AT_EIGHTH)
        write.fix(block.conv[-1], range(_AT_EIGHTH - CODED_CHANNELS - 1, _AT_EIGHTH))

    write.rows(grows[0], torch.eye(_AT_EIGHTH)[..., None, None], carried=_AT_EIGHTH)
    write.rows(early, _enlarged(QUARTER, join_parts(QUARTER.chroma)), carried=_AT_EIGHTH)
    _tell_halves_apart(write, at_quarter, QUARTER, mends_edges=True)

    for half in range(2):
        rows = half * middle.in_channels
        write.rows(grows[1], _half_of_quarters(half), first_row=rows, carried=QUARTER.width)
    write.rows(middle, _enlarged(HALF, interpolation(torch.eye(HALF.chroma))), carried=_GROWN)
    _tell_halves_apart(write, at_half, HALF, mends_edges=False)
    # Of use at the end, but not worth to be held: features are few.
    _unbend(CopyWriter(decoder, write.copy, holds=False), at_half[2])

    for half in range(2):
        rows = half * late.in_channels
        write.rows(grows[2], _half_of_frames(half), first_row=rows, carried=HALF.width)
    write.rows(late, with_one(interpolation(_TO_RGB)), carried=_AT_WHOLE)
    write.rows(third, at_centre(torch.eye(_AT_WHOLE)), carried=_AT_WHOLE)
    write.part(last, beside_one(at_centre(torch.eye(COLORS) / 2)), carried=_AT_WHOLE)
    write.bias(last, ((1 - FRAME_OFFSET) / 2,), COLORS)
    return write.copy


def _read_cells(write: CopyWriter, first: nn.Conv2d, second: nn.Conv2d) -> None:
    """Take parts out of the cells, and the code out of the latents.

    A code below 0, which says 'even', becomes 1, and any above it 0: its size does not matter.
    """
    frames = torch.eye(FRAMES_PER_LATENT)
    sums = cell_parts()
    # (of quarters, of cells, taps, pixels) down and across, each sum or difference of halves.
    luma = torch.einsum("c,ts,khip,lgjq->hgtklcspqij", _LUMA[0], frames, sums, sums)
    pair = color_parts()
    # (u or r, taps, pixels) down and across.
    chroma = torch.einsum("dc,ts,kip,ljq->kldtcspqij", _CHROMA, frames, pair, pair)
    sizes = ((luma, QUARTER.luma), (chroma, QUARTER.chroma))
    parts = [x.reshape(4 * planes, -1, 3, 3) for x, planes in sizes]
    weight = torch.zeros(_AT_EIGHTH, first.in_channels, 3, 3)
    code = range(len(parts[0]) + len(parts[1]), _AT_EIGHTH - 1)
    weight[: code.start, : parts[0].shape[1]] = torch.cat(parts)
    weight[code, range(-CODED_CHANNELS, 0), 1, 1] = 0.5
    write.rows(first, weight)
    write.bias(first, (FRAME_OFFSET,), len(parts[0]))
    write.bias(first, (PART_OFFSET,), len(parts[1]), first_row=len(parts[0]))
    write.bias(first, (0.0,), CODED_CHANNELS, first_row=code.start)
    write.bias(first, (1.0,), 1, first_row=_AT_EIGHTH - 1)
    matrix = torch.eye(_AT_EIGHTH)
    matrix[code, code] = -1
    matrix[code, -1] = 1
    write.rows(second, at_centre(matrix), carried=_AT_EIGHTH)


def _enlarged(layout: Layout, colors: Tensor) -> Tensor:
    """Return weights (layout.width, N, 3, 3) of sums, differences, colors, the code and 1.

    What is drawn begins as the last quarter of a pixel, the sum without its differences.
    """
    inputs = 4 * layout.luma + colors.shape[1] - 1 + CODED_CHANNELS + 1
    weight = torch.zeros(layout.width, inputs, 3, 3)
    sums, across, down, both = (range(n * layout.luma, (n + 1) * layout.luma) for n in range(PARTS))
    for source, sign in ((sums, 1), (across, -1), (down, -1), (both, 1)):
        weight[layout.drawn, source, 1, 1] = sign
    weight[layout.across, across, 1, 1] = 1
    weight[layout.across, both, 1, 1] = -1
    weight[[*layout.drawn, *layout.across], -1, 1, 1] = FRAME_OFFSET
    weight[layout.down, down, 1, 1] = 1
    weight[layout.both, both, 1, 1] = 1
    weight[layout.colors, both.stop : -1 - CODED_CHANNELS] = colors[:, :-1]
    weight[layout.colors, -1] = colors[:, -1]
    for axis, before in enumerate(((0, 1), (1, 0))):
        told, code = layout.code[2 * axis], inputs - 1 - CODED_CHANNELS + axis
        weight[told, code, 1, 1] = 1
        weight[told + 1, code, *before] = 1
    weight[layout.one, -1, 1, 1] = 1
    return weight


def _tell_halves_apart(
    write: CopyWriter, blocks: list[MemoryBlock], layout: Layout, *, mends_edges: bool
) -> None:
    """Draw halves with their differences: upper ones in the first block, left ones in the second.

    The first block does so to differences across, too; a block that has used differences up
    leaves their channels at 0, for others to use.
    """
    for block in blocks:
        write.reads(block.conv[0], layout.width)
        write.fix(block.conv[-1], [*layout.code, layout.one])
    L, fed = layout.luma, layout.halves.stop
    upper = torch.zeros(fed, 2 * L)
    upper[layout.drawn, range(L)] = 2
    upper[layout.drawn, range(L, 2 * L)] = -2
    upper[layout.across, range(L, 2 * L)] = 2
    left = torch.zeros(fed, L)
    left[layout.drawn, range(L)] = 2
    used = ([*layout.down, *layout.both], [*layout.across])
    for axis, (added, differences) in enumerate(zip((upper, left), used, strict=True)):
        fed_by = (layout.across, layout.drawn)[axis]
        is_first = torch.zeros(fed, 2)
        is_first[fed_by] = -2 * FRAME_OFFSET * _IS_FIRST_HALF
        is_first[layout.halves[axis]] = _IS_FIRST_HALF
        edge = (_RIGHT, _BOTTOM)[axis] if mends_edges else None
        _open_halves(write, blocks[axis], layout, axis, differences, edge)
        conv = blocks[axis].conv[-1]
        mended = torch.zeros(fed, layout.chroma + 1 if mends_edges else 0)
        if mends_edges:
            mended[layout.colors] = _MENDED
        write.part(conv, at_centre(torch.cat([added, is_first, mended], dim=1)))
        write.bias(conv, (_GONE,), len(differences), first_row=differences[0])
        write.fix(conv, [*differences, *layout.halves])
    write.fix(blocks[2].conv[-1], layout.halves)


def _open_halves(
    write: CopyWriter,
    block: MemoryBlock,
    layout: Layout,
    axis: int,
    differences: list[int],
    edge: tuple[tuple[int, int], tuple[int, int]] | None,
) -> None:
    """Have a block know its differences in first halves, and 0 in second ones.

    Its features are these, larger by the offset than differences are; two that tell the halves
    apart; and those that mend an edge of colors.
    """
    pair, _, second, _, _ = block.conv
    count = len(differences)
    weight = torch.zeros(count + 2, layout.width)
    weight[range(count), differences] = 1
    weight[count:, layout.code[2 * axis]] = 1
    weight[count:, layout.code[2 * axis + 1]] = 1
    taps = [at_centre(weight)]
    if edge:
        taps.append(_edge_of(edge, layout.colors, layout.one))
    mending = len(taps[-1]) if edge else 0
    write.rows(pair, torch.cat(taps))
    write.bias(pair, (0.0,), count + 1)
    write.bias(pair, (-1.0,), 1, first_row=count + 1)
    write.bias(pair, (2 * FRAME_OFFSET,), mending, first_row=count + 2)
    matrix = torch.eye(count + 2 + mending)
    matrix[:count, count : count + 2] = _IS_FIRST_HALF * 2 * FRAME_OFFSET
    write.rows(second, at_centre(matrix))
    write.bias(second, (-2 * FRAME_OFFSET,), count)
    write.bias(second, (0.0,), 2 + mending, first_row=count)


_IS_FIRST_HALF = torch.tensor([1.0, -2.0])
"""What makes 1 in first halves, and 0 in second ones, of two features. The pixel before a first
half belongs to another one of the size before: one of both is even. Their sum is the first feature,
and their sum without 1, but not below 0, the second."""

_RIGHT, _BOTTOM = ((1, 2), (1, 0)), ((2, 1), (0, 1))
"""At which tap of a 3x3 kernel lies the pixel beyond this edge, and the one on the other side."""


def _edge_of(taps: tuple[tuple[int, int], tuple[int, int]], planes: range, one: int) -> Tensor:
    """Return weights (planes + 1, one + 1, 3, 3) of features that are above 0 at an edge alone.

    One of each plane is the neighbour minus the pixel, and one is 0; both are lifted above 0 by a
    bias, and pushed below it wherever there is a 1 beyond.
    """
    (beyond, neighbour), lift = taps, 2 * FRAME_OFFSET
    weight = torch.zeros(len(planes) + 1, one + 1, 3, 3)
    features = range(len(planes))
    weight[features, planes, 1, 1] = -1
    weight[features, planes, *neighbour] = 1
    weight[:-1, one, *beyond] = -2 * lift
    weight[-1, one, *beyond] = -lift
    return weight


_MENDED = torch.cat([torch.eye(QUARTER.chroma), -torch.ones(QUARTER.chroma, 1)], dim=1)
"""What adds the features of an edge to its pixels: u ends before the last ones."""


def _unbend(write: CopyWriter, block: MemoryBlock) -> None:
    """Have a block at half the size draw out what the clamp has bent, color by color."""
    pair, _, second, _, third = block.conv
    frames = torch.eye(2)
    to_rgb, to_ycc = torch.kron(_TO_RGB, frames), torch.kron(_TO_YCC, frames)
    write.rows(pair, at_centre(torch.cat([to_rgb, -to_rgb])))
    offset = FRAME_OFFSET * to_rgb.sum(dim=1)
    write.bias(pair, torch.cat([-offset, offset]).sub(_BENT_FROM).tolist(), 1)
    write.rows(second, at_centre(torch.eye(4 * COLORS)))
    write.bias(second, (0.0,), 4 * COLORS)
    write.part(third, at_centre(torch.cat([to_ycc, -to_ycc], dim=1) * _UNBEND))


def _half_of_quarters(half: int) -> Tensor:
    """Return weights (15, 79, 1, 1): luma, chroma, the code and 1 of the first or last frames."""
    weight = torch.zeros(_GROWN, QUARTER.width)
    here = slice(2 * half, 2 * half + 2)
    luma = torch.tensor(QUARTER.drawn).reshape(FRAMES_PER_LATENT, PARTS)[here].T.flatten()
    chroma = torch.tensor(QUARTER.colors).reshape(2, FRAMES_PER_LATENT)[:, here].flatten()
    carried = [*luma.tolist(), *chroma.tolist(), *QUARTER.halves, QUARTER.one]
    weight[range(_GROWN), carried] = 1
    return weight[..., None, None]


def _half_of_frames(half: int) -> Tensor:
    """Return weights (4, 19, 1, 1): the colors of the first or second frame, and 1."""
    weight = torch.zeros(_AT_WHOLE, HALF.width)
    weight[range(COLORS), range(half, 2 * COLORS, 2)] = 1
    weight[-1, -1] = 1
    return weight[..., None, None]
