"""Spatial tiles for small GPUs: where they lie on the canvas and how they blend.

Tiling costs quality, because attention ends at a tile's border; it is off by default.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from flashvsr_core.errors import GeometryError
from flashvsr_core.geometry import CANVAS_MULTIPLE_PX, Size

_STEP_PX = 16
"""Tiles start on whole tokens, so that noise and latents can be cut at the same places."""

_OVERLAP_SHARE = 4
"""Neighbours overlap by at least a quarter of a tile."""


@dataclass(frozen=True)
class Span:
    """One tile's extent along one axis."""

    start_px: int
    length_px: int
    weights: tuple[float, ...]
    """How much of each pixel row (or column) comes from this tile; all tiles' shares sum to 1."""

    @property
    def pixels(self) -> slice:
        """The pixels of the canvas that the span covers."""
        return slice(self.start_px, self.start_px + self.length_px)

    @property
    def latents(self) -> slice:
        """The latent pixels that the span covers."""
        return slice(self.start_px // 8, (self.start_px + self.length_px) // 8)


@dataclass(frozen=True)
class Tile:
    """One rectangle of the canvas, with sides that are multiples of 128."""

    vertical: Span
    horizontal: Span

    @property
    def size(self) -> Size:
        """The tile's own size."""
        return Size(self.vertical.length_px, self.horizontal.length_px)

    def cut(self, canvas: Tensor) -> Tensor:
        """Take the tile from (..., H, W)."""
        return canvas[..., self.vertical.pixels, self.horizontal.pixels]

    def cut_latents(self, latents: Tensor) -> Tensor:
        """Take the tile from (..., H/8, W/8)."""
        return latents[..., self.vertical.latents, self.horizontal.latents]

    @cached_property
    def weights(self) -> Tensor:
        """The share of each pixel that comes from this tile, (h, w) float32."""
        return torch.outer(
            torch.tensor(self.vertical.weights), torch.tensor(self.horizontal.weights)
        )


def plan_tiles(canvas: Size, tile_px: int | None) -> list[Tile]:
    """Cover the canvas with tiles of at most `tile_px`, or with one if it is None.

    Raises:
        GeometryError: `tile_px` is not a positive multiple of 128.

    """
    if tile_px is not None and (tile_px < CANVAS_MULTIPLE_PX or tile_px % CANVAS_MULTIPLE_PX):
        raise GeometryError(
            f"A tile of {tile_px} pixels is not possible; choose a multiple of"
            f" {CANVAS_MULTIPLE_PX}, such as 512."
        )
    rows = _plan_axis(canvas.height_px, tile_px or canvas.height_px)
    columns = _plan_axis(canvas.width_px, tile_px or canvas.width_px)
    return [Tile(row, column) for row in rows for column in columns]


def _plan_axis(side_px: int, tile_px: int) -> list[Span]:
    if side_px <= tile_px:
        return [Span(0, side_px, (1.0,) * side_px)]
    overlap_px = tile_px // _OVERLAP_SHARE
    count = -(-(side_px - overlap_px) // (tile_px - overlap_px))
    room = side_px - tile_px
    starts = [room * i // (count - 1) // _STEP_PX * _STEP_PX for i in range(count)]
    return [
        Span(start, tile_px, tuple(weights))
        for start, weights in zip(starts, _shares(starts, tile_px, side_px), strict=True)
    ]


def _shares(starts: list[int], tile_px: int, side_px: int) -> list[list[float]]:
    """Return every tile's share of its pixels: a linear ramp where two meet, 1 at the border."""
    ramps = []
    for i, start in enumerate(starts):
        before = starts[i - 1] + tile_px - start if i > 0 else 0
        after = start + tile_px - starts[i + 1] if i + 1 < len(starts) else 0
        rising = [min(1.0, (p + 0.5) / before) if before else 1.0 for p in range(tile_px)]
        falling = [min(1.0, (p + 0.5) / after) if after else 1.0 for p in range(tile_px)]
        ramps.append([up * down for up, down in zip(rising, reversed(falling), strict=True)])
    totals = [0.0] * side_px
    for start, ramp in zip(starts, ramps, strict=True):
        for p, share in enumerate(ramp):
            totals[start + p] += share
    return [
        [share / totals[start + p] for p, share in enumerate(ramp)]
        for start, ramp in zip(starts, ramps, strict=True)
    ]
