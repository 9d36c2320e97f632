"""Keys and values of earlier window rows, written in place into a ring of slots.

A chunk attends to every held row and to itself. Attention does not care in which order keys lie,
so a new row simply overwrites the slot of a dropped one, and nothing is ever moved or joined.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from flashvsr_core.dit.rope import HEAD_DIM
from flashvsr_core.dit.windows import WINDOW_TOKENS, Grid

FIRST_ROWS = 3
"""Window rows of the first chunk."""


@dataclass(frozen=True)
class VisibleKeys:
    """What one layer attends to: the held rows and the chunk's own, in slot order."""

    keys: Tensor
    """(L_k, K, 128), after norm and rotation."""
    values: Tensor
    """(L_k, K, 128)."""
    pooled: Tensor
    """(key blocks, K, 128) float32: the mean key of every block."""


class KeyValueMemory:
    """The attention memory of one stream: all layers, a fixed number of window rows."""

    def __init__(
        self,
        *,
        layers: int,
        heads: int,
        kept_rows: int,
        grid: Grid,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Allocate the ring for frames of `grid`'s height and width; `kept_rows` is at least 0."""
        self.kept_rows = kept_rows
        # upstream: only one row is dropped after each chunk, so the first chunk's three rows are
        # all held for a while even if fewer are to be kept.
        self.slots = max(FIRST_ROWS, kept_rows + 1)
        self._row_tokens = grid.tokens_per_row
        self._row_blocks = grid.blocks_per_row
        tokens = self.slots * grid.tokens_per_row
        blocks = self.slots * grid.blocks_per_row
        assert tokens == blocks * WINDOW_TOKENS
        shape = (layers, tokens, heads, HEAD_DIM)
        self.keys = torch.empty(shape, device=device, dtype=dtype)
        self.values = torch.empty(shape, device=device, dtype=dtype)
        self.pooled = torch.empty(
            (layers, blocks, heads, HEAD_DIM), device=device, dtype=torch.float32
        )
        self._held: list[int] = []
        self._writing: list[int] = []

    @property
    def order(self) -> list[int]:
        """Slots that the current chunk sees, oldest row first."""
        return self._held + self._writing

    def begin_chunk(self, rows: int) -> None:
        """Choose the slots that the chunk's `rows` window rows will fill, one run of them."""
        free = [slot for slot in range(self.slots) if slot not in self._held]
        self._writing = free[:rows]
        assert self._writing == list(range(free[0], free[0] + rows))

    def write(self, layer: int, keys: Tensor, values: Tensor, pooled: Tensor) -> VisibleKeys:
        """Store the chunk's own rows of one layer and return everything that the layer sees."""
        start, stop = self._writing[0], self._writing[-1] + 1
        tokens = slice(start * self._row_tokens, stop * self._row_tokens)
        blocks = slice(start * self._row_blocks, stop * self._row_blocks)
        self.keys[layer, tokens] = keys
        self.values[layer, tokens] = values
        self.pooled[layer, blocks] = pooled
        # Slots fill from the front and are freed only once all are full: what is seen is a prefix.
        seen = len(self._held) + len(self._writing)
        return VisibleKeys(
            self.keys[layer, : seen * self._row_tokens],
            self.values[layer, : seen * self._row_tokens],
            self.pooled[layer, : seen * self._row_blocks],
        )

    def end_chunk(self) -> None:
        """Keep the chunk's rows and let the oldest one go if more than `kept_rows` are held."""
        self._held = self.order
        self._writing = []
        if len(self._held) > self.kept_rows:
            del self._held[0]

    def move(self, device: torch.device) -> None:
        """Move all tensors, for tiles that wait outside the GPU for their turn."""
        self.keys = self.keys.to(device)
        self.values = self.values.to(device)
        self.pooled = self.pooled.to(device)
