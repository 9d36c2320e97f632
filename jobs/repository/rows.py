"""Rows into the frozen things that leave this package."""

from typing import cast

from jobs.api_key import ApiKey, KeyLimits, Scope
from jobs.job import Attempt, Job, JobLimits, JobResult, Progress, Reason
from jobs.request import JobRequest
from jobs.tables import ApiKeyRow, AttemptRow, JobRow


def job_of(row: JobRow) -> Job:
    """Copy a job's row."""
    return Job(
        id=row.id,
        tenant=row.tenant,
        request=JobRequest.from_json(row.request),
        state=row.state,
        version=row.version,
        attempt=row.attempt,
        attempts_used=row.attempts_used,
        max_attempts=row.max_attempts,
        created_at=row.created_at,
        updated_at=row.updated_at,
        not_before=row.not_before,
        started_at=row.started_at,
        ended_at=row.ended_at,
        expires_at=row.expires_at,
        is_cancel_requested=row.cancel_requested_at is not None,
        flow=row.flow,
        batch_line=row.batch_line,
        worker_id=row.worker_id,
        progress=Progress(**row.progress) if row.progress else None,
        reason=_reason(row.reason_code, row.reason_message),
        input_facts=row.input_facts,
        result=JobResult(**row.result) if row.result else None,
        limits=JobLimits(**row.limits),
    )


def attempt_of(row: AttemptRow) -> Attempt:
    """Copy an attempt's row."""
    return Attempt(
        job_id=row.job_id,
        number=row.number,
        worker_id=row.worker_id,
        outcome=row.outcome,
        started_at=row.started_at,
        ended_at=row.ended_at,
        reason=_reason(row.reason_code, row.reason_message),
        stage_seconds=row.stage_seconds,
    )


def api_key_of(row: ApiKeyRow) -> ApiKey:
    """Copy a key's row."""
    return ApiKey(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        prefix=row.prefix,
        scopes=frozenset(cast(list[Scope], row.scopes)),
        limits=KeyLimits.from_json(row.limits),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _reason(code: str | None, message: str | None) -> Reason | None:
    return None if code is None else Reason(code, message or "")
