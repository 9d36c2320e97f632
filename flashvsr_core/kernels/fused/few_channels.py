"""A 3x3 convolution to a few channels: one matrix product over all pixels, then nine sums.

As an ordinary convolution it reads its wide input nine times, from a cache that cannot feed it.
Here the product for every tap is made while the input passes once; what is summed afterwards is
small.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _sum_taps(
    products_ptr,
    bias_ptr,
    out_ptr,
    pixels,
    height,
    width,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    channel = tl.program_id(2)
    down = row % height
    across = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), dtype=tl.float32) + tl.load(bias_ptr + channel).to(tl.float32)
    for tap in tl.static_range(9):
        y = down + tap // 3 - 1
        x = across + tap % 3 - 1
        # Nothing of a row outside, asked in numbers: Triton 3.9's interpreter makes integers of
        # truth values that are one for a whole block.
        end = tl.where((y >= 0) & (y < height), width, 0)
        inside = (x >= 0) & (x < end)
        pixel = (row + tap // 3 - 1).to(tl.int64) * width + x
        plane = (tap * CHANNELS + channel).to(tl.int64) * pixels
        total += tl.load(products_ptr + plane + pixel, mask=inside, other=0.0)
    frame = (row // height).to(tl.int64) * CHANNELS + channel
    place = (frame * height + down) * width + across
    tl.store(out_ptr + place, total.to(out_ptr.dtype.element_ty), mask=across < width)


def convolve_to_few(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve (T, H, W, C) contiguous with zeros around: (T, N, H, W).

    Args:
        x: the frames.
        weight: (9 * N, C), the taps' rows, columns and channels in this order.
        bias: (N,).

    """
    T, H, W, C = x.shape
    N = len(bias)
    rows = x.view(-1, C)
    if x.dtype == torch.float32:
        products = torch.mm(weight, rows.t())
    else:
        products = torch.mm(weight, rows.t(), out_dtype=torch.float32)
    out = x.new_empty((T, N, H, W))
    block = 256
    _sum_taps[(T * H, triton.cdiv(W, block), N)](
        products, bias, out, len(rows), H, W, CHANNELS=N, BLOCK=block, num_warps=2
    )
    return out
