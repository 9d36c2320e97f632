"""Neighbourhoods of pixels as rows of a matrix, the border repeated."""

import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _lay(x_ptr, out_ptr, top, height, width, channels, BLOCK: tl.constexpr):
    pixel = tl.program_id(0)
    tap = tl.program_id(1)
    row = tl.minimum(tl.maximum(top + pixel // width + tap // 3 - 1, 0), height - 1)
    column = tl.minimum(tl.maximum(pixel % width + tap % 3 - 1, 0), width - 1)
    source = (row * width + column).to(tl.int64) * channels
    place = (pixel * 9 + tap).to(tl.int64) * channels
    for start in range(0, channels, BLOCK):
        channel = start + tl.arange(0, BLOCK)
        inside = channel < channels
        value = tl.load(x_ptr + source + channel, mask=inside)
        tl.store(out_ptr + place + channel, value, mask=inside)


def lay_windows(x: Tensor, top: int, rows: int) -> Tensor:
    """Return the neighbourhoods of `rows` rows of one frame (H, W, C): (rows * W, 9 * C)."""
    height, width, channels = x.shape
    out = x.new_empty((rows * width, 9 * channels))
    _lay[(rows * width, 9)](x, out, top, height, width, channels, BLOCK=1024, num_warps=4)
    return out
