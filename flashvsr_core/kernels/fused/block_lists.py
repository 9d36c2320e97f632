"""The fused form of `list_blocks`: one program a query block and head."""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _list_blocks(
    mask_ptr,
    blocks_ptr,
    counts_ptr,
    indices_ptr,
    columns,
    HAS_BLOCKS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    kept = tl.load(mask_ptr + row * columns + column, mask=column < columns, other=0).to(tl.int32)
    place = tl.cumsum(kept, axis=0) - 1
    value = column
    if HAS_BLOCKS:
        value = tl.load(blocks_ptr + column, mask=column < columns, other=0)
    tl.store(indices_ptr + row * columns + place, value, mask=kept != 0)
    tl.store(counts_ptr + row, tl.sum(kept, axis=0))


def list_blocks_fused(mask: Tensor, blocks: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return counts and indices; entries beyond a count are left as they are."""
    heads, queries, columns = mask.shape
    counts = torch.empty((heads, queries), dtype=torch.int32, device=mask.device)
    indices = torch.empty((heads, queries, columns), dtype=torch.int32, device=mask.device)
    _list_blocks[(heads * queries,)](
        mask.contiguous().view(torch.uint8),
        counts if blocks is None else blocks,
        counts,
        indices,
        columns,
        HAS_BLOCKS=blocks is not None,
        BLOCK=triton.next_power_of_2(columns),
        num_warps=4,
    )
    return counts, indices
