"""3x3 convolutions over many channels and few pixels, as matrix products on GPUs.

cuDNN reaches half of a matrix product's rate at these sizes (docs/performance.md), so the pixels'
neighbourhoods are laid out as rows, a bounded number at a time.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.kernels.fusing import is_fused

_ROWS_BYTES = 384 * 2**20
"""Largest layout of neighbourhoods; more pixels are taken in turns."""


def convolve_windows(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve (n, h, w, C), its border repeated once, with (3, 3, C, N); (n, h, w, N)."""
    if is_fused(x):
        return _multiply_windows(x.contiguous(), weight.flatten(0, 2))
    planes = F.pad(x.movedim(-1, 1), (1, 1, 1, 1), mode="replicate")
    return F.conv2d(planes, weight.permute(3, 2, 0, 1)).movedim(1, -1)


def _multiply_windows(x: Tensor, factors: Tensor) -> Tensor:
    """Multiply all neighbourhoods with (9 C, N)."""
    from flashvsr_core.kernels.fused.window_rows import lay_windows

    n, height, width, channels = x.shape
    out = x.new_empty((n, height, width, factors.shape[1]))
    row_bytes = width * 9 * channels * x.element_size()
    rows = max(1, min(height, _ROWS_BYTES // row_bytes))
    for frame in range(n):
        for top in range(0, height, rows):
            taken = min(rows, height - top)
            windows = lay_windows(x[frame], top, taken)
            torch.mm(windows, factors, out=out[frame, top : top + taken].flatten(0, 1))
    return out
