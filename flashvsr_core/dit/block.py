"""One DiT block: self-attention over chosen windows, cross-attention to the prompt, feed-forward.

Attributes carry the released checkpoint's parameter names.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashvsr_core.dit.attention import AttentionBackend
from flashvsr_core.dit.block_mask import pool_blocks, select_blocks
from flashvsr_core.dit.memory import KeyValueMemory
from flashvsr_core.dit.rope import HEAD_DIM, rotate

EPS = 1e-6


@dataclass(frozen=True)
class ChunkContext:
    """What every layer of one chunk shares."""

    rotation: tuple[Tensor, Tensor]
    """Cosine and sine of the chunk's positions, (L, 64) float32 each."""
    local: Tensor
    """(S, S) bool: the blocks near enough to be seen."""
    budget: int
    memory: KeyValueMemory
    attend: AttentionBackend


class RMSNorm(nn.Module):
    """Root mean square norm over the full width, computed in float32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (..., D); the result keeps x's dtype."""
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + EPS)
        return scaled.to(x.dtype) * self.weight


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

    def forward(self, x: Tensor, layer: int, chunk: ChunkContext) -> Tensor:
        """Attend from (L, D) in window order; the chunk's memory takes the new keys."""
        q = rotate(_heads(self.norm_q(self.q(x))), chunk.rotation)
        k = rotate(_heads(self.norm_k(self.k(x))), chunk.rotation)
        v = _heads(self.v(x))
        seen = chunk.memory.write(layer, k, v, pool_blocks(k))
        mask = select_blocks(pool_blocks(q), seen.pooled, chunk.local, chunk.budget)
        attended = chunk.attend(q, seen.keys, seen.values, mask)
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
        return _batch(keys).contiguous(), _batch(values).contiguous()

    def forward(self, x: Tensor, prompt: tuple[Tensor, Tensor]) -> Tensor:
        """Attend from (L, D) to the prompt's keys and values."""
        q = _batch(_heads(self.norm_q(self.q(x))))
        attended = F.scaled_dot_product_attention(q, *prompt)
        projected: Tensor = self.o(attended[0].movedim(0, 1).flatten(1))
        return projected


class Block(nn.Module):
    """Self-attention, cross-attention and feed-forward, modulated by the time embedding."""

    def __init__(self, width: int, ffn_width: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(width)
        self.cross_attn = CrossAttention(width)
        self.norm3 = nn.LayerNorm(width, eps=EPS)
        self.ffn = nn.Sequential(
            nn.Linear(width, ffn_width), nn.GELU(approximate="tanh"), nn.Linear(ffn_width, width)
        )
        self.modulation = nn.Parameter(torch.zeros(1, 6, width))

    def forward(
        self,
        x: Tensor,
        layer: int,
        modulation: Sequence[Tensor],
        prompt: tuple[Tensor, Tensor],
        chunk: ChunkContext,
    ) -> Tensor:
        """Transform (L, D) in window order; `modulation` is what `modulate` gave at load."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = modulation
        x = x + gate_a * self.self_attn(modulated_norm(x, shift_a, scale_a), layer, chunk)
        x = x + self.cross_attn(self.norm3(x), prompt)
        out: Tensor = x + gate_f * self.ffn(modulated_norm(x, shift_f, scale_f))
        return out

    def modulate(self, time_modulation: Tensor) -> tuple[Tensor, ...]:
        """Return shift, scale, gate for attention and for feed-forward, (D,) each."""
        return (self.modulation + time_modulation)[0].unbind(0)


def modulated_norm(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm without parameters, then `* (1 + scale) + shift`."""
    return F.layer_norm(x, x.shape[-1:], eps=EPS) * (1 + scale) + shift


def _heads(x: Tensor) -> Tensor:
    """(L, D) -> (L, K, 128)."""
    heads: Tensor = x.unflatten(-1, (-1, HEAD_DIM))
    return heads


def _batch(x: Tensor) -> Tensor:
    """(L, K, 128) -> (1, K, L, 128)."""
    return x.movedim(0, 1).unsqueeze(0)
