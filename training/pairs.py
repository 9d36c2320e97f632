"""Pairs of high- and low-quality clips by number, from a packed training set."""

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from training.config import DataConfig
from training.data import (
    Batches,
    BatchSettings,
    CodecPool,
    Degradation,
    DegradationSettings,
    PackedClips,
)
from training.errors import TrainingError
from training.levels import to_levels


class PairSource(Protocol):
    """Pairs of clips by number, slot and kind."""

    @property
    def parallel(self) -> int:
        """How many calls of `pairs` at a time help."""
        ...

    def pairs(self, number: int, slot: int, *, scale: int, is_image: bool) -> tuple[Tensor, Tensor]:
        """Return high (B, 3, T, H, W) and low (B, 3, T, H/scale, W/scale), uint8.

        The same arguments give the same pairs; an image has T = 1.
        """
        ...


def open_clips(packed: str, device: torch.device) -> PackedClips:
    """Open a packed training set; its pixels stay on the device.

    Raises:
        TrainingError: there is no such file.

    """
    if not Path(packed).is_file():
        raise TrainingError(
            f"There is no training set {packed}; make one with 'python -m training.data pack', or"
            " name another with --data."
        )
    return PackedClips.open(packed, device)


class PackedPairs:
    """Pairs from a packed training set under the training degradation."""

    parallel = 1

    def __init__(
        self,
        clips: PackedClips,
        codecs: CodecPool,
        config: DataConfig,
        seed: int,
        device: torch.device,
    ) -> None:
        """Share an open set; its pixels are where it was opened."""
        self._clips, self._config, self._seed, self._device = clips, config, seed, device
        shares = config.clean_share
        if len(shares) == 1:
            shares = shares * len(config.scales)
        if len(shares) != len(config.scales):
            raise TrainingError(
                f"{len(shares)} clean shares do not fit {len(config.scales)} scales; give"
                " data.clean_share one number, or one for each of data.scales."
            )
        self._degradations = {
            scale: Degradation(scale, DegradationSettings(clean_share=share), codecs)
            for scale, share in zip(config.scales, shares, strict=True)
        }

    def pairs(self, number: int, slot: int, *, scale: int, is_image: bool) -> tuple[Tensor, Tensor]:
        """Return one slot's pairs; see `PairSource`."""
        config = self._config
        settings = BatchSettings(
            batch=config.batch,
            frames=1 if is_image else config.frames,
            size_px=config.size_px,
            group=config.group,
            seed=self._seed,
        )
        batches = Batches(self._clips, self._degradations[scale], settings, self._device, rank=slot)
        high, low = batches.at(number)
        return to_levels(high), to_levels(low)
