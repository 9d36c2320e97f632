"""The trained model that comes along, measured on a clip that it was not trained on."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from evaluation.clips import Frames
from evaluation.methods import BASELINES, Method, Model, chunk_borders
from evaluation.metrics import METRICS
from flashvsr_core import FlashVSR, StreamSettings
from flashvsr_core.weights.names import find_weights
from training.data.catalogue import read_catalogue
from training.data.named import degrade

SEEN = 1.15
"""So much larger is the change at a border where a chunk differs by two levels of brightness."""


@pytest.fixture(scope="module")
def methods() -> list[Method]:
    # The clip is not among what is gathered for training.
    assert not any("car-detection" in item.file_name for item in read_catalogue())
    model = FlashVSR.load(find_weights("nano"), device="cpu")
    return [BASELINES[0], Model(model, StreamSettings(), "nano")]


@pytest.fixture(scope="module")
def outputs(cars: Frames, methods: list[Method]) -> dict[str, Frames]:
    """All 36 frames, reduced by 4 and enlarged again."""
    low = degrade(cars, "bicubic", 4, "cars")
    return {method.name: method.enlarge(low, 4) for method in methods}


@pytest.mark.parametrize("metric", ["psnr", "ssim"])
def test_it_beats_bicubic_on_what_is_damaged(
    cars: Frames, methods: list[Method], metric: str
) -> None:
    low = degrade(cars, "training", 4, "cars")
    bicubic, nano = (METRICS[metric].measure(m.enlarge(low, 4), cars) for m in methods)
    assert nano > bicubic


@pytest.mark.parametrize(("scale", "gain_db"), [(2, 1.5), (4, 0.5)])
def test_it_beats_bicubic_on_what_was_only_reduced(
    cars: Frames, methods: list[Method], scale: int, gain_db: float
) -> None:
    truth = cars[:13]
    low = degrade(truth, "bicubic", scale, "cars")
    bicubic, nano = (METRICS["psnr"].measure(m.enlarge(low, scale), truth) for m in methods)
    assert nano > bicubic + gain_db


def test_what_it_makes_is_its_source_when_reduced_again(
    cars: Frames, methods: list[Method]
) -> None:
    low = degrade(cars[:13], "bicubic", 4, "cars")
    bicubic, nano = (degrade(m.enlarge(low, 4), "bicubic", 4, "cars") for m in methods)
    off = [np.abs(made.astype(int) - low).mean() for made in (bicubic, nano)]
    assert off[1] < 0.3 < off[0]


def test_chunks_cannot_be_seen(outputs: dict[str, Frames], cars: Frames) -> None:
    assert METRICS["seam_ratio"].measure(outputs["nano"], cars) < 1.2
    assert jumps(outputs["nano"], cars).max() < SEEN


def test_a_seam_would_be_noticed(outputs: dict[str, Frames], cars: Frames) -> None:
    """A chunk that is two levels brighter, on frames that know no chunks."""
    seamless = outputs["bicubic"]
    assert jumps(seamless, cars).max() < 1.1
    brighter = seamless.copy()
    brighter[21:29] = np.minimum(seamless[21:29], 253) + 2
    assert jumps(brighter, cars).min() > SEEN


def jumps(made: Frames, truth: Frames) -> npt.NDArray[np.float64]:
    """Return, for each chunk border, the change there over the change just before and after it.

    Counted is what changes between two frames beyond what changes in the truth.
    """
    extra = np.array(
        [
            np.abs((b.astype(int) - a) - (d.astype(int) - c)).mean()
            for (a, b), (c, d) in zip(pairwise(made), pairwise(truth), strict=True)
        ]
    )
    borders = np.array(chunk_borders(len(truth))) - 1
    around = np.mean([extra[borders + step] for step in (-2, -1, 1, 2)], axis=0)
    return np.asarray(extra[borders] / around)
