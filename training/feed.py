"""Batches for the training loop, made some steps ahead of it."""

import math
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.batch import Batch, Source, enlarge_clips
from training.config import StageConfig
from training.cut import STEP_PX, cut_and_turn
from training.errors import TrainingError
from training.levels import from_levels
from training.matching import is_only_reduced
from training.pairs import PairSource

_IMAGE_FRAMES = 9
"""An image is shown as a still clip of the fewest frames that the transformer takes."""

_NOISE, _NUMBER, _CUT = 2, 3, 4
"""What a generator is for; 0 and 1 are those of `training.data.batches`."""


@dataclass(frozen=True)
class _Part:
    """Clips of one scale on the device, as levels."""

    high: Tensor
    low: Tensor
    scale: int

    def still(self, frames: int) -> "_Part":
        """Repeat single frames."""
        high, low = (x.expand(-1, -1, frames, -1, -1) for x in (self.high, self.low))
        return _Part(high, low, self.scale)

    @property
    def source(self) -> Source:
        return Source(self.low, is_only_reduced(self.high, self.low))


class Feed:
    """Makes the batches of this process's slots; any step on demand, always the same."""

    def __init__(
        self, source: PairSource, config: StageConfig, slots: list[int], device: torch.device
    ) -> None:
        """Prepare for one stage.

        Raises:
            TrainingError: the parts that are to be cut are no multiple of 8 and of all scales, or
                a batch cannot be mixed of so many.

        """
        data = config.data
        unit = math.lcm(STEP_PX, *data.scales)
        if data.crop_px % unit:
            raise TrainingError(
                f"Parts of {data.crop_px} px cannot be cut; set data.crop_px to a multiple of"
                f" {unit}."
            )
        if data.batch % data.mixed:
            raise TrainingError(
                f"{data.batch} clips cannot be taken from {data.mixed} batches alike; set"
                " data.batch to a multiple of data.mixed."
            )
        self._source, self._config, self._slots, self._device = source, config, slots, device

    def at(self, step: int) -> list[Batch]:
        """Make the batches of one step, one for each slot of this process."""
        return [self._make(step, slot) for slot in self._slots]

    def _make(self, step: int, slot: int) -> Batch:
        data = self._config.data
        is_image = bool(data.image_every) and step % data.image_every == data.image_every - 1
        if data.pool:
            parts = [self._keep(step, slot, part, is_image=is_image) for part in range(data.mixed)]
        else:
            scale = data.scales[step % len(data.scales)]
            high, low = self._source.pairs(step, slot, scale=scale, is_image=is_image)
            parts = [_Part(high.to(self._device), low.to(self._device), scale)]
        if is_image:
            parts = [part.still(_IMAGE_FRAMES) for part in parts]
        generator = torch.Generator(self._device)
        generator.manual_seed(int(self._random(step, slot, _NOISE).integers(2**63)))
        return Batch(
            high=torch.cat([from_levels(part.high) for part in parts]),
            low=torch.cat([enlarge_clips(part.low, part.scale) for part in parts]),
            generator=generator,
            step=step,
            sources=tuple(part.source for part in parts) if self._config.matched else (),
        )

    def _keep(self, step: int, slot: int, part: int, *, is_image: bool) -> _Part:
        """Take some clips of a kept batch, turned and cut."""
        data = self._config.data
        number = int(self._random(step, slot, _NUMBER, part).integers(data.pool))
        scale = data.scales[number % len(data.scales)]
        high, low = self._source.pairs(number, slot, scale=scale, is_image=is_image)
        random = self._random(step, slot, _CUT, part)
        taken = data.batch // data.mixed
        clips = slice(first := int(random.integers(data.mixed)) * taken, first + taken)
        shape = data.crop_px, data.crop_frames
        high, low = cut_and_turn(high[clips], low[clips], *shape, random, self._device)
        return _Part(high, low, scale)

    def _random(self, step: int, slot: int, purpose: int, part: int = 0) -> np.random.Generator:
        return np.random.default_rng([self._config.seed, step, slot, purpose, part])

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
                        for tensor in batch.tensors:
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
