"""Temporal consistency, by dense optical flow (OpenCV's DIS)."""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.errors import MetricUnavailableError
from evaluation.metrics.metric import Frames

Flow = npt.NDArray[np.float32]
"""(H, W, 2): where each pixel goes, (x, y) in pixels."""


class FlowDifference:
    """tOF of TecoGAN: how far the motion seen in the output is from the motion in the truth."""

    name = "tof"
    higher_is_better = False
    needs_truth = True

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the mean absolute difference of the flows, in pixels."""
        assert truth is not None
        _require_two(output)
        theirs, ours = flows(truth), flows(output)
        differences = [np.abs(a - b).mean() for a, b in zip(ours, theirs, strict=True)]
        return float(np.mean(differences))


class WarpingError:
    """How much a frame differs from the one before it, moved along the flow of the truth.

    Blur lowers it as well as steadiness does, so read it beside a sharpness metric.
    """

    name = "warping_error"
    higher_is_better = False
    needs_truth = False

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the mean absolute error in 8-bit levels, where the flow is sure."""
        _require_two(output)
        guide = output if truth is None else truth
        errors = []
        for index in range(len(output) - 1):
            before, after = guide[index], guide[index + 1]
            # From the later frame back, so that every pixel of it has a place to be taken from.
            back, forth = flow(after, before), flow(before, after)
            is_sure = np.hypot(*np.moveaxis(back + warp(forth, back), -1, 0)) < 1.0
            moved = warp(output[index].astype(np.float32), back)
            error = np.abs(moved - output[index + 1]).mean(-1)
            if is_sure.any():
                errors.append(float(error[is_sure].mean()))
        if not errors:
            raise MetricUnavailableError("no motion between the frames could be followed")
        return sum(errors) / len(errors)


def _require_two(frames: Frames) -> None:
    if len(frames) < 2:
        raise MetricUnavailableError("temporal consistency needs two frames or more")


def flows(frames: Frames) -> list[Flow]:
    """Return the flow from each frame to the next."""
    return [flow(a, b) for a, b in pairwise(frames)]


def flow(before: Frames, after: Frames) -> Flow:
    """Return the flow between two (H, W, 3) frames."""
    cv2 = _opencv()
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after)]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(search.calc(grey[0], grey[1], None), np.float32)


def warp(picture: npt.NDArray[np.float32], motion: Flow) -> npt.NDArray[np.float32]:
    """Take every pixel from where the flow points; beyond the border the picture is mirrored."""
    cv2 = _opencv()
    height, width = motion.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + motion[..., 0], rows + motion[..., 1]
    moved = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.float32)


def _opencv() -> Any:  # noqa: ANN401  (a module)
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise MetricUnavailableError(
            "optical flow needs the package opencv-python-headless; install it with"
            " pip install 'flashvsr-service[evaluation]'"
        ) from error
    return cv2
