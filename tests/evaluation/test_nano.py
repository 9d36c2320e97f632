"""The trained model that comes along, measured on a clip that it was not trained on."""

from itertools import pairwise

import numpy as np
import pytest

from evaluation.clips import Frames
from evaluation.methods import BASELINES, Method, Model, chunk_borders
from evaluation.metrics import METRICS
from flashvsr_core import FlashVSR, StreamSettings
from flashvsr_core.weights.names import find_weights
from training.data.catalogue import read_catalogue
from training.data.named import degrade


@pytest.fixture(scope="module")
def outputs(cars: Frames) -> dict[str, Frames]:
    """All 36 frames, reduced by 4 and enlarged again."""
    # The clip is not among what is gathered for training.
    assert not any("car-detection" in item.file_name for item in read_catalogue())
    model = FlashVSR.load(find_weights("nano"), device="cpu")
    methods: list[Method] = [BASELINES[0], Model(model, StreamSettings(), "nano")]
    low = degrade(cars, "bicubic", 4, "cars")
    return {method.name: method.enlarge(low, 4) for method in methods}


def test_it_beats_bicubic(outputs: dict[str, Frames], cars: Frames) -> None:
    quality_db = {name: METRICS["psnr"].measure(made, cars) for name, made in outputs.items()}
    assert quality_db["nano"] > quality_db["bicubic"], quality_db


def test_chunks_cannot_be_seen(outputs: dict[str, Frames], cars: Frames) -> None:
    borders = chunk_borders(len(cars))
    assert borders == [21, 29]
    assert METRICS["seam_ratio"].measure(outputs["nano"], cars) < 1.2
    # No single border either: what changes there beyond the truth is like what changes elsewhere.
    extra = np.array(
        [
            np.abs((b.astype(int) - a) - (d.astype(int) - c)).mean()
            for (a, b), (c, d) in zip(pairwise(outputs["nano"]), pairwise(cars), strict=True)
        ]
    )
    at_borders = extra[[border - 1 for border in borders]]
    assert at_borders.max() <= 1.5 * np.median(extra), (at_borders, np.median(extra))
