"""Run stages one after the other in this process, sharing the decoded training set."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from training.config import DataConfig, StageConfig
from training.data import CodecPool, PackedClips, default_workers
from training.makers import PairMakers
from training.pairs import PackedPairs, PairSource, open_clips
from training.pool import PooledPairs
from training.processes import Processes
from training.trainer import RunLimits, Trainer


def run_stages(
    stages: Sequence[tuple[StageConfig, RunLimits]],
    runs: Path,
    *,
    data: str | None,
    resume: bool,
    device: str,
    say: Callable[[str], None],
) -> None:
    """Train every stage up to its limits.

    Args:
        stages: configurations and limits, in the order of the recipe.
        runs: the run folder.
        data: a packed set in place of the one that the configurations name.
        resume: go on from checkpoints where there are some.
        device: `auto`, `cuda` or `cpu`.
        say: takes one line a stage.

    Raises:
        TrainingError, DataError: an earlier stage, a checkpoint or the data is not usable.

    """
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    # The fastest are nearly always among the first; trying all takes half a minute a stage.
    torch.backends.cudnn.benchmark_limit = 4
    processes = Processes.join(device)
    with _Sources(processes.device) as sources:
        for given, limits in stages:
            packed = data or given.data.packed
            config = dataclasses.replace(given, data=dataclasses.replace(given.data, packed=packed))
            source = sources.of(config)
            trainer = Trainer(config, runs, source, processes, resume=resume)
            step = trainer.run(limits)
            if processes.rank == 0:
                say(f"{config.stage}: step {step}, {trainer.minutes:.2f} minutes")
    # Not after an error: others may wait for this process, and would be waited for without end.
    processes.leave()


class _Sources:
    """Opens every training set once, in this process or in makers, whatever stages ask for it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._closing = ExitStack()
        self._codecs = self._closing.enter_context(CodecPool(default_workers()))
        self._opened: dict[str, PackedClips] = {}
        self._makers: dict[tuple[str, int], PairMakers] = {}
        self._pools: dict[tuple[DataConfig, int], PooledPairs] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    def of(self, config: StageConfig) -> PairSource:
        """Return the pairs that a stage learns from."""
        if not config.data.pool:
            return self._made(config)
        # Stages whose pairs are made alike share them, whatever they cut out of them.
        made = dataclasses.replace(
            config.data, pool=0, mixed=1, crop_px=0, crop_frames=0, image_every=0
        )
        key = made, config.seed
        if key not in self._pools:
            self._pools[key] = PooledPairs(self._made(config))
        return self._pools[key]

    def _made(self, config: StageConfig) -> PairSource:
        data = config.data
        if not data.makers:
            if data.packed not in self._opened:
                self._opened[data.packed] = open_clips(data.packed, self._device)
            clips = self._opened[data.packed]
            return PackedPairs(clips, self._codecs, data, config.seed, self._device)
        makers = data.packed, data.makers
        if makers not in self._makers:
            self._makers[makers] = self._closing.enter_context(PairMakers(*makers, self._device))
        return self._makers[makers].source(data, config.seed)
