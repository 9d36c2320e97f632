"""The projection against its description, bite by bite and written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.lq_projection import LQProjection, LQProjectionConfig, LQProjectionMemory


def layer(conv: torch.nn.Conv3d, gamma: Tensor, x: Tensor) -> Tensor:
    padded = F.pad(x, (1, 1, 1, 1, 0, 0), mode="replicate")
    y = F.conv3d(padded, conv.weight, conv.bias, stride=(2, 1, 1))
    length = y.square().sum(1, keepdim=True).sqrt().clamp_min(1e-12)
    return F.silu(y / length * y.shape[1] ** 0.5 * gamma)


def unshuffle(frames: Tensor) -> Tensor:
    """(3, T, H, W) -> (1, 768, T, h, w), channels ordered colour, row, column."""
    return torch.stack([F.pixel_unshuffle(frame, 16) for frame in frames.movedim(1, 0)], 1)[None]


def bite_by_bite(projection: LQProjection, frames: Tensor) -> Tensor:
    conv1, gamma1 = projection.conv1, projection.norm1.gamma
    conv2, gamma2 = projection.conv2, projection.norm2.gamma
    first = unshuffle(frames[:, :1])
    # Replicate padding in time: two more of the first frame, before the bite of four.
    past2 = layer(conv1, gamma1, first.expand(-1, -1, 6, -1, -1))
    past1 = first.expand(-1, -1, 2, -1, -1)
    tokens = []
    for bite in frames[:, 1:].split(4, dim=1):
        cells = unshuffle(bite)
        before1 = past1 if projection.causal else cells[:, :, -2:]
        between = layer(conv1, gamma1, torch.cat([before1, cells], 2))
        before2 = past2 if projection.causal else between[:, :, -2:]
        features = layer(conv2, gamma2, torch.cat([before2, between], 2))
        past1, past2 = cells[:, :, -2:], between[:, :, -2:]
        tokens.append(projection.linear_layers[0](features[0].permute(1, 2, 3, 0)))
    return torch.cat(tokens)


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_a_stream_of_chunks_is_the_bites_one_after_another(causal: bool) -> None:
    projection = LQProjection(LQProjectionConfig(768, 8, 12, 16), causal=causal)
    frames = torch.randn(3, 41, 32, 48)
    memory = LQProjectionMemory()
    streamed = torch.cat([projection(part, memory) for part in frames.split([25, 8, 8], dim=1)])
    assert streamed.shape == (10, 2, 3, 16)
    assert torch.allclose(streamed, bite_by_bite(projection, frames), atol=1e-5)
