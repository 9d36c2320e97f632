"""Clips with real content: the repository's own, cut and enlarged."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.clips import Frames, read_frames

CARS = Path(__file__).parents[1] / "data" / "cars.mp4"


@pytest.fixture(scope="session")
def cars() -> Frames:
    """(36, 108, 192, 3) of cars at a crossing."""
    return read_frames(CARS, None)


@pytest.fixture(scope="session")
def large_cars(cars: Frames) -> Frames:
    """(3, 216, 384, 3): the first frames, twice as large."""
    enlarged = [Image.fromarray(f).resize((384, 216), Image.Resampling.BICUBIC) for f in cars[:3]]
    return np.stack([np.asarray(frame) for frame in enlarged])


def noisy(frames: Frames, sigma: float, seed: int = 0) -> Frames:
    """Add Gaussian noise."""
    noise = np.random.default_rng(seed).normal(0, sigma, frames.shape)
    return np.clip(np.round(frames + noise), 0, 255).astype(np.uint8)
