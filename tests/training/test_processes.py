"""Two processes give what one gives with the same slots."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.conftest import ALONE
from tests.training.toy import toy_config, toy_source
from training.checkpoint import load_checkpoint
from training.log import read_log
from training.trainer import RunLimits, Trainer

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.heavy

SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.training.toy import toy_config, toy_source
from training.processes import Processes
from training.trainer import RunLimits, Trainer

processes = Processes.join("cpu")
config = toy_config("latent", slots=2)
Trainer(config, Path(sys.argv[1]), toy_source(config), processes, resume=False).run(
    RunLimits(steps=2)
)
processes.leave()
"""


def test_two_processes_learn_what_one_learns_from_both_slots(tmp_path: Path) -> None:
    config = toy_config("latent", slots=2)
    one = tmp_path / "one"
    Trainer(config, one, toy_source(config), ALONE, resume=False).run(RunLimits(steps=2))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    two = tmp_path / "two"
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", "2", str(script), str(two)),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    alone, together = load_checkpoint(one, "latent"), load_checkpoint(two, "latent")
    statistics = "latent_statistics/"
    for key, tensor in alone.weights.items():
        if not key.startswith(statistics):
            torch.testing.assert_close(together.weights[key], tensor, rtol=1e-3, atol=2e-5)
    first, second = (read_log(runs / "latent" / "log.jsonl") for runs in (one, two))
    for a, b in zip(first, second, strict=True):
        assert abs(a["loss"] - b["loss"]) < 1e-4
    # And the data of the second slot did matter.
    config = toy_config("latent", slots=1)
    Trainer(config, tmp_path / "half", toy_source(config), ALONE, resume=False).run(
        RunLimits(steps=2)
    )
    half = read_log(tmp_path / "half" / "latent" / "log.jsonl")
    assert abs(half[-1]["loss"] - first[-1]["loss"]) > 1e-4
