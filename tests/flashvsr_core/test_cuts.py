"""Cuts are found, and what only moves, flickers or fades is none."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from evaluation.clips import read_frames
from flashvsr_core.cuts import find_cuts
from tests.evaluation.conftest import CARS


def picture(seed: int, height: int = 90, width: int = 220) -> Tensor:
    """(H, W, 3) uint8: soft shapes of many colours."""
    generator = torch.Generator().manual_seed(seed)
    soft = torch.rand(1, 3, 6, 10, generator=generator)
    large = F.interpolate(soft, (height, width), mode="bicubic").clamp(0, 1)[0]
    return (large * 255).round().to(torch.uint8).movedim(0, -1)


def scene(seed: int, frames: int, step_px: int = 1) -> Tensor:
    """(T, 90, 160, 3): a picture that moves to the left."""
    wide = picture(seed)
    return torch.stack([wide[:, i * step_px :][:, :160] for i in range(frames)])


def brightened(frames: Tensor, levels: int) -> Tensor:
    return (frames.int() + levels).clamp(0, 255).to(torch.uint8)


def test_every_scene_is_found_where_it_begins() -> None:
    film = torch.cat([scene(1, 20), scene(2, 9), scene(3, 30)])
    assert find_cuts(film) == [20, 29]


def test_sixteen_bits_have_the_same_cuts_as_eight() -> None:
    film = torch.cat([scene(1, 12), scene(2, 12)])
    assert find_cuts(film.to(torch.int32).mul(257).to(torch.uint16)) == [12]
    dark = film // 40
    assert find_cuts(dark.to(torch.int32).mul(257).to(torch.uint16)) == find_cuts(dark) == []


def test_cuts_of_large_frames_are_found() -> None:
    film = [picture(1, 1080, 1920)] * 10 + [picture(2, 1080, 1920)] * 2
    assert find_cuts(film) == [10]


@pytest.mark.parametrize("step_px", [1, 3, 6])
def test_motion_is_no_cut(step_px: int) -> None:
    assert find_cuts(scene(1, 60 // step_px, step_px)) == []


def test_a_sudden_motion_is_no_cut() -> None:
    wide = picture(1)
    places = [0] * 10 + [12, 24, 36, 48, 60]
    assert find_cuts(wide[:, at:][:, :160] for at in places) == []


def test_light_that_goes_on_or_off_is_no_cut() -> None:
    film = scene(1, 20) // 2
    film[10:14] = brightened(film[10:14], 90)
    assert find_cuts(film) == []


def test_noise_and_dark_scenes_have_no_cuts() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (40, 30, 50, 3), generator=generator).to(torch.uint8)
    assert find_cuts(noise) == []
    assert find_cuts(torch.cat([scene(1, 12), scene(2, 12)]) // 40) == []


def test_a_fade_from_one_scene_to_another_is_no_cut() -> None:
    one, other = scene(1, 24).float(), scene(2, 24).float()
    share = torch.linspace(0, 1, 24).view(-1, 1, 1, 1)
    assert find_cuts((one * (1 - share) + other * share).to(torch.uint8)) == []


def test_a_scene_lasts_eight_frames_at_least() -> None:
    short = torch.cat([scene(1, 10), scene(2, 4), scene(3, 10)])
    assert find_cuts(short) == [10]
    assert find_cuts(torch.cat([scene(1, 7), scene(2, 12)])) == []


@pytest.mark.parametrize("level", [0, 16, 255])
def test_a_scene_may_follow_a_single_blank_frame(level: int) -> None:
    blank = torch.full((1, 90, 160, 3), level, dtype=torch.uint8)
    assert find_cuts(torch.cat([blank, scene(1, 4)])) == [1]
    # What comes up slowly is no cut.
    share = torch.linspace(0, 1, 30).view(-1, 1, 1, 1)
    assert find_cuts((scene(1, 30) * share + blank * (1 - share)).to(torch.uint8)) == []


def test_footage_has_no_cut_but_where_it_is_cut() -> None:
    cars = torch.from_numpy(read_frames(CARS, None))
    assert find_cuts(cars) == []
    assert find_cuts(torch.cat([cars, cars.flip(2)])) == [len(cars)]
