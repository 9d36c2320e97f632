"""The fused form of `local_softmax`: one pass over every row of scores."""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _local_softmax(scores_ptr, local_ptr, out_ptr, S, keys, scale, BLOCK: tl.constexpr):
    query = tl.program_id(0)
    row = (tl.program_id(1).to(tl.int64) * tl.num_programs(0) + query) * keys
    key = tl.arange(0, BLOCK)
    inside = key < keys
    reach = tl.load(local_ptr + (query % S) * S + key % S, mask=inside, other=0) != 0
    scores = tl.load(scores_ptr + row + key, mask=inside, other=0.0) * scale
    scores = tl.where(inside & reach, scores, -float("inf"))
    weights = tl.exp(scores - tl.max(scores, axis=0))
    tl.store(out_ptr + row + key, weights / tl.sum(weights, axis=0), mask=inside)


def local_softmax_fused(scores: Tensor, local: Tensor) -> Tensor:
    """See `local_softmax`; a block always sees itself, so that no row is empty."""
    heads, queries, keys = scores.shape
    out = torch.empty_like(scores)
    _local_softmax[(queries, heads)](
        scores.contiguous(),
        local.contiguous().view(torch.uint8),
        out,
        local.shape[0],
        keys,
        128**-0.5,
        BLOCK=triton.next_power_of_2(keys),
        num_warps=4,
    )
    return out
