"""From what the decoder draws to the frames of one video."""

import torch
from torch import Tensor

from flashvsr_core.back_projection import BackProjection
from flashvsr_core.color import ColorFix, to_levels
from flashvsr_core.geometry import FRAMES_AT_ONCE, Geometry, crop


class Finish:
    """Crops, matches to the source and rounds, a few frames at a time and in order."""

    def __init__(self, geometry: Geometry, color: ColorFix, bit_depth: int) -> None:
        """Begin with a video's first frame."""
        self._geometry, self._color, self._bit_depth = geometry, color, bit_depth
        self._back_projection = BackProjection() if color == "source" else None

    def __call__(self, canvas: Tensor, enlarged: Tensor, frames: Tensor) -> Tensor:
        """Finish the next frames.

        Args:
            canvas: (3, T, H, W) at the canvas size, RGB in about [-1, 1].
            enlarged: the same shape, the enlarged source.
            frames: (T, h, w, 3), the source.

        Returns:
            (T, H', W', 3) at the output size, uint8 or uint16.

        """
        parts = zip(
            crop(canvas, self._geometry).split(FRAMES_AT_ONCE, dim=1),
            crop(enlarged, self._geometry).split(FRAMES_AT_ONCE, dim=1),
            frames.split(FRAMES_AT_ONCE),
            strict=True,
        )
        return torch.cat([self._levels(*part) for part in parts])

    def _levels(self, result: Tensor, enlarged: Tensor, frames: Tensor) -> Tensor:
        if self._back_projection:
            result = self._back_projection(result, frames)
        return to_levels(result, enlarged, self._color, self._bit_depth)
