"""Pairs that other processes make are the pairs that this one makes."""

from pathlib import Path

import torch

from training.config import DataConfig
from training.data import CodecPool
from training.makers import PairMakers
from training.pairs import PackedPairs, open_clips


def test_makers_change_nothing(packed_set: Path) -> None:
    cpu = torch.device("cpu")
    config = DataConfig(
        packed=str(packed_set), frames=5, size_px=64, batch=2, group=2, scales=(2, 4)
    )
    here = PackedPairs(open_clips(config.packed, cpu), CodecPool(), config, 7, cpu)
    with PairMakers(config.packed, 1, cpu) as makers:
        there = makers.source(config, 7)
        for step in range(4):
            scale, is_image = 2 + step % 2 * 2, step == 3
            made = there.pairs(step, 0, scale=scale, is_image=is_image)
            expected = here.pairs(step, 0, scale=scale, is_image=is_image)
            assert torch.equal(made[0], expected[0])
            assert made[1].dtype == expected[1].dtype
            # Not to the bit: what x264 makes of a small clip depends on what its memory held before
            # (40 times the same clip in one process: two results, 20 levels apart at most).
            # Other draws of the degradation are 5 levels away and more on the mean.
            difference = (made[1].int() - expected[1].int()).abs().float()
            assert difference.mean() < 2
