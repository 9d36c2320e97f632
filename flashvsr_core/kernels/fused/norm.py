"""The fused form of `norm` and `add_norm`: one pass over every row."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from flashvsr_core.kernels.norm import EPS


@triton.jit
def _add_norm(
    x_ptr,
    update_ptr,
    gate_ptr,
    factor_ptr,
    offset_ptr,
    total_ptr,
    normed_ptr,
    width,
    eps,
    HAS_UPDATE: tl.constexpr,
    HAS_GATE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * width
    channel = tl.arange(0, BLOCK)
    inside = channel < width
    x = tl.load(x_ptr + row + channel, mask=inside, other=0.0).to(tl.float32)
    if HAS_UPDATE:
        update = tl.load(update_ptr + row + channel, mask=inside, other=0.0).to(tl.float32)
        if HAS_GATE:
            update *= tl.load(gate_ptr + channel, mask=inside, other=0.0).to(tl.float32)
        stored = (x + update).to(total_ptr.dtype.element_ty)
        tl.store(total_ptr + row + channel, stored, mask=inside)
        # Later layers see the rounded sum, and so does the norm.
        x = stored.to(tl.float32)
    mean = tl.sum(x, axis=0) / width
    centred = tl.where(inside, x - mean, 0.0)
    variance = tl.sum(centred * centred, axis=0) / width
    factor = tl.load(factor_ptr + channel, mask=inside, other=0.0).to(tl.float32)
    offset = tl.load(offset_ptr + channel, mask=inside, other=0.0).to(tl.float32)
    normed = centred * tl.rsqrt(variance + eps) * factor + offset
    tl.store(normed_ptr + row + channel, normed.to(normed_ptr.dtype.element_ty), mask=inside)


def add_norm_fused(
    x: Tensor, update: Tensor | None, gate: Tensor | None, factor: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the sum (x itself without an update) and its norm; see `add_norm`."""
    rows, width = x.shape
    x = x.contiguous()
    normed = torch.empty_like(x)
    total = x if update is None else torch.empty_like(x)
    _add_norm[(rows,)](
        x,
        x if update is None else update.contiguous(),
        x if gate is None else gate,
        factor,
        offset,
        total,
        normed,
        width,
        EPS,
        HAS_UPDATE=update is not None,
        HAS_GATE=gate is not None,
        BLOCK=triton.next_power_of_2(width),
        num_warps=4,
    )
    return total, normed
