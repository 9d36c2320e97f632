"""Processes die, bells get lost; every job still ends once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import StateConflictError
from jobs.job import Job
from tests.patience import PATIENCE_S, wait_until
from tests.servers.faulty_proxy import FaultyProxy
from tests.servers.s3 import S3Server
from tests.worker.world import ROOT, World

SLOW: dict[str, Any] = {"stub_chunks": 400, "stub_chunk_s": 0.05}
"""A job of 20 s, which no test waits for."""


def attempt_of_result(job: Job) -> int:
    assert job.result is not None
    return int(job.result.key.split("/")[2])


def test_killed_worker(world: World) -> None:
    first = world.start_worker("w1", **SLOW)
    job_id = world.submit()
    world.wait_for_stage(job_id, "enlarging")
    world.start_worker("w2")
    world.start_sweeper()
    first.kill()
    job = world.wait_for(job_id)
    assert world.outcomes(job_id) == ["lost", "succeeded"]
    assert [a.worker_id for a in world.attempts(job_id)] == ["w1:0", "w2:0"]
    assert attempt_of_result(job) == 2
    # The next process of that name clears up the files that were left.
    world.start_worker("w1")
    world.sweep()
    world.assert_clean()


def test_killed_pool_child(farm: World) -> None:
    worker = farm.start_worker(stub_chunks=20, stub_chunk_s=0.05)
    farm.start_sweeper()
    job_id = farm.submit()
    farm.wait_for_stage(job_id, "enlarging")
    (row,) = farm.workers()
    assert row.facts["pid"] != worker.pid
    os.kill(row.facts["pid"], signal.SIGKILL)
    farm.wait_for(job_id)
    assert farm.outcomes(job_id) == ["lost", "succeeded"]
    assert farm.workers()[0].facts["pid"] != row.facts["pid"], "another child took its place"
    farm.sweep()
    farm.assert_clean()


def test_parent_does_not_load_torch(farm: World) -> None:
    worker = farm.start_worker(engine="flashvsr")
    assert "libtorch" not in Path(f"/proc/{worker.pid}/maps").read_text()
    (row,) = farm.workers()
    assert "libtorch" in Path(f"/proc/{row.facts['pid']}/maps").read_text()


def test_terminated_worker_gives_its_job_back(world: World) -> None:
    first = world.start_worker("w1", command="run", **SLOW)
    job_id = world.submit()
    world.wait_for_stage(job_id, "enlarging")
    # No sweeper runs, and it does not look by itself: that it hears of the job is the bell's work.
    world.start_worker("w2", look_s=3600)
    first.terminate()
    job = world.wait_for(job_id)
    assert world.outcomes(job_id) == ["given_back", "succeeded"]
    assert job.attempts_used == 0
    assert first.wait() == 0
    assert [worker.id for worker in world.workers()] == ["w2:0"]
    world.sweep()
    world.assert_clean()


def test_everything_of_a_worker_is_terminated_at_once(farm: World) -> None:
    """As systemd does it."""
    worker = farm.start_worker(**SLOW)
    job_id = farm.submit()
    farm.wait_for_stage(job_id, "enlarging")
    worker.signal_all(signal.SIGTERM)
    wait_until(lambda: farm.job(job_id).state == "queued")
    assert farm.outcomes(job_id) == ["given_back"]
    assert worker.wait() == 0


def test_sigterm_may_interrupt_the_handler_of_another_one() -> None:
    """The child passes on what the parent got too."""
    within_the_first_one = """
import os, signal
from types import SimpleNamespace
from celery.apps.worker import install_worker_term_handler
from celery.signals import worker_shutting_down
from celery.worker import state
import worker.tasks
install_worker_term_handler(SimpleNamespace(hostname="w1"))
with worker_shutting_down.lock:
    os.kill(os.getpid(), signal.SIGTERM)
assert state.should_stop == 0
"""
    command = [sys.executable, "-c", within_the_first_one]
    subprocess.run(command, cwd=ROOT, check=True, timeout=PATIENCE_S)


def test_bell_that_nobody_answers_does_not_hold_up_the_end(farm: World) -> None:
    """The parent stops to listen before the child has said that it heard the bell."""
    worker = farm.start_worker()
    farm.wait_for(farm.submit())
    wait_until(lambda: "] succeeded in" in worker.log.read_text(), worker.log.read_text)
    (row,) = farm.workers()
    child = row.facts["pid"]
    # On a machine that is too slow for these pauses the test passes without having tested anything.
    time.sleep(0.5)  # Until the parent knows that the child is free.
    os.kill(child, signal.SIGSTOP)
    farm.ring()
    wait_until(lambda: worker.log.read_text().count("] received") == 2, worker.log.read_text)
    time.sleep(0.5)  # Until it lies in the pipe to the child.
    worker.terminate()
    time.sleep(2)  # Until the parent waits for the child alone.
    os.kill(child, signal.SIGCONT)
    started = time.monotonic()
    assert worker.wait() == 0
    # By itself the child would wait for 30 s to be heard. It takes 2 s.
    assert time.monotonic() - started < 25
    assert farm.workers() == []


@pytest.mark.parametrize("stage", ["enlarging", "uploading"])
def test_zombie_changes_nothing(farm: World, s3: S3Server, stage: str) -> None:
    with FaultyProxy(s3.port) as proxy:
        world, storage = farm, farm.storage_url
        world.storage_url = storage.replace(str(s3.port), str(proxy.port))
        zombie = world.start_worker("w1", stub_chunks=40, stub_chunk_s=0.05, patience_s=5)
        world.storage_url = storage
        job_id = world.submit()
        world.wait_for_stage(job_id, "enlarging")
        if stage == "uploading":
            proxy.refuse()
            world.wait_for_stage(job_id, "uploading")
        zombie.signal_all(signal.SIGSTOP)
        proxy.allow()
        world.start_sweeper()
        world.start_worker("w2")
        job = world.wait_for(job_id)
        zombie.signal_all(signal.SIGCONT)
        # It is done with the job when it takes another one.
        for _ in range(3):
            world.submit()
        wait_until(lambda: not list((world.folder / "scratch").glob("w1/0/job_*")))
    assert world.outcomes(job_id) == ["lost", "succeeded"]
    assert world.job(job_id).result == job.result
    assert attempt_of_result(job) == 2
    wait_until(lambda: all(w.job_id is None for w in world.workers()))
    world.sweep()
    world.assert_clean()


def test_bells_are_lost_doubled_and_out_of_order(farm: World) -> None:
    # They do not look by themselves: all that they hear of is the bells' work.
    farm.start_worker("w1", look_s=3600)
    farm.start_worker("w2", look_s=3600)
    early = farm.submit(ring=False)
    time.sleep(1.1)  # Until the outbox would ring.
    with farm.database.transaction() as rows:
        for delivery in rows.outbox.take("bell"):
            rows.outbox.delivered(delivery)
    assert farm.job(early).state == "queued", "nobody heard of it"
    many = farm.submit_many(10)
    for _ in range(50):
        farm.ring()
    for job_id in [early, *many]:
        farm.wait_for(job_id)
    farm.ring()  # For a job that does not exist yet.
    lost = farm.submit(ring=False)
    farm.start_sweeper()
    farm.wait_for(lost)
    assert all(farm.outcomes(job_id) == ["succeeded"] for job_id in [early, lost, *many])
    farm.assert_clean()


def test_a_deaf_worker_finds_work_by_itself(farm: World) -> None:
    farm.start_worker(look_s=0.5)
    job_id = farm.submit(ring=False)  # And there is no sweeper that would ring.
    farm.wait_for(job_id)
    assert farm.outcomes(job_id) == ["succeeded"]


@pytest.mark.parametrize("jobs", [150, pytest.param(500, marks=pytest.mark.heavy)])
def test_two_workers_race_for_many_jobs(farm: World, jobs: int) -> None:
    # Local folders: what the S3 server of these tests takes for itself would triple the time.
    farm.use_storage((farm.folder / "store").as_uri())
    ids = farm.submit_many(jobs, ring=False)
    # Each job once: nobody may lose one only because the machine has much else to do.
    farm.start_worker("w1", lease_s=60)
    farm.start_worker("w2", lease_s=60)
    farm.start_sweeper(lease_s=60)
    wait_until(lambda: farm.job(ids[-1]).state == "succeeded")
    for job_id in ids:
        farm.wait_for(job_id)
    attempts = [farm.attempts(job_id) for job_id in ids]
    assert all([a.outcome for a in tries] == ["succeeded"] for tries in attempts)
    assert {a.worker_id for tries in attempts for a in tries} == {"w1:0", "w2:0"}
    farm.assert_clean()


def test_cancel_at_every_state(farm: World, s3: S3Server) -> None:
    waiting = farm.submit(ring=False)
    farm.cancel(waiting)
    assert farm.job(waiting).state == "canceled"

    storage = farm.storage_url
    with FaultyProxy(s3.port) as proxy:
        farm.storage_url = storage.replace(str(s3.port), str(proxy.port))
        farm.start_worker(stub_chunks=20, stub_chunk_s=0.05)
        farm.storage_url = storage
        for stage in ("downloading", "enlarging", "uploading"):
            if stage == "downloading":
                proxy.refuse()
            job_id = farm.submit()
            if stage == "uploading":
                farm.wait_for_stage(job_id, "enlarging")
                proxy.refuse()
            farm.wait_for_stage(job_id, stage)
            farm.cancel(job_id)
            farm.wait_for(job_id, "canceled")
            assert farm.outcomes(job_id) == ["canceled"]
            proxy.allow()
        done = farm.submit()
        farm.wait_for(done)
    with pytest.raises(StateConflictError):
        farm.cancel(done)
    farm.sweep()
    farm.assert_clean()


def test_canceled_job_of_a_killed_worker(embedded: World) -> None:
    worker = embedded.start_worker(**SLOW)
    job_id = embedded.submit()
    embedded.wait_for_stage(job_id, "enlarging")
    worker.kill()
    embedded.cancel(job_id)
    embedded.start_sweeper()
    embedded.wait_for(job_id, "canceled")
    assert embedded.outcomes(job_id) == ["lost"]


def test_poisoned_input_fails_once(world: World) -> None:
    world.start_worker()
    world.start_sweeper()
    job = world.wait_for(world.submit(b"poison"), "failed")
    assert job.reason is not None
    assert job.reason.code == "not_a_video"
    assert world.outcomes(job.id) == ["failed"]
    world.assert_clean()
