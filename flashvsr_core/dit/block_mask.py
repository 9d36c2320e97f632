"""Which key blocks each query block may attend to: locality first, then a shared budget.

Every query window row and head has one budget of blocks, spent where the mean query of a block
and the mean key of another one agree most; query blocks do not get equal shares.
"""

import torch
from torch import Tensor

from flashvsr_core.dit.windows import WINDOW_TOKENS, Grid

TRAINED_PIXELS = 768 * 1280
"""Pixels of the frames that the released model was trained on; the budget is tied to it."""


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


def pool_blocks(x: Tensor) -> Tensor:
    """Average (L, K, 128) in window order over every block: (blocks, K, 128) float32."""
    blocks: Tensor = x.unflatten(0, (-1, WINDOW_TOKENS))
    return blocks.mean(dim=1, dtype=torch.float32)


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
    heads, head_dim = pooled_q.shape[1:]
    key_rows = pooled_k.shape[0] // S
    scores = torch.matmul(pooled_q.movedim(1, 0), pooled_k.permute(1, 2, 0)) / head_dim**0.5
    scores = scores.masked_fill(~local.repeat(pooled_q.shape[0] // S, key_rows), -torch.inf)
    chances = scores.softmax(dim=-1).view(heads, -1, S * key_rows * S)
    entries = chances.shape[-1]
    # The (budget + 1)-th largest is the (entries - budget)-th smallest.
    rank = entries - min(budget, entries - 1)
    threshold = chances.kthvalue(rank, dim=-1, keepdim=True).values
    kept: Tensor = chances > threshold
    return kept.view(heads, -1, key_rows * S)
