"""What the source shows is kept: a result that is reduced again gives the source.

Where a source is a picture that was reduced, every sharp picture it can stem from agrees with it
once reduced. A model is off by a little, most where there was something to draw: what is missing is
enlarged and added (Irani and Peleg, 1991). Where a source was damaged the model is off everywhere,
in its quiet places too, because it mended it: such frames are left as they are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

NEAR, FAR = 0.60, 0.72
"""Nearer frames are given all that is missing, farther ones nothing; docs/decisions/0066 says where
it is from."""
_TIMES = 2
_PACE = 0.2
"""How much the distance of each new frame counts: what is given must not flicker. The first few
count alike, since a film may begin with a black frame."""
_MOST = 1.5 * FAR
"""A frame that is farther off than this counts as this far, and is soon outweighed."""
_LUMA = (0.299, 0.587, 0.114)
_LEAST_DETAIL = 0.1
"""Levels; also of frames too small to have any."""


class BackProjection:
    """One video's frames in order; remembers how far off they were."""

    def __init__(self) -> None:
        """Begin with the next frame."""
        self._distance: Tensor | None = None
        self._seen = 0

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
        scale = max(1.0, large.shape[-1] / source.shape[-1])
        shares = self._shares(measure_distance(source, reduced, scale))
        return add_missing(large, source, reduced, shares).movedim(1, 0)

    def _shares(self, distances: Tensor) -> Tensor:
        """Return how near each frame is, (T,): from 0, too far, to 1."""
        shares = []
        for distance in distances.clamp(max=_MOST):
            self._seen += 1
            before = distance if self._distance is None else self._distance
            self._distance = torch.lerp(before, distance, max(_PACE, 1 / self._seen))
            shares.append((FAR - self._distance) / (FAR - NEAR))
        return torch.stack(shares).clamp(0, 1)


def measure_distance(source: Tensor, reduced: Tensor, scale: float) -> Tensor:
    """Return how far reduced results are from their source, seen by how much they show.

    It is the difference of brightness that a quarter of the places stay below, in 8-bit levels,
    divided by the cube root of the mean detail, in levels too: a model errs the more, the more
    there was to draw. The scale multiplies it: each place of a reduced result is a mean over
    scale * scale places, in which errors cancel out; the source's own damage does not.

    Args:
        source: (T, 3, H, W), RGB in [-1, 1].
        reduced: the same of the results.
        scale: how many times wider the results were, at least 1.

    Returns:
        (T,).

    """
    shown = _brightness(reduced)
    missing = (_brightness(source) - shown).abs().flatten(1)
    quiet = missing.kthvalue(max(1, missing.shape[1] // 4), dim=1).values
    detail = shown.diff(n=2, dim=-1).diff(n=2, dim=-2).abs().flatten(1).mean(dim=1).nan_to_num()
    return scale * quiet / detail.clamp(min=_LEAST_DETAIL).pow(1 / 3)


def _brightness(planes: Tensor) -> Tensor:
    red, green, blue = planes.mul(255 / 2).unbind(dim=1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


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
