"""PSNR, SSIM and MS-SSIM on RGB in [0, 1], frame by frame, then the mean over frames."""

from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor

from evaluation.errors import MetricUnavailableError
from evaluation.metrics.metric import Frames

MS_SSIM_SIDE_PX = 176
"""Five scales with a window of 11 pixels need more than 160."""
MAX_PSNR_DB = 100.0
"""What equal frames get, so that a mean stays finite."""


def _mean_over_frames(
    output: Frames, truth: Frames, measure: Callable[[Tensor, Tensor], Tensor]
) -> float:
    # One frame at a time: whole clips as floats would fill the memory. Single precision is several
    # times as fast as double, and moves SSIM by less than 1e-5.
    scores = [
        float(measure(*(torch.from_numpy(f).movedim(-1, 0)[None].float() / 255 for f in pair)))
        for pair in zip(output, truth, strict=True)
    ]
    return sum(scores) / len(scores)


class Psnr:
    """Peak signal-to-noise ratio in dB."""

    name = "psnr"
    higher_is_better = True
    needs_truth = True

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the mean over frames of each frame's PSNR, equal frames counting 100 dB."""
        assert truth is not None
        return _mean_over_frames(output, truth, _psnr)


def _psnr(output: Tensor, truth: Tensor) -> Tensor:
    error = (output - truth).double().square().mean().clamp(min=10 ** (-MAX_PSNR_DB / 10))
    return -10 * torch.log10(error)


class Ssim:
    """Structural similarity as Wang and others defined it: Gaussian window of 11 pixels, sigma 1.5.

    Windows that would cross the border are left out.
    """

    name = "ssim"
    higher_is_better = True
    needs_truth = True

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the mean over frames and colours."""
        assert truth is not None
        return _mean_over_frames(output, truth, _similarity("ssim"))


class MsSsim:
    """SSIM over five scales."""

    name = "ms_ssim"
    higher_is_better = True
    needs_truth = True

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the mean over frames and colours."""
        assert truth is not None
        if min(output.shape[1:3]) < MS_SSIM_SIDE_PX:
            raise MetricUnavailableError(f"MS-SSIM needs sides of {MS_SSIM_SIDE_PX} pixels or more")
        return _mean_over_frames(output, truth, _similarity("ms_ssim"))


def _similarity(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    try:
        measure = getattr(import_module("pytorch_msssim"), name)
    except ModuleNotFoundError as error:
        raise MetricUnavailableError(
            "SSIM needs the package pytorch-msssim; install it with"
            " pip install 'flashvsr-service[evaluation]'"
        ) from error

    def similarity(output: Tensor, truth: Tensor) -> Tensor:
        value: Tensor = measure(output, truth, data_range=1.0)
        return value

    return similarity
