"""The CUDA kernel of mit-han-lab/Block-Sparse-Attention, the one that the model was trained with.

It is fast on Ampere. The package has no wheels for current torch and is built from source.
"""

from functools import lru_cache

import torch
from block_sparse_attn import block_sparse_attn_func
from torch import Tensor

_HEAD_FROM_MASK = 1
"""A head whose blocks come from the mask; 0 would be dense, a negative number streaming."""


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, blocks: Tensor | None = None) -> Tensor:
    """Attend with the package's variable-length call; see `Attend`."""
    assert blocks is None
    out: Tensor = block_sparse_attn_func(
        q,
        k,
        v,
        _integers((0, q.shape[0]), q.device),
        _integers((0, k.shape[0]), q.device),
        _integers((_HEAD_FROM_MASK,) * q.shape[1], q.device),
        None,
        mask.unsqueeze(0).contiguous(),
        q.shape[0],
        k.shape[0],
        0.0,
        deterministic=False,
        softmax_scale=None,
        is_causal=False,
        exact_streaming=False,
        return_attn_probs=False,
    )
    # The kernel leaves rows without any block unwritten.
    return out.masked_fill_(_empty_rows(mask), 0.0)


@lru_cache(maxsize=64)
def _integers(values: tuple[int, ...], device: torch.device) -> Tensor:
    # Kept: a copy from the host would wait for the GPU in every layer.
    return torch.tensor(values, dtype=torch.int32, device=device)


def _empty_rows(mask: Tensor) -> Tensor:
    """(K, query blocks, key blocks) -> (L_q, K, 1) bool."""
    return (~mask.any(dim=-1)).movedim(0, 1).repeat_interleave(128, dim=0).unsqueeze(-1)
