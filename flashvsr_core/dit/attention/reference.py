"""Exact block-sparse attention from plain torch operations, for any device."""

import torch
import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.dit.windows import WINDOW_TOKENS


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, blocks: Tensor | None = None) -> Tensor:
    """Attend query block by query block to the kept key blocks alone; see `Attend`."""
    out = torch.zeros_like(q)
    k_blocks = k.unflatten(0, (-1, WINDOW_TOKENS))
    v_blocks = v.unflatten(0, (-1, WINDOW_TOKENS))
    for head, head_mask in enumerate(mask.cpu()):
        for block, kept in enumerate(head_mask):
            index = kept.nonzero().flatten().to(q.device)
            if index.numel() == 0:
                continue
            if blocks is not None:
                index = blocks[index]
            rows = slice(block * WINDOW_TOKENS, (block + 1) * WINDOW_TOKENS)
            out[rows, head] = F.scaled_dot_product_attention(
                q[None, None, rows, head],
                k_blocks[index, :, head].flatten(0, 1)[None, None],
                v_blocks[index, :, head].flatten(0, 1)[None, None],
            )[0, 0]
    return out
