"""The mean of every block of tokens."""

import torch
from torch import Tensor

from flashvsr_core.kernels.fusing import is_fused

BLOCK_TOKENS = 128


def pool_blocks(x: Tensor, out: Tensor | None = None) -> Tensor:
    """Average (L, K, 128) over blocks of tokens: (blocks, K, 128) float32, in `out` if given."""
    if out is None:
        out = x.new_empty((len(x) // BLOCK_TOKENS, *x.shape[1:]), dtype=torch.float32)
    if is_fused(x):
        from flashvsr_core.kernels.fused.pooling import pool_blocks_fused

        return pool_blocks_fused(x, out)
    blocks: Tensor = x.unflatten(0, (-1, BLOCK_TOKENS))
    return out.copy_(blocks.mean(dim=1, dtype=torch.float32))
