"""3x3 convolutions over many channels and few pixels, as one matrix product on GPUs.

cuDNN reaches half of a matrix product's rate at these sizes (docs/performance.md), so the pixels'
neighbourhoods are laid out as rows, a bounded number at a time.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_ROWS_BYTES = 384 * 2**20
"""Largest layout of neighbourhoods; more pixels are taken in turns."""


def convolve_windows(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve (n, h, w, C), its border repeated once, with (N, 3, 3, C); (n, h, w, N)."""
    n, height, width, channels = x.shape
    if not x.is_cuda:
        planes = F.pad(x.movedim(-1, 1), (1, 1, 1, 1), mode="replicate")
        return F.conv2d(planes, weight.movedim(-1, 1)).movedim(1, -1)
    padded = _repeat_border(x)
    out = x.new_empty((n, height, width, weight.shape[0]))
    factors = weight.flatten(1).t()
    row_bytes = width * 9 * channels * x.element_size()
    rows = max(1, min(height, _ROWS_BYTES // row_bytes))
    for frame in range(n):
        for top in range(0, height, rows):
            taken = min(rows, height - top)
            windows = x.new_empty((taken, width, 9, channels))
            for tap in range(9):
                down, across = top + tap // 3, tap % 3
                windows[:, :, tap] = padded[frame, down : down + taken, across : across + width]
            place = out[frame, top : top + taken].flatten(0, 1)
            torch.mm(windows.flatten(2).flatten(0, 1), factors, out=place)
    return out


def _repeat_border(x: Tensor) -> Tensor:
    """Repeat the border pixels of (n, h, w, C) once on every side."""
    height, width = x.shape[1:3]
    rows = torch.arange(-1, height + 1, device=x.device).clamp_(0, height - 1)
    columns = torch.arange(-1, width + 1, device=x.device).clamp_(0, width - 1)
    return x[:, rows[:, None], columns]
