"""Leases: kept by heartbeats, lost by silence, and worth nothing afterwards."""

import threading
import time
from collections.abc import Callable

import pytest

from jobs.api_key import Actor
from jobs.database import Database
from jobs.errors import LeaseLostError
from jobs.job import Progress, Reason
from jobs.repository import Repository
from jobs.repository.claims import Lease
from tests.jobs.conftest import QUICK
from tests.jobs.steps import (
    RESULT,
    attempts,
    claim,
    free_leases,
    read,
    removals,
    submit,
    succeed,
    try_claim,
    wait_until,
)

BROKEN = Reason("gpu_broken", "The GPU fell off the bus.")

WRITES: dict[str, Callable[[Repository, Lease], object]] = {
    "heartbeat": lambda rows, lease: rows.claims.heartbeat(lease, Progress("upscaling", 50.0)),
    "input": lambda rows, lease: rows.claims.record_input(lease, {"width_px": 1}),
    "succeed": lambda rows, lease: rows.claims.succeed(lease, RESULT),
    "fail": lambda rows, lease: rows.claims.fail(lease, BROKEN, is_retriable=False),
    "give back": lambda rows, lease: rows.claims.give_back(lease),
    "cancel": lambda rows, lease: rows.claims.cancel(lease),
}


def assert_powerless(database: Database, lease: Lease) -> None:
    before = read(database, lease.job_id)
    for write in WRITES.values():
        with pytest.raises(LeaseLostError), database.transaction() as rows:
            write(rows, lease)
    assert read(database, lease.job_id) == before


def test_a_zombie_can_change_nothing(quick: Database, alice: Actor) -> None:
    job = submit(quick, alice)
    zombie = claim(quick, "zombie").lease
    time.sleep(QUICK.lease_s)
    # Expired, and nobody has noticed yet.
    assert_powerless(quick, zombie)
    # Freed by the sweeper.
    assert [freed.id for freed in free_leases(quick)] == [job.id]
    assert_powerless(quick, zombie)
    # Run by somebody else, even by a worker of the same name.
    heir = claim(quick, "zombie").lease
    assert_powerless(quick, zombie)
    # Finished.
    with quick.transaction() as rows:
        rows.claims.heartbeat(heir)
    assert succeed(quick, heir).state == "succeeded"
    assert_powerless(quick, zombie)
    assert [attempt.outcome for attempt in attempts(quick, job.id)] == ["lost", "succeeded"]


def test_heartbeats_keep_a_lease_beyond_its_length(quick: Database, alice: Actor) -> None:
    job = submit(quick, alice)
    lease = claim(quick).lease
    end = time.monotonic() + 3 * QUICK.lease_s
    percent = 0.0
    while time.monotonic() < end:
        percent += 1
        with quick.transaction() as rows:
            rows.claims.heartbeat(lease, Progress("upscaling", percent, 8, 100, 20.5, 4.5))
        assert free_leases(quick) == []
        time.sleep(QUICK.lease_s / 5)
    running = read(quick, job.id)
    assert running.progress == Progress("upscaling", percent, 8, 100, 20.5, 4.5)
    assert running.version == 2 + percent
    assert succeed(quick, lease).state == "succeeded"


def test_a_heartbeat_without_news_leaves_the_version(quick: Database, alice: Actor) -> None:
    job = submit(quick, alice)
    lease = claim(quick).lease
    version = read(quick, job.id).version
    with quick.transaction() as rows:
        rows.claims.heartbeat(lease)
    assert read(quick, job.id).version == version


def test_a_lost_job_runs_again_at_once(quick: Database, alice: Actor) -> None:
    job = submit(quick, alice)
    claim(quick, "dies")
    time.sleep(QUICK.lease_s)
    (freed,) = free_leases(quick)
    assert (freed.state, freed.attempts_used, freed.progress) == ("queued", 1, None)
    assert freed.reason is not None
    assert freed.reason.code == "worker_lost"
    assert claim(quick, "lives").job.attempt == 2
    assert removals(quick) == [f"results/{job.id}/1/"]


def test_a_job_that_kills_its_workers_fails_in_the_end(quick: Database, alice: Actor) -> None:
    job = submit(quick, alice)
    for _ in range(QUICK.max_attempts):
        claim(quick)
        time.sleep(QUICK.lease_s)
        free_leases(quick)
    ended = read(quick, job.id)
    assert (ended.state, ended.attempts_used) == ("failed", 3)
    assert [a.reason and a.reason.code for a in attempts(quick, job.id)] == ["worker_lost"] * 3
    assert try_claim(quick) is None


def test_failures_back_off_longer_and_longer_until_none_is_left(
    quick: Database, alice: Actor
) -> None:
    job = submit(quick, alice)
    waits: list[float] = []
    for number in range(1, QUICK.max_attempts + 1):
        wait_until(lambda: not waits or is_ready(quick))
        found = claim(quick)
        with quick.transaction() as rows:
            failed = rows.claims.fail(
                found.lease, BROKEN, is_retriable=True, stage_seconds={"upscaling": 1.5}
            )
        assert failed.attempts_used == number
        if failed.state == "queued":
            assert try_claim(quick) is None, "it must wait first"
            waits.append((failed.not_before - failed.updated_at).total_seconds())
    assert failed.state == "failed"
    assert failed.reason == BROKEN
    assert failed.ended_at is not None
    assert 0.09 <= waits[0] <= 0.21
    assert 0.19 <= waits[1] <= 0.41
    tries = attempts(quick, job.id)
    assert [(t.number, t.outcome, t.reason, t.stage_seconds) for t in tries] == [
        (n, "failed", BROKEN, {"upscaling": 1.5}) for n in (1, 2, 3)
    ]


def is_ready(database: Database) -> bool:
    with database.reading() as rows:
        return rows.sweeps.waiting_queues() != []


def test_what_cannot_be_retried_fails_at_once(quick: Database, alice: Actor) -> None:
    submit(quick, alice)
    with quick.transaction() as rows:
        lease = rows.claims.claim("w1", ["a100"])
        assert lease is not None
        failed = rows.claims.fail(lease.lease, BROKEN, is_retriable=False)
    assert (failed.state, failed.attempts_used) == ("failed", 1)


def test_giving_back_costs_no_attempt_and_no_time(quick: Database, alice: Actor) -> None:
    job = submit(quick, alice)
    for _ in range(QUICK.max_attempts + 2):
        lease = claim(quick).lease
        with quick.transaction() as rows:
            given = rows.claims.give_back(lease, Reason("worker_stopped", "It was told to stop."))
        assert (given.state, given.attempts_used) == ("queued", 0)
    lease = claim(quick, "another").lease
    assert lease.attempt == 6, "every attempt has keys of its own"
    done = succeed(quick, lease)
    assert (done.state, done.reason) == ("succeeded", None)
    outcomes = [attempt.outcome for attempt in attempts(quick, job.id)]
    assert outcomes == ["given_back"] * 5 + ["succeeded"]


@pytest.mark.parametrize("write", ["succeed", "fail", "give back", "cancel"])
def test_an_end_whose_answer_was_lost_can_be_repeated(
    quick: Database, alice: Actor, write: str
) -> None:
    job = submit(quick, alice)
    lease = claim(quick).lease
    with quick.transaction() as rows:
        WRITES[write](rows, lease)
    before = read(quick, job.id)
    with quick.transaction() as rows:
        assert WRITES[write](rows, lease) == before
    assert read(quick, job.id) == before
    others = set(WRITES) - {write}
    for other in others:
        with pytest.raises(LeaseLostError), quick.transaction() as rows:
            WRITES[other](rows, lease)


def test_input_facts_stay_when_the_job_fails(quick: Database, alice: Actor) -> None:
    job = submit(quick, alice)
    lease = claim(quick).lease
    with quick.transaction() as rows:
        rows.claims.record_input(lease, {"width_px": 640})
        rows.claims.fail(lease, BROKEN, is_retriable=False)
    assert read(quick, job.id).input_facts == {"width_px": 640}


def test_sweepers_at_the_same_time_free_each_lease_once(quick: Database, alice: Actor) -> None:
    for number in range(20):
        submit(quick, alice, f"film-{number}")
        claim(quick, f"w{number}")
    time.sleep(QUICK.lease_s)
    freed: list[str] = []

    def sweep() -> None:
        while some := free_leases(quick):
            freed.extend(job.id for job in some)

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(freed) == len(set(freed)) == 20
