"""Smooth synthetic camera motion: how a photograph becomes a clip.

A path says, frame by frame, where the camera looks: an offset, a zoom and a rotation. `render`
looks through such a camera at a picture, with sub-pixel positions and without aliasing.
"""

from dataclasses import dataclass
from math import pi, tau

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN_PX = 4
"""Source pixels that bicubic sampling may touch beyond the outermost position."""


@dataclass(frozen=True)
class CameraSettings:
    """How lively the camera is; all values are for output pixels and one frame of time."""

    pan_px: float = 3.0
    """Greatest mean speed."""
    zoom: float = 0.008
    """Greatest mean change of the scale, as a share."""
    rotation_rad: float = 0.006
    shake_px: float = 1.2
    """Greatest amplitude of the shake."""
    still_share: float = 0.1
    """Share of clips in which the camera does not move at all."""


@dataclass(frozen=True)
class CameraPath:
    """Where the camera looks in each of T frames.

    offset_px: (T, 2) as (x, y) in output pixels around the middle of the path.
    scale: (T,) factor on the distance between two samples; greater shows more of the picture.
    angle_rad: (T,) clockwise.
    """

    offset_px: Tensor
    scale: Tensor
    angle_rad: Tensor

    def to(self, device: torch.device) -> "CameraPath":
        """Return the path on a device."""
        return CameraPath(
            self.offset_px.to(device), self.scale.to(device), self.angle_rad.to(device)
        )


def still_path(frames: int) -> CameraPath:
    """Return the path of a camera on a tripod."""
    return CameraPath(torch.zeros(frames, 2), torch.ones(frames), torch.zeros(frames))


def draw_path(frames: int, settings: CameraSettings, generator: torch.Generator) -> CameraPath:
    """Draw a smooth path of pan, zoom, rotation and shake.

    Args:
        frames: length T, at least 1.
        settings: how lively.
        generator: on the CPU; same state, same path.

    Returns:
        A path whose offset, log scale and angle have mean zero over the clip.

    """
    # Every number is drawn whatever the outcome, so that one choice does not shift the others.
    is_still = bool(torch.rand((), generator=generator) < settings.still_share)
    direction = torch.rand((), generator=generator) * tau
    speed = torch.rand((), generator=generator) * settings.pan_px
    pan = torch.stack([torch.cos(direction), torch.sin(direction)]) * speed
    offset = _drift(frames, 2, generator) * pan
    zoom = (torch.rand((), generator=generator) * 2 - 1) * settings.zoom
    log_scale = _drift(frames, 1, generator)[:, 0] * zoom
    rotation = (torch.rand((), generator=generator) * 2 - 1) * settings.rotation_rad
    angle = _drift(frames, 1, generator)[:, 0] * rotation
    shake = torch.rand((), generator=generator) ** 2 * settings.shake_px
    offset = offset + _waves(frames, 2, generator) * shake
    angle = angle + _waves(frames, 1, generator)[:, 0] * shake * 1e-3
    if is_still:
        return still_path(frames)
    offset = offset - offset.mean(0)
    return CameraPath(offset, torch.exp(log_scale - log_scale.mean()), angle - angle.mean())


def _drift(frames: int, channels: int, generator: torch.Generator) -> Tensor:
    """Return (T, channels) positions whose speed is about 1 and changes slowly."""
    time = torch.arange(frames, dtype=torch.float32)[:, None]
    rate = 0.01 + 0.03 * torch.rand(channels, generator=generator)
    phase = torch.rand(channels, generator=generator) * tau
    return time + 0.7 * (torch.sin(tau * rate * time + phase) / (tau * rate))


def _waves(frames: int, channels: int, generator: torch.Generator) -> Tensor:
    """Return (T, channels) of a hand's tremor: three sines of at most a quarter cycle a frame."""
    time = torch.arange(frames, dtype=torch.float32)[:, None, None]
    rate = 0.02 + 0.23 * torch.rand(channels, 3, generator=generator)
    phase = torch.rand(channels, 3, generator=generator) * tau
    return torch.sin(tau * rate * time + phase).mean(-1) * (pi / 2)


def reach_px(path: CameraPath, height_px: int, width_px: int) -> tuple[float, float]:
    """Return how far (x, y) the path looks from its middle, in output pixels."""
    corners = _positions(path, _corners(height_px, width_px))
    farthest = corners.abs().amax(dim=(0, 1))
    return float(farthest[0]), float(farthest[1])


def render(
    picture: Tensor,
    path: CameraPath,
    centre: tuple[float, float],
    step_px: float,
    height_px: int,
    width_px: int,
) -> Tensor:
    """Look at a picture, or at the frames of a clip, through a moving camera.

    Positions are pixel centres, the first one at 0. Each output pixel is the mean of four bicubic
    samples a quarter of a pixel around its centre. Beyond the border the picture is mirrored.

    Args:
        picture: (1, 3, H, W) for all frames, or (T, 3, H, W); any dtype.
        path: T frames.
        centre: (x, y) of the middle of the path in source pixels.
        step_px: source pixels per output pixel, at most 2 (below 1 enlarges, above 2 aliases).
        height_px: of the output.
        width_px: of the output.

    Returns:
        (T, 3, height_px, width_px) float32 on the picture's device, in its range (cubic
        overshoot included).

    """
    frames = len(path.scale)
    corners = _positions(path, _corners(height_px, width_px)) * step_px
    low = corners.amin(dim=(0, 1)) + torch.tensor(centre) - MARGIN_PX
    high = corners.amax(dim=(0, 1)) + torch.tensor(centre) + MARGIN_PX
    left, top = (max(0, int(value)) for value in low.floor())
    right, bottom = (int(value) + 1 for value in high.ceil())
    cut = picture[..., top : max(bottom, top + 2), left : max(right, left + 2)].float()
    # Thirteen million positions a clip: they are made where they are needed.
    device = picture.device
    grid = _positions(path.to(device), _offsets(height_px, width_px, device)) * step_px
    origin = torch.tensor([centre[0] - left, centre[1] - top], device=device)
    span = torch.tensor([cut.shape[-1] - 1, cut.shape[-2] - 1], device=device)
    grid = ((grid + origin) * (2.0 / span) - 1.0).view(frames, height_px * 2, width_px * 2, 2)
    if len(cut) == 1:
        # One picture under all frames' positions, stacked vertically: no copy of it per frame.
        fine = F.grid_sample(
            cut, grid.flatten(0, 1)[None], "bicubic", "reflection", align_corners=True
        )
        fine = fine[0].unflatten(1, (frames, height_px * 2)).movedim(1, 0)
    else:
        fine = F.grid_sample(cut, grid, "bicubic", "reflection", align_corners=True)
    # Two samples per pixel and direction, averaged: what lies between pixels is not skipped.
    return F.avg_pool2d(fine, 2)


def _offsets(height_px: int, width_px: int, device: torch.device) -> Tensor:
    """Return (2H*2W, 2) positions (x, y) around the middle, two per pixel and direction."""
    y = (torch.arange(height_px * 2, device=device) + 0.5) / 2 - height_px / 2
    x = (torch.arange(width_px * 2, device=device) + 0.5) / 2 - width_px / 2
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows], dim=-1).flatten(0, 1)


def _corners(height_px: int, width_px: int) -> Tensor:
    x, y = width_px / 2, height_px / 2
    return torch.tensor([[-x, -y], [x, -y], [-x, y], [x, y]])


def _positions(path: CameraPath, offsets: Tensor) -> Tensor:
    """Return (T, N, 2): offsets as each frame's camera sees them, in output pixels."""
    cosine, sine = torch.cos(path.angle_rad), torch.sin(path.angle_rad)
    rotation = torch.stack([cosine, -sine, sine, cosine], dim=-1).view(-1, 2, 2)
    turned = offsets @ rotation.mT
    return turned * path.scale[:, None, None] + path.offset_px[:, None]
