"""Frame sizes: what comes out, what the model works on, and how a small frame becomes a large one.

The model works on a canvas whose sides are multiples of 128. The enlarged picture sits in its
top left corner; the rest is the picture mirrored, and is cropped away from the result.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.errors import GeometryError
from flashvsr_core.kernels.fusing import is_fused

CANVAS_MULTIPLE_PX = 128
SCALES = (2, 3, 4)

FRAMES_AT_ONCE = 4
"""Full-size frames that are held in float32 at the same time."""


@dataclass(frozen=True)
class Size:
    """A frame size in pixels."""

    height_px: int
    width_px: int

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px}"


@dataclass(frozen=True)
class Geometry:
    """The three sizes of one video: as it came, as it leaves, and as the model sees it."""

    source: Size
    output: Size
    canvas: Size


def plan_geometry(
    source: Size, *, scale: int | None = None, output: Size | None = None
) -> Geometry:
    """Return the sizes for a scale of 2, 3 or 4, or for an explicit output size.

    Raises:
        GeometryError: neither or both were given, the scale is not one of these, or a side is
            shorter than one pixel.

    """
    if (scale is None) == (output is None):
        raise GeometryError("Give either a scale or an output size, not both and not neither.")
    if min(source.height_px, source.width_px) < 1:
        raise GeometryError(f"A frame of {source} has no pixels.")
    if scale is not None:
        if scale not in SCALES:
            raise GeometryError(f"Scale {scale} is not supported; choose 2, 3 or 4.")
        output = Size(source.height_px * scale, source.width_px * scale)
    assert output is not None
    if min(output.height_px, output.width_px) < 1:
        raise GeometryError(f"An output of {output} has no pixels; choose a larger size.")
    canvas = Size(_round_up(output.height_px), _round_up(output.width_px))
    return Geometry(source, output, canvas)


def _round_up(side_px: int) -> int:
    return -(-side_px // CANVAS_MULTIPLE_PX) * CANVAS_MULTIPLE_PX


def enlarge(frames: Tensor, geometry: Geometry, dtype: torch.dtype) -> Tensor:
    """Enlarge source frames to the canvas.

    Args:
        frames: (T, H, W, 3) at the source size, uint8, or uint16 over its full range.
        geometry: the sizes.
        dtype: floating type of the result.

    Returns:
        (3, T, H, W) at the canvas size, RGB in [-1, 1].

    """
    if is_fused(frames):
        from flashvsr_core.kernels.fused.enlargement import enlarge_fused

        return enlarge_fused(frames, geometry, dtype)
    parts = [_enlarge(part, geometry, dtype) for part in frames.split(FRAMES_AT_ONCE)]
    return torch.cat(parts).movedim(1, 0)


def _enlarge(frames: Tensor, geometry: Geometry, dtype: torch.dtype) -> Tensor:
    """Enlarge (T, H, W, 3) to (T, 3, H, W) at the canvas size."""
    is_8_bit = frames.dtype == torch.uint8
    peak = 255.0 if is_8_bit else 65535.0
    planes = frames.movedim(-1, 1).to(torch.float32)
    # upstream: Pillow enlarges 8-bit frames in two passes, and rounds and clips after each one.
    for size in (
        (geometry.source.height_px, geometry.output.width_px),
        (geometry.output.height_px, geometry.output.width_px),
    ):
        # With antialias torch uses Pillow's cubic kernel (a = -0.5), without it another one.
        planes = F.interpolate(planes, size, mode="bicubic", antialias=True)
        planes = (planes.round_() if is_8_bit else planes).clamp_(0.0, peak)
    planes = planes.mul_(2.0 / peak).sub_(1.0).to(dtype)
    return mirror_pad(planes, geometry.canvas)


def mirror_pad(planes: Tensor, canvas: Size) -> Tensor:
    """Extend (..., H, W) at the bottom and the right by reflection, any number of times over."""
    height, width = planes.shape[-2:]
    if height != canvas.height_px:
        rows = mirror_indices(height, canvas.height_px, planes.device)
        planes = planes.index_select(-2, rows)
    if width != canvas.width_px:
        columns = mirror_indices(width, canvas.width_px, planes.device)
        planes = planes.index_select(-1, columns)
    return planes


def mirror_indices(length: int, padded: int, device: torch.device | None = None) -> Tensor:
    """Return `padded` indices that run 0, 1, ... length-1 and back, without doubling the ends."""
    # Made on the device: a copy from the host would wait for all that the device has to do.
    index = torch.arange(padded, device=device) % max(1, 2 * length - 2)
    return torch.where(index < length, index, 2 * length - 2 - index)


def crop(canvas: Tensor, geometry: Geometry) -> Tensor:
    """Cut (..., H, W) at the canvas size back to the output size."""
    return canvas[..., : geometry.output.height_px, : geometry.output.width_px]
