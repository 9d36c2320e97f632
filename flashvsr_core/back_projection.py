"""What the source shows is kept: a result that is reduced again gives the source.

Where a source is a picture that was reduced, every sharp picture it can stem from agrees with it
once reduced. A model is off by a little, most where there was something to draw: what is missing is
enlarged and added (Irani and Peleg, 1991). Where a source was damaged the model is off everywhere,
because it mended it: such frames are left as they are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

NEAR_LEVELS, FAR_LEVELS = 0.7, 0.9
"""Median distance of a reduced result's brightness from the source's, of 255 levels. Nearer frames
are given all that is missing, farther ones nothing; docs/decisions/0066 says where it is from."""
_TIMES = 2
_PACE = 0.2
"""How much the distance of each new frame counts: what is given must not flicker."""
_LUMA = (0.299, 0.587, 0.114)


class BackProjection:
    """One video's frames in order; remembers how far off they were."""

    def __init__(self) -> None:
        """Begin with the next frame."""
        self._distance: Tensor | None = None

    def __call__(self, result: Tensor, frames: Tensor) -> Tensor:
        """Give results what is missing of their source.

        Args:
            result: (3, T, H', W'), RGB in about [-1, 1].
            frames: (T, H, W, 3), the source, uint8, or uint16 over its full range.

        Returns:
            (3, T, H', W') float32, RGB in about [-1, 1].

        """
        large = result.float().movedim(0, 1)
        peak = 255 if frames.dtype == torch.uint8 else 65535
        source = frames.movedim(-1, 1).float().mul_(2 / peak).sub_(1)
        reduced = resize(large, source)
        shares = self._shares(source - reduced)
        return add_missing(large, source, reduced, shares).movedim(1, 0)

    def _shares(self, missing: Tensor) -> Tensor:
        """Return how near each frame is, (T,): from 0, too far, to 1."""
        red, green, blue = missing.unbind(dim=1)
        luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
        shares = []
        for distance in luma.abs().flatten(1).median(dim=1).values.mul(255 / 2):
            before = distance if self._distance is None else self._distance
            self._distance = torch.lerp(before, distance, _PACE)
            shares.append((FAR_LEVELS - self._distance) / (FAR_LEVELS - NEAR_LEVELS))
        return torch.stack(shares).clamp(0, 1)


def add_missing(large: Tensor, source: Tensor, reduced: Tensor, shares: Tensor) -> Tensor:
    """Add what is missing of a source to larger frames.

    Args:
        large: (T, 3, H', W'), RGB.
        source: (T, 3, H, W).
        reduced: the larger frames at the source's size.
        shares: how much of it each frame is given, (T,) from 0 to 1.

    Returns:
        (T, 3, H', W').

    """
    wanted = torch.lerp(reduced, source, shares.view(-1, 1, 1, 1))
    for left in range(_TIMES, 0, -1):
        large = large + resize(wanted - reduced, large)
        if left > 1:
            reduced = resize(large, source)
    return large


def resize(planes: Tensor, like: Tensor) -> Tensor:
    """Reduce or enlarge (T, 3, H, W) to another one's size."""
    return F.interpolate(planes, like.shape[-2:], mode="bicubic", antialias=True)
