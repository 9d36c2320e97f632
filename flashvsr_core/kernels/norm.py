"""Layer norm with a factor and an offset for every channel, alone or behind a gated sum."""

import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.kernels.fusing import is_fused

EPS = 1e-6


def norm(x: Tensor, factor: Tensor, offset: Tensor) -> Tensor:
    """Return layer norm of (L, D) over D, times factor (D,), plus offset (D,)."""
    if is_fused(x):
        from flashvsr_core.kernels.fused.norm import add_norm_fused

        return add_norm_fused(x, None, None, factor, offset)[1]
    return F.layer_norm(x, x.shape[-1:], eps=EPS) * factor + offset


def add_norm(
    x: Tensor, update: Tensor, gate: Tensor | None, factor: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Add an update and normalise the sum.

    Args:
        x: (L, D).
        update: (L, D).
        gate: (D,), multiplies the update; None is 1.
        factor: (D,).
        offset: (D,).

    Returns:
        The sum, and its norm as `norm` gives it; (L, D) each.

    """
    if is_fused(x):
        from flashvsr_core.kernels.fused.norm import add_norm_fused

        return add_norm_fused(x, update, gate, factor, offset)
    total = x + (update if gate is None else gate * update)
    return total, norm(total, factor, offset)
