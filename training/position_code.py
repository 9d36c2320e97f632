"""Two latent channels that say where a cell is: in an even row or not, in an even column or not.

A decoder enlarges by repeating pixels, and all its layers do the same everywhere. Of a picture
that repeats itself from cell to cell, stripes of 8 pixels say, it could draw nothing but one color,
and of what nearly repeats itself only a faint copy. Where it is told which cells are even, it can
tell the halves of a cell apart too, and draw them as they are.

The code has 8 times the deviation of other latents, so that no noise that is left in it can hide
which of the two values it has.
"""

import torch
from torch import Tensor

CODED_CHANNELS = 2
"""The last ones of a latent: rows, columns."""

AMPLITUDE = 8.0


def position_code(height: int, width: int) -> Tensor:
    """Return (2, height, width): -8 in even rows, and in even columns; else 8."""
    rows = _alternating(height)[:, None].expand(height, width)
    columns = _alternating(width)[None].expand(height, width)
    return torch.stack([rows, columns])


def write_code(latents: Tensor, amplitude: float = AMPLITUDE) -> Tensor:
    """Return latents (B, C, f, h, w) with the code in their last channels."""
    code = position_code(*latents.shape[-2:]).mul(amplitude / AMPLITUDE).to(latents)
    B, _, f = latents.shape[:3]
    coded = code[None, :, None].expand(B, -1, f, -1, -1)
    return torch.cat([latents[:, :-CODED_CHANNELS], coded], dim=1)


def _alternating(length: int) -> Tensor:
    return (torch.arange(length) % 2 * 2 - 1) * AMPLITUDE
