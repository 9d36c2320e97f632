"""The diffusion transformer over a batch of whole clips, at any timestep, with gradients."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from flashvsr_core.dit.block import Block, CrossAttention, RMSNorm, SelfAttention
from flashvsr_core.dit.model import PATCH, DiT
from flashvsr_core.dit.rope import HEAD_DIM, rotation_for
from flashvsr_core.dit.windows import Grid
from training.forward.attention import StreamingPattern, attend_fully, attend_streaming
from training.forward.tokens import from_windows, to_windows

_EPS = 1e-6

TRAINED_TIMESTEPS = 1000.0
"""The timestep of pure noise; sigma 1."""


def predict_velocity(
    dit: DiT,
    noisy: Tensor,
    lq_tokens: Tensor,
    prompt: Tensor,
    sigma: Tensor,
    pattern: StreamingPattern | None = None,
    *,
    recompute: bool = False,
) -> Tensor:
    """Predict noise minus clean latents.

    Args:
        dit: its weights; gradients reach them.
        noisy: (B, 16, f, H/8, W/8), `(1 - sigma) * clean + sigma * noise`.
        lq_tokens: (B, L, D) in window order, added before the first block.
        prompt: (1, text tokens, text width).
        sigma: (B,) in (0, 1].
        pattern: of streaming attention; None is full attention.
        recompute: compute each block again in the backward pass instead of keeping activations.

    Returns:
        (B, 16, f, H/8, W/8).

    """
    _, _, f, height, width = noisy.shape
    grid = Grid(f, height // PATCH, width // PATCH)
    rotation = rotation_for(grid, 0, noisy.device)
    time, time_modulation = _embed_time(dit, sigma)
    text = dit.text_embedding(prompt[0].to(noisy.dtype))
    patches = rearrange(noisy, "b c f (h p) (w q) -> b f h w (c p q)", p=PATCH, q=PATCH)
    x = F.linear(
        to_windows(patches), dit.patch_embedding.weight.flatten(1), dit.patch_embedding.bias
    )
    x = x + lq_tokens
    for block in dit.blocks:
        assert isinstance(block, Block)
        if recompute:
            x = checkpoint(
                _run_block, block, x, time_modulation, text, rotation, pattern, use_reentrant=False
            )
        else:
            x = _run_block(block, x, time_modulation, text, rotation, pattern)
    shift, scale = (dit.head.modulation + time.unsqueeze(1)).unbind(1)
    out = from_windows(dit.head.head(_modulated_norm(x, shift, scale)), grid)
    return rearrange(out, "b f h w (p q c) -> b c f (h p) (w q)", p=PATCH, q=PATCH)


def _embed_time(dit: DiT, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Return the embedding (B, D) of every clip's timestep and its modulation (B, 6, D)."""
    half = dit.config.frequency_width // 2
    exponents = torch.arange(half, dtype=torch.float64, device=sigma.device) / half
    angles = torch.outer(sigma.double() * TRAINED_TIMESTEPS, 10000.0**-exponents)
    sinusoid = torch.cat([angles.cos(), angles.sin()], dim=1)
    time: Tensor = dit.time_embedding(sinusoid.to(dit.head.modulation.dtype))
    return time, dit.time_projection(time).unflatten(1, (6, -1))


def _run_block(
    block: Block,
    x: Tensor,
    time_modulation: Tensor,
    text: Tensor,
    rotation: tuple[Tensor, Tensor],
    pattern: StreamingPattern | None,
) -> Tensor:
    shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (
        block.modulation + time_modulation
    ).unbind(1)
    hidden = _modulated_norm(x, shift_a, scale_a)
    x = x + gate_a.unsqueeze(1) * _attend_self(block.self_attn, hidden, rotation, pattern)
    x = x + _attend_text(block.cross_attn, block.norm3(x), text)
    hidden = _modulated_norm(x, shift_f, scale_f)
    out: Tensor = x + gate_f.unsqueeze(1) * block.ffn(hidden)
    return out


def _attend_self(
    attention: SelfAttention,
    x: Tensor,
    rotation: tuple[Tensor, Tensor],
    pattern: StreamingPattern | None,
) -> Tensor:
    v = _heads(attention.v(x))
    q = _rotate(_heads(_rms_norm(attention.norm_q, attention.q(x))), rotation).to(v.dtype)
    k = _rotate(_heads(_rms_norm(attention.norm_k, attention.k(x))), rotation).to(v.dtype)
    attended = attend_streaming(q, k, v, pattern) if pattern else attend_fully(q, k, v)
    projected: Tensor = attention.o(_join(attended))
    return projected


def _attend_text(attention: CrossAttention, x: Tensor, text: Tensor) -> Tensor:
    """Attend from (B, L, D) to the embedded prompt (text tokens, D)."""
    v = _heads(attention.v(text).unsqueeze(0))
    q = _heads(_rms_norm(attention.norm_q, attention.q(x))).to(v.dtype)
    k = _heads(_rms_norm(attention.norm_k, attention.k(text)).unsqueeze(0)).to(v.dtype)
    k, v = (part.expand(len(x), -1, -1, -1) for part in (k, v))
    projected: Tensor = attention.o(_join(F.scaled_dot_product_attention(q, k, v)))
    return projected


def _rms_norm(norm: RMSNorm, x: Tensor) -> Tensor:
    wide = x.float()
    return wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + _EPS) * norm.weight


def _modulated_norm(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm of (B, L, D) without parameters, then `* (1 + scale) + shift`, (B, D) each."""
    return F.layer_norm(x, x.shape[-1:], eps=_EPS) * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


def _heads(x: Tensor) -> Tensor:
    """(B, L, D) -> (B, K, L, 128)."""
    return rearrange(x, "b l (k d) -> b k l d", d=HEAD_DIM)


def _join(x: Tensor) -> Tensor:
    """(B, K, L, 128) -> (B, L, D)."""
    return rearrange(x, "b k l d -> b l (k d)")


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate consecutive pairs of (B, K, L, 128) by (L, 64) angles, in float32."""
    cos, sin = rotation
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
