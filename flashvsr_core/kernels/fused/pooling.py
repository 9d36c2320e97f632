"""The fused form of `pool_blocks`."""

import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _pool(x_ptr, out_ptr, heads):
    block = tl.program_id(0)
    head = tl.program_id(1)
    token = block.to(tl.int64) * 128 + tl.arange(0, 128)[:, None]
    channel = tl.arange(0, 128)[None, :]
    x = tl.load(x_ptr + (token * heads + head) * 128 + channel).to(tl.float32)
    mean = tl.sum(x, axis=0) / 128
    tl.store(out_ptr + (block * heads + head) * 128 + tl.arange(0, 128), mean)


def pool_blocks_fused(x: Tensor, out: Tensor) -> Tensor:
    """Fill `out`, contiguous; see `pool_blocks`."""
    assert out.is_contiguous()
    x = x.contiguous()
    _pool[(out.shape[0], out.shape[1])](x, out, x.shape[1], num_warps=4)
    return out
