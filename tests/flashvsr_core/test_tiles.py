import itertools

import pytest
import torch

from flashvsr_core.errors import GeometryError
from flashvsr_core.geometry import Size
from flashvsr_core.tiles import plan_tiles


@pytest.mark.parametrize("tile_px", [128, 256, 384, 512])
@pytest.mark.parametrize("canvas", [Size(768, 1408), Size(128, 640), Size(512, 512)])
def test_shares_of_all_tiles_sum_to_one_everywhere(canvas: Size, tile_px: int) -> None:
    total = torch.zeros(canvas.height_px, canvas.width_px)
    for tile in plan_tiles(canvas, tile_px):
        assert tile.weights.shape == (tile.size.height_px, tile.size.width_px)
        assert (tile.weights > 0).all()
        tile.cut(total).add_(tile.weights)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-5)


def test_neighbours_overlap_and_lie_on_whole_tokens() -> None:
    tiles = plan_tiles(Size(768, 1408), 512)
    columns = sorted({(t.horizontal.start_px, t.horizontal.length_px) for t in tiles})
    assert all(start % 16 == 0 and length == 512 for start, length in columns)
    for (start, length), (following, _) in itertools.pairwise(columns):
        assert start + length - following >= 128
    assert columns[-1][0] + 512 == 1408


def test_no_share_falls_towards_the_outer_border() -> None:
    corner = plan_tiles(Size(512, 512), 384)[0]
    assert corner.weights[0, 0] == 1.0
    assert (corner.weights[0, :100] == 1.0).all()


def test_without_a_tile_size_there_is_one_tile() -> None:
    (tile,) = plan_tiles(Size(768, 1408), None)
    assert tile.size == Size(768, 1408)


@pytest.mark.parametrize("tile_px", [0, 100, 130, -128])
def test_impossible_tiles_are_refused(tile_px: int) -> None:
    with pytest.raises(GeometryError, match="multiple of 128"):
        plan_tiles(Size(512, 512), tile_px)
