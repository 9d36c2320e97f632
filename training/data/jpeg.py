"""JPEG compression as arithmetic: what the codec does to pixels, on any device, in batches.

Follows ITU-T T.81 as libjpeg does it: full-range BT.601 YCbCr, chroma halved, 8x8 DCT, the
standard's tables scaled by quality. Entropy coding is lossless and therefore left out.
"""

from functools import cache
from math import cos, pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)


def compress_jpeg(frames: Tensor, quality: Tensor) -> Tensor:
    """Compress and decompress pictures.

    Args:
        frames: (M, 3, H, W) RGB in [0, 1].
        quality: (M,) as libjpeg counts it, 1 to 100.

    Returns:
        (M, 3, H, W) RGB in [0, 1], on 8-bit levels.

    """
    height, width = frames.shape[-2:]
    levels = (frames.clamp(0, 1) * 255).round()
    levels = F.pad(levels, (0, -width % 16, 0, -height % 16), mode="replicate")
    to_ycbcr, to_rgb = _matrices(frames.device)
    ycbcr = torch.einsum("ij,mjhw->mihw", to_ycbcr, levels).round()
    luma, chroma = ycbcr[:, :1] - 128, F.avg_pool2d(ycbcr[:, 1:], 2).round()
    luma = _quantize(luma, _table(LUMA_TABLE, quality, frames.device))
    chroma = _quantize(chroma, _table(CHROMA_TABLE, quality, frames.device))
    # libjpeg's "fancy" upsampling is a triangle filter, which is what bilinear is here.
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    ycbcr = torch.cat([luma + 128, chroma], dim=1)
    rgb = torch.einsum("ij,mjhw->mihw", to_rgb, ycbcr.round())
    cropped: Tensor = rgb[..., :height, :width]
    return cropped.round().clamp(0, 255).div(255)


@cache
def _matrices(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the matrices from RGB to YCbCr and back, (3, 3) each."""
    to_ycbcr = torch.tensor(TO_YCBCR)
    return to_ycbcr.to(device), torch.linalg.inv(to_ycbcr).to(device)


@cache
def _base(table: tuple[tuple[int, ...], ...], device: torch.device) -> Tensor:
    return torch.tensor(table, dtype=torch.float32, device=device)


def _table(base: tuple[tuple[int, ...], ...], quality: Tensor, device: torch.device) -> Tensor:
    """Return (M, 1, 1, 1, 8, 8) quantisation steps."""
    quality = quality.to(device, torch.float32).round().clamp(1, 100)
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    steps = _base(base, device) * percent[:, None, None]
    return ((steps + 50) / 100).floor().clamp(1, 255)[:, None, None, None]


def _quantize(planes: Tensor, table: Tensor) -> Tensor:
    """Quantise the 8x8 DCT of (M, C, H, W); H and W are multiples of 8."""
    transform = _dct(planes.device)
    blocks = planes.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2)
    coefficients = transform @ blocks @ transform.mT
    coefficients = (coefficients / table).round() * table
    blocks = transform.mT @ coefficients @ transform
    joined: Tensor = blocks.transpose(-3, -2).flatten(-2, -1).flatten(-3, -2)
    return joined


@cache
def _dct(device: torch.device) -> Tensor:
    """Return the orthonormal 8x8 DCT-II."""
    rows = [
        [sqrt((1 if k == 0 else 2) / 8) * cos(pi * (2 * n + 1) * k / 16) for n in range(8)]
        for k in range(8)
    ]
    return torch.tensor(rows, dtype=torch.float32, device=device)
