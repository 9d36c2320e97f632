"""Pairs that are kept: made once, drawn again, never shown twice alike."""

import dataclasses
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.training.toy import SIZE_PX, ToySource, toy_config
from training.config import StageConfig
from training.cut import cut_and_turn
from training.errors import TrainingError
from training.feed import Feed
from training.pool import PooledPairs

CPU = torch.device("cpu")
POOL = 3


class CountingSource(ToySource):
    """Knows how often every pair was made."""

    def __init__(self) -> None:
        super().__init__(frames=9, batch=1)
        self.made: Counter[tuple[int, int, int, bool]] = Counter()

    def pairs(self, number: int, slot: int, *, scale: int, is_image: bool) -> tuple[Tensor, Tensor]:
        self.made[number, slot, scale, is_image] += 1
        return super().pairs(number, slot, scale=scale, is_image=is_image)


def pooled(*, crop_px: int = 0, crop_frames: int = 0, image_every: int = 0) -> StageConfig:
    config = toy_config("decoder")
    data = dataclasses.replace(
        config.data,
        pool=POOL,
        crop_px=crop_px,
        crop_frames=crop_frames,
        image_every=image_every,
    )
    return dataclasses.replace(config, data=data)


def test_every_pair_is_made_once_whoever_asks() -> None:
    source = CountingSource()
    feed = Feed(PooledPairs(source), pooled(image_every=4), [0], CPU)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(feed.at, range(40)))
    kinds = {key[3] for key in source.made}
    assert kinds == {False, True}
    assert set(source.made.values()) == {1}
    assert {key[0] for key in source.made} == set(range(POOL))


def test_a_failure_reaches_everyone_who_waits() -> None:
    class Broken(ToySource):
        def pairs(self, *_: object, **__: object) -> tuple[Tensor, Tensor]:
            raise TrainingError("broken")

    pairs = PooledPairs(Broken(9, 1))
    for _ in range(2):
        with pytest.raises(TrainingError, match="broken"):
            pairs.pairs(0, 0, scale=4, is_image=False)


def test_steps_differ_and_repeat_exactly() -> None:
    config = pooled(crop_px=64, crop_frames=5)
    one, other = (Feed(PooledPairs(CountingSource()), config, [0], CPU) for _ in range(2))
    seen = [one.at(step)[0] for step in range(12)]
    assert {tuple(batch.high.shape) for batch in seen} == {(1, 3, 5, 64, 64)}
    for step, batch in enumerate(seen):
        again = other.at(step)[0]
        assert torch.equal(batch.high, again.high)
        assert torch.equal(batch.low, again.low)
    # Only three pairs are behind them, and no two look alike.
    pictures = {batch.high.numpy().tobytes() for batch in seen}
    assert len(pictures) == len(seen)


@pytest.mark.parametrize("scale", [2, 4])
def test_both_parts_show_the_same_place_turned_alike(scale: int) -> None:
    high, low = ToySource(9, 2).pairs(0, 0, scale=scale, is_image=False)
    for seed in range(20):
        random = np.random.default_rng(seed)
        h, lo = cut_and_turn(high, low, 48, 5, random, CPU)
        assert h.shape == (2, 3, 5, 48, 48)
        assert lo.shape == (2, 3, 5, 48 // scale, 48 // scale)
        expected = F.avg_pool3d(h.float(), (1, scale, scale))
        assert (expected - lo).abs().max() <= 1.0


def test_parts_that_are_larger_than_clips_are_whole_clips() -> None:
    high, low = ToySource(1, 1).pairs(0, 0, scale=4, is_image=True)
    h, lo = cut_and_turn(high, low, 8 * SIZE_PX, 17, np.random.default_rng(0), CPU)
    assert h.shape == high.shape
    assert lo.shape == low.shape


def test_parts_must_fit_the_scales() -> None:
    with pytest.raises(TrainingError, match="multiple of 8"):
        Feed(PooledPairs(CountingSource()), pooled(crop_px=60), [0], CPU)


def test_a_step_mixes_clips_of_several_kept_batches() -> None:
    class Numbered(ToySource):
        """Clips as bright as their batch's number."""

        def pairs(
            self, number: int, slot: int, *, scale: int, is_image: bool
        ) -> tuple[Tensor, Tensor]:
            high, low = super().pairs(number, slot, scale=scale, is_image=is_image)
            return torch.full_like(high, number), torch.full_like(low, number)

    config = pooled(crop_px=64)
    data = dataclasses.replace(config.data, batch=4, mixed=4, pool=50)
    feed = Feed(Numbered(9, 4), dataclasses.replace(config, data=data), [0], CPU)
    seen: Counter[int] = Counter()
    for step in range(10):
        (batch,) = feed.at(step)
        assert batch.high.shape == batch.low.shape == (4, 3, 9, 64, 64)
        assert torch.allclose(batch.high, batch.low, atol=1e-6)
        numbers = batch.high.flatten(1).mean(dim=1).add(1).mul(127.5).round().int().tolist()
        assert len(set(numbers)) > 1
        seen.update(numbers)
    assert len(seen) > 15


def test_clips_must_divide_into_batches() -> None:
    config = pooled()
    data = dataclasses.replace(config.data, batch=4, mixed=3)
    with pytest.raises(TrainingError, match=r"multiple of data\.mixed"):
        Feed(CountingSource(), dataclasses.replace(config, data=data), [0], CPU)
