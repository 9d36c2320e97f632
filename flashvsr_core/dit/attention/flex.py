"""torch's FlexAttention with a block mask built on the device."""

import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from flashvsr_core.dit.windows import WINDOW_TOKENS


@cache
def _kernel(device_type: str) -> Any:  # noqa: ANN401  (torch.compile has no useful type)
    if device_type == "cuda":
        return torch.compile(flex_attention, dynamic=False)
    # Compiling for the CPU needs a C++ compiler; uncompiled it is slow and exact, and torch warns.
    warnings.filterwarnings("ignore", "flex_attention called without torch.compile", UserWarning)
    return flex_attention


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, blocks: Tensor | None = None) -> Tensor:
    """Attend with FlexAttention; see `Attend`."""
    assert blocks is None
    out: Tensor = _kernel(q.device.type)(
        *(x.movedim(0, 1).unsqueeze(0) for x in (q, k, v)), block_mask=_block_mask(mask)
    )
    return out[0].movedim(0, 1)


def _block_mask(mask: Tensor) -> BlockMask:
    """Turn (K, query blocks, key blocks) into FlexAttention's lists of whole blocks."""
    counts = mask.sum(dim=-1, dtype=torch.int32).unsqueeze(0)
    kept_first = mask.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    indices = kept_first.to(torch.int32).unsqueeze(0).contiguous()

    def keeps(_batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return mask[head, query // WINDOW_TOKENS, key // WINDOW_TOKENS]

    blocks: BlockMask = BlockMask.from_kv_blocks(
        torch.zeros_like(counts),
        torch.zeros_like(indices),
        counts,
        indices,
        BLOCK_SIZE=WINDOW_TOKENS,
        mask_mod=keeps,
        compute_q_blocks=False,
    )
    return blocks
