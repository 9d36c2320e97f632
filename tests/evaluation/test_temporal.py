"""Temporal measures on clips whose motion is known."""

import numpy as np
import pytest
from PIL import Image

from evaluation.clips import Frames
from evaluation.errors import MetricUnavailableError
from evaluation.methods import chunk_borders
from evaluation.metrics import METRICS
from evaluation.metrics.temporal import flow, warp
from tests.evaluation.conftest import noisy


@pytest.fixture(scope="module")
def panning(cars: Frames) -> Frames:
    """40 frames of a picture that moves two pixels to the left each."""
    wide = np.asarray(Image.fromarray(cars[0]).resize((320, 96), Image.Resampling.BICUBIC))
    return np.stack([wide[:, 2 * i : 2 * i + 160] for i in range(40)])


def test_flow_finds_a_known_motion(panning: Frames) -> None:
    found = flow(panning[0], panning[1])[16:-16, 16:-16]
    assert found[..., 0].mean() == pytest.approx(-2.0, abs=0.15)
    assert found[..., 1].mean() == pytest.approx(0.0, abs=0.15)


def test_warping_takes_pixels_from_where_the_flow_points(panning: Frames) -> None:
    motion = np.zeros((96, 160, 2), np.float32)
    motion[..., 0] = 2.0
    moved = warp(panning[0].astype(np.float32), motion)
    assert np.array_equal(moved[:, :-2], panning[1][:, :-2])


def test_flicker_raises_what_steady_motion_does_not(panning: Frames) -> None:
    few = panning[:6]
    flickering = np.stack([noisy(frame, 12, seed) for seed, frame in enumerate(few)])
    for name in ("tof", "warping_error"):
        steady = METRICS[name].measure(few, few)
        assert METRICS[name].measure(flickering, few) > 2 * steady + 0.02
    assert METRICS["tof"].measure(few, few) == 0
    # Another motion than the truth's is found as well.
    assert METRICS["tof"].measure(panning[[0, 2, 4, 6, 8, 10]], few) > 1


def test_borders_are_the_streams() -> None:
    assert chunk_borders(21) == []
    assert chunk_borders(22) == [21]
    assert chunk_borders(40) == [21, 29, 37]


def test_chunks_begin_anew_with_a_scene(panning: Frames) -> None:
    seams = METRICS["seam_ratio"]
    film = np.concatenate([panning[:10], 255 - panning[:30, ::-1]])
    # The second scene's second chunk begins 21 frames after the cut.
    for border, is_seam in ((31, True), (21, False), (29, False)):
        stepped = film.astype(np.int16)
        stepped[border:] += 6
        broken = np.clip(stepped, 0, 255).astype(np.uint8)
        assert (seams.measure(broken, film) > 1.2) is is_seam
        assert (seams.measure(broken, None) > 1.2) is is_seam


def test_a_seam_is_seen_and_motion_is_not(panning: Frames) -> None:
    seams = METRICS["seam_ratio"]
    assert seams.measure(panning, panning) == pytest.approx(1.0)
    stepped = panning.astype(np.int16)
    for border in (21, 29, 37):
        stepped[border:] += 6 if border != 29 else -6
    broken = np.clip(stepped, 0, 255).astype(np.uint8)
    assert seams.measure(broken, panning) > 1.2
    assert seams.measure(broken, None) > 1.2


def test_too_short_clips_say_so(panning: Frames) -> None:
    with pytest.raises(MetricUnavailableError, match="two frames"):
        METRICS["tof"].measure(panning[:1], panning[:1])
    with pytest.raises(MetricUnavailableError, match="second chunk"):
        METRICS["seam_ratio"].measure(panning[:20], None)
