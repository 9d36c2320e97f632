"""Checkpoints: whole or not there at all, and enough to go on exactly.

`RUNS/STAGE/step-00001234/` holds `weights.safetensors` (as they are trained),
`averaged.safetensors` (their moving average, which later stages and the export take),
`optimizer.pt` and `state.json`. Batches and noise depend on seed, step and slot alone, so the step
is all there is to know of the data's position.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.errors import TrainingError

WEIGHTS, AVERAGED, OPTIMIZER, STATE = (
    "weights.safetensors",
    "averaged.safetensors",
    "optimizer.pt",
    "state.json",
)


@dataclass(frozen=True)
class State:
    """Where a stage stands."""

    stage: str
    model: str
    step: int
    """Finished steps."""
    minutes: float
    """Spent in this stage, all runs together."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything of one stage at one moment; tensors on the CPU."""

    state: State
    weights: Mapping[str, Tensor]
    """`piece/parameter` to tensor."""
    averaged: Mapping[str, Tensor]
    optimizers: Mapping[str, Any] | None
    """By player; None where they were left behind to save room."""


def save_checkpoint(runs: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint in one step, then remove the older ones of its stage."""
    folder = runs / checkpoint.state.stage
    target = folder / f"step-{checkpoint.state.step:08d}"
    partial = folder / f".partial-{target.name}-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(_contiguous(checkpoint.weights), partial / WEIGHTS)
    save_file(_contiguous(checkpoint.averaged), partial / AVERAGED)
    if checkpoint.optimizers is not None:
        torch.save(dict(checkpoint.optimizers), partial / OPTIMIZER)
    (partial / STATE).write_text(json.dumps(asdict(checkpoint.state), indent=2) + "\n")
    for file in partial.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    if target.exists():
        # The same step again: only after a --finish whose schedule differed.
        shutil.rmtree(target)
    partial.rename(target)
    for other in folder.iterdir():
        if other.is_dir() and other != target and "step-" in other.name:
            shutil.rmtree(other)
    return target


def find_checkpoint(runs: Path, stage: str) -> Path | None:
    """Return the newest whole checkpoint of a stage."""
    return max((runs / stage).glob("step-*"), default=None)


def load_checkpoint(runs: Path, stage: str) -> Checkpoint:
    """Read the newest checkpoint of a stage.

    Raises:
        TrainingError: there is none, or it cannot be read.

    """
    folder = find_checkpoint(runs, stage)
    if folder is None:
        raise TrainingError(
            f"{runs / stage} holds no checkpoint; run 'python -m training run' with the"
            f" configuration of the stage '{stage}' first."
        )
    try:
        state = State(**json.loads((folder / STATE).read_text()))
        optimizer = folder / OPTIMIZER
        return Checkpoint(
            state,
            load_file(folder / WEIGHTS),
            load_file(folder / AVERAGED),
            torch.load(optimizer, map_location="cpu", weights_only=True)
            if optimizer.exists()
            else None,
        )
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise TrainingError(
            f"{folder} cannot be read as a checkpoint ({error}); delete it to go on from an older"
            " one or to begin again."
        ) from error


def piece_of(tensors: Mapping[str, Tensor], piece: str) -> dict[str, Tensor]:
    """Return the tensors of one piece under their own names; empty if it is not there."""
    prefix = f"{piece}/"
    return {
        key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix)
    }


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
