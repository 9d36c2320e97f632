"""Resizing by the methods that cameras and programs use."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Method = Literal["area", "bilinear", "bicubic"]
METHODS: tuple[Method, ...] = ("area", "bilinear", "bicubic")


@dataclass(frozen=True)
class ResizeSettings:
    """How far sizes change: up to `high`, down to `low`, or not at all."""

    low: float = 0.3
    high: float = 1.2
    up_share: float = 0.2
    down_share: float = 0.7


def draw_factor(settings: ResizeSettings, generator: torch.Generator) -> float:
    """Draw the factor of both sides."""
    choice, share = torch.rand(2, generator=generator).tolist()
    if choice < settings.up_share:
        return float(1 + (settings.high - 1) * share)
    if choice < settings.up_share + settings.down_share:
        return float(settings.low + (1 - settings.low) * share)
    return 1.0


def draw_method(generator: torch.Generator) -> Method:
    """Draw one of the methods, all equally often."""
    return METHODS[int(torch.randint(len(METHODS), (), generator=generator))]


def resize(frames: Tensor, height_px: int, width_px: int, method: Method) -> Tensor:
    """Resize (..., H, W) without aliasing; bicubic has Pillow's kernel."""
    size = (height_px, width_px)
    if frames.shape[-2:] == size:
        return frames
    flat = frames.flatten(0, -4)
    result: Tensor
    if method == "area":
        result = F.interpolate(flat, size, mode="area")
    else:
        result = F.interpolate(flat, size, mode=method, antialias=True)
    sized: Tensor = result.unflatten(0, frames.shape[:-3])
    return sized
