"""Checkpoints in small files, to be carried between machines: averages and logs alone.

An optimizer's state is twice the size of the weights, and a short warm-up makes up for it. The
stage that was trained last stays in float32; earlier ones, which later stages only read, travel in
float16. So a run that goes on from carried parts goes on well, but not exactly.
"""

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.checkpoint import Checkpoint, State, load_checkpoint, save_checkpoint
from training.errors import TrainingError
from training.stages import STAGES

PART_BYTES = 15 * 2**20
_LOGS = "logs.json"


def pack_runs(runs: Path, folder: Path) -> list[Path]:
    """Write the averaged weights of every stage as parts of at most 15 MiB, and one file of logs.

    Raises:
        TrainingError: no stage has a checkpoint.

    """
    stages = [stage for stage in STAGES if any((runs / stage).glob("step-*"))]
    if not stages:
        raise TrainingError(f"{runs} holds no checkpoint of any stage; train one first.")
    folder.mkdir(parents=True, exist_ok=True)
    states, logs = {}, {}
    parts: list[dict[str, Tensor]] = [{}]
    room = PART_BYTES
    for stage in stages:
        checkpoint = load_checkpoint(runs, stage)
        states[stage] = asdict(checkpoint.state)
        log = runs / stage / "log.jsonl"
        logs[stage] = log.read_text() if log.exists() else ""
        for name, tensor in checkpoint.averaged.items():
            kept = tensor if stage == stages[-1] else tensor.to(torch.float16)
            size_bytes = kept.numel() * kept.element_size()
            if size_bytes > room and parts[-1]:
                parts.append({})
                room = PART_BYTES
            parts[-1][f"{stage}/{name}"] = kept
            room -= size_bytes
    written = []
    for index, part in enumerate(parts):
        written.append(folder / f"part-{index}.safetensors")
        save_file(part, written[-1])
    written.append(folder / _LOGS)
    written[-1].write_text(json.dumps({"states": states, "logs": logs}) + "\n")
    return written


def unpack_runs(folder: Path, runs: Path) -> None:
    """Make a run folder of carried parts; what `runs` has of these stages is replaced.

    Raises:
        TrainingError: parts are missing.

    """
    index = folder / _LOGS
    if not index.is_file():
        raise TrainingError(f"{folder} holds nothing that 'python -m training carry' wrote.")
    table = json.loads(index.read_text())
    tensors: dict[str, Tensor] = {}
    for part in sorted(folder.glob("part-*.safetensors")):
        with safe_open(part, "pt") as opened:
            tensors.update({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
    for stage, state in table["states"].items():
        own = {
            name.removeprefix(f"{stage}/"): tensor.float()
            for name, tensor in tensors.items()
            if name.startswith(f"{stage}/")
        }
        if not own:
            raise TrainingError(f"{folder} lacks the parts with the stage '{stage}'; carry again.")
        save_checkpoint(runs, Checkpoint(State(**state), own, own, None))
        (runs / stage / "log.jsonl").write_text(table["logs"][stage])
