"""Block-sparse attention as one Triton kernel, for GPUs without a faster package.

One program holds 128 queries of one head and walks the list of their key blocks with the online
softmax. It needs no compiler on the machine and runs on Ampere, Ada and Hopper.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from flashvsr_core.kernels.block_lists import list_blocks

_LOG2_E = 1.4426950408889634


@triton.jit
def _attend(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    counts_ptr,
    indices_ptr,
    heads,
    query_blocks,
    columns,
    scale,
    KEYS: tl.constexpr,
):
    query_block = tl.program_id(0)
    head = tl.program_id(1)
    row = head * query_blocks + query_block
    count = tl.load(counts_ptr + row)
    list_ptr = indices_ptr + row.to(tl.int64) * columns
    channel = tl.arange(0, 128)
    stride = heads * 128
    token = query_block * 128 + tl.arange(0, 128)
    q_place = token.to(tl.int64)[:, None] * stride + head * 128 + channel[None, :]
    q = tl.load(q_ptr + q_place)
    total = tl.zeros((128, 128), dtype=tl.float32)
    highest = tl.full((128,), -float("inf"), dtype=tl.float32)
    weight = tl.zeros((128,), dtype=tl.float32)
    parts: tl.constexpr = 128 // KEYS
    key = tl.arange(0, KEYS)
    for step in range(0, count * parts):
        block = tl.load(list_ptr + step // parts)
        start = block.to(tl.int64) * 128 + (step % parts) * KEYS
        base = start * stride + head * 128
        place = key[:, None] * stride + channel[None, :]
        k = tl.load(k_ptr + base + place)
        scores = tl.dot(q, tl.trans(k)) * scale
        now_highest = tl.maximum(highest, tl.max(scores, axis=1))
        shrink = tl.exp2(highest - now_highest)
        chances = tl.exp2(scores - now_highest[:, None])
        weight = weight * shrink + tl.sum(chances, axis=1)
        v = tl.load(v_ptr + base + place)
        total = tl.dot(chances.to(v.dtype), v, total * shrink[:, None])
        highest = now_highest
    # A query block without keys has no weight, and gives 0.
    total /= tl.where(weight > 0, weight, 1.0)[:, None]
    tl.store(out_ptr + q_place, total.to(out_ptr.dtype.element_ty))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, blocks: Tensor | None = None) -> Tensor:
    """Attend; see `Attend`."""
    lists = list_blocks(mask, blocks)
    tokens, heads, _ = q.shape
    q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
    out = torch.empty_like(q)
    # Two programs share a multiprocessor of Ampere at small steps; Hopper likes large ones.
    roomy = q.is_cuda and torch.cuda.get_device_capability(q.device)[0] >= 9
    keys = 128 if roomy and q.element_size() == 2 else 64
    _attend[(tokens // 128, heads)](
        q,
        k,
        v,
        out,
        lists.counts,
        lists.indices,
        heads,
        tokens // 128,
        lists.indices.shape[-1],
        _LOG2_E / 128**0.5,
        KEYS=keys,
        num_warps=8,
        num_stages=2 if keys == 128 else 3,
    )
    return out
