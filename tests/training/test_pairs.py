"""Pairs from a packed training set."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from tests.training.toy import toy_config
from training.data import CodecPool
from training.data.pack import PackSettings, pack
from training.errors import TrainingError
from training.pairs import PackedPairs, open_clips


def test_clean_shares_are_of_each_scale_or_of_all(tmp_path: Path) -> None:
    config = toy_config("decoder")

    def source(*shares: float) -> PackedPairs:
        data = dataclasses.replace(config.data, scales=(4, 2), clean_share=shares, group=1)
        return PackedPairs(clips, CodecPool(), data, 0, torch.device("cpu"))

    folder = tmp_path / "data"
    (folder / "photographs").mkdir(parents=True)
    coarse = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    Image.fromarray(coarse).resize((320, 320)).save(folder / "photographs" / "patches.png")
    pack(folder, tmp_path / "set.tar", PackSettings(), lambda _: None)
    clips = open_clips(str(tmp_path / "set.tar"), torch.device("cpu"))

    def is_clean(source: PackedPairs, scale: int) -> bool:
        high, low = source.pairs(0, 0, scale=scale, is_image=True)
        planes = high[:, :, 0].float()
        size = low.shape[-2:]
        reduced = F.interpolate(planes, size, mode="bicubic", antialias=True).clamp(0, 255)
        return bool((reduced - low[:, :, 0]).abs().max() <= 1)

    mixed = source(0.0, 1.0)
    assert [is_clean(mixed, 4), is_clean(mixed, 2)] == [False, True]
    clean = source(1.0)
    assert [is_clean(clean, 4), is_clean(clean, 2)] == [True, True]
    with pytest.raises(TrainingError, match=r"3 clean shares do not fit 2 scales"):
        source(0.1, 0.2, 0.3)
