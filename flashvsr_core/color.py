"""Match the colours of the result to those of the enlarged source, in float32, and round to levels.

The one-step model drifts in colour; the methods here take the colours from the source and the
detail from the model. A further one, `source`, is `flashvsr_core.back_projection`.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from flashvsr_core.kernels.fusing import is_fused

ColorFix = Literal["adain", "wavelet", "source", "none"]
COLOR_FIXES: tuple[ColorFix, ...] = get_args(ColorFix)
ColorChoice = Literal["auto", "adain", "wavelet", "source", "none"]
COLOR_CHOICES: tuple[ColorChoice, ...] = get_args(ColorChoice)
"""`auto` is what the weights were made for."""

EPS = 1e-5
"""Added to variances."""

_WAVELET_LEVELS = 5


def match_adain(result: Tensor, source: Tensor) -> Tensor:
    """Give every frame and channel of `result` the mean and standard deviation of `source`.

    Args:
        result: (3, T, H, W), RGB in [-1, 1].
        source: the same shape, the enlarged low-quality frames.

    Returns:
        (3, T, H, W) float32, clamped to [-1, 1].

    """
    result, source = result.float(), source.float()
    result_mean, result_std = _moments(result)
    source_mean, source_std = _moments(source)
    return ((result - result_mean) / result_std * source_std + source_mean).clamp_(-1.0, 1.0)


def _moments(frames: Tensor) -> tuple[Tensor, Tensor]:
    variance, mean = torch.var_mean(frames, dim=(-2, -1), correction=0, keepdim=True)
    return mean, (variance + EPS).sqrt()


def match_wavelet(result: Tensor, source: Tensor) -> Tensor:
    """Take the low frequencies of `source` and everything above them from `result`.

    Shapes and range as in `match_adain`.
    """
    result, source = result.float(), source.float()
    return (result - _low_band(result) + _low_band(source)).clamp_(-1.0, 1.0)


@cache
def _binomial(device: torch.device) -> Tensor:
    # Kept: a copy from the host would wait for all that the device has to do.
    return torch.tensor([0.25, 0.5, 0.25], device=device)


def _low_band(frames: Tensor) -> Tensor:
    """Blur (3, T, H, W) by a 3x3 binomial kernel with dilations 1, 2, 4, 8, 16 in turn."""
    binomial = _binomial(frames.device)
    band = frames.movedim(1, 0)
    channels = band.shape[1]
    vertical = binomial.view(1, 1, 3, 1).expand(channels, 1, 3, 1)
    horizontal = binomial.view(1, 1, 1, 3).expand(channels, 1, 1, 3)
    for level in range(_WAVELET_LEVELS):
        step = 2**level
        # The kernel is separable, and replicate padding is too.
        padded = F.pad(band, (step, step, step, step), mode="replicate")
        band = F.conv2d(padded, vertical, dilation=(step, 1), groups=channels)
        band = F.conv2d(band, horizontal, dilation=(1, step), groups=channels)
    return band.movedim(0, 1)


def _unmatched(result: Tensor, source: Tensor) -> Tensor:
    return result.float().clamp(-1.0, 1.0)


MATCHERS: dict[ColorFix, Callable[[Tensor, Tensor], Tensor]] = {
    "adain": match_adain,
    "wavelet": match_wavelet,
    # Its frames were matched before; see `flashvsr_core.finish`.
    "source": _unmatched,
    "none": _unmatched,
}


def to_levels(result: Tensor, source: Tensor, fix: ColorFix, bit_depth: int) -> Tensor:
    """Match colours and round.

    Args:
        result: (3, T, H, W), RGB in about [-1, 1].
        source: the same shape, the enlarged low-quality frames.
        fix: how to match.
        bit_depth: 8, or more for levels over the full range of 16 bits.

    Returns:
        (T, H, W, 3), uint8 or uint16.

    """
    if fix == "adain" and is_fused(result):
        from flashvsr_core.kernels.fused.adain import adain_levels

        return adain_levels(result, source, _level_type(bit_depth))
    return quantize(MATCHERS[fix](result, source), bit_depth)


def quantize(frames: Tensor, bit_depth: int) -> Tensor:
    """Round (3, T, H, W) in [-1, 1] to (T, H, W, 3): uint8, or uint16 above 8 bit."""
    dtype = _level_type(bit_depth)
    peak = 255 if dtype == torch.uint8 else 65535
    # upstream: the authors' scripts truncate here, which darkens by half a step; this rounds.
    levels = frames.float().add(1.0).mul_(peak / 2).round_().clamp_(0, peak)
    return levels.movedim(0, -1).to(dtype)


def _level_type(bit_depth: int) -> torch.dtype:
    return torch.uint8 if bit_depth == 8 else torch.uint16
