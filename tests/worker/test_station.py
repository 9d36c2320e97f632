"""A worker's own life: orders, weights that are missing, processes that die."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest

from jobs.api_key import OPERATOR
from jobs.errors import SettingsError
from jobs.repository.claims import WorkerWanted
from tests.patience import wait_until
from tests.worker.world import ROOT, World
from worker.settings import WorkerSettings, read_worker_settings
from worker.supervise import visible_gpus


def want(world: World, wanted: WorkerWanted) -> None:
    assert wanted in get_args(WorkerWanted)
    with world.database.transaction() as rows:
        rows.workers.want(OPERATOR, "w1:0", wanted)


def test_draining_worker_takes_nothing(embedded: World) -> None:
    embedded.start_worker(stub_chunks=10, stub_chunk_s=0.05)
    running = embedded.submit()
    embedded.wait_for_stage(running, "enlarging")
    want(embedded, "drain")
    waiting = embedded.submit()
    embedded.wait_for(running)
    time.sleep(0.5)
    assert embedded.job(waiting).state == "queued"
    want(embedded, "run")
    embedded.wait_for(waiting)


def test_stopped_worker_finishes_and_exits(world: World) -> None:
    worker = world.start_worker(stub_chunks=10, stub_chunk_s=0.05)
    job_id = world.submit()
    world.wait_for_stage(job_id, "enlarging")
    want(world, "stop")
    assert worker.wait() == 0
    assert world.outcomes(job_id) == ["succeeded"]
    assert world.workers() == []


def test_worker_without_weights_takes_nothing(embedded: World) -> None:
    embedded.start_worker(engine="flashvsr", weights=embedded.folder / "nothing", device="cpu")
    job_id = embedded.submit()
    wait_until(lambda: "weights_invalid" in (embedded.workers()[0].facts["problem"] or ""))
    assert embedded.outcomes(job_id) == []


def test_supervisor_starts_one_process_for_each_gpu_again(embedded: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
        supervisor = embedded.start_worker(command="run")
    wait_until(lambda: [w.id for w in embedded.workers()] == ["w1:3", "w1:5"])
    before = {w.id: w.facts["pid"] for w in embedded.workers()}
    environ = Path(f"/proc/{before['w1:5']}/environ").read_text()
    assert "CUDA_VISIBLE_DEVICES=5\0" in environ
    os.kill(before["w1:3"], signal.SIGKILL)
    wait_until(lambda: embedded.workers()[0].facts["pid"] != before["w1:3"])
    check = [sys.executable, "-m", "worker", "check"]
    environment = embedded.environment(worker_name="w1")
    assert subprocess.run(check, env=environment, cwd=ROOT).returncode == 0
    supervisor.terminate()
    assert supervisor.wait() == 0
    assert embedded.workers() == []
    assert subprocess.run(check, env=environment, cwd=ROOT).returncode == 1


def test_stub_must_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHVSR_ENGINE", "stub")
    with pytest.raises(SettingsError, match="ALLOW_STUB"):
        read_worker_settings()


@pytest.mark.parametrize(("device", "expected"), [("auto", ["0", "GPU-ab"]), ("cpu", [])])
def test_gpus(monkeypatch: pytest.MonkeyPatch, device: str, expected: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, GPU-ab")
    assert visible_gpus(WorkerSettings(device=device)) == expected
