"""Moves of many jobs at once: the same as one by one, in chunks, and each job once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from jobs.api_key import EVERY_TENANT, OPERATOR, Actor
from jobs.database import Database
from jobs.errors import RequestInvalidError
from jobs.job import Reason
from jobs.repository.bulk import BulkAction, BulkChunk
from jobs.repository.failures import pattern_of
from jobs.repository.job_lists import JobFilter
from jobs.request import JobRequest
from tests.jobs.conftest import World
from tests.jobs.steps import claim, film, read, submit, succeed, take, uploaded
from tests.patience import wait_until

FAILED = JobFilter(states=("failed",))
ALL = JobFilter()


def fail(database: Database) -> str:
    lease = claim(database).lease
    with database.transaction() as rows:
        rows.claims.fail(lease, Reason("broken", "It broke."), is_retriable=False)
    return lease.job_id


def count(database: Database, action: BulkAction, wanted: JobFilter) -> tuple[int, datetime]:
    with database.reading() as rows:
        found = rows.bulk.count(EVERY_TENANT, action, wanted)
    return found.jobs, found.settled_before


def apply(
    database: Database, action: BulkAction, wanted: JobFilter, before: datetime, limit: int = 2
) -> list[BulkChunk]:
    chunks: list[BulkChunk] = []
    while not chunks or chunks[-1].next_cursor is not None:
        with database.transaction() as rows:
            chunks.append(
                rows.bulk.apply(
                    OPERATOR,
                    action,
                    wanted,
                    before,
                    priority=3 if action == "prioritise" else None,
                    cursor=chunks[-1].next_cursor if chunks else None,
                    limit=limit,
                )
            )
    return chunks


def test_retried_jobs_are_as_good_as_new(world: World, alice: Actor, bob: Actor) -> None:
    database = world.database
    ids = [submit(database, actor, f"{n}").id for n in range(3) for actor in (alice, bob)]
    failed = [fail(database) for _ in ids]
    assert sorted(failed) == sorted(ids)
    jobs, before = count(database, "retry", FAILED)
    chunks = apply(database, "retry", FAILED, before)
    assert (jobs, sum(chunk.changed for chunk in chunks), len(chunks)) == (6, 6, 4)
    for job_id in ids:
        job = read(database, job_id)
        assert (job.state, job.attempts_used, job.reason, job.ended_at) == (
            "queued", 0, None, None,
        )  # fmt: skip
    turns = [claim(database).job.tenant for _ in ids]
    assert turns[:2] in (["alice", "bob"], ["bob", "alice"])
    assert turns.count("alice") == 3
    wait_until(lambda: {d.payload["queue"] for d in take(database, "bell")} == {"a100"})


def test_a_job_without_its_upload_is_left_alone(database: Database, alice: Actor) -> None:
    upload, kept = uploaded(database, alice), uploaded(database, alice)
    with database.transaction() as rows:
        gone = rows.jobs.submit(alice, JobRequest(upload_id=upload.id)).job.id
        there = rows.jobs.submit(alice, JobRequest(upload_id=kept.id)).job.id
        rows.jobs.cancel(alice, gone)
        rows.jobs.cancel(alice, there)
        rows.uploads.delete(alice, upload.id)
    _, before = count(database, "retry", ALL)
    (chunk,) = apply(database, "retry", ALL, before, limit=10)
    assert (chunk.looked_at, chunk.changed) == (2, 1)
    assert (read(database, gone).state, read(database, there).state) == ("canceled", "queued")


def test_priorities_decide_and_are_told(world: World, alice: Actor) -> None:
    database = world.database
    first = submit(database, alice, "first").id
    late = [submit(database, alice, f"late-{n}").id for n in range(3)]
    wanted = JobFilter(text="LATE")
    jobs, before = count(database, "prioritise", wanted)
    assert jobs == 3
    assert sum(chunk.changed for chunk in apply(database, "prioritise", wanted, before)) == 3
    assert sum(chunk.changed for chunk in apply(database, "prioritise", wanted, before)) == 0
    assert [claim(database).job.id for _ in range(4)][-1] == first
    assert read(database, late[0]).request.priority == 3
    assert read(database, first).request.priority == 0
    with pytest.raises(RequestInvalidError), database.transaction() as rows:
        rows.bulk.apply(OPERATOR, "prioritise", wanted, before, priority=1000)


def test_of_two_who_cancel_the_same_each_job_has_one(world: World, alice: Actor) -> None:
    database = world.database
    with database.transaction() as rows:
        for n in range(40):
            rows.jobs.submit(alice, film(f"{n}", webhook_url="https://example.org/hook"))
    _, before = count(database, "cancel", ALL)
    with ThreadPoolExecutor(2) as pool:
        both = [*pool.map(lambda _: apply(database, "cancel", ALL, before, limit=7), range(2))]
    assert sum(chunk.changed for chunks in both for chunk in chunks) == 40
    told = [delivery.job_id for delivery in take(database, "webhook")]
    assert len(told) == len(set(told)) == 40


def test_what_was_broken_off_goes_on(database: Database, alice: Actor) -> None:
    ids = [submit(database, alice, f"{n}").id for n in range(5)]
    _, before = count(database, "cancel", ALL)
    with database.transaction() as rows:
        first = rows.bulk.apply(OPERATOR, "cancel", ALL, before, limit=2)

    def break_off() -> None:
        with database.transaction() as rows:
            rows.bulk.apply(OPERATOR, "cancel", ALL, before, cursor=first.next_cursor, limit=2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert [read(database, job_id).state for job_id in ids].count("canceled") == 2
    chunks = apply(database, "cancel", ALL, before)
    assert sum(chunk.changed for chunk in chunks) == 3


@pytest.mark.parametrize("act", ["cancel", "prioritise"])
def test_what_was_queued_anew_after_the_count_is_left_out(
    database: Database, alice: Actor, act: BulkAction
) -> None:
    again = submit(database, alice, "again").id
    with database.transaction() as rows:
        rows.jobs.cancel(alice, again)
    waiting = submit(database, alice, "waiting").id
    jobs, before = count(database, act, ALL)
    assert jobs == 1
    with database.transaction() as rows:
        rows.jobs.retry(alice, again)
    apply(database, act, ALL, before)
    untouched = read(database, again)
    assert (untouched.state, untouched.request.priority) == ("queued", 0)
    changed = read(database, waiting)
    assert (changed.state, changed.request.priority) != ("queued", 0)


def test_a_tenant_acts_on_its_own_jobs(database: Database, alice: Actor, bob: Actor) -> None:
    own, other = submit(database, alice).id, submit(database, bob).id
    with database.transaction() as rows:
        at = rows.bulk.count("alice", "cancel", ALL).settled_before
        rows.bulk.apply(alice, "cancel", ALL, at)
    assert (read(database, own).state, read(database, other).state) == ("canceled", "queued")


def test_failures_stand_together(database: Database, alice: Actor) -> None:
    for name in ("a b.mp4", "ü.mp4"):
        submit(database, alice, name)
        lease = claim(database).lease
        with database.transaction() as rows:
            reason = Reason("not_a_video", f"{name}: {name} is no video of 17 s")
            rows.claims.fail(lease, reason, is_retriable=False)
    submit(database, alice, "other")
    fail(database)
    submit(database, alice, "good")
    succeed(database, claim(database).lease)
    with database.reading() as rows:
        groups = rows.failures.groups()
    assert [(g.code, g.pattern, g.jobs) for g in groups] == [
        ("not_a_video", "…: … is no video of # s", 2),
        ("broken", "It broke.", 1),
    ]
    assert groups[0].example_message.startswith("ü.mp4")


@pytest.mark.parametrize(
    ("message", "name", "pattern"),
    [
        ("film.mp4: broken at 1.5 s", "film.mp4", "…: broken at # s"),
        ("a_b: broken", "a/b", "…: broken"),
        ("job_01k9x3v7zq4c8m2n5t6r0wabcd is gone", None, "# is gone"),
        ("x" * 300, "", "x" * 200),
        ("plain", None, "plain"),
    ],
)
def test_patterns(message: str, name: str | None, pattern: str) -> None:
    assert pattern_of(message, name) == pattern
