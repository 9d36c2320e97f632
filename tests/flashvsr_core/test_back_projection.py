"""A reduced result is the source where they were near, and what was mended stays mended."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.back_projection import FAR, NEAR, BackProjection, measure_distance

LEVEL = 2 / 255


def pictures(frames: int = 6, side: int = 96) -> Tensor:
    """(3, T, H, W) in [-0.7, 0.7]: smooth shapes with edges."""
    seed = torch.randn(frames, 3, side // 8 + 1, side // 8 + 1)
    large = F.interpolate(seed, (side, side), mode="bilinear")
    return (large.sign() * large.abs().sqrt() * 0.4).clamp(-0.7, 0.7).movedim(1, 0)


def reduced(large: Tensor, scale: int) -> Tensor:
    size = [side // scale for side in large.shape[-2:]]
    planes = F.interpolate(large.movedim(0, 1), size, mode="bicubic", antialias=True)
    return planes.movedim(1, 0)


def frames_of(small: Tensor, levels: int = 255) -> Tensor:
    dtype = torch.uint8 if levels == 255 else torch.uint16
    return ((small + 1) * levels / 2).round().clamp(0, levels).movedim(0, -1).to(dtype)


def off(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean() / LEVEL)


def distances(reduced_result: Tensor, source: Tensor, scale: int = 2) -> Tensor:
    """What frames are judged by, (T,)."""
    return measure_distance(source.movedim(0, 1), reduced_result.movedim(0, 1), scale)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_result_near_its_source_agrees_with_it_when_reduced(scale: int) -> None:
    torch.manual_seed(0)
    truth = pictures()
    small = reduced(truth, scale)
    wrong = F.interpolate(torch.randn(6, 3, 12, 12), (96, 96), mode="bicubic").movedim(1, 0)
    result = truth + 1.2 * LEVEL * wrong
    assert distances(reduced(result, scale), small, scale).max() < NEAR
    given = BackProjection()(result, frames_of(small))
    # The source itself is rounded to levels.
    assert off(reduced(given, scale), small) < 0.3 < off(reduced(result, scale), small)
    assert off(given, truth) < 0.5 * off(result, truth)


def test_detail_that_the_source_cannot_show_is_left_alone() -> None:
    torch.manual_seed(0)
    smooth = pictures()
    checks = torch.ones(96, 96)
    checks[::2, 1::2] = checks[1::2, ::2] = -1
    result = smooth + 8 * LEVEL * checks
    given = BackProjection()(result, frames_of(reduced(smooth, 2)))
    assert off(given - smooth, 8 * LEVEL * checks) < 0.5


def test_what_was_mended_stays_mended() -> None:
    torch.manual_seed(0)
    truth = pictures()
    noisy = reduced(truth, 2) + 0.03 * torch.randn(3, 6, 48, 48)
    assert distances(reduced(truth, 2), noisy).min() > FAR
    assert torch.allclose(BackProjection()(truth, frames_of(noisy)), truth, atol=1e-6)


def test_more_may_be_missing_where_more_is_shown() -> None:
    torch.manual_seed(0)
    rich = reduced(pictures(), 2)
    flat = rich / 20
    missing = 0.35 * LEVEL
    assert distances(rich, rich + missing).max() < FAR
    assert distances(flat, flat + missing).min() > FAR
    # Frames too small for any detail are judged, too.
    assert distances(rich[..., :2, :1], rich[..., :2, :1] + 2 * missing).isfinite().all()


def test_errors_cancel_out_where_many_places_become_one_but_damage_does_not() -> None:
    torch.manual_seed(0)
    truth = pictures(side=192)
    errors = 3 * LEVEL * torch.randn(truth.shape)
    erred, damaged = [], []
    for scale in (2, 4):
        small = reduced(truth, scale)
        erred.append(float(distances(reduced(truth + errors, scale), small, scale).mean()))
        damage = errors[..., : small.shape[-2], : small.shape[-1]]
        damaged.append(float(distances(small, small + damage, scale).mean()))
    assert 0.6 < erred[1] / erred[0] < 1.3
    assert damaged[1] > 1.3 * damaged[0]
    assert max(erred) < NEAR < FAR < min(damaged)


def test_large_errors_in_few_places_are_near() -> None:
    torch.manual_seed(0)
    truth = pictures()
    result = truth.clone()
    result[:, :, :24] += 20 * LEVEL
    given = BackProjection()(result, frames_of(reduced(truth, 2)))
    assert off(given, truth) < 0.2 * off(result, truth)


def test_a_frame_far_off_among_near_ones_changes_little_of_what_is_given() -> None:
    torch.manual_seed(0)
    truth = pictures(frames=8)
    small = reduced(truth, 2)
    result = truth + 0.2 * LEVEL
    far = small.clone()
    far[:, 4] += 0.03 * torch.randn(3, 48, 48)
    assert distances(reduced(result, 2), far)[4] > FAR
    given = BackProjection()(result, frames_of(far))
    left = ((given - truth).mean(dim=(0, 2, 3)) / LEVEL).abs()
    assert left.max() < 0.07


def test_a_frame_that_is_wrong_altogether_is_soon_outweighed() -> None:
    torch.manual_seed(0)
    truth = pictures(frames=8)
    result = truth + 0.2 * LEVEL
    small = reduced(truth, 2)
    small[:, 2] = torch.randn(3, 48, 48).mul(0.4).clamp(-0.9, 0.9)
    assert distances(reduced(result, 2), small)[2] > 5 * FAR
    given = BackProjection()(result, frames_of(small))
    left = ((given - truth).mean(dim=(0, 2, 3)) / LEVEL).abs()
    assert left[3:].max() < 0.07


def test_a_damaged_film_that_begins_with_a_black_frame_keeps_what_was_mended() -> None:
    torch.manual_seed(0)
    truth = pictures(frames=8)
    truth[:, 0] = -1
    noisy = reduced(truth, 2)
    noisy[:, 1:] += 0.06 * torch.randn(3, 7, 48, 48)
    assert distances(reduced(truth, 2), noisy)[0] < NEAR
    given = BackProjection()(truth, frames_of(noisy))
    assert torch.allclose(given[:, 3:], truth[:, 3:], atol=1e-6)


def test_chunks_of_any_size_give_the_same() -> None:
    torch.manual_seed(0)
    truth = pictures(frames=8)
    result = truth + 0.02 * torch.randn_like(truth)
    frames = frames_of(reduced(truth, 2))
    whole = BackProjection()(result, frames)
    piecewise = BackProjection()
    parts = [piecewise(result[:, at], frames[at]) for at in (slice(1), slice(1, 4), slice(4, 8))]
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)


def test_sixteen_bits_are_matched_more_finely_than_eight() -> None:
    torch.manual_seed(0)
    truth = pictures()
    small = reduced(truth, 2)
    result = truth + 0.3 * LEVEL
    fine = BackProjection()(result, frames_of(small, 65535))
    coarse = BackProjection()(result, frames_of(small))
    assert off(reduced(fine, 2), small) < 0.5 * off(reduced(coarse, 2), small)


def test_a_smaller_output_than_the_source_works() -> None:
    large = torch.linspace(-0.7, 0.7, 96).expand(3, 6, 96, 96)
    frames = frames_of(large, 65535)
    given = BackProjection()(reduced(large, 2) + 0.1 * LEVEL, frames)
    assert given.shape == (3, 6, 48, 48)
    assert off(given, reduced(large, 2)) < 0.06
