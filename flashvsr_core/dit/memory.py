"""Keys and values of earlier window rows, written in place into a pool of row slots.

A chunk attends to every held row and to itself. Attention does not care in which order keys lie,
so a new row simply takes the place of a dropped one, and nothing is ever moved or joined.

Layers run one after the other, and each has let its oldest row go before the next one writes: with
slots shared by all layers, a stream needs one slot more than it holds rows. Kernels that want what
a layer sees as one run of tokens get slots of its own for every layer instead.
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
    """What one layer attends to: the held rows and the chunk's own, in their places' order."""

    keys: Tensor
    """(tokens, K, 128), after norm and rotation: the layer's rows, or the pool that holds them."""
    values: Tensor
    """(tokens, K, 128)."""
    pooled: Tensor
    """(key blocks, K, 128) float32: the mean key of every visible block."""
    blocks: Tensor | None
    """(key blocks,) int32: which block of `keys` each visible one is; None is the same order."""


@dataclass(frozen=True)
class RowPlace:
    """Where one new row of one layer goes; to be filled by the layer."""

    keys: Tensor
    """(tokens, K, 128)."""
    values: Tensor
    """(tokens, K, 128)."""
    pooled: Tensor
    """(blocks, K, 128) float32."""


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
        shared: bool,
    ) -> None:
        """Allocate the pool.

        Args:
            layers: of the transformer.
            heads: of every layer.
            kept_rows: rows of earlier chunks that a chunk sees, at least 0.
            grid: one chunk of the frames; its height and width count.
            device: where the pool lies.
            dtype: of keys and values.
            shared: one pool for all layers, addressed block by block; otherwise what a layer sees
                is one run of tokens.

        """
        self.kept_rows = kept_rows
        self.shared = shared
        # upstream: only one row is dropped after each chunk, so the first chunk's three rows are
        # all held for a while even if fewer are to be kept.
        self.places = max(FIRST_ROWS, kept_rows + 1)
        slots = layers * max(FIRST_ROWS, kept_rows) + 1 if shared else layers * self.places
        self._row_tokens = grid.tokens_per_row
        self._row_blocks = grid.blocks_per_row
        assert self._row_tokens == self._row_blocks * WINDOW_TOKENS
        shape = (slots * self._row_tokens, heads, HEAD_DIM)
        self.keys = torch.empty(shape, device=device, dtype=dtype)
        self.values = torch.empty(shape, device=device, dtype=dtype)
        self.pooled = torch.empty(
            (layers, self.places * self._row_blocks, heads, HEAD_DIM),
            device=device,
            dtype=torch.float32,
        )
        self._slots = [
            [layer * self.places + i for i in range(self.places)] for layer in range(layers)
        ]
        self._free = list(range(slots)) if shared else []
        self._held: list[int] = []
        self._writing: list[int] = []
        self._blocks: Tensor | None = None

    @property
    def order(self) -> list[int]:
        """Places that the current chunk sees, oldest row first; the same in every layer."""
        return self._held + self._writing

    def begin_chunk(self, rows: int) -> None:
        """Choose the places that the chunk's `rows` window rows will fill."""
        vacant = [place for place in range(self.places) if place not in self._held]
        self._writing = vacant[:rows]
        if self.shared:
            self._take_slots()

    def place(self, layer: int, row: int) -> RowPlace:
        """Return where the chunk's row `row` of one layer goes."""
        place = self._writing[row]
        start = self._slots[layer][place] * self._row_tokens
        tokens = slice(start, start + self._row_tokens)
        blocks = slice(place * self._row_blocks, (place + 1) * self._row_blocks)
        return RowPlace(self.keys[tokens], self.values[tokens], self.pooled[layer, blocks])

    def visible(self, layer: int) -> VisibleKeys:
        """Return what a layer sees once all rows of the chunk were filled."""
        # Places fill from the front and are vacated only once all are full: a prefix is seen.
        seen = len(self._held) + len(self._writing)
        pooled = self.pooled[layer, : seen * self._row_blocks]
        if self._blocks is not None:
            return VisibleKeys(self.keys, self.values, pooled, self._blocks[layer])
        start = self._slots[layer][0] * self._row_tokens
        tokens = slice(start, start + seen * self._row_tokens)
        return VisibleKeys(self.keys[tokens], self.values[tokens], pooled, None)

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

    def _take_slots(self) -> None:
        """Give every layer slots for the new rows, and take back that of the row it will drop."""
        seen = self.order
        drops = len(seen) > self.kept_rows
        table = []
        for slots in self._slots:
            for place in self._writing:
                slots[place] = self._free.pop()
            table.append([slots[place] for place in range(len(seen))])
            if drops:
                self._free.append(slots[seen[0]])
        first = torch.tensor(table, dtype=torch.int32) * self._row_blocks
        within = torch.arange(self._row_blocks, dtype=torch.int32)
        blocks = (first.unsqueeze(-1) + within).flatten(1)
        if self.keys.is_cuda:
            blocks = blocks.pin_memory()
        self._blocks = blocks.to(self.keys.device, non_blocking=True)
