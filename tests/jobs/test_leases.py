"""Leases: kept by heartbeats, lost by silence, and worth nothing afterwards."""

import threading
from collections.abc import Callable

import pytest

from jobs.api_key import Actor
from jobs.database import Database
from jobs.errors import LeaseLostError
from jobs.job import Progress, Reason
from jobs.repository import Repository
from jobs.repository.claims import Lease
from tests.clock import pass_time
from tests.jobs.conftest import STRICT
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


def test_a_zombie_can_change_nothing(strict: Database, alice: Actor) -> None:
    job = submit(strict, alice)
    zombie = claim(strict, "zombie").lease
    pass_time(strict, STRICT.lease_s)
    # Expired, and nobody has noticed yet.
    assert_powerless(strict, zombie)
    # Freed by the sweeper.
    assert [freed.id for freed in free_leases(strict)] == [job.id]
    assert_powerless(strict, zombie)
    # Run by somebody else, even by a worker of the same name.
    heir = claim(strict, "zombie").lease
    assert_powerless(strict, zombie)
    # Finished.
    with strict.transaction() as rows:
        rows.claims.heartbeat(heir)
    assert succeed(strict, heir).state == "succeeded"
    assert_powerless(strict, zombie)
    assert [attempt.outcome for attempt in attempts(strict, job.id)] == ["lost", "succeeded"]


def test_heartbeats_keep_a_lease_beyond_its_length(strict: Database, alice: Actor) -> None:
    job = submit(strict, alice)
    lease = claim(strict).lease
    for percent in range(1, 16):
        with strict.transaction() as rows:
            rows.claims.heartbeat(lease, Progress("upscaling", percent, 8, 100, 20.5, 4.5))
        assert free_leases(strict) == []
        pass_time(strict, STRICT.lease_s / 5)
    running = read(strict, job.id)
    assert running.progress == Progress("upscaling", percent, 8, 100, 20.5, 4.5)
    assert running.version == 2 + percent
    assert succeed(strict, lease).state == "succeeded"


def test_a_heartbeat_without_news_leaves_the_version(strict: Database, alice: Actor) -> None:
    job = submit(strict, alice)
    lease = claim(strict).lease
    version = read(strict, job.id).version
    with strict.transaction() as rows:
        rows.claims.heartbeat(lease)
    assert read(strict, job.id).version == version


def test_a_lost_job_runs_again_at_once(strict: Database, alice: Actor) -> None:
    job = submit(strict, alice)
    claim(strict, "dies")
    pass_time(strict, STRICT.lease_s)
    (freed,) = free_leases(strict)
    assert (freed.state, freed.attempts_used, freed.progress) == ("queued", 1, None)
    assert freed.reason is not None
    assert freed.reason.code == "worker_lost"
    assert claim(strict, "lives").job.attempt == 2
    assert removals(strict) == [f"results/{job.id}/1/"]


def test_a_job_that_kills_its_workers_fails_in_the_end(strict: Database, alice: Actor) -> None:
    job = submit(strict, alice)
    for _ in range(STRICT.max_attempts):
        claim(strict)
        pass_time(strict, STRICT.lease_s)
        free_leases(strict)
    ended = read(strict, job.id)
    assert (ended.state, ended.attempts_used) == ("failed", 3)
    assert [a.reason and a.reason.code for a in attempts(strict, job.id)] == ["worker_lost"] * 3
    assert try_claim(strict) is None


def test_failures_back_off_longer_and_longer_until_none_is_left(
    strict: Database, alice: Actor
) -> None:
    job = submit(strict, alice)
    waits: list[float] = []
    for number in range(1, STRICT.max_attempts + 1):
        found = claim(strict)
        with strict.transaction() as rows:
            failed = rows.claims.fail(
                found.lease, BROKEN, is_retriable=True, stage_seconds={"upscaling": 1.5}
            )
        assert failed.attempts_used == number
        if failed.state == "queued":
            assert try_claim(strict) is None, "it must wait first"
            waits.append((failed.not_before - failed.updated_at).total_seconds())
            pass_time(strict, waits[-1])
    assert failed.state == "failed"
    assert failed.reason == BROKEN
    assert failed.ended_at is not None
    assert 9.9 <= waits[0] <= 20.1
    assert 19.9 <= waits[1] <= 40.1
    tries = attempts(strict, job.id)
    assert [(t.number, t.outcome, t.reason, t.stage_seconds) for t in tries] == [
        (n, "failed", BROKEN, {"upscaling": 1.5}) for n in (1, 2, 3)
    ]


def test_what_cannot_be_retried_fails_at_once(strict: Database, alice: Actor) -> None:
    submit(strict, alice)
    with strict.transaction() as rows:
        lease = rows.claims.claim("w1", ["a100"])
        assert lease is not None
        failed = rows.claims.fail(lease.lease, BROKEN, is_retriable=False)
    assert (failed.state, failed.attempts_used) == ("failed", 1)


def test_giving_back_costs_no_attempt_and_no_time(strict: Database, alice: Actor) -> None:
    job = submit(strict, alice)
    for _ in range(STRICT.max_attempts + 2):
        lease = claim(strict).lease
        with strict.transaction() as rows:
            given = rows.claims.give_back(lease, Reason("worker_stopped", "It was told to stop."))
        assert (given.state, given.attempts_used) == ("queued", 0)
    lease = claim(strict, "another").lease
    assert lease.attempt == 6, "every attempt has keys of its own"
    done = succeed(strict, lease)
    assert (done.state, done.reason) == ("succeeded", None)
    outcomes = [attempt.outcome for attempt in attempts(strict, job.id)]
    assert outcomes == ["given_back"] * 5 + ["succeeded"]


@pytest.mark.parametrize("write", ["succeed", "fail", "give back", "cancel"])
def test_an_end_whose_answer_was_lost_can_be_repeated(
    strict: Database, alice: Actor, write: str
) -> None:
    job = submit(strict, alice)
    lease = claim(strict).lease
    with strict.transaction() as rows:
        WRITES[write](rows, lease)
    before = read(strict, job.id)
    with strict.transaction() as rows:
        assert WRITES[write](rows, lease) == before
    assert read(strict, job.id) == before
    others = set(WRITES) - {write}
    for other in others:
        with pytest.raises(LeaseLostError), strict.transaction() as rows:
            WRITES[other](rows, lease)


def test_input_facts_stay_when_the_job_fails(strict: Database, alice: Actor) -> None:
    job = submit(strict, alice)
    lease = claim(strict).lease
    with strict.transaction() as rows:
        rows.claims.record_input(lease, {"width_px": 640})
        rows.claims.fail(lease, BROKEN, is_retriable=False)
    assert read(strict, job.id).input_facts == {"width_px": 640}


def test_sweepers_at_the_same_time_free_each_lease_once(strict: Database, alice: Actor) -> None:
    for number in range(20):
        submit(strict, alice, f"film-{number}")
        claim(strict, f"w{number}")
    pass_time(strict, STRICT.lease_s)
    freed: list[str] = []

    def sweep() -> None:
        while some := free_leases(strict):
            freed.extend(job.id for job in some)

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(freed) == len(set(freed)) == 20
