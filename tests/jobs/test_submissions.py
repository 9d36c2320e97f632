"""Submitting: what the row says, idempotency, limits."""

import threading

import pytest

from jobs.api_key import Actor, KeyLimits
from jobs.database import Database
from jobs.errors import (
    IdempotencyConflictError,
    QueueNotFoundError,
    RequestInvalidError,
    TooManyQueuedError,
    UploadStateError,
)
from jobs.job import JobLimits
from jobs.request import JobRequest
from tests.jobs.steps import claim, film, make_actor, read, submit, take, uploaded
from tests.patience import wait_until


def test_a_submitted_job_waits_with_everything_it_was_given(
    database: Database, alice: Actor
) -> None:
    request = film(pipeline="full", scale=2.5, seed=7, priority=3, queue="a100")
    with database.transaction() as rows:
        submission = rows.jobs.submit(alice, request)
    job = read(database, submission.job.id)
    assert submission.is_new
    assert job == submission.job
    assert (job.state, job.request, job.tenant) == ("queued", request, "alice")
    assert (job.attempt, job.version, job.progress, job.result) == (0, 1, None, None)
    assert job.created_at.tzinfo is not None


def test_the_bell_is_owed_with_the_job_and_a_second_later(database: Database, alice: Actor) -> None:
    submit(database, alice)
    assert take(database, "bell") == [], "the submitter himself rings first"
    bells: list[str] = []

    def rung() -> bool:
        bells.extend(delivery.payload["queue"] for delivery in take(database, "bell"))
        return bool(bells)

    wait_until(rung)
    assert bells == ["a100"]


def test_nothing_remains_of_a_transaction_that_failed(database: Database, alice: Actor) -> None:
    def submit_and_fail() -> None:
        with database.transaction() as rows:
            rows.jobs.submit(alice, film())
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        submit_and_fail()
    with database.reading() as rows:
        assert rows.job_lists.page("alice").jobs == ()
        assert [e.action for e in rows.audit_log.page("alice").entries] == ["api_key.created"]


def test_same_key_and_body_give_the_same_job(database: Database, alice: Actor) -> None:
    with database.transaction() as rows:
        first = rows.jobs.submit(alice, film(), "once")
    with database.transaction() as rows:
        second = rows.jobs.submit(alice, film(), "once")
    assert (first.is_new, second.is_new) == (True, False)
    assert second.job == first.job


def test_same_key_and_another_body_conflict(database: Database, alice: Actor) -> None:
    with database.transaction() as rows:
        rows.jobs.submit(alice, film(seed=1), "once")
    with pytest.raises(IdempotencyConflictError), database.transaction() as rows:
        rows.jobs.submit(alice, film(seed=2), "once")


def test_idempotency_keys_of_tenants_are_apart(
    database: Database, alice: Actor, bob: Actor
) -> None:
    with database.transaction() as rows:
        first = rows.jobs.submit(alice, film(), "once")
        second = rows.jobs.submit(bob, film(seed=9), "once")
    assert second.is_new
    assert first.job.id != second.job.id


def test_the_same_submission_at_the_same_time_gives_one_job(
    database: Database, alice: Actor
) -> None:
    together = threading.Barrier(6)
    answers: list[tuple[str, bool]] = []

    def send() -> None:
        together.wait()
        with database.transaction() as rows:
            submission = rows.jobs.submit(alice, film(), "once")
        answers.append((submission.job.id, submission.is_new))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job_id for job_id, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False] * 5 + [True]


def test_limit_of_queued_jobs_holds_against_submissions_at_the_same_time(
    database: Database,
) -> None:
    carol = make_actor(database, "carol", KeyLimits(queued_jobs=3, input_prefixes=("s3://films/",)))
    together = threading.Barrier(8)
    outcomes: list[bool] = []

    def send(number: int) -> None:
        together.wait()
        try:
            submit(database, carol, f"film-{number}")
        except TooManyQueuedError:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 5 + [True] * 3
    claim(database)
    submit(database, carol, "one more, now that one runs")


def test_key_limits_travel_with_the_job(database: Database) -> None:
    limits = KeyLimits(pixels=1920 * 1080, duration_s=60, input_prefixes=("s3://films/",))
    job = submit(database, make_actor(database, "carol", limits))
    assert read(database, job.id).limits == JobLimits(pixels=1920 * 1080, duration_s=60)


@pytest.mark.parametrize("url", ["s3://films-of-others/a.mp4", "s3://other/films/a.mp4"])
def test_only_allowed_addresses_are_read(database: Database, alice: Actor, url: str) -> None:
    with pytest.raises(RequestInvalidError, match="may not read"), database.transaction() as rows:
        rows.jobs.submit(alice, JobRequest(input_url=url))


def test_unknown_queue_names_those_that_exist(database: Database, alice: Actor) -> None:
    with pytest.raises(QueueNotFoundError, match="there are: a100"):
        submit(database, alice, queue="h200")


def test_an_upload_must_be_complete(database: Database, alice: Actor) -> None:
    pending = uploaded(database, alice, is_complete=False)
    with pytest.raises(UploadStateError), database.transaction() as rows:
        rows.jobs.submit(alice, JobRequest(upload_id=pending.id))
    with database.transaction() as rows:
        rows.uploads.complete("alice", pending.id)
        job = rows.jobs.submit(alice, JobRequest(upload_id=pending.id)).job
    assert job.request.upload_id == pending.id


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"upload_id": "upl_1", "input_url": "s3://films/a"},
        {"input_url": "https://example.org/a.mp4"},
        {"input_url": "s3://films"},
        {"upload_id": "upl_1", "scale": 2.0, "width_px": 100, "height_px": 100},
        {"upload_id": "upl_1", "width_px": 100},
        {"upload_id": "upl_1", "scale": 0.0},
        {"upload_id": "upl_1", "pipeline": "huge"},
        {"upload_id": "upl_1", "priority": 101},
        {"upload_id": "upl_1", "queue": "A 100"},
        {"upload_id": "upl_1", "webhook_url": "file:///etc/passwd"},
    ],
)
def test_impossible_requests_are_refused(choices: dict[str, object]) -> None:
    with pytest.raises(RequestInvalidError):
        JobRequest(**choices)  # type: ignore[arg-type]


def test_requests_of_another_release_can_be_read() -> None:
    request = film(scale=3.0)
    assert JobRequest.from_json({**request.as_json(), "invented_later": 1}) == request
