"""What a metric is."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""(T, H, W, 3) full-range RGB."""


class Metric(Protocol):
    """One number for one clip."""

    name: str
    higher_is_better: bool
    needs_truth: bool

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Measure a clip, (T, H, W, 3), against the truth of the same shape where it needs one.

        Raises:
            MetricUnavailableError: a package, weights or a program is missing, or the clip is too
                small or too short for it.

        """
