"""The fused form of `geometry.enlarge`: one pass along the rows, one along the columns."""

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from flashvsr_core.geometry import Geometry
from flashvsr_core.kernels.fused.rounding import round_even


@triton.jit
def _level(total, peak, ROUNDS: tl.constexpr):
    """Pillow rounds and clips what 8-bit pictures become after each pass."""
    total = tl.minimum(tl.maximum(total, 0.0), peak)
    if ROUNDS:
        total = round_even(total)
    return total


@triton.jit
def _enlarge_rows(
    frames_ptr,
    first_ptr,
    weights_ptr,
    out_ptr,
    height,
    width,
    new_width,
    taps,
    peak,
    ROUNDS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    channel = tl.program_id(1)
    x = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    inside = x < new_width
    first = tl.load(first_ptr + x, mask=inside, other=0)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for tap in range(taps):
        weight = tl.load(weights_ptr + tap * new_width + x, mask=inside, other=0.0)
        source = row.to(tl.int64) * width + tl.minimum(first + tap, width - 1)
        value = tl.load(frames_ptr + source * 3 + channel, mask=inside, other=0)
        total += weight * value.to(tl.float32)
    plane = (row // height) * 3 + channel
    place = (plane.to(tl.int64) * height + row % height) * new_width + x
    level = _level(total, peak, ROUNDS)
    tl.store(out_ptr + place, level.to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _mirror(index, length):
    period = tl.maximum(2 * length - 2, 1)
    index = index % period
    return tl.minimum(index, tl.abs(period - index))


@triton.jit
def _enlarge_columns(
    rows_ptr,
    first_ptr,
    weights_ptr,
    out_ptr,
    height,
    new_height,
    new_width,
    canvas_height,
    canvas_width,
    taps,
    peak,
    ROUNDS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    line = tl.program_id(0)
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = x < canvas_width
    y = _mirror(line % canvas_height, new_height)
    first = tl.load(first_ptr + y)
    plane = (line // canvas_height).to(tl.int64) * height
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    column = _mirror(x, new_width)
    for tap in range(taps):
        weight = tl.load(weights_ptr + tap * new_height + y)
        source = (plane + tl.minimum(first + tap, height - 1)) * new_width
        value = tl.load(rows_ptr + source + column, mask=inside, other=0)
        total += weight * value.to(tl.float32)
    level = _level(total, peak, ROUNDS) * (2.0 / peak) - 1.0
    place = line.to(tl.int64) * canvas_width + x
    tl.store(out_ptr + place, level.to(out_ptr.dtype.element_ty), mask=inside)


def enlarge_fused(frames: Tensor, geometry: Geometry, dtype: torch.dtype) -> Tensor:
    """See `geometry.enlarge`."""
    frames = frames.contiguous()
    T, height, width, _ = frames.shape
    output, canvas = geometry.output, geometry.canvas
    is_8_bit = frames.dtype == torch.uint8
    peak = 255.0 if is_8_bit else 65535.0
    first, weights = resampling(width, output.width_px, frames.device)
    rows = frames.new_empty(
        (T, 3, height, output.width_px), dtype=torch.uint8 if is_8_bit else torch.float32
    )
    block = 1024
    _enlarge_rows[(T * height, 3, triton.cdiv(output.width_px, block))](
        frames,
        first,
        weights,
        rows,
        height,
        width,
        output.width_px,
        len(weights),
        peak,
        ROUNDS=is_8_bit,
        BLOCK=block,
    )
    first, weights = resampling(height, output.height_px, frames.device)
    out = frames.new_empty((T, 3, canvas.height_px, canvas.width_px), dtype=dtype)
    _enlarge_columns[(T * 3 * canvas.height_px, triton.cdiv(canvas.width_px, block))](
        rows,
        first,
        weights,
        out,
        height,
        output.height_px,
        output.width_px,
        canvas.height_px,
        canvas.width_px,
        len(weights),
        peak,
        ROUNDS=is_8_bit,
        BLOCK=block,
    )
    return out.movedim(1, 0)


@lru_cache(maxsize=32)
def resampling(length: int, new_length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which samples make each new one, and how much of each.

    The kernel is Keys's cubic with a = -0.5, widened where samples get fewer, as in Pillow.

    Returns:
        The first sample of each, (new_length,) int32; and weights that sum to 1,
        (taps, new_length) float32.

    """
    step = length / new_length
    width = max(step, 1.0)
    centre = (torch.arange(new_length, device=device) + 0.5) * step
    first = (centre - 2 * width + 0.5).int().clamp_min_(0)
    last = (centre + 2 * width + 0.5).int().clamp_max_(length)
    samples = first + torch.arange(int(4 * width) + 2, device=device)[:, None]
    weights = _cubic((samples + 0.5 - centre) / width) * (samples < last)
    return first.to(torch.int32), (weights / weights.sum(dim=0)).contiguous()


def _cubic(x: Tensor) -> Tensor:
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
