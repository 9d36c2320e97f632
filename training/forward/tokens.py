"""Tokens of a batch of clips in window order; see `flashvsr_core.dit.windows`."""

from einops import rearrange
from torch import Tensor

from flashvsr_core.dit.windows import WINDOW_FRAMES, WINDOW_SIDE, Grid

_ROW_MAJOR = "b (F f) (H h) (W w) D"
_WINDOWS = "b (F H W f h w) D"
_WINDOW = {"f": WINDOW_FRAMES, "h": WINDOW_SIDE, "w": WINDOW_SIDE}


def to_windows(tokens: Tensor) -> Tensor:
    """Bring (B, f, h, w, D) into window order (B, L, D)."""
    return rearrange(tokens, f"{_ROW_MAJOR} -> {_WINDOWS}", **_WINDOW)


def from_windows(tokens: Tensor, grid: Grid) -> Tensor:
    """Bring (B, L, D) in window order back to (B, f, h, w, D)."""
    return rearrange(
        tokens,
        f"{_WINDOWS} -> {_ROW_MAJOR}",
        F=grid.rows,
        H=grid.blocks_down,
        W=grid.blocks_across,
        **_WINDOW,
    )
