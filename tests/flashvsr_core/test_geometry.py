import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from flashvsr_core.errors import GeometryError
from flashvsr_core.geometry import Size, crop, enlarge, mirror_indices, plan_geometry


@pytest.mark.parametrize(("scale", "height", "width"), [(2, 7, 1), (3, 45, 80), (4, 144, 176)])
def test_output_is_exactly_scale_times_the_input(scale: int, height: int, width: int) -> None:
    geometry = plan_geometry(Size(height, width), scale=scale)
    assert geometry.output == Size(height * scale, width * scale)
    assert geometry.canvas.height_px % 128 == geometry.canvas.width_px % 128 == 0
    assert 0 <= geometry.canvas.height_px - geometry.output.height_px < 128
    assert 0 <= geometry.canvas.width_px - geometry.output.width_px < 128


@pytest.mark.parametrize(
    ("scale", "output"), [(None, None), (2, Size(8, 8)), (5, None), (1, None), (None, Size(0, 4))]
)
def test_impossible_sizes_are_refused(scale: int | None, output: Size | None) -> None:
    with pytest.raises(GeometryError):
        plan_geometry(Size(16, 16), scale=scale, output=output)


def test_enlarging_is_pillows_bicubic_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    source = rng.integers(0, 256, (2, 36, 52, 3), dtype=np.uint8)
    geometry = plan_geometry(Size(36, 52), scale=4)
    canvas = enlarge(torch.from_numpy(source), geometry, torch.float32)
    ours = ((crop(canvas, geometry).movedim(0, -1) + 1) * 127.5).round().byte().numpy()
    for frame, large in zip(source, ours, strict=True):
        pillow = Image.fromarray(frame).resize((208, 144), Image.Resampling.BICUBIC)
        # Pillow works in fixed point, so single values may fall on the other side of a half.
        difference = np.abs(large.astype(int) - np.asarray(pillow).astype(int))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01


def test_sixteen_bit_frames_keep_what_eight_bit_would_lose() -> None:
    ramp = torch.linspace(20_000, 20_200, 32).round().to(torch.int32).to(torch.uint16)
    source = ramp.view(1, 1, 32, 1).expand(1, 16, 32, 3)
    geometry = plan_geometry(Size(16, 32), output=Size(16, 32))
    levels = (crop(enlarge(source, geometry, torch.float64), geometry) + 1) / 2 * 65535
    assert torch.allclose(levels[0, 0, 0], ramp.double(), atol=0.1)


@pytest.mark.parametrize(
    ("length", "padded"), [(1, 128), (2, 128), (5, 14), (128, 128), (100, 128)]
)
def test_padding_mirrors_and_never_leaves_the_picture(length: int, padded: int) -> None:
    index = mirror_indices(length, padded).tolist()
    assert index[:length] == list(range(length))
    assert len(index) == padded
    assert all(abs(a - b) == (1 if length > 1 else 0) for a, b in itertools.pairwise(index))
    assert set(index) <= set(range(length))
