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
            for ours, theirs in zip(made, expected, strict=True):
                assert ours.dtype == theirs.dtype
                assert torch.equal(ours, theirs)
