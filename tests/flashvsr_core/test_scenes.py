"""Nothing is carried over a cut, and nothing else changes."""

import pytest
import torch
from torch import Tensor

from flashvsr_core import FlashVSR, Geometry, Size, StreamSettings, plan_geometry
from flashvsr_core.errors import GeometryError, StreamClosedError
from tests.flashvsr_core.test_cuts import scene

CARRIED = StreamSettings(restarts_at_cuts=False)


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return plan_geometry(Size(90, 160), scale=2)


def run(
    model: FlashVSR,
    geometry: Geometry,
    frames: Tensor,
    settings: StreamSettings | None = None,
    at_once: int = 1,
) -> Tensor:
    return torch.cat(list(model.upscale(frames.split(at_once), geometry, settings)))


def test_a_film_is_its_scenes_one_after_another(model: FlashVSR, geometry: Geometry) -> None:
    scenes = [scene(1, 11), scene(2, 23), scene(3, 9)]
    film = torch.cat(scenes)
    out = run(model, geometry, film)
    assert torch.equal(out, torch.cat([run(model, geometry, part) for part in scenes]))
    # As one stream, frames on both sides of a cut are others.
    carried = run(model, geometry, film, CARRIED)
    assert len(carried) == len(film)
    assert not torch.equal(carried[10], out[10])
    assert not torch.equal(carried[11], out[11])


def test_how_frames_are_batched_does_not_matter(model: FlashVSR, geometry: Geometry) -> None:
    film = torch.cat([scene(1, 10), scene(2, 9), scene(3, 3)])
    assert torch.equal(run(model, geometry, film, at_once=22), run(model, geometry, film))


def test_without_a_cut_it_is_one_stream(model: FlashVSR, geometry: Geometry) -> None:
    film = scene(1, 26)
    assert torch.equal(run(model, geometry, film), run(model, geometry, film, CARRIED))


def test_what_a_stream_refuses_is_refused(model: FlashVSR, geometry: Geometry) -> None:
    stream = model.stream(geometry)
    with pytest.raises(GeometryError, match="8x9 was fed to a stream of 160x90"):
        list(stream.feed(torch.zeros(1, 9, 8, 3, dtype=torch.uint8)))
    assert list(stream.flush()) == []
    with pytest.raises(StreamClosedError):
        list(stream.feed(scene(1, 1)))
