"""What can only be seen on a GPU: agreement at true size, and a host that never waits."""

import pytest
import torch

from benchmark.agreement import bfloat16_errors
from benchmark.network import random_model
from benchmark.stream import random_clip
from flashvsr_core.geometry import Size, plan_geometry
from flashvsr_core.pipeline import Pipeline

# flash-attn-4 warns of what its own dependencies are about to rename.
pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("pipeline", ["tiny", "full"])
def test_fused_bfloat16_is_as_close_to_float32_as_plain(pipeline: Pipeline) -> None:
    errors = bfloat16_errors("released", pipeline, Size(256, 384))
    assert errors["fused"] < 1.05 * errors["plain"], errors


def test_the_host_never_waits_for_the_gpu_in_the_steady_state() -> None:
    device = torch.device("cuda")
    model = random_model("tiny-test", "tiny", device)
    clip = random_clip(Size(240, 400), 25 + 6 * 8)  # padded: no side is a multiple of 128
    stream = model.stream(plan_geometry(Size(*clip.shape[1:3]), scale=4))
    for _ in stream.feed(clip[: 25 + 3 * 8]):
        pass
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = list(stream.feed(clip[25 + 3 * 8 :]))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [len(batch) for batch in batches] == [8, 8, 8]
