"""One layer's block-sparse attention under a fixed random mask, every backend that runs here."""

import statistics
from dataclasses import dataclass

import torch
from torch import Tensor

from flashvsr_core.dit.attention import AttentionBackend, available_backends, choose_backend

HEAD_DIM = 128


@dataclass(frozen=True)
class LayerShape:
    """Blocks of 128 tokens on both sides, and the share of pairs that are kept."""

    name: str
    query_blocks: int
    key_blocks: int
    density: float
    heads: int = 12


LAYERS = (
    LayerShape("768x1408, steady", 66, 264, 0.4545),
    LayerShape("768x1408, first chunk, one row", 66, 198, 0.606),
    LayerShape("2176x3840, steady", 510, 2040, 0.0588),
)


@dataclass(frozen=True)
class AttentionFigures:
    """One backend on one layer."""

    layer: LayerShape
    backend: str
    milliseconds: float
    """Index lists included."""
    tflops: float
    error: float
    """Of four query blocks of a head against float32: ||ours - exact|| / ||exact||."""


def measure_attention(device: torch.device, layer: LayerShape) -> list[AttentionFigures]:
    """Return the figures of every backend but the reference."""
    generator = torch.Generator(device).manual_seed(0)
    q, k, v = (
        torch.randn(
            (blocks * 128, layer.heads, HEAD_DIM), generator=generator, device=device
        ).bfloat16()
        for blocks in (layer.query_blocks, layer.key_blocks, layer.key_blocks)
    )
    shape = (layer.heads, layer.query_blocks, layer.key_blocks)
    mask = torch.rand(shape, generator=generator, device=device) < layer.density
    mask[0, 1] = False
    kept = int(mask.sum())
    figures = []
    for name in available_backends(device):
        if name == "reference":
            continue
        backend = choose_backend(name, device)
        milliseconds = _median_ms(backend, q, k, v, mask)
        tflops = 4 * 128 * 128 * HEAD_DIM * kept / milliseconds / 1e9
        error = _error(backend.attend(q, k, v, mask), q, k, v, mask)
        figures.append(AttentionFigures(layer, name, milliseconds, tflops, error))
    return figures


def _median_ms(backend: AttentionBackend, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> float:
    for _ in range(5):
        backend.attend(q, k, v, mask)
    times: list[float] = []
    for _ in range(30):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        backend.attend(q, k, v, mask)
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def _error(out: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> float:
    """Compare four query blocks of the first head, one of which keeps no key block."""
    if out[128:256, 0].abs().max() > 0:
        return float("inf")
    rows = slice(0, 4 * 128)
    allowed = mask[0, :4].repeat_interleave(128, 0).repeat_interleave(128, 1)
    scores = q[rows, 0].float() @ k[:, 0].float().T / HEAD_DIM**0.5
    exact = scores.masked_fill(~allowed, -torch.inf).softmax(-1).nan_to_num(0.0) @ v[:, 0].float()
    return float((out[rows, 0].float() - exact).norm() / exact.norm())
