"""One DiT block: self-attention over chosen windows, cross-attention to the prompt, feed-forward.

Every part but the choice of keys treats window rows one by one. The rows of a first chunk are run
one after the other, so that it needs hardly more memory than a later chunk. Attributes carry the
released checkpoint's parameter names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashvsr_core.dit import block_mask
from flashvsr_core.dit.attention import Attend
from flashvsr_core.dit.memory import KeyValueMemory
from flashvsr_core.dit.rope import HEAD_DIM
from flashvsr_core.kernels.feed_forward import gelu_linear
from flashvsr_core.kernels.norm import EPS, add_norm, norm
from flashvsr_core.kernels.pooling import pool_blocks
from flashvsr_core.kernels.rms_rotate import rms_norm, rms_rotate

Rotation = tuple[Tensor, Tensor]

_FFN_TOKENS = 16_384
"""Tokens in the wide layer at the same time; enough to fill a GPU."""


@dataclass(frozen=True)
class ChunkContext:
    """What every layer of one chunk shares."""

    rotations: Sequence[Rotation]
    """Cosine and sine of each window row's positions, (tokens, 64) float32 each."""
    local: Tensor
    """(S, S) bool: the blocks near enough to be seen."""
    budget: int
    memory: KeyValueMemory
    attend: Attend


@dataclass(frozen=True)
class Row:
    """One window row between two blocks, with the last update not yet added to it.

    The next norm reads the row anyway, and adds the update on the way.
    """

    tokens: Tensor
    """(tokens, D)."""
    update: Tensor | None = None
    """(tokens, D)."""
    gate: Tensor | None = None
    """(D,), multiplies the update."""

    def add_norm(self, factor: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row with its update, and its norm; (tokens, D) each."""
        if self.update is None:
            return self.tokens, norm(self.tokens, factor, offset)
        return add_norm(self.tokens, self.update, self.gate, factor, offset)


@dataclass(frozen=True)
class Modulation:
    """What the time embedding makes of one block, computed once per model; (D,) each."""

    attention_factor: Tensor
    attention_offset: Tensor
    attention_gate: Tensor
    ffn_factor: Tensor
    ffn_offset: Tensor
    ffn_gate: Tensor


class RMSNorm(nn.Module):
    """The weight of a root mean square norm over the full width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (L, D) in float32; the result keeps x's dtype."""
        return rms_norm(x, self.weight)


class SelfAttention(nn.Module):
    """Locality-constrained sparse attention of a chunk to the held window rows and itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.o = nn.Linear(width, width)
        self.norm_q = RMSNorm(width)
        self.norm_k = RMSNorm(width)

    def remember(self, x: Tensor, layer: int, row: int, chunk: ChunkContext) -> None:
        """Write the keys and values of one window row (tokens, D) into the chunk's memory."""
        place = chunk.memory.place(layer, row)
        rms_rotate(self.k(x), self.norm_k.weight, chunk.rotations[row], out=place.keys)
        torch.addmm(self.v.bias, x, self.v.weight.t(), out=place.values.flatten(1))
        pool_blocks(place.keys, out=place.pooled)

    def forward(self, x: Tensor, layer: int, row: int, chunk: ChunkContext) -> Tensor:
        """Attend from one window row (tokens, D) to all that the memory shows this layer."""
        q = rms_rotate(self.q(x), self.norm_q.weight, chunk.rotations[row])
        seen = chunk.memory.visible(layer)
        mask = block_mask.select_blocks(pool_blocks(q), seen.pooled, chunk.local, chunk.budget)
        attended = chunk.attend(q, seen.keys, seen.values, mask, seen.blocks)
        projected: Tensor = self.o(attended.flatten(1))
        return projected


class CrossAttention(nn.Module):
    """Dense attention to the prompt, whose keys and values are computed once per model."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.o = nn.Linear(width, width)
        self.norm_q = RMSNorm(width)
        self.norm_k = RMSNorm(width)

    def remember(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values (1, K, text tokens, 128) of an embedded prompt (tokens, D)."""
        keys = _heads(self.norm_k(self.k(context)))
        values = _heads(self.v(context))
        return keys.contiguous(), values.contiguous()

    def forward(self, x: Tensor, prompt: tuple[Tensor, Tensor]) -> Tensor:
        """Attend from (L, D) to the prompt's keys and values."""
        attended = F.scaled_dot_product_attention(_heads(self.norm_q(self.q(x))), *prompt)
        projected: Tensor = self.o(attended[0].movedim(0, 1).flatten(1))
        return projected


class Block(nn.Module):
    """Self-attention, cross-attention and feed-forward, modulated by the time embedding."""

    def __init__(self, width: int, ffn_width: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(width)
        self.cross_attn = CrossAttention(width)
        self.norm3 = nn.LayerNorm(width, eps=EPS)
        first, second = nn.Linear(width, ffn_width), nn.Linear(ffn_width, width)
        self._ffn = (first, second)
        self.ffn = nn.Sequential(first, nn.GELU(approximate="tanh"), second)
        self.modulation = nn.Parameter(torch.zeros(1, 6, width))

    def forward(
        self,
        rows: list[Row],
        layer: int,
        modulation: Modulation,
        prompt: tuple[Tensor, Tensor],
        chunk: ChunkContext,
    ) -> list[Row]:
        """Transform the chunk's window rows; its memory takes their keys, and `rows` is emptied.

        Every row is let go as soon as its successor is there: at 4K one is 200 MB, several times.
        """
        factor, offset = modulation.attention_factor, modulation.attention_offset
        begun = [rows.pop(0).add_norm(factor, offset) for _ in range(len(rows))]
        # A row sees the whole chunk, later rows too.
        for index, (_, normed) in enumerate(begun):
            self.self_attn.remember(normed, layer, index, chunk)
        return [
            self._finish(*begun.pop(0), layer, index, modulation, prompt, chunk)
            for index in range(len(begun))
        ]

    def _finish(
        self,
        x: Tensor,
        normed: Tensor,
        layer: int,
        index: int,
        modulation: Modulation,
        prompt: tuple[Tensor, Tensor],
        chunk: ChunkContext,
    ) -> Row:
        attended = self.self_attn(normed, layer, index, chunk)
        x, normed = add_norm(
            x, attended, modulation.attention_gate, self.norm3.weight, self.norm3.bias
        )
        x, normed = add_norm(
            x,
            self.cross_attn(normed, prompt),
            None,
            modulation.ffn_factor,
            modulation.ffn_offset,
        )
        return Row(x, self._feed_forward(normed), modulation.ffn_gate)

    def _feed_forward(self, x: Tensor) -> Tensor:
        """Map (tokens, D) to the same, some tokens at a time: the hidden layer is wide."""
        first, second = self._ffn
        out = torch.empty_like(x)
        for part, place in zip(x.split(_FFN_TOKENS), out.split(_FFN_TOKENS), strict=True):
            torch.addmm(second.bias, gelu_linear(part, first), second.weight.t(), out=place)
        return out

    def modulate(self, time_modulation: Tensor) -> Modulation:
        """Return the block's modulation for the time embedding's part (1, 6, D)."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (self.modulation + time_modulation)[0]
        return Modulation(1 + scale_a, shift_a, gate_a, 1 + scale_f, shift_f, gate_f)


def _heads(x: Tensor) -> Tensor:
    """(L, D) -> (1, K, L, 128)."""
    heads: Tensor = x.unflatten(-1, (-1, HEAD_DIM))
    return heads.movedim(0, 1).unsqueeze(0)
