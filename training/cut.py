"""Random parts of pairs, turned at random: a pair that is kept looks new each time."""

import math

import numpy as np
import torch
from torch import Tensor

STEP_PX = 8
"""Sides of parts are multiples of it, and of the scale."""


def cut_and_turn(
    high: Tensor,
    low: Tensor,
    side_px: int,
    frames: int,
    random: np.random.Generator,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Cut the same part out of both, mirror it, swap its axes and reverse its time, at random.

    Args:
        high: (B, 3, T, H, W) of square clips.
        low: (B, 3, T, H/scale, W/scale).
        side_px: of the part in `high`, a multiple of 8 and of the scale; 0, or more than there
            is, keeps all.
        frames: of the part; 0, or more than there are, keeps all.
        random: decides; the same state gives the same part.
        device: where to; parts are turned there, and nothing else travels.

    Returns:
        The parts of both, on the device.

    """
    T, side = high.shape[2], high.shape[-1]
    scale = side // low.shape[-1]
    kept_px, kept_frames = min(side_px or side, side), min(frames or T, T)
    step_px = math.lcm(STEP_PX, scale)
    steps = (side - kept_px) // step_px + 1
    first = int(random.integers(T - kept_frames + 1))
    top, left = (int(place) * step_px for place in random.integers(steps, size=2))
    flips = [axis for axis in (2, 3, 4) if random.random() < 0.5]
    swaps = bool(random.random() < 0.5)
    parts = []
    for clips, unit in ((high, 1), (low, scale)):
        rows = slice(top // unit, (top + kept_px) // unit)
        columns = slice(left // unit, (left + kept_px) // unit)
        part = clips[:, :, first : first + kept_frames, rows, columns].to(device)
        part = part.flip(flips) if flips else part
        parts.append(part.transpose(3, 4) if swaps else part)
    return parts[0], parts[1]
