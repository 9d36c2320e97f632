import dataclasses

import pytest
import torch
from torch import Tensor

from flashvsr_core import FlashVSR, Geometry, Size, StreamSettings, plan_geometry
from flashvsr_core.color import quantize
from flashvsr_core.errors import GeometryError, StreamClosedError
from flashvsr_core.geometry import crop, enlarge
from flashvsr_core.noise import seeded_noise
from flashvsr_core.region import RegionStream
from flashvsr_core.schedule import chunk_at

SOURCE = Size(30, 50)


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return plan_geometry(SOURCE, scale=4)


def clip(frames: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, 30, 50, 3), generator=generator).to(torch.uint8)


def run(
    model: FlashVSR, geometry: Geometry, frames: Tensor, settings: StreamSettings | None = None
) -> Tensor:
    return torch.cat(list(model.upscale(frames.split(5), geometry, settings)))


@pytest.mark.parametrize("frames", [1, 2, 20, 21, 22, 25, 29, 30, 37])
def test_as_many_frames_come_out_as_went_in(
    model: FlashVSR, geometry: Geometry, frames: int
) -> None:
    out = run(model, geometry, clip(frames))
    assert out.shape == (frames, 120, 200, 3)
    assert out.dtype == torch.uint8


def test_a_stream_is_the_networks_one_after_another(model: FlashVSR, geometry: Geometry) -> None:
    frames = clip(29)
    large = enlarge(torch.cat([frames, frames[-1:].expand(4, -1, -1, -1)]), geometry, torch.float32)
    region = RegionStream(model.network, geometry.canvas, StreamSettings())
    parts = []
    with torch.inference_mode():
        for index, (read, emitted) in enumerate(
            [(slice(0, 25), slice(0, 21)), (slice(25, 33), slice(21, 29))]
        ):
            chunk = chunk_at(index)
            noise = seeded_noise(0)(chunk, (16, chunk.latents, 16, 32))
            parts.append(region.advance(chunk, large[:, read], large[:, emitted], noise))
    expected = quantize(crop(torch.cat(parts, 1), geometry).clamp(-1, 1), 8)
    assert torch.equal(run(model, geometry, frames, StreamSettings(color="none")), expected)


def test_how_frames_are_batched_does_not_matter(model: FlashVSR, geometry: Geometry) -> None:
    frames = clip(30)
    one = torch.cat(list(model.upscale(frames.split(1), geometry)))
    assert torch.equal(one, torch.cat(list(model.upscale([frames], geometry))))


def test_the_start_is_the_same_whatever_the_length(model: FlashVSR, geometry: Geometry) -> None:
    assert torch.equal(run(model, geometry, clip(37))[:21], run(model, geometry, clip(50))[:21])


def test_nothing_of_one_video_reaches_the_next(model: FlashVSR, geometry: Geometry) -> None:
    alone = run(model, geometry, clip(30, seed=1))
    wide = plan_geometry(Size(70, 20), scale=2)
    list(model.upscale([torch.zeros(25, 70, 20, 3, dtype=torch.uint8)], wide))
    run(model, geometry, clip(30, seed=2))
    assert torch.equal(run(model, geometry, clip(30, seed=1)), alone)


def test_two_videos_may_run_in_turns(model: FlashVSR, geometry: Geometry) -> None:
    first, second = clip(30, seed=1), clip(30, seed=2)
    streams = [model.stream(geometry), model.stream(geometry)]
    outputs: list[list[Tensor]] = [[], []]
    for start in range(0, 30, 10):
        for stream, frames, out in zip(streams, (first, second), outputs, strict=True):
            out.extend(stream.feed(frames[start : start + 10]))
    for stream, out in zip(streams, outputs, strict=True):
        out.extend(stream.flush())
    assert torch.equal(torch.cat(outputs[0]), run(model, geometry, first))
    assert torch.equal(torch.cat(outputs[1]), run(model, geometry, second))


def test_the_seed_decides(model: FlashVSR, geometry: Geometry) -> None:
    frames = clip(5)
    default = run(model, geometry, frames)
    assert torch.equal(default, run(model, geometry, frames, StreamSettings(seed=0)))
    assert not torch.equal(default, run(model, geometry, frames, StreamSettings(seed=1)))


def test_colours_are_matched_as_the_weights_want_it(model: FlashVSR, geometry: Geometry) -> None:
    frames = clip(5)
    assert torch.equal(
        run(model, geometry, frames), run(model, geometry, frames, StreamSettings(color="adain"))
    )
    other = FlashVSR(dataclasses.replace(model.network, color="source"))
    matched = run(other, geometry, frames)
    assert torch.equal(matched, run(model, geometry, frames, StreamSettings(color="source")))
    assert not torch.equal(matched, run(model, geometry, frames))
    assert torch.equal(
        run(other, geometry, frames, StreamSettings(color="none")),
        run(model, geometry, frames, StreamSettings(color="none")),
    )


def test_noise_depends_on_seed_and_chunk_alone() -> None:
    shape = (16, 2, 4, 4)
    assert torch.equal(seeded_noise(7)(chunk_at(3), shape), seeded_noise(7)(chunk_at(3), shape))
    assert not torch.equal(seeded_noise(7)(chunk_at(3), shape), seeded_noise(7)(chunk_at(4), shape))
    assert not torch.equal(seeded_noise(7)(chunk_at(3), shape), seeded_noise(8)(chunk_at(3), shape))


def test_state_does_not_grow_with_the_video(model: FlashVSR, geometry: Geometry) -> None:
    stream = model.stream(geometry)

    def held_bytes() -> int:
        import gc

        gc.collect()
        return sum(o.untyped_storage().nbytes() for o in gc.get_objects() if type(o) is Tensor)

    sizes = []
    for _ in range(6):
        for _batch in stream.feed(clip(8)):
            pass
        sizes.append(held_bytes())
    assert max(sizes[3:]) <= sizes[3]


def test_a_tile_as_large_as_the_picture_changes_nothing(
    model: FlashVSR, geometry: Geometry
) -> None:
    frames = clip(10)
    assert torch.equal(
        run(model, geometry, frames), run(model, geometry, frames, StreamSettings(tile_px=256))
    )


def test_tiles_cover_the_whole_picture(model: FlashVSR) -> None:
    tall = plan_geometry(Size(100, 50), scale=4)
    frames = torch.randint(0, 256, (3, 100, 50, 3), dtype=torch.uint8)
    settings = StreamSettings(tile_px=128, color="wavelet")
    tiled = run(model, tall, frames, settings)
    whole = run(model, tall, frames, StreamSettings(color="wavelet"))
    assert tiled.shape == whole.shape == (3, 400, 200, 3)
    low = torch.nn.functional.avg_pool2d
    difference = low(tiled.movedim(-1, 1).float(), 40) - low(whole.movedim(-1, 1).float(), 40)
    assert difference.abs().max() < 8


def test_sixteen_bit_frames_stay_sixteen_bit(model: FlashVSR, geometry: Geometry) -> None:
    frames = clip(3).to(torch.int32).mul(257).to(torch.uint16)
    out = run(model, geometry, frames, StreamSettings(bit_depth=10, color="wavelet"))
    assert out.dtype == torch.uint16
    assert len(out.to(torch.int32).unique()) > 256


def test_frames_of_another_size_are_refused(model: FlashVSR, geometry: Geometry) -> None:
    with pytest.raises(GeometryError, match="8x9 was fed to a stream of 50x30"):
        list(model.stream(geometry).feed(torch.zeros(1, 9, 8, 3, dtype=torch.uint8)))


def test_a_flushed_stream_takes_no_more(model: FlashVSR, geometry: Geometry) -> None:
    stream = model.stream(geometry)
    assert list(stream.flush()) == []
    with pytest.raises(StreamClosedError):
        list(stream.feed(clip(1)))
