"""A beginning for the tiny decoder: it draws its low-quality frames, a little blurred.

From random weights it would spend most of its training on learning to copy. Here some channels of
every layer carry the frames from the input to the output by linear interpolation, and all others
begin at random.

Enlargement repeats a pixel, and the convolution after it cannot tell the copies apart but by their
neighbours. A row s of half cells (e, o are a cell's first and second half) therefore travels as
u[k] = (o[k-1] + e[k]) / 4 and r[k] = 3/8 (e + o) - (o[k-1] + e[k+1]) / 8: the first copy takes
u[k] + r[k], which is e for all straight lines, and the second one u[k+1] + r[k], which is o.
Later enlargements interpolate between pixels: 3/4 of the nearer one, 1/4 of the other.
"""

import torch
from torch import Tensor, nn

from flashvsr_core.schedule import FRAMES_PER_LATENT
from flashvsr_core.tiny_decoder import TemporalGrow, TinyDecoder

_COLORS = 3
_CELL_PX = 8
_CARRIED = (4 * _COLORS * FRAMES_PER_LATENT, _COLORS * FRAMES_PER_LATENT, _COLORS * 2, _COLORS)
"""Channels at an eighth, a quarter, half and the whole of the size."""
_INTERPOLATE = (0.25, 0.5, 0.25)


@torch.no_grad()
def pass_frames_through(decoder: TinyDecoder) -> None:
    """Overwrite some channels so that frames in [-1, 1] come out; a narrow decoder stays as it is.

    The memory blocks must pass their input on already.
    """
    convolutions = [layer for layer in decoder.decoder if isinstance(layer, nn.Conv2d)]
    first, second, early, middle, late, third, last = convolutions
    widths = (first.out_channels, early.out_channels, middle.out_channels, late.out_channels)
    if any(width < carried for width, carried in zip(widths, _CARRIED, strict=True)):
        return
    grows = [layer.conv for layer in decoder.decoder if isinstance(layer, TemporalGrow)]
    at_eighth, _, at_half, at_whole = _CARRIED

    assert first.bias is not None
    _carry(first, _cells_to_channels())
    # Nothing below 0 gets through a ReLU: frames travel in [0, 2], a quarter of it in each part.
    first.bias[:at_eighth] = 0.25
    _carry(second, _at_centre(torch.eye(at_eighth)))

    _carry(grows[0], torch.eye(at_eighth)[..., None, None])
    _carry(early, _channels_to_halves())
    for grow, convolution, carried in ((grows[1], middle, at_half), (grows[2], late, at_whole)):
        channels = grow.in_channels
        for half in range(2):
            _carry(grow, _half_of_frames(2 * carried, half), first_row=half * channels)
        _carry(convolution, torch.eye(carried)[..., None, None] * _outer(_INTERPOLATE))

    _carry(third, _at_centre(torch.eye(at_whole)))
    _carry(last, _at_centre(torch.eye(at_whole) / 2))
    assert last.bias is not None
    last.bias.zero_()


def _carry(convolution: nn.Conv2d, weight: Tensor, first_row: int = 0) -> None:
    """Set the first outputs' weights of the first inputs; they look at nothing else."""
    rows = slice(first_row, first_row + len(weight))
    convolution.weight[rows] = 0
    convolution.weight[rows, : weight.shape[1]] = weight


def _at_centre(weight: Tensor) -> Tensor:
    """Make 3x3 taps of a matrix."""
    return nn.functional.pad(weight[..., None, None], (1, 1, 1, 1))


def _outer(taps: tuple[float, ...]) -> Tensor:
    row = torch.tensor(taps)
    return row[:, None] * row


def _cells_to_channels() -> Tensor:
    """Return weights (48, 768, 3, 3): u and r along rows and columns, for each color and frame."""
    half = _CELL_PX // 2
    e, o = torch.zeros(2, 3, _CELL_PX)
    e[1, :half] = o[1, half:] = 1 / half
    o_before, e_after = o.roll(-1, 0), e.roll(1, 0)
    u = (o_before + e) / 4
    r = (e + o) * 3 / 8 - (o_before + e_after) / 8
    pair = torch.stack([u, r])
    # (which along rows, which along columns, rows of pixels, columns of pixels, taps)
    one = torch.einsum("aip,bjq->abpqij", pair, pair)
    planes = _COLORS * FRAMES_PER_LATENT
    weight = torch.zeros(4, planes, planes, _CELL_PX, _CELL_PX, 3, 3)
    for plane in range(planes):
        weight[:, plane, plane] = one.flatten(0, 1)
    return weight.reshape(4 * planes, planes * _CELL_PX**2, 3, 3)


def _channels_to_halves() -> Tensor:
    """Return weights (12, 48, 3, 3): u is taken from the next pixel, r from the same one."""
    taps = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    one = torch.einsum("ai,bj->abij", taps, taps).flatten(0, 1)
    planes = _COLORS * FRAMES_PER_LATENT
    weight = torch.zeros(planes, 4, planes, 3, 3)
    for plane in range(planes):
        weight[plane, :, plane] = one
    return weight.flatten(1, 2)


def _half_of_frames(planes: int, half: int) -> Tensor:
    """Return weights (planes / 2, planes, 1, 1) for the first or second half of the frames."""
    by_color = torch.eye(planes).reshape(_COLORS, 2, -1, planes)
    return by_color[:, half].reshape(-1, planes, 1, 1)
