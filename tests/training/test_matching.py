"""What is matched in training is what the engine matches, and only where clips were reduced."""

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.back_projection import BackProjection
from tests.training.conftest import ALONE
from tests.training.toy import ToySource, toy_config
from training.batch import Source
from training.feed import Feed
from training.levels import to_levels
from training.log import read_log
from training.losses import compare_changes
from training.matching import is_only_reduced, match_clean
from training.trainer import RunLimits, Trainer


def pictures(clips: int = 4, frames: int = 5, side: int = 64) -> Tensor:
    """(B, 3, T, H, W) in [-0.7, 0.7]: smooth shapes with edges."""
    seed = torch.randn(clips * frames, 3, side // 8 + 1, side // 8 + 1)
    large = F.interpolate(seed, (side, side), mode="bilinear")
    shapes = (large.sign() * large.abs().sqrt() * 0.4).clamp(-0.7, 0.7)
    in_clips: Tensor = shapes.unflatten(0, (clips, frames))
    return in_clips.movedim(2, 1)


def reduced(clips: Tensor, scale: int) -> Tensor:
    planes = clips.movedim(2, 1).flatten(0, 1)
    size = [side // scale for side in clips.shape[-2:]]
    small = F.interpolate(planes, size, mode="bicubic", antialias=True)
    clips_again: Tensor = small.unflatten(0, (len(clips), -1)).movedim(2, 1)
    return clips_again


@pytest.mark.parametrize("scale", [2, 4])
def test_clean_reductions_are_told_from_damage(scale: int) -> None:
    torch.manual_seed(0)
    high = pictures()
    low = reduced(high, scale)
    low[1] += 0.03 * torch.randn_like(low[1])
    low[3] = F.avg_pool3d(low[3], (1, 3, 3), stride=1, padding=(0, 1, 1))
    found = is_only_reduced(to_levels(high), to_levels(low))
    assert found.tolist() == [1, 0, 1, 0]


def test_clean_clips_are_matched_as_the_engine_does_it_and_others_left_alone() -> None:
    torch.manual_seed(0)
    high = pictures(6)
    frames = high + 0.0015
    lows = [
        to_levels(reduced(high[clips], scale)) for clips, scale in ((slice(2), 2), (slice(2, 6), 4))
    ]
    clean = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    sources = [Source(lows[0], clean[:2]), Source(lows[1], clean[2:])]
    matched, _missing = match_clean(frames[:, :, :3], sources)
    for index, low in enumerate([*lows[0], *lows[1]]):
        if clean[index]:
            expected = BackProjection()(frames[index], low.movedim(0, -1))
            assert not torch.allclose(expected[:, :3], frames[index, :, :3], atol=5e-4)
            assert torch.allclose(matched[index], expected[:, :3], atol=1e-6)
        else:
            assert torch.allclose(matched[index], frames[index, :, :3], atol=1e-6)


def test_only_clean_clips_are_told_how_far_they_are_from_their_sources() -> None:
    torch.manual_seed(0)
    high = pictures(2)
    source = Source(to_levels(reduced(high, 2)), torch.tensor([1.0, 0.0]))
    _matched, near = match_clean(high, [source])
    off = high.clone()
    off[1] += 0.5
    assert torch.equal(match_clean(off, [source])[1], near)
    off[0] += 0.25
    # One of two clips is off, by a quarter.
    assert match_clean(off, [source])[1] == pytest.approx(0.125, abs=0.01)


def test_no_gradient_reaches_what_the_source_shows() -> None:
    torch.manual_seed(0)
    high = pictures(2)
    source = Source(to_levels(reduced(high, 2)), torch.tensor([1.0, 0.0]))
    frames = high.clone().requires_grad_()
    # What is asked for is a change of brightness, which a source settles.
    match_clean(frames, [source])[0].sum().backward()
    assert frames.grad is not None
    clean, damaged = frames.grad.abs().mean(dim=(1, 2, 3, 4))
    assert clean < 0.1 * damaged


def test_changes_are_compared_and_not_frames() -> None:
    truth = pictures(1)
    assert compare_changes(truth + 0.3, truth) < 1e-6
    pairs = truth.clone()
    pairs[:, :, 1::2] = pairs[:, :, :-1:2]
    assert compare_changes(pairs, truth) > 0.05


class CleanSource(ToySource):
    """Stripes that were only reduced."""

    def pairs(self, number: int, slot: int, *, scale: int, is_image: bool) -> tuple[Tensor, Tensor]:
        high, _ = super().pairs(number, slot, scale=scale, is_image=is_image)
        return high, to_levels(reduced(high.float() / 127.5 - 1, scale))


@pytest.mark.parametrize("stage", ["decoder", "distillation"])
def test_stages_learn_from_matched_clips(stage: str, toy_runs: Path, tmp_path: Path) -> None:
    plain = toy_config(stage)
    losses = plain.losses | {"change": 0.5}
    config = dataclasses.replace(plain, matched=True, losses=losses)
    for earlier in ("latent", "decoder", "full_attention", "streaming"):
        if earlier != stage:
            (tmp_path / earlier).symlink_to(toy_runs / earlier)
    source = CleanSource(config.data.frames, config.data.batch)
    (batch,) = Feed(source, config, [0], torch.device("cpu")).at(0)
    assert [s.is_clean.tolist() for s in batch.sources] == [[1.0] * config.data.batch]
    assert Trainer(config, tmp_path, source, ALONE, resume=False).run(RunLimits(steps=3)) == 3
    name = "pixel" if stage == "decoder" else "student_pixel"
    matched = [line[name] for line in read_log(tmp_path / stage / "log.jsonl")]
    other = dataclasses.replace(plain, losses=losses)
    unmatched = tmp_path / "unmatched"
    unmatched.mkdir()
    for earlier in ("latent", "decoder", "full_attention", "streaming"):
        if earlier != stage:
            (unmatched / earlier).symlink_to(toy_runs / earlier)
    Trainer(other, unmatched, source, ALONE, resume=False).run(RunLimits(steps=3))
    drawn = [line[name] for line in read_log(unmatched / stage / "log.jsonl")]
    # The first step begins with the same weights: what differs is what was matched.
    assert matched[0] < 0.9 * drawn[0]
