"""One run of the whole recipe, shared by the tests that read it."""

from pathlib import Path

import pytest
import torch

from tests.training.toy import toy_config, toy_source
from training.processes import Processes
from training.stages import STAGES
from training.trainer import RunLimits, Trainer

ALONE = Processes(0, 1, torch.device("cpu"))


@pytest.fixture(scope="session")
def toy_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder in which every stage was trained; read it, do not change it."""
    runs = tmp_path_factory.mktemp("runs")
    for stage in STAGES:
        config = toy_config(stage)
        Trainer(config, runs, toy_source(config), ALONE, resume=False).run(RunLimits())
    return runs
