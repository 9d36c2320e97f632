"""How far bfloat16 with fused kernels, and without them, is from float32, under the same masks.

The top-k choice of blocks is chaotic: the smallest difference moves whole blocks in or out. So the
masks of the float32 run are recorded and given to both bfloat16 runs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from unittest.mock import patch

import torch
from torch import Tensor

from benchmark.network import random_model
from benchmark.stream import SCALE, random_clip
from flashvsr_core.dit import block_mask
from flashvsr_core.geometry import Size, enlarge, plan_geometry
from flashvsr_core.kernels.fusing import without_fusing
from flashvsr_core.noise import seeded_noise
from flashvsr_core.pipeline import Pipeline
from flashvsr_core.region import RegionStream
from flashvsr_core.schedule import LAG, chunk_at
from flashvsr_core.settings import StreamSettings

CHUNKS = 2


def bfloat16_errors(config_name: str, pipeline: Pipeline, output: Size) -> dict[str, float]:
    """Return ||frames - float32 frames|| / ||float32 frames|| of both ways to run in bfloat16."""
    device = torch.device("cuda")
    masks: list[Tensor] = []
    with _masks_by(lambda found: _record(masks, found)), without_fusing():
        exact = _frames(config_name, pipeline, output, torch.float32, "reference", device)
    errors = {}
    for name, fusing, attention in (
        ("plain", without_fusing, "flex"),
        ("fused", nullcontext, "auto"),
    ):
        order = iter(masks)
        with _masks_by(partial(_given, order)), fusing():
            frames = _frames(config_name, pipeline, output, torch.bfloat16, attention, device)
        errors[name] = float((frames - exact).norm() / exact.norm())
    return errors


def _frames(
    config_name: str,
    pipeline: Pipeline,
    output: Size,
    dtype: torch.dtype,
    attention: str,
    device: torch.device,
) -> Tensor:
    """Return the frames of the first chunks, float32, before colours are matched."""
    model = random_model(config_name, pipeline, device, attention=attention, dtype=dtype)
    settings = StreamSettings()
    region = RegionStream(model.network, output, settings)
    clip = random_clip(output, chunk_at(0).reads + chunk_at(1).reads * (CHUNKS - 1))
    geometry = plan_geometry(Size(*clip.shape[1:3]), scale=SCALE)
    noise = seeded_noise(0)
    results = []
    with torch.inference_mode():
        # Rounded in any case, so that all runs see the same frames and the same noise.
        frames = enlarge(clip.to(device), geometry, torch.bfloat16).to(dtype)
        read = emitted = 0
        for index in range(CHUNKS):
            chunk = chunk_at(index)
            shape = (16, chunk.latents, output.height_px // 8, output.width_px // 8)
            results.append(
                region.advance(
                    chunk,
                    frames[:, read : read + chunk.reads],
                    frames[:, emitted : emitted + chunk.emits],
                    noise(chunk, shape).to(device).bfloat16().to(dtype),
                ).float()
            )
            read, emitted = read + chunk.reads, emitted + chunk.emits
        assert read - emitted == LAG
    return torch.cat(results, dim=1)


def _given(order: Iterator[Tensor], _found: Tensor) -> Tensor:
    return next(order)


def _record(masks: list[Tensor], found: Tensor) -> Tensor:
    masks.append(found)
    return found


@contextmanager
def _masks_by(replace: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let `replace` look at every mask of blocks, and give the one to use."""
    original = block_mask.select_blocks

    def select(q: Tensor, k: Tensor, local: Tensor, budget: int) -> Tensor:
        return replace(original(q, k, local, budget))

    with patch.object(block_mask, "select_blocks", select):
        yield
