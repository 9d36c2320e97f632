"""Softmax of block scores, with blocks out of reach at zero."""

import torch
from torch import Tensor

from flashvsr_core.kernels.fusing import is_fused

HEAD_DIM = 128


def local_softmax(scores: Tensor, local: Tensor) -> Tensor:
    """Return the softmax over key blocks of scores / sqrt(128).

    Args:
        scores: (K, query blocks, key blocks) float32, whole window rows.
        local: (S, S) bool, which blocks may see which; the same for every pair of window rows.

    Returns:
        The same shape; 0 outside the local range.

    """
    if is_fused(scores):
        from flashvsr_core.kernels.fused.chances import local_softmax_fused

        return local_softmax_fused(scores, local)
    S = local.shape[0]
    reach = local.repeat(scores.shape[1] // S, scores.shape[2] // S)
    seen = (scores / HEAD_DIM**0.5).masked_fill(~reach, -torch.inf)
    chances: Tensor = seen.softmax(dim=-1)
    return chances
