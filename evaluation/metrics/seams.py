"""Whether the chunks that a stream is made of can be seen."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from evaluation.errors import MetricUnavailableError
from evaluation.methods import chunk_borders
from evaluation.metrics.metric import Frames
from flashvsr_core.cuts import find_cuts

FLOOR_LEVELS = 0.05
"""Below this much change between two frames a ratio of changes means nothing."""


class SeamRatio:
    """Change between frames at chunk borders over change elsewhere; 1 means no visible seam.

    Each change of the output is first divided by the change of the truth (where there is one) at
    the same place, so that motion does not count as a seam. Chunks begin anew with every scene, and
    the change of a cut is left out.
    """

    name = "seam_ratio"
    higher_is_better = False
    needs_truth = False

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the ratio of the two means."""
        shown = output if truth is None else truth
        cuts = find_cuts(torch.from_numpy(frame) for frame in shown)
        borders = [
            first + border - 1
            for first, end in pairwise([0, *cuts, len(output)])
            for border in chunk_borders(end - first)
        ]
        if not borders:
            raise MetricUnavailableError("no scene reaches its second chunk")
        change = frame_changes(output) + FLOOR_LEVELS
        if truth is not None:
            change = change / (frame_changes(truth) + FLOOR_LEVELS)
        is_border, is_within = np.zeros(len(change), dtype=bool), np.ones(len(change), dtype=bool)
        is_border[borders] = True
        is_within[borders + [cut - 1 for cut in cuts]] = False
        return float(change[is_border].mean() / change[is_within].mean())


def frame_changes(frames: Frames) -> npt.NDArray[np.float64]:
    """Return (T-1,) mean absolute differences between neighbours, in 8-bit levels."""
    return np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in pairwise(frames)])
