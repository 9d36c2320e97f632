"""Which clips an evaluation finds, and how low quality comes to them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.clips import ClipSet, Frames, read_frames
from evaluation.errors import EvaluationDataError
from tests.evaluation.conftest import CARS


def save(folder: Path, frames: Frames) -> None:
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{index:03d}.png")


def test_videos_and_image_folders_are_clips(cars: Frames, tmp_path: Path) -> None:
    shutil.copyfile(CARS, tmp_path / "b.mp4")
    save(tmp_path / "a", cars[:3, :107, :190])
    clips = list(ClipSet.find(tmp_path).read(4, "bicubic", 2, seed=0))
    assert [clip.name for clip in clips] == ["a", "b"]
    assert clips[0].truth is not None
    # Cropped to what the scale divides, the first frames only.
    assert clips[0].truth.shape == (2, 104, 188, 3)
    assert clips[0].low.shape == (2, 26, 47, 3)
    assert np.array_equal(clips[0].truth, cars[:2, :104, :188])


def test_given_low_quality_is_used_as_it_is(cars: Frames, tmp_path: Path) -> None:
    save(tmp_path / "gt" / "x", cars[:2])
    save(tmp_path / "lq" / "x", cars[:2, ::4, ::4])
    (clip,) = ClipSet.find(tmp_path).read(4, "training", None, seed=0)
    assert np.array_equal(clip.low, cars[:2, ::4, ::4])
    with pytest.raises(EvaluationDataError, match="48x27 do not belong to 2 frames of 192x108"):
        list(ClipSet.find(tmp_path).read(2, "training", None, seed=0))


def test_low_quality_alone_has_no_truth(cars: Frames, tmp_path: Path) -> None:
    save(tmp_path / "lq" / "x", cars[:2])
    (clip,) = ClipSet.find(tmp_path).read(4, "bicubic", None, seed=0)
    assert clip.truth is None
    assert np.array_equal(clip.low, cars[:2])


def test_what_is_missing_is_said(cars: Frames, tmp_path: Path) -> None:
    with pytest.raises(EvaluationDataError, match="is no folder"):
        ClipSet.find(tmp_path / "nowhere")
    with pytest.raises(EvaluationDataError, match="holds no clips"):
        list(ClipSet.find(tmp_path).read(4, "bicubic", None, seed=0))
    save(tmp_path / "gt" / "x", cars[:1])
    save(tmp_path / "lq" / "y", cars[:1])
    with pytest.raises(EvaluationDataError, match="no clip named x"):
        list(ClipSet.find(tmp_path).read(4, "bicubic", None, seed=0))


def test_frames_are_read_at_8_bit(cars: Frames) -> None:
    assert np.array_equal(read_frames(CARS, 5), cars[:5])
