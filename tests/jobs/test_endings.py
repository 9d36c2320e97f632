"""Cancel at every state, retry, delete, and the webhook that tells of an end."""

import pytest

from jobs.api_key import OPERATOR, Actor
from jobs.database import Database
from jobs.errors import InputGoneError, JobNotFoundError, StateConflictError
from jobs.job import Job, JobResult, Reason, State
from jobs.policy import Policy
from jobs.request import JobRequest
from tests.clock import pass_time
from tests.jobs.conftest import STRICT, World
from tests.jobs.steps import (
    RESULT,
    attempts,
    claim,
    free_leases,
    read,
    removals,
    submit,
    succeed,
    take,
    try_claim,
    uploaded,
)

POISON = Reason("not_a_video", "The file is not a video.")


def in_state(world: World, actor: Actor, state: State) -> Job:
    """Bring a job into a state, as it would get there."""
    database = world.open(Policy(result_kept_s=60)) if state == "expired" else world.database
    job = submit(database, actor)
    with database.transaction() as rows:
        if state == "canceled":
            rows.jobs.cancel(actor, job.id)
        elif state != "queued":
            found = rows.claims.claim("w1", ["a100"])
            assert found is not None
            if state == "failed":
                rows.claims.fail(found.lease, POISON, is_retriable=False)
            elif state in ("succeeded", "expired"):
                rows.claims.succeed(found.lease, RESULT)
    if state == "expired":
        pass_time(database, 60)
        with database.transaction() as rows:
            rows.sweeps.expire_results()
    reached = read(database, job.id)
    assert reached.state == state
    return reached


def test_canceling_a_waiting_job_ends_it(world: World, alice: Actor) -> None:
    job = in_state(world, alice, "queued")
    with world.database.transaction() as rows:
        canceled = rows.jobs.cancel(alice, job.id)
    assert canceled.state == "canceled"
    assert canceled.ended_at is not None
    assert try_claim(world.database) is None


def test_canceling_a_running_job_is_heard_at_the_next_heartbeat(world: World, alice: Actor) -> None:
    job = submit(world.database, alice)
    lease = claim(world.database).lease
    with world.database.transaction() as rows:
        assert not rows.claims.heartbeat(lease).is_cancel_requested
    with world.database.transaction() as rows:
        asked = rows.jobs.cancel(alice, job.id)
        assert rows.jobs.cancel(alice, job.id) == asked, "asking twice changes nothing"
    assert (asked.state, asked.is_cancel_requested) == ("running", True)
    with world.database.transaction() as rows:
        assert rows.claims.heartbeat(lease).is_cancel_requested
        canceled = rows.claims.cancel(lease)
    assert canceled.state == "canceled"
    assert [attempt.outcome for attempt in attempts(world.database, job.id)] == ["canceled"]
    assert removals(world.database) == [lease.object_prefix]


@pytest.mark.parametrize("state", ["succeeded", "failed", "canceled", "expired"])
def test_canceling_an_ended_job_conflicts(world: World, alice: Actor, state: State) -> None:
    job = in_state(world, alice, state)
    with pytest.raises(StateConflictError), world.database.transaction() as rows:
        rows.jobs.cancel(alice, job.id)
    assert read(world.database, job.id) == job


def test_a_result_that_came_before_the_cancel_was_seen_counts(world: World, alice: Actor) -> None:
    job = submit(world.database, alice)
    lease = claim(world.database).lease
    with world.database.transaction() as rows:
        rows.jobs.cancel(alice, job.id)
    assert succeed(world.database, lease).state == "succeeded"


@pytest.mark.parametrize("end", ["failed", "given back", "lost"])
def test_a_job_that_was_to_be_canceled_never_runs_again(
    strict: Database, alice: Actor, end: str
) -> None:
    job = submit(strict, alice)
    lease = claim(strict).lease
    with strict.transaction() as rows:
        rows.jobs.cancel(alice, job.id)
    if end == "lost":
        pass_time(strict, STRICT.lease_s)
        free_leases(strict)
    else:
        with strict.transaction() as rows:
            if end == "failed":
                rows.claims.fail(lease, POISON, is_retriable=True)
            else:
                rows.claims.give_back(lease)
    assert read(strict, job.id).state == "canceled"
    assert try_claim(strict) is None


@pytest.mark.parametrize("state", ["failed", "canceled", "expired"])
def test_retrying_starts_anew_and_keeps_the_history(
    world: World, alice: Actor, state: State
) -> None:
    job = in_state(world, alice, state)
    with world.database.transaction() as rows:
        queued = rows.jobs.retry(alice, job.id)
    assert (queued.state, queued.attempts_used, queued.result) == ("queued", 0, None)
    assert (queued.ended_at, queued.reason, queued.is_cancel_requested) == (None, None, False)
    assert queued.version == job.version + 1
    again = claim(world.database)
    assert (again.job.id, again.job.attempt) == (job.id, job.attempt + 1)
    assert succeed(world.database, again.lease).state == "succeeded"
    assert len(attempts(world.database, job.id)) == job.attempt + 1


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_what_needs_no_retry_conflicts(world: World, alice: Actor, state: State) -> None:
    job = in_state(world, alice, state)
    with pytest.raises(StateConflictError), world.database.transaction() as rows:
        rows.jobs.retry(alice, job.id)
    assert read(world.database, job.id) == job


def test_retrying_needs_the_input(world: World, alice: Actor) -> None:
    database = world.open(Policy(upload_kept_s=60))
    upload = uploaded(database, alice)
    with database.transaction() as rows:
        job = rows.jobs.submit(alice, JobRequest(upload_id=upload.id)).job
        rows.jobs.cancel(alice, job.id)
    pass_time(database, 60)
    with database.transaction() as rows:
        assert rows.sweeps.expire_uploads() == [upload.id]
    with pytest.raises(InputGoneError), database.transaction() as rows:
        rows.jobs.retry(alice, job.id)


@pytest.mark.parametrize("state", ["queued", "succeeded", "failed", "canceled", "expired"])
def test_deleting_forgets_the_job_and_its_objects(world: World, alice: Actor, state: State) -> None:
    job = in_state(world, alice, state)
    take(world.database, "removal")
    with world.database.transaction() as rows:
        rows.jobs.delete(alice, job.id)
    with pytest.raises(JobNotFoundError):
        read(world.database, job.id)
    assert removals(world.database) == [f"results/{job.id}/"]
    assert try_claim(world.database) is None


def test_a_running_job_is_not_deleted(world: World, alice: Actor) -> None:
    job = in_state(world, alice, "running")
    with pytest.raises(StateConflictError), world.database.transaction() as rows:
        rows.jobs.delete(alice, job.id)
    assert read(world.database, job.id) == job


def test_every_end_tells_the_webhook_once(world: World, alice: Actor) -> None:
    database, url = world.database, "https://example.org/hook"
    done = submit(database, alice, "done", webhook_url=url)
    result = JobResult("results/x", 5, "feed", facts={"frames": 3})
    lease = claim(database).lease
    with database.transaction() as rows:
        rows.claims.succeed(lease, result)
    with database.transaction() as rows:
        rows.claims.succeed(lease, result)
    broken = submit(database, alice, "broken", webhook_url=url)
    lease = claim(database).lease
    with database.transaction() as rows:
        rows.claims.fail(lease, POISON, is_retriable=False)
    dropped = submit(database, alice, "dropped", webhook_url=url)
    with database.transaction() as rows:
        rows.jobs.cancel(OPERATOR, dropped.id)
    submit(database, alice, "silent")
    succeed(database, claim(database).lease)

    told = {d.payload["body"]["data"]["id"]: d.payload for d in take(database, "webhook")}
    assert {i: p["body"]["type"] for i, p in told.items()} == {
        done.id: "job.succeeded",
        broken.id: "job.failed",
        dropped.id: "job.canceled",
    }
    assert {p["url"] for p in told.values()} == {url}
    data = told[done.id]["body"]["data"]
    assert data["result"] == {"size_bytes": 5, "sha256": "feed"}
    assert told[broken.id]["body"]["data"]["error"]["code"] == "not_a_video"
