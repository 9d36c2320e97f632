"""AdaIN and rounding to levels, fused: each frame is read for its moments, then once more."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from flashvsr_core.color import EPS
from flashvsr_core.kernels.fused.rounding import round_even

_ROWS, _COLUMNS = 4, 1024


@triton.jit
def _sum_tile(
    x_ptr,
    sums_ptr,
    squares_ptr,
    frame_stride,
    channel_stride,
    row_stride,
    height,
    width,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    plane = tl.program_id(2)
    y = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    x = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    inside = (y < height) & (x < width)
    start = (plane // 3).to(tl.int64) * frame_stride + (plane % 3).to(tl.int64) * channel_stride
    place = start + y.to(tl.int64) * row_stride + x
    value = tl.load(x_ptr + place, mask=inside, other=0.0).to(tl.float32)
    count = tl.minimum(height - tl.program_id(0) * ROWS, ROWS) * tl.minimum(
        width - tl.program_id(1) * COLUMNS, COLUMNS
    )
    total = tl.sum(tl.sum(value, axis=1), axis=0)
    # Around the tile's own mean: squares of the values themselves would lose what differs.
    apart = tl.where(inside, value - total / count.to(tl.float32), 0.0)
    tile = (plane * tl.num_programs(0) + tl.program_id(0)) * tl.num_programs(1) + tl.program_id(1)
    tl.store(sums_ptr + tile, total)
    tl.store(squares_ptr + tile, tl.sum(tl.sum(apart * apart, axis=1), axis=0))


@triton.jit
def _apply(
    x_ptr,
    gain_ptr,
    offset_ptr,
    out_ptr,
    frame_stride,
    channel_stride,
    row_stride,
    height,
    width,
    half_peak,
    COLUMNS: tl.constexpr,
):
    line = tl.program_id(0)
    frame = line // height
    x = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = x < width
    start = frame.to(tl.int64) * frame_stride + (line % height).to(tl.int64) * row_stride + x
    place = (line.to(tl.int64) * width + x) * 3
    for channel in tl.static_range(3):
        value = tl.load(x_ptr + start + channel * channel_stride, mask=inside, other=0.0)
        gain = tl.load(gain_ptr + frame * 3 + channel)
        offset = tl.load(offset_ptr + frame * 3 + channel)
        matched = tl.minimum(tl.maximum(value.to(tl.float32) * gain + offset, -1.0), 1.0)
        level = round_even((matched + 1.0) * half_peak)
        tl.store(out_ptr + place + channel, level.to(out_ptr.dtype.element_ty), mask=inside)


def adain_levels(result: Tensor, source: Tensor, dtype: torch.dtype) -> Tensor:
    """Match (3, T, H, W) to the colours of `source` and round: (T, H, W, 3) uint8 or uint16."""
    _, T, height, width = result.shape
    result, source = _with_whole_rows(result), _with_whole_rows(source)
    mean, deviation = _moments(result)
    wanted_mean, wanted_deviation = _moments(source)
    gain = wanted_deviation / deviation
    out = result.new_empty((T, height, width, 3), dtype=dtype)
    _apply[(T * height, triton.cdiv(width, _COLUMNS))](
        result,
        gain,
        wanted_mean - mean * gain,
        out,
        result.stride(1),
        result.stride(0),
        result.stride(2),
        height,
        width,
        (255 if dtype == torch.uint8 else 65535) / 2,
        COLUMNS=_COLUMNS,
    )
    return out


def _with_whole_rows(frames: Tensor) -> Tensor:
    return frames if frames.stride(-1) == 1 else frames.contiguous()


def _moments(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of every frame and channel, (T * 3,) float32 each."""
    _, T, height, width = frames.shape
    down, across = triton.cdiv(height, _ROWS), triton.cdiv(width, _COLUMNS)
    sums = frames.new_empty((T * 3, down, across), dtype=torch.float32)
    squares = torch.empty_like(sums)
    _sum_tile[(down, across, T * 3)](
        frames,
        sums,
        squares,
        frames.stride(1),
        frames.stride(0),
        frames.stride(2),
        height,
        width,
        ROWS=_ROWS,
        COLUMNS=_COLUMNS,
    )
    rows = _counts(height, _ROWS, down, frames.device)
    counts = rows[:, None] * _counts(width, _COLUMNS, across, frames.device)
    mean = sums.sum((1, 2), keepdim=True) / (height * width)
    squares += (sums / counts - mean).square_() * counts
    variance = squares.sum((1, 2)) / (height * width)
    return mean.flatten(), (variance + EPS).sqrt()


def _counts(length: int, block: int, blocks: int, device: torch.device) -> Tensor:
    """Return how much of a length falls to each block, (blocks,) float32."""
    starts = torch.arange(0, blocks * block, block, device=device)
    return (length - starts).clamp_max(block).float()
