"""Clips from a packed set: shapes, ranges, determinism, and motion that is where it should be."""

from math import tau
from pathlib import Path

import pytest
import torch

from training.data import Batches, BatchSettings, Degradation, PackedClips, SamplingSettings
from training.data.camera import CameraPath, CameraSettings, draw_path, render, still_path
from training.data.source import Source


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def packed(packed_set: Path) -> PackedClips:
    return PackedClips.open(packed_set)


def wave(height: int, width: int, period_px: float) -> torch.Tensor:
    """A cosine along x, as a (1, 3, H, W) picture."""
    line = 128 + 100 * torch.cos(tau * torch.arange(width) / period_px)
    return line.expand(1, 3, height, width)


def phase_px(frame: torch.Tensor, period_px: float) -> float:
    """Where the wave's crest lies in a (3, H, W) frame, in pixels."""
    line = frame.double().mean(dim=(0, 1)) - frame.double().mean()
    angle = torch.arange(len(line)) * tau / period_px
    turn = torch.atan2((line * angle.sin()).sum(), (line * angle.cos()).sum())
    return float(turn * period_px / tau)


def test_a_known_shift_gives_the_known_phase() -> None:
    shifts = torch.tensor([0.0, 0.25, 0.5, 1.3])
    path = CameraPath(torch.stack([shifts, torch.zeros(4)], dim=1), torch.ones(4), torch.zeros(4))
    frames = render(wave(64, 128, 16.0), path, (63.5, 31.5), 1.0, 32, 64)
    phases = [phase_px(frame, 16.0) for frame in frames]
    # The camera looks further right, so the wave moves left by as much.
    for shift, phase in zip(shifts.tolist(), phases, strict=True):
        assert phases[0] - phase == pytest.approx(shift, abs=0.01)
    assert phases[0] == pytest.approx(0, abs=0.01)  # The first sample is source pixel 32: a crest.


def test_reduction_moves_by_its_share_and_does_not_alias() -> None:
    path = CameraPath(torch.tensor([[0.0, 0.0], [0.5, 0.0]]), torch.ones(2), torch.zeros(2))
    frames = render(wave(80, 256, 16.0), path, (127.5, 39.5), 2.0, 32, 64)
    # Half an output pixel is one source pixel; the wave's period is 8 output pixels now.
    assert phase_px(frames[0], 8.0) - phase_px(frames[1], 8.0) == pytest.approx(0.5, abs=0.01)
    # Stripes of 2.2 source pixels are finer than the output can show: nearly grey is right.
    fine = render(wave(80, 256, 2.2), still_path(1), (127.5, 39.5), 2.0, 32, 64)
    assert float(fine[0].std()) < 20 < float(wave(80, 256, 2.2).std())


def test_rotation_and_zoom_move_the_corners_not_the_middle() -> None:
    picture = torch.zeros(1, 3, 101, 101)
    picture[..., 50, 90] = 255.0  # 40 pixels right of the middle
    quarter = CameraPath(torch.zeros(1, 2), torch.ones(1), torch.tensor([tau / 4]))
    turned = render(picture, quarter, (50.0, 50.0), 1.0, 101, 101)[0, 0]
    row, column = divmod(int(turned.argmax()), 101)
    assert (row, column) == (10, 50)
    zoomed = render(
        picture,
        CameraPath(torch.zeros(1, 2), torch.full((1,), 2.0), torch.zeros(1)),
        (50.0, 50.0),
        1.0,
        101,
        101,
    )[0, 0]
    assert float(zoomed[50, 70]) == pytest.approx(float(zoomed.max()), rel=1e-4)
    assert zoomed[50, 70] > 50


def test_paths_are_smooth_and_of_bounded_speed() -> None:
    settings = CameraSettings(still_share=0.0)
    for seed in range(20):
        path = draw_path(60, settings, generator(seed))
        speed = path.offset_px.diff(dim=0)
        jerk = speed.diff(dim=0).norm(dim=1)
        assert speed.norm(dim=1).max() < 2 * settings.pan_px + 2 * settings.shake_px
        assert jerk.max() < 3.0
        assert path.offset_px.mean(0).abs().max() < 1e-3
        assert (path.scale.log().diff().abs() <= 2 * settings.zoom).all()


def test_one_seed_one_batch(packed: PackedClips) -> None:
    first = packed.sample(4, 5, 64, generator(7))
    assert first.shape == (4, 3, 5, 64, 64)
    assert first.min() >= -1
    assert first.max() <= 1
    assert torch.equal(first, packed.sample(4, 5, 64, generator(7)))
    assert not torch.equal(first, packed.sample(4, 5, 64, generator(8)))


def test_photographs_move_and_single_frames_are_images(packed: PackedClips) -> None:
    lively = PackedClips(
        packed.photographs, [], SamplingSettings(camera=CameraSettings(still_share=0.0))
    )
    clip = lively.sample(1, 4, 64, generator(1))[0]
    assert (clip[:, 1:] - clip[:, :-1]).abs().mean() > 0.005
    assert lively.sample(2, 1, (32, 48), generator()).shape == (2, 3, 1, 32, 48)


def test_a_clip_keeps_its_own_motion(packed: PackedClips) -> None:
    tripod = CameraSettings(still_share=1.0)
    alone = PackedClips(
        [], packed.clips[:1], SamplingSettings(clip_camera=tripod, reduction=(1, 1))
    )
    for seed in range(4):
        clip = alone.sample(1, 4, 96, generator(seed))[0].mean(0)
        # The packed clip pans by two pixels a frame, to the left or, reversed or mirrored, right.
        errors = [
            float((clip[1:, :, 8:-8] - torch.roll(clip[:-1], shift, -1)[..., 8:-8]).abs().mean())
            for shift in (-2, 0, 2)
        ]
        assert min(errors[0], errors[2]) < 0.5 * errors[1]


def test_a_short_clip_runs_to_and_fro() -> None:
    frames = torch.stack([torch.full((64, 64, 3), value, dtype=torch.uint8) for value in (0, 128)])
    short = PackedClips([], [Source.build("short", frames)])
    clip = short.sample(1, 5, 32, generator())[0]
    assert clip[0, :, 0, 0].diff().abs().gt(0.9).all()


def test_steps_are_the_same_for_whoever_asks(packed: PackedClips) -> None:
    def batches(batch: int, rank: int = 0) -> Batches:
        settings = BatchSettings(batch=batch, frames=3, size_px=32, group=2, seed=5)
        return Batches(packed, Degradation(4), settings, rank=rank)

    whole = batches(4)
    high, low = whole.at(3)
    assert high.shape == (4, 3, 3, 32, 32)
    assert low.shape == (4, 3, 3, 8, 8)
    # Two processes with half the batch each see what one sees.
    for rank in (0, 1):
        part_high, part_low = batches(2, rank).at(3)
        assert torch.equal(part_high, high[2 * rank : 2 * rank + 2])
        assert torch.equal(part_low, low[2 * rank : 2 * rank + 2])


def test_a_size_that_the_scale_does_not_divide_is_refused(packed: PackedClips) -> None:
    settings = BatchSettings(batch=2, frames=3, size_px=33, group=2)
    with pytest.raises(ValueError, match="33x33 cannot be reduced by 4"):
        Batches(packed, Degradation(4), settings).at(0)
