"""What tests of the engine share."""

from pathlib import Path

import pytest

from flashvsr_core import FlashVSR


@pytest.fixture(scope="package")
def model(random_weights: Path) -> FlashVSR:
    """Random weights, loaded once: nothing of one video reaches the next."""
    return FlashVSR.load(random_weights, device="cpu")
