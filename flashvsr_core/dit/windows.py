"""The token grid and its windows.

A window is 2 x 8 x 8 = 128 tokens (time, height, width) and is one block of the sparse attention.
The whole DiT works on tokens in *window order*: window rows one after the other, inside a row the
windows row-major, inside a window the tokens row-major. Every layer but attention treats tokens
one by one, so nothing has to be regrouped between the patch embedding and the head.
"""

from dataclasses import dataclass

from einops import rearrange
from torch import Tensor

WINDOW_FRAMES = 2
WINDOW_SIDE = 8
WINDOW_TOKENS = WINDOW_FRAMES * WINDOW_SIDE * WINDOW_SIDE


@dataclass(frozen=True)
class Grid:
    """The tokens of one chunk: f latent frames of h x w tokens."""

    f: int
    h: int
    w: int

    @property
    def rows(self) -> int:
        """Window rows: pairs of latent frames."""
        return self.f // WINDOW_FRAMES

    @property
    def blocks_down(self) -> int:
        """Blocks from top to bottom in one window row."""
        return self.h // WINDOW_SIDE

    @property
    def blocks_across(self) -> int:
        """Blocks from left to right in one window row."""
        return self.w // WINDOW_SIDE

    @property
    def blocks_per_row(self) -> int:
        """Blocks in one window row, S in the formulas."""
        return self.blocks_down * self.blocks_across

    @property
    def tokens_per_row(self) -> int:
        """Tokens in one window row."""
        return self.blocks_per_row * WINDOW_TOKENS


def to_windows(tokens: Tensor) -> Tensor:
    """Bring (f, h, w, D) into window order (L, D)."""
    return rearrange(
        tokens,
        "(F f) (H h) (W w) D -> (F H W f h w) D",
        f=WINDOW_FRAMES,
        h=WINDOW_SIDE,
        w=WINDOW_SIDE,
    )


def from_windows(tokens: Tensor, grid: Grid) -> Tensor:
    """Bring (L, D) in window order back to (f, h, w, D)."""
    return rearrange(
        tokens,
        "(F H W f h w) D -> (F f) (H h) (W w) D",
        F=grid.rows,
        H=grid.blocks_down,
        W=grid.blocks_across,
        f=WINDOW_FRAMES,
        h=WINDOW_SIDE,
        w=WINDOW_SIDE,
    )
