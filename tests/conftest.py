"""Fixtures that several parts of the tests share."""

import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch

from flashvsr_core.weights.random import write_random_weights

pytest_plugins = ["tests.servers.fixtures"]

# Tests run in parallel processes; more threads than cores make all of them slower. The variable is
# for the commands and servers that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# Shells start what runs in the background deaf to Ctrl-C, and every process started there inherits
# it: tests that end a service as a person does would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def parity_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trimmed reference numbers that the repository carries."""
    folder = tmp_path_factory.mktemp("parity")
    # Python 3.11.4 brought filters, later ones want them; Debian 12 has 3.11.2.
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(DATA / "parity.tar.xz") as archive:
        archive.extractall(folder, **safely)
    return folder / "parity"


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder of the smallest random model; read it, do not change it."""
    folder = tmp_path_factory.mktemp("weights") / "tiny-test"
    write_random_weights(folder, "tiny-test")
    return folder
