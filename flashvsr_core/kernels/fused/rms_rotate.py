"""The fused form of `rms_norm` and `rms_rotate`: one pass over every token."""

import triton
import triton.language as tl
from torch import Tensor

from flashvsr_core.kernels.rms_rotate import EPS


@triton.jit
def _rms_rotate(
    x_ptr,
    weight_ptr,
    cos_ptr,
    sin_ptr,
    out_ptr,
    heads,
    eps,
    ROTATES: tl.constexpr,
    HEADS: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    head = tl.arange(0, HEADS)[:, None]
    channel = tl.arange(0, 128)[None, :]
    place = head * 128 + channel
    inside = (head < heads) & (channel < 128)
    width = heads * 128
    x = tl.load(x_ptr + token * width + place, mask=inside, other=0.0).to(tl.float32)
    mean_square = tl.sum(tl.sum(x * x, axis=1), axis=0) / width
    x *= tl.rsqrt(mean_square + eps)
    x *= tl.load(weight_ptr + place, mask=inside, other=0.0).to(tl.float32)
    if ROTATES:
        pair = tl.arange(0, 64)[None, :]
        cos = tl.load(cos_ptr + token * 64 + pair)
        sin = tl.load(sin_ptr + token * 64 + pair)
        even, odd = tl.split(tl.reshape(x, (HEADS, 64, 2)))
        x = tl.reshape(tl.join(even * cos - odd * sin, even * sin + odd * cos), (HEADS, 128))
    tl.store(out_ptr + token * width + place, x.to(out_ptr.dtype.element_ty), mask=inside)


def rms_rotate_fused(
    x: Tensor, weight: Tensor, rotation: tuple[Tensor, Tensor] | None, out: Tensor
) -> Tensor:
    """Fill `out`, contiguous and as large as x, and return it; see `rms_rotate`."""
    tokens, width = x.shape
    assert out.is_contiguous()
    cos, sin = rotation or (x, x)
    heads = width // 128
    _rms_rotate[(tokens,)](
        x.contiguous(),
        weight,
        cos,
        sin,
        out,
        heads,
        EPS,
        ROTATES=rotation is not None,
        HEADS=triton.next_power_of_2(heads),
        num_warps=4,
    )
    return out
