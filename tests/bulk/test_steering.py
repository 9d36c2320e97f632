"""Batches are bounded, fair, steered by their owner, and looked after by one at a time."""

import threading
from collections import Counter
from dataclasses import replace

import pytest

from jobs.api_key import EVERY_TENANT, Actor, KeyLimits
from jobs.batch import Batch, BatchLine
from jobs.errors import (
    BatchNotFoundError,
    IdempotencyConflictError,
    LeaseLostError,
    StateConflictError,
    TooManyQueuedError,
)
from jobs.job import Job, JobResult, Reason
from jobs.request import JobRequest
from tests.bulk.world import BulkWorld
from tests.clock import pass_time
from tests.worker.world import QUICK


def many(world: BulkWorld, count: int, **fields: object) -> Batch:
    objects = tuple(world.url(f"in/{n}.mp4") for n in range(count))
    return world.create(objects=objects, **fields)


def finish(world: BulkWorld, *, is_good: bool = True) -> Job:
    """Claim the next job and end it."""
    with world.database.transaction() as rows:
        claim = rows.claims.claim("w", [world.queue])
        assert claim is not None
        if is_good:
            result = JobResult(key="k", size_bytes=3, sha256="abc")
            return rows.claims.succeed(claim.lease, result)
        return rows.claims.fail(claim.lease, Reason("truncated", "Cut."), is_retriable=False)


def single(world: BulkWorld, actor: Actor, name: str = "single") -> Job:
    limits = replace(actor.limits, input_prefixes=("s3://films/",))
    request = JobRequest(input_url=f"s3://films/{name}.mp4", queue=world.queue, name=name)
    with world.database.transaction() as rows:
        return rows.jobs.submit(replace(actor, limits=limits), request).job


def test_only_a_window_of_jobs_is_alive(world: BulkWorld) -> None:
    batch = many(world, 30)
    small = world.open(replace(QUICK, batch_window=8))
    world.keeper(small).look_after_all()
    assert (world.counts(batch).active, world.counts(batch).waiting) == (8, 22)
    for _ in range(3):
        finish(world)
    world.make_due_batches()
    world.keeper(small).look_after_all()
    counts = world.counts(batch)
    assert (counts.succeeded, counts.active, counts.waiting) == (3, 8, 19)


def test_a_key_s_limit_of_waiting_jobs_bounds_its_batches_and_not_its_single_jobs(
    embedded: BulkWorld,
) -> None:
    embedded.limit(queued_jobs=2)
    batch = many(embedded, 5)
    embedded.look(batch)
    assert embedded.counts(batch).active == 2
    for name in "ab":
        single(embedded, embedded.actor, name)
    with pytest.raises(TooManyQueuedError):
        single(embedded, embedded.actor, "c")


def test_turns_are_fair_between_tenants_and_between_a_tenant_s_flows(world: BulkWorld) -> None:
    first, second = many(world, 60), many(world, 60)
    small = world.open(replace(QUICK, batch_window=4))
    bob = world.new_actor("bob", KeyLimits())

    def run(count: int) -> list[Job]:
        done = []
        for _ in range(0, count, 4):
            world.make_due_batches()
            world.keeper(small).look_after_all()
            done += [finish(world) for _ in range(4)]
        return done

    run(8)
    for n in range(20):
        single(world, bob, str(n))
    run(8)
    alice_s = single(world, world.actor)
    order = run(20)
    by_tenant = Counter(job.tenant for job in order)
    assert abs(by_tenant["alice"] - by_tenant["bob"]) <= 2, "half each"
    assert alice_s.id in [job.id for job in order[:4]], "a single job need not wait for a batch"
    flows = Counter(job.flow for job in order if job.flow)
    assert abs(flows[first.id] - flows[second.id]) <= 2, "a batch does not hold up another one"


def test_a_flood_of_small_batches_is_one_tenant_s_share(embedded: BulkWorld) -> None:
    for n in range(12):
        embedded.create(objects=(embedded.url(f"in/{n}.mp4"),))
    embedded.keeper().look_after_all()
    bob = embedded.new_actor("bob", KeyLimits())
    for n in range(4):
        single(embedded, bob, str(n))
    order = [finish(embedded).tenant for _ in range(8)]
    assert Counter(order)["bob"] == 4


def test_pause_holds_what_waits_and_resume_lets_it_go(world: BulkWorld) -> None:
    batch = many(world, 5)
    world.look(batch)
    finish(world)
    with world.database.transaction() as rows:
        assert rows.batches.pause(world.actor, batch.id).is_paused
    world.keeper().look_after_all()
    with world.database.transaction() as rows:
        assert rows.claims.claim("w", [world.queue]) is None
        rows.batches.resume(world.actor, batch.id)
    world.keeper().look_after_all()
    for _ in range(4):
        finish(world)
    world.make_due_batches()
    assert world.look(batch).state == "completed"


def test_cancel_ends_everything_and_retry_brings_it_back(world: BulkWorld) -> None:
    batch = many(world, 12)
    small = world.open(replace(QUICK, batch_window=4))
    world.keeper(small).look_after_all()
    finish(world)
    finish(world, is_good=False)
    with world.database.transaction() as rows:
        running = rows.claims.claim("w", [world.queue])
        assert running is not None
        rows.batches.cancel(world.actor, batch.id)
    world.keeper(small).look_after_all()
    assert world.batch(batch).state == "running", "one job still runs"
    with world.database.transaction() as rows:
        assert rows.claims.heartbeat(running.lease).is_cancel_requested
        rows.claims.cancel(running.lease)
    world.make_due_batches()
    world.keeper(small).look_after_all()
    counts = world.counts(batch)
    assert world.batch(batch).state == "canceled"
    assert (counts.succeeded, counts.failed, counts.canceled) == (1, 1, 10)
    for act in ("cancel", "pause", "start"):
        with pytest.raises(StateConflictError), world.database.transaction() as rows:
            getattr(rows.batches, act)(world.actor, batch.id)
    with world.database.transaction() as rows:
        rows.batches.retry(world.actor, batch.id)
    for _ in range(11):
        world.make_due_batches()
        world.keeper(small).look_after_all()
        finish(world)
    world.make_due_batches()
    assert world.look(batch).state == "completed"
    assert world.counts(batch).succeeded == 12


def test_a_job_s_own_course_shows_in_its_batch(embedded: BulkWorld) -> None:
    batch = many(embedded, 3)
    embedded.look(batch)
    failed = finish(embedded, is_good=False)
    deleted, other = (str(line.job_id) for line in embedded.lines(batch)[1:])
    with embedded.database.transaction() as rows:
        rows.jobs.delete(embedded.actor, deleted)
        rows.jobs.cancel(embedded.actor, other)
    states = [line.state for line in embedded.lines(batch)]
    assert states == ["failed", "canceled", "canceled"]
    embedded.make_due_batches()
    assert embedded.look(batch).state == "completed"
    with embedded.database.transaction() as rows:
        rows.jobs.retry(embedded.actor, failed.id)
    assert embedded.batch(batch).state == "running"
    finish(embedded)
    embedded.make_due_batches()
    again = embedded.look(batch)
    assert (again.state, again.round) == ("completed", 2)
    assert embedded.counts(batch).succeeded == 1


def test_the_same_key_makes_one_batch(world: BulkWorld) -> None:
    request = world.request(objects=(world.url("a.mp4"),))
    ids = set()
    for _ in range(2):
        with world.database.transaction() as rows:
            ids.add(rows.batches.create(world.actor, request, "night").batch.id)
    assert len(ids) == 1
    with pytest.raises(IdempotencyConflictError), world.database.transaction() as rows:
        rows.batches.create(world.actor, replace(request, name="another"), "night")


def test_keepers_share_batches_and_queue_no_line_twice(farm: BulkWorld) -> None:
    batches = [many(farm, 60) for _ in range(3)]
    keepers = [farm.keeper() for _ in range(4)]
    threads = [threading.Thread(target=keeper.look_after_all) for keeper in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for batch in batches:
        lines = farm.lines(batch)
        assert len({line.job_id for line in lines}) == len(lines) == 60
    with farm.database.reading() as rows:
        assert len(rows.job_lists.page(EVERY_TENANT, limit=500).jobs) == 180


def test_who_lost_the_lease_writes_nothing(embedded: BulkWorld) -> None:
    batch = many(embedded, 1)
    with embedded.database.transaction() as rows:
        taken = rows.batch_work.take()
    assert taken is not None
    pass_time(embedded.database, QUICK.batch_lease_s)
    line = BatchLine(7, input_url="s3://a/b")
    with pytest.raises(LeaseLostError), embedded.database.transaction() as rows:
        rows.batch_work.add_lines(taken[1], [line], {"number": 7})
    embedded.look(batch)
    assert [line.number for line in embedded.lines(batch)] == [1]


def test_old_batches_are_forgotten_in_bites(embedded: BulkWorld) -> None:
    batch = many(embedded, 25)
    with embedded.database.transaction() as rows:
        rows.batches.cancel(embedded.actor, batch.id)
    embedded.look(batch)
    embedded.keeper().look_after_all()
    assert embedded.batch(batch).state == "canceled"
    old = embedded.open(replace(QUICK, record_kept_s=0))
    counted = []
    for _ in range(4):
        with old.transaction() as rows:
            counted.append(rows.batch_work.forget_old(limit=10))
    assert counted[-1] == 0
    with pytest.raises(BatchNotFoundError):
        embedded.batch(batch)


def test_others_do_not_find_a_batch(world: BulkWorld) -> None:
    batch = many(world, 1)
    bob = world.new_actor("bob", KeyLimits())
    with world.database.reading() as rows:
        assert rows.batches.page("bob").batches == ()
        assert [found.id for found in rows.batches.page("alice").batches] == [batch.id]
        with pytest.raises(BatchNotFoundError):
            rows.batches.get("bob", batch.id)
    for act in ("cancel", "pause", "resume", "retry", "start"):
        with pytest.raises(BatchNotFoundError), world.database.transaction() as rows:
            getattr(rows.batches, act)(bob, batch.id)
    assert world.batch(batch).version == batch.version
