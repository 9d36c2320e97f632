"""A block mask as lists of kept blocks, built on the device without a look from the host."""

from dataclasses import dataclass

import torch
from torch import Tensor

from flashvsr_core.kernels.fusing import is_fused


@dataclass(frozen=True)
class BlockLists:
    """The key blocks of every query block and head."""

    counts: Tensor
    """(K, query blocks) int32."""
    indices: Tensor
    """(K, query blocks, columns) int32: the first `counts` are kept blocks, ascending columns."""


def list_blocks(mask: Tensor, blocks: Tensor | None) -> BlockLists:
    """List what a mask keeps.

    Args:
        mask: (K, query blocks, columns) bool.
        blocks: (columns,) int32, the key block of every column; None is the column itself.

    """
    if is_fused(mask):
        from flashvsr_core.kernels.fused.block_lists import list_blocks_fused

        return BlockLists(*list_blocks_fused(mask, blocks))
    order = mask.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    indices = order.to(torch.int32) if blocks is None else blocks[order]
    return BlockLists(mask.sum(dim=-1, dtype=torch.int32), indices.contiguous())
