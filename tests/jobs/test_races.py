"""Many workers, few jobs: each job runs once."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from jobs.api_key import EVERY_TENANT, Actor
from jobs.database import Database
from jobs.errors import LeaseLostError
from jobs.job import STATES
from jobs.policy import Policy
from tests.jobs.conftest import World
from tests.jobs.steps import (
    RESULT,
    claim,
    film,
    free_leases,
    multiply,
    succeed,
    try_claim,
)
from tests.patience import PATIENCE_S, wait_until


def submit_many(database: Database, actors: Sequence[Actor], count: int) -> list[str]:
    with database.transaction() as rows:
        return [
            rows.jobs.submit(actors[n % len(actors)], film(f"film-{n}", priority=n % 2)).job.id
            for n in range(count)
        ]


def outcomes(database: Database, job_ids: Sequence[str]) -> Counter[tuple[str, ...]]:
    with database.reading() as rows:
        return Counter(
            tuple(a.outcome for a in rows.job_lists.attempts(EVERY_TENANT, job_id))
            for job_id in job_ids
        )


def test_eight_threads_run_every_job_once(database: Database, alice: Actor, bob: Actor) -> None:
    many = submit_many(database, (alice, bob), 200)
    ran: list[str] = []

    def work(name: str) -> None:
        while (found := try_claim(database, name)) is not None:
            ran.append(found.job.id)
            with database.transaction() as rows:
                rows.claims.succeed(found.lease, RESULT)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == sorted(many)
    assert outcomes(database, many) == {("succeeded",): len(many)}


WORKER = """
import sys
from jobs.database import Database
from jobs.job import JobResult
database = Database(sys.argv[1])
while True:
    with database.transaction() as rows:
        found = rows.claims.claim(sys.argv[2], ["a100"])
    if found is None:
        break
    print(found.job.id)
    with database.transaction() as rows:
        rows.claims.succeed(found.lease, JobResult("k", 1, "s"))
"""


def test_two_processes_run_500_jobs_once_each(world: World, alice: Actor, bob: Actor) -> None:
    first, second = submit_many(world.database, (alice, bob), 2)
    many = [first, second, *multiply(world.database_url, first, 498, tenant=("alice", "bob"))]
    command = [sys.executable, "-c", WORKER, world.database_url]
    processes = [
        subprocess.Popen([*command, f"w{n}"], stdout=subprocess.PIPE, text=True) for n in range(2)
    ]
    ran = [
        line for process in processes for line in process.communicate(timeout=PATIENCE_S)[0].split()
    ]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(ran) == sorted(many)
    assert outcomes(world.database, many) == {("succeeded",): len(many)}


def test_crashes_and_zombies_among_the_workers(
    world: World, database: Database, alice: Actor
) -> None:
    quick = world.open(Policy(lease_s=0.5, max_attempts=3))
    ids = submit_many(database, (alice,), 60)
    oldest_zombie = claim(quick, "zombie").lease
    finished: Counter[str] = Counter()
    is_over = threading.Event()

    def work(name: str, kind: str) -> None:
        number = 0
        while not is_over.is_set():
            found = try_claim(quick, name)
            if found is None:
                is_over.wait(0.02)
                continue
            number += 1
            if kind == "crashes" and number % 3 == 0:
                continue
            if kind == "sleeps" and number % 3 == 0:
                is_over.wait(0.7)
            try:
                with quick.transaction() as rows:
                    rows.claims.succeed(found.lease, RESULT)
            except LeaseLostError:
                continue
            finished[found.job.id] += 1

    def sweep() -> None:
        while not is_over.wait(0.05):
            free_leases(quick)

    def ended() -> bool:
        with database.reading() as rows:
            counts = {c.state: c.jobs for c in rows.job_lists.state_counts(EVERY_TENANT)}
        return sum(counts.get(s, 0) for s in STATES if s not in ("queued", "running")) == len(ids)

    threads = [
        threading.Thread(target=work, args=(f"{kind}-{n}", kind))
        for n, kind in enumerate(["works", "crashes", "sleeps"])
    ]
    threads.append(threading.Thread(target=sweep))
    for thread in threads:
        thread.start()
    try:
        wait_until(ended)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    with database.reading() as rows:
        succeeded = {
            job.id
            for job in rows.job_lists.page("alice", limit=100).jobs
            if job.state == "succeeded"
        }
    assert set(finished.values()) == {1}
    assert set(finished) == succeeded
    with pytest.raises(LeaseLostError):
        succeed(quick, oldest_zombie)
    kinds = {outcome for tries in outcomes(database, ids) for outcome in tries}
    assert kinds == {"succeeded", "lost"}
