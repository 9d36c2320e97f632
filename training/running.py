"""Run stages one after the other in this process, sharing the decoded training set."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from training.config import StageConfig
from training.data import CodecPool, PackedClips, default_workers
from training.feed import PackedPairs, open_clips
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
    processes = Processes.join(device)
    opened: dict[str, PackedClips] = {}
    try:
        with CodecPool(default_workers()) as codecs:
            for given, limits in stages:
                packed = data or given.data.packed
                config = dataclasses.replace(
                    given, data=dataclasses.replace(given.data, packed=packed)
                )
                if packed not in opened:
                    opened[packed] = open_clips(packed, processes.device)
                source = PackedPairs(
                    opened[packed], codecs, config.data, config.seed, processes.device
                )
                trainer = Trainer(config, runs, source, processes, resume=resume)
                step = trainer.run(limits)
                if processes.rank == 0:
                    say(f"{config.stage}: step {step}, {trainer.minutes:.2f} minutes")
    finally:
        processes.leave()
