"""FlashAttention 4's block-sparse forward pass, the fastest one on Hopper.

The package compiles its kernel when it is first called, in seconds and without a compiler on the
machine, once for each layout of the tensors.
"""

import warnings
from functools import lru_cache

import torch
from torch import Tensor

from flashvsr_core.kernels.block_lists import list_blocks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flash_attn.cute.block_sparsity import BlockSparseTensorsTorch
    from flash_attn.cute.interface import _flash_attn_fwd

_BLOCK = (128, 128)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, blocks: Tensor | None = None) -> Tensor:
    """Attend; see `Attend`."""
    lists = list_blocks(mask, blocks)
    # Blocks of the mask are kept whole; "partial" ones, which need a look at each pair, are none.
    no_counts, no_indices = _no_partial_blocks(tuple(lists.counts.shape), q.device)
    out = torch.empty_like(q)
    _flash_attn_fwd(
        q.unsqueeze(0),
        k.unsqueeze(0),
        v.unsqueeze(0),
        out=out.unsqueeze(0),
        block_sparse_tensors=BlockSparseTensorsTorch(
            mask_block_cnt=no_counts,
            mask_block_idx=no_indices,
            full_block_cnt=lists.counts.unsqueeze(0),
            full_block_idx=lists.indices.unsqueeze(0),
            block_size=_BLOCK,
        ),
    )
    return out


@lru_cache(maxsize=16)
def _no_partial_blocks(shape: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    counts = torch.zeros((1, *shape), dtype=torch.int32, device=device)
    return counts, counts.unsqueeze(-1)
