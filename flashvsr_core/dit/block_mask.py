"""Which key blocks each query block may attend to: locality first, then a shared budget.

Every query window row and head has one budget of blocks, spent where the mean query of a block
and the mean key of another one agree most; query blocks do not get equal shares.
"""

import torch
from torch import Tensor

from flashvsr_core.dit.windows import Grid
from flashvsr_core.kernels.chances import local_softmax

TRAINED_PIXELS = 768 * 1280
"""Pixels of the frames that the released model was trained on; the budget is tied to it."""

_FEW_ENTRIES = 32_768
"""Blocks of a window row up to which `kthvalue` is the faster choice on a GPU."""


def budget_of(grid: Grid, topk_ratio: float) -> int:
    """Return how many blocks a window row may spend per head, at least 0.

    Args:
        grid: the chunk's tokens.
        topk_ratio: share of the S * S pairs of one window row with another; may exceed 1, because
            a window row sees several.

    """
    return max(0, int(grid.blocks_per_row**2 * topk_ratio) - 1)


def local_mask(blocks_down: int, blocks_across: int, local_range: int) -> Tensor:
    """Return (S, S) bool: block (r, c) sees rows r - R//2 ... r - R//2 + R - 1, columns likewise.

    The range is not clamped at the borders, so blocks there see fewer others.
    """
    rows = _in_range(blocks_down, local_range)
    columns = _in_range(blocks_across, local_range)
    allowed = rows[:, None, :, None] & columns[None, :, None, :]
    return allowed.reshape(blocks_down * blocks_across, -1)


def _in_range(count: int, local_range: int) -> Tensor:
    index = torch.arange(count)
    offset = index[None, :] - index[:, None] + local_range // 2
    near: Tensor = (offset >= 0) & (offset < local_range)
    return near


def select_blocks(pooled_q: Tensor, pooled_k: Tensor, local: Tensor, budget: int) -> Tensor:
    """Select the key blocks of every query block.

    Args:
        pooled_q: (query blocks, K, 128) float32, whole window rows.
        pooled_k: (key blocks, K, 128) float32, whole window rows, in any order of rows.
        local: (S, S) bool, the same for every pair of window rows.
        budget: as `budget_of` gives it; at least 0.

    Returns:
        (K, query blocks, key blocks) bool.

    """
    S = local.shape[0]
    heads = pooled_q.shape[1]
    scores = torch.matmul(pooled_q.movedim(1, 0), pooled_k.permute(1, 2, 0))
    chances = local_softmax(scores, local).view(heads, -1, S * pooled_k.shape[0])
    kept: Tensor = chances > _ranked(chances, budget + 1)
    return kept.view(heads, -1, pooled_k.shape[0])


def _ranked(values: Tensor, rank: int) -> Tensor:
    """Return the `rank`-th largest of the last dimension, (..., 1); the smallest beyond its end."""
    entries = values.shape[-1]
    rank = min(rank, entries)
    if values.is_cuda and entries > _FEW_ENTRIES:
        # CUDA's kthvalue gives one multiprocessor the whole row: 30 times slower than this at 4K.
        return values.topk(rank, dim=-1, sorted=False).values.amin(dim=-1, keepdim=True)
    return values.kthvalue(entries - rank + 1, dim=-1, keepdim=True).values
