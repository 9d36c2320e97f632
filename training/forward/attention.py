"""Self-attention over a whole clip: full, or in the pattern that streaming gives it.

Streaming lets a window row see what its chunk and the held rows hold, and of that only the blocks
that locality and the budget keep. Over a whole clip this is a mask.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.dit.block_mask import budget_of, local_mask
from flashvsr_core.dit.windows import WINDOW_FRAMES, WINDOW_TOKENS, Grid
from flashvsr_core.schedule import chunk_at


@dataclass(frozen=True)
class StreamingPattern:
    """What the window rows of one clip may attend to."""

    groups: tuple[tuple[slice, slice], ...]
    """Window rows of one chunk, and the consecutive rows that they see."""
    local: Tensor
    """(S, S) bool: the blocks near enough to be seen."""
    budget: int
    """Key blocks that every query row may spend per head."""


def plan_streaming(
    grid: Grid, *, topk_ratio: float, local_range: int, kept_rows: int, device: torch.device
) -> StreamingPattern:
    """Return the pattern of a clip that the engine would run chunk by chunk.

    Args:
        grid: the whole clip's tokens; `f` is what a whole number of chunks has.
        topk_ratio: share of the S * S pairs of one window row with another that is attended to.
        local_range: blocks seen in height and in width.
        kept_rows: earlier window rows that a chunk sees, once the first chunk's are gone.
        device: where the mask is needed.

    """
    groups = []
    held = start = index = 0
    while start < grid.rows:
        rows = chunk_at(index).latents // WINDOW_FRAMES
        # The first chunk of a short clip (an image) has fewer rows than a stream's.
        stop = min(start + rows, grid.rows)
        groups.append((slice(start, stop), slice(start - held, stop)))
        held += stop - start
        # One row alone is let go after each chunk, as in the engine's memory.
        held -= held > kept_rows
        start, index = stop, index + 1
    local = local_mask(grid.blocks_down, grid.blocks_across, local_range).to(device)
    return StreamingPattern(tuple(groups), local, budget_of(grid, topk_ratio))


def attend_fully(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend from (B, K, L, 128) to all tokens of the clip."""
    return F.scaled_dot_product_attention(q, k, v)


def attend_streaming(q: Tensor, k: Tensor, v: Tensor, pattern: StreamingPattern) -> Tensor:
    """Attend from (B, K, L, 128) in window order to the kept blocks; 0 where none is kept."""
    S = pattern.local.shape[0]
    row_tokens = S * WINDOW_TOKENS
    outputs = []
    for queries, keys in pattern.groups:
        own = q[:, :, queries.start * row_tokens : queries.stop * row_tokens]
        seen = slice(keys.start * row_tokens, keys.stop * row_tokens)
        kept = select_blocks(own, k[:, :, seen], pattern)
        empty = ~kept.any(dim=-1, keepdim=True)
        # A softmax over nothing has no gradient: such a block attends to all, and is blanked after.
        mask = (kept | empty).repeat_interleave(WINDOW_TOKENS, -1)
        mask = mask.repeat_interleave(WINDOW_TOKENS, -2)
        attended = F.scaled_dot_product_attention(own, k[:, :, seen], v[:, :, seen], mask)
        blank = empty.repeat_interleave(WINDOW_TOKENS, -2)
        outputs.append(attended.masked_fill(blank, 0.0))
    return torch.cat(outputs, dim=2)


@torch.no_grad()
def select_blocks(q: Tensor, k: Tensor, pattern: StreamingPattern) -> Tensor:
    """Select key blocks as `flashvsr_core.dit.block_mask` does, for a batch.

    Args:
        q: (B, K, L_q, 128), whole window rows of one chunk.
        k: (B, K, L_k, 128), the window rows that the chunk sees.
        pattern: locality and budget.

    Returns:
        (B, K, query blocks, key blocks) bool.

    """
    with torch.autocast(q.device.type, enabled=False):
        pooled_q, pooled_k = (
            x.unflatten(2, (-1, WINDOW_TOKENS)).mean(dim=3, dtype=torch.float32) for x in (q, k)
        )
        scores = pooled_q @ pooled_k.transpose(-1, -2) / q.shape[-1] ** 0.5
        S = pattern.local.shape[0]
        query_rows, key_rows = pooled_q.shape[2] // S, pooled_k.shape[2] // S
        scores = scores.masked_fill(~pattern.local.repeat(query_rows, key_rows), -torch.inf)
        chances = scores.softmax(dim=-1).unflatten(2, (query_rows, S)).flatten(3)
        entries = chances.shape[-1]
        rank = entries - min(pattern.budget, entries - 1)
        threshold = chances.kthvalue(rank, dim=-1, keepdim=True).values
        kept: Tensor = (chances > threshold).unflatten(3, (S, -1)).flatten(2, 3)
        return kept
