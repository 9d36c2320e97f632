"""Degradations by name, for evaluation: the same clip always gives the same result."""

from typing import Literal, get_args
from zlib import crc32

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from training.data.degradation import Degradation, DegradationSettings

DegradationName = Literal["bicubic", "training"]
DEGRADATIONS: tuple[DegradationName, ...] = get_args(DegradationName)

Frames = npt.NDArray[np.uint8]


def degrade(
    frames: Frames, name: DegradationName, scale: int, clip_name: str, seed: int = 0
) -> Frames:
    """Make the low-quality version of a clip.

    Args:
        frames: (T, H, W, 3) RGB; H and W are multiples of `scale`.
        name: "bicubic" is Pillow's clean bicubic reduction; "training" is the training
            degradation with default settings, never the clean case, drawn from seed and name.
        scale: 2, 3 or 4.
        clip_name: what makes the draw this clip's own.
        seed: another seed draws another degradation.

    Returns:
        (T, H/scale, W/scale, 3).

    """
    if name == "bicubic":
        size = (frames.shape[2] // scale, frames.shape[1] // scale)
        return np.stack(
            [np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC)) for f in frames]
        )
    generator = torch.Generator().manual_seed(crc32(f"{seed}/{clip_name}".encode()))
    clip = torch.from_numpy(frames).movedim(-1, 0).float().div(127.5).sub(1)
    low = Degradation(scale, DegradationSettings(clean_share=0.0))(clip[None], generator)[0]
    levels = low.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.movedim(0, -1).contiguous().numpy()
