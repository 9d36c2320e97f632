"""Clips that were only reduced, matched to their sources as the engine does it, with gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor

from flashvsr_core.back_projection import add_missing, resize
from training.batch import Source

_SAME_LEVELS = 0.6
"""Mean difference of 8-bit levels; rounding before and after the reduction makes 0.27."""
_EDGE_PX = 2
"""Of the low-quality frames: what a part that was cut out lacks its surroundings for."""


def is_only_reduced(high: Tensor, low: Tensor) -> Tensor:
    """Return 1.0 for clips whose low quality is nothing but a clean reduction, else 0.0.

    Args:
        high: (B, 3, T, H, W), uint8.
        low: (B, 3, T, H/scale, W/scale), uint8.

    Returns:
        (B,) float32.

    """
    planes = high.movedim(2, 1).flatten(0, 1).float()
    clips = resize(planes, low).unflatten(0, (len(high), -1)).movedim(2, 1)
    difference = (clips.clamp(0, 255) - low.float()).abs()
    inside = difference[..., _EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX]
    is_same: Tensor = inside.flatten(1).mean(dim=1) < _SAME_LEVELS
    return is_same.float()


def match_clean(frames: Tensor, sources: Sequence[Source]) -> tuple[Tensor, Tensor]:
    """Give results what is missing of their sources, where these were only reduced.

    Args:
        frames: (B, 3, T, H, W) in about [-1, 1].
        sources: of all clips in order, at least T frames each; none leaves frames as they are.

    Returns:
        The matched frames, and the mean over clips of how much was missing: the engine matches
        nothing that is far from its source, so results must come near it by themselves.

    """
    missing = frames.new_zeros((), dtype=torch.float32)
    if not sources:
        return frames, missing
    T = frames.shape[2]
    matched = []
    for clips, source in zip(frames.split([len(s.low) for s in sources]), sources, strict=True):
        low = source.low[:, :, :T].movedim(2, 1).flatten(0, 1).float() * (2 / 255) - 1
        shares = source.is_clean.repeat_interleave(T)
        planes = clips.movedim(2, 1).flatten(0, 1)
        reduced = resize(planes, low)
        given = add_missing(planes, low, reduced, shares)
        matched.append(given.unflatten(0, (len(clips), T)).movedim(2, 1))
        distances = (low - reduced).abs().flatten(1).mean(dim=1)
        missing = missing + (distances * shares).sum() / (len(frames) * T)
    return torch.cat(matched), missing
