"""The moves between a job's states, each one compare-and-set, with what every move entails."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from jobs.clock import later, now
from jobs.job import COUNTED, ENDED, MOVES, JobResult, Outcome, Reason, State
from jobs.object_keys import attempt_prefix
from jobs.policy import Policy
from jobs.repository.batch_lines import note_end, note_retry
from jobs.repository.failures import pattern_of
from jobs.repository.outbox import post_bell, post_removal, post_webhook
from jobs.repository.rows import job_of
from jobs.repository.states import in_state
from jobs.tables import AttemptRow, JobRow

Conditions = tuple[ColumnElement[bool], ...]

FRESH: Final[Mapping[str, object]] = {
    "not_before": now(),
    "attempts_used": 0,
    "started_at": None,
    "ended_at": None,
    "expires_at": None,
    "cancel_requested_at": None,
    "progress": None,
    "reason_code": None,
    "reason_message": None,
    "reason_pattern": None,
    "result": None,
    "result_bytes": None,
}
"""What a job is set to that is queued again after its end."""


def change(session: Session, conditions: Conditions, **values: object) -> JobRow | None:
    """Change one job where the conditions still hold; None where they do not."""
    return next(iter(change_all(session, conditions, **values)), None)


def change_all(session: Session, conditions: Conditions, **values: object) -> Sequence[JobRow]:
    """Change every job for which the conditions hold."""
    return session.scalars(
        update(JobRow)
        .where(*conditions)
        .values(version=JobRow.version + 1, updated_at=now(), **values)
        .returning(JobRow)
    ).all()


def move(
    session: Session, conditions: Conditions, origin: State, target: State, **values: object
) -> JobRow | None:
    """Move one job from `origin` to `target` where the conditions hold; None where they do not."""
    return next(iter(move_all(session, conditions, origin, target, **values)), None)


def move_all(
    session: Session, conditions: Conditions, origin: State, target: State, **values: object
) -> Sequence[JobRow]:
    """Move every job for which the conditions hold from `origin` to `target`.

    Leaving `running` ends the lease; coming to an end tells the webhook and the batch.
    """
    assert target in MOVES[origin], (origin, target)
    if origin == "running":
        values |= {"lease_token": None, "lease_until": None, "worker_id": None}
    if target in ENDED and origin not in ENDED:
        values |= {"ended_at": now()}
    rows = change_all(session, (in_state(origin), *conditions), state=target, **values)
    for row in rows:
        if target in ENDED and origin not in ENDED:
            note_end(session, row)
            job = job_of(row)
            if job.request.webhook_url:
                post_webhook(session, job, row.key_id)
        if origin in ENDED and target == "queued":
            note_retry(session, row)
    return rows


def locked(session: Session, *conditions: ColumnElement[bool]) -> JobRow | None:
    """Read one job and keep it as it is until the transaction ends."""
    return session.scalar(select(JobRow).where(*conditions).with_for_update())


def publish(
    session: Session,
    policy: Policy,
    conditions: Conditions,
    result: JobResult,
    stage_seconds: Mapping[str, float],
) -> JobRow | None:
    """End a running job with a result: the one write that makes it visible."""
    row = move(
        session,
        conditions,
        "running",
        "succeeded",
        result=asdict(result),
        # What lies in somebody's own bucket takes no room in ours.
        result_bytes=0 if result.url else result.size_bytes,
        reason_code=None,
        reason_message=None,
        reason_pattern=None,
        expires_at=later(now(), policy.result_kept_s),
    )
    if row is not None:
        _end_attempt(session, row, "succeeded", None, stage_seconds)
    return row


def break_off(
    session: Session,
    policy: Policy,
    running: JobRow,
    outcome: Outcome,
    reason: Reason | None,
    *,
    is_retriable: bool,
    stage_seconds: Mapping[str, float],
) -> JobRow:
    """End the running attempt of a locked job without a result, and decide what becomes of the job.

    It is canceled where that was asked for; it waits for another attempt where one is left; it
    failed otherwise. What the attempt wrote is removed.
    """
    used = running.attempts_used + (outcome in COUNTED)
    values: dict[str, object] = {"attempts_used": used}
    if reason is not None:
        values |= {
            "reason_code": reason.code,
            "reason_message": reason.message,
            "reason_pattern": pattern_of(reason.message, running.name),
        }
    # A worker that vanished or left says nothing against the job, so the next one starts at once.
    delay_s = policy.backoff_s(used) if outcome == "failed" else 0.0
    target: State
    if outcome == "canceled" or running.cancel_requested_at is not None:
        target = "canceled"
    elif is_retriable and used < running.max_attempts:
        target = "queued"
        values |= {"not_before": later(now(), delay_s), "progress": None}
    else:
        target = "failed"
    same = (JobRow.id == running.id, JobRow.lease_token == running.lease_token)
    row = move(session, same, "running", target, **values)
    assert row is not None, "the caller has locked the row"
    if target == "queued":
        post_bell(session, row.tenant, row.id, row.queue, delay_s)
    post_removal(session, row.tenant, attempt_prefix(row.id, row.attempt))
    _end_attempt(session, row, outcome, reason, stage_seconds)
    return row


def _end_attempt(
    session: Session,
    row: JobRow,
    outcome: Outcome,
    reason: Reason | None,
    stage_seconds: Mapping[str, float],
) -> None:
    session.execute(
        update(AttemptRow)
        .where(AttemptRow.job_id == row.id, AttemptRow.number == row.attempt)
        .values(
            outcome=outcome,
            ended_at=now(),
            reason_code=reason and reason.code,
            reason_message=reason and reason.message,
            stage_seconds=dict(stage_seconds),
        )
    )
