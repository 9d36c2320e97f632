"""Loss terms between clips (B, 3, T, H, W) in [-1, 1], all in float32."""

import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 1e-3
_PATCHES_PX = (1, 4, 16)

EDGE_PX = 16
"""What the zeros around a clip reach far into."""
_EDGE_WEIGHT = 0.25
"""Clips are small, and have four times the edge of the pictures that they stand for."""


def charbonnier(result: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean of sqrt(d^2 + eps^2): the absolute difference, smooth at 0.

    Weights (H, W) with a mean of 1 say how much a place counts.
    """
    distance = ((result.float() - target.float()).square() + _EPS**2).sqrt()
    return (distance if weights is None else distance * weights).mean()


def inside(frames: Tensor) -> Tensor:
    """Return frames (..., H, W) without their edges."""
    return frames[..., EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX]


def edge_weights(frames: Tensor) -> Tensor:
    """Return weights (H, W) with a mean of 1, smaller at the edges."""
    weights = torch.full(frames.shape[-2:], _EDGE_WEIGHT, device=frames.device)
    inside(weights).fill_(1.0)
    return weights / weights.mean()


def compare_changes(result: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of the changes from frame to frame.

    What is drawn from several frames at once is more like itself within them than from them to the
    next: it trembles.
    """
    return (result.float().diff(dim=2) - target.float().diff(dim=2)).abs().mean()


def compare_rhythm(result: Tensor, target: Tensor) -> Tensor:
    """Return how unevenly changes from frame to frame differ from the truth's, mean over clips.

    Frames that are drawn from one latent, or from one feature, are more like each other than like
    the next ones. What is compared is each step's size, as a logarithm, beside the truth's step; a
    result that changes less, but always by the same share, costs nothing.

    Args:
        result: (B, C, T, H, W) in about [-1, 1]; fewer than three frames have no rhythm.
        target: the same.

    """
    if result.shape[2] < 3:
        return result.new_zeros((), dtype=torch.float32)
    made, true = (_step_sizes(frames) for frames in (result, target))
    return (made.log() - true.log()).var(dim=1).mean()


def _step_sizes(frames: Tensor) -> Tensor:
    """Return how much each frame differs from the one before it, (B, T - 1)."""
    # A still clip has no rhythm: half a level of 255 counts as nothing.
    return frames.float().diff(dim=2).abs().mean(dim=(1, 3, 4)) + 0.5 * 2 / 255


def mean_square(result: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference."""
    return (result.float() - target.float()).square().mean()


def log_error(result: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of the clips' logarithms of the mean squared difference, at three sizes.

    As PSNR sees it, a level of error counts the more, the fewer others there are: else clips that
    come out nearly right would hardly be learned from, and neither would what is wrong over whole
    patches, which is less than what is wrong in details and easier seen. Weights (H, W) with a mean
    of 1 say how much a place counts.
    """
    difference = (result.float() - target.float()).flatten(1, 2)
    total = difference.new_zeros(())
    for side_px in _PATCHES_PX:
        counts = F.avg_pool2d(weights[None], side_px)
        error = F.avg_pool2d(difference, side_px).square() * counts
        total = total + (error.flatten(1).mean(dim=1) + _EPS**2).log().mean()
    return total / len(_PATCHES_PX)


@torch.no_grad()
def psnr_db(result: Tensor, target: Tensor) -> Tensor:
    """Return the mean PSNR of the clips, after clamping to [-1, 1]."""
    difference = result.float().clamp(-1, 1) - target.float()
    error = difference.square().flatten(1).mean(dim=1) / 4
    return (-10 * error.clamp_min(1e-10).log10()).mean()
