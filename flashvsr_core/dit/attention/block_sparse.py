"""The CUDA kernel of mit-han-lab/Block-Sparse-Attention, the one that the model was trained with.

It is fast on Ampere. The package has no wheels for current torch and is built from source.
"""

import torch
from block_sparse_attn import block_sparse_attn_func
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attend with the package's variable-length call; see `AttentionBackend`."""
    heads = q.shape[1]
    bounds = {"device": q.device, "dtype": torch.int32}
    # Head type 1: this head's blocks come from the mask (0 would be dense, negative streaming).
    out: Tensor = block_sparse_attn_func(
        q,
        k,
        v,
        torch.tensor([0, q.shape[0]], **bounds),
        torch.tensor([0, k.shape[0]], **bounds),
        torch.ones(heads, **bounds),
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


def _empty_rows(mask: Tensor) -> Tensor:
    """(K, query blocks, key blocks) -> (L_q, K, 1) bool."""
    return (~mask.any(dim=-1)).movedim(0, 1).repeat_interleave(128, dim=0).unsqueeze(-1)
