"""Rotary position embedding over (time, height, width), with no last position.

The 64 pairs of a head are split 22 + 21 + 21. Angles are computed in float64 for the positions at
hand; a table would end somewhere, and float32 angles would lose a long stream's last digits.
"""

import torch
from torch import Tensor

from flashvsr_core.dit.windows import Grid, to_windows

HEAD_DIM = 128
_AXIS_DIMS = (44, 42, 42)
_THETA = 10000.0


def rotation_for(grid: Grid, first_latent: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return cosine and sine, each (L, 64) float32 in window order.

    Args:
        grid: the chunk's tokens.
        first_latent: position of the chunk's first latent frame in the stream.
        device: where the result is needed.

    """
    time = _angles(first_latent, grid.f, _AXIS_DIMS[0], device)
    height = _angles(0, grid.h, _AXIS_DIMS[1], device)
    width = _angles(0, grid.w, _AXIS_DIMS[2], device)
    shape = (grid.f, grid.h, grid.w, -1)
    angles = torch.cat(
        [
            time[:, None, None].expand(shape),
            height[None, :, None].expand(shape),
            width[None, None, :].expand(shape),
        ],
        dim=-1,
    )
    angles = to_windows(angles)
    return angles.cos().float(), angles.sin().float()


def _angles(start: int, count: int, dim: int, device: torch.device) -> Tensor:
    positions = torch.arange(start, start + count, dtype=torch.float64, device=device)
    exponents = torch.arange(0, dim, 2, dtype=torch.float64, device=device) / dim
    return torch.outer(positions, _THETA**-exponents)
