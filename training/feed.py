"""Batches for the training loop, one step ahead of it."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from training.batch import Batch, enlarge_clips
from training.config import DataConfig, StageConfig
from training.data import (
    Batches,
    BatchSettings,
    CodecPool,
    Degradation,
    DegradationSettings,
    PackedClips,
)
from training.errors import TrainingError

_IMAGE_FRAMES = 9
"""An image is shown as a still clip of the fewest frames that the transformer takes."""


class PairSource(Protocol):
    """Pairs of clips by step, slot and kind."""

    @property
    def parallel(self) -> int:
        """How many calls of `pairs` at a time help."""
        ...

    def pairs(self, step: int, slot: int, *, scale: int, is_image: bool) -> tuple[Tensor, Tensor]:
        """Return high (B, 3, T, H, W) and low (B, 3, T, H/scale, W/scale) in [-1, 1].

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
        settings = DegradationSettings(clean_share=config.clean_share)
        self._degradations = {
            scale: Degradation(scale, settings, codecs) for scale in config.scales
        }

    def pairs(self, step: int, slot: int, *, scale: int, is_image: bool) -> tuple[Tensor, Tensor]:
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
        return batches.at(step)


class Feed:
    """Makes the batches of this process's slots; any step on demand, always the same."""

    def __init__(
        self, source: PairSource, config: StageConfig, slots: list[int], device: torch.device
    ) -> None:
        self._source, self._config, self._slots, self._device = source, config, slots, device

    def at(self, step: int) -> list[Batch]:
        """Make the batches of one step, one for each slot of this process."""
        return [self._make(step, slot) for slot in self._slots]

    def _make(self, step: int, slot: int) -> Batch:
        data = self._config.data
        scale = data.scales[step % len(data.scales)]
        is_image = bool(data.image_every) and step % data.image_every == data.image_every - 1
        high, low = self._source.pairs(step, slot, scale=scale, is_image=is_image)
        large = enlarge_clips(low.to(self._device), scale)
        high = high.to(self._device)
        if is_image:
            high, large = (x.expand(-1, -1, _IMAGE_FRAMES, -1, -1) for x in (high, large))
        words = np.random.SeedSequence([self._config.seed, step, slot, 2])
        generator = torch.Generator(self._device)
        generator.manual_seed(int(words.generate_state(1, np.uint64)[0] >> 1))
        return Batch(high, large, generator, step)

    def ahead(self, first_step: int) -> Generator[list[Batch], None, None]:
        """Yield the batches from `first_step` on; the next ones are made while these are used."""
        stream = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None
        threads = self._source.parallel
        with ThreadPoolExecutor(threads, thread_name_prefix="feed") as maker:
            step = first_step
            coming = [_submit(maker, self.at, step + i, stream) for i in range(threads + 1)]
            try:
                while True:
                    batches = coming.pop(0).result()
                    coming.append(_submit(maker, self.at, step + threads + 1, stream))
                    for batch in batches if stream else []:
                        # Else that stream would take the memory back while it is still read.
                        for tensor in (batch.high, batch.low):
                            tensor.record_stream(torch.cuda.current_stream(self._device))
                    yield batches
                    step += 1
            finally:
                for future in coming:
                    future.cancel()


def _submit(
    maker: ThreadPoolExecutor,
    make: Callable[[int], list[Batch]],
    step: int,
    stream: torch.cuda.Stream | None,
) -> Future[list[Batch]]:
    def run() -> list[Batch]:
        with torch.cuda.stream(stream) if stream else nullcontext():
            made = make(step)
            if stream:
                stream.synchronize()
            return made

    return maker.submit(run)
