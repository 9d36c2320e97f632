"""A person's side of one job: submit, look, cancel, retry, delete."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jobs.api_key import EVERY_TENANT, Actor
from jobs.clock import now
from jobs.errors import (
    IdempotencyConflictError,
    InputGoneError,
    JobNotFoundError,
    QueueNotFoundError,
    StateConflictError,
    TooManyQueuedError,
)
from jobs.identifiers import new_id
from jobs.job import RETRIABLE, Job, JobLimits
from jobs.object_keys import job_prefix
from jobs.permission import check_readable, check_writable
from jobs.policy import Policy
from jobs.repository.audit_log import record
from jobs.repository.batch_lines import note_deletion
from jobs.repository.moves import FRESH, change, locked, move
from jobs.repository.outbox import BELL_DELAY_S, post_bell, post_removal
from jobs.repository.rows import job_of
from jobs.repository.states import in_state
from jobs.repository.turns import SINGLE, next_turn
from jobs.repository.uploads import keep_for_job
from jobs.repository.visibility import visible
from jobs.request import JobRequest
from jobs.tables import ApiKeyRow, JobRow, QueueRow

NAME_MAX = 255
"""Of what can be searched; longer names are kept whole in the request."""


@dataclass(frozen=True)
class Origin:
    """What a job comes from; the default is somebody who submits a single one."""

    flow: str = SINGLE
    """The id of a batch or a watch."""
    batch_line: int | None = None


SINGLE_JOB: Final = Origin()


@dataclass(frozen=True)
class Submission:
    """What became of a submission."""

    job: Job
    is_new: bool
    """False where the idempotency key had been used for the same request before."""


class Submissions:
    """One job at a time, for those who want its result."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def submit(
        self,
        actor: Actor,
        request: JobRequest,
        idempotency_key: str | None = None,
        origin: Origin = SINGLE_JOB,
    ) -> Submission:
        """Queue a job, or find the one that the same idempotency key queued before.

        Ring the queue's bell after the commit; the outbox rings it a second later if that failed.
        The limit of waiting jobs holds for single ones; a batch or a watch bounds its own.

        Raises:
            IdempotencyConflictError: the key was used with another request.
            RequestInvalidError: the API key may not read from this address, or write to it.
            QueueNotFoundError: no such queue.
            UploadNotFoundError: no such upload of this tenant.
            UploadStateError: the upload is not complete.
            TooManyQueuedError: the API key's limit.

        """
        assert actor.tenant != EVERY_TENANT, "a job belongs to one tenant"
        body = json.dumps(request.as_json(), sort_keys=True).encode()
        request_sha256 = hashlib.sha256(body).hexdigest()
        if idempotency_key is not None:
            earlier = self._earlier(actor.tenant, idempotency_key, request_sha256)
            if earlier is not None:
                return Submission(earlier, is_new=False)
        self._check(actor, request, origin)
        urgency = -request.priority
        new_row = (
            insert(JobRow)
            .values(
                id=new_id("job"),
                tenant=actor.tenant,
                key_id=actor.key_id,
                upload_id=request.upload_id,
                name=request.name and request.name[:NAME_MAX],
                idempotency_key=idempotency_key,
                request_sha256=request_sha256,
                request=request.as_json(),
                limits=asdict(JobLimits(actor.limits.pixels, actor.limits.duration_s)),
                state="queued",
                version=1,
                queue=request.queue,
                pipeline=request.pipeline,
                urgency=urgency,
                turn=next_turn(self._session, actor.tenant, request.queue, urgency, origin.flow),
                flow=origin.flow,
                batch_line=origin.batch_line,
                created_at=now(),
                updated_at=now(),
                not_before=now(),
                attempt=0,
                attempts_used=0,
                max_attempts=self._policy.max_attempts,
            )
            .returning(JobRow)
        )
        if idempotency_key is None:
            row = self._session.scalars(new_row).one()
        else:
            try:
                with self._session.begin_nested():
                    row = self._session.scalars(new_row).one()
            except IntegrityError:
                # The same submission, sent twice at the same time: the other one came first.
                earlier = self._earlier(actor.tenant, idempotency_key, request_sha256)
                if earlier is None:
                    raise
                return Submission(earlier, is_new=False)
        post_bell(self._session, row.tenant, row.id, row.queue, BELL_DELAY_S)
        record(self._session, actor, "job.submitted", row.id, row.tenant)
        return Submission(job_of(row), is_new=True)

    def _earlier(self, tenant: str, idempotency_key: str, request_sha256: str) -> Job | None:
        row = self._session.scalar(
            select(JobRow).where(JobRow.tenant == tenant, JobRow.idempotency_key == idempotency_key)
        )
        if row is None:
            return None
        if row.request_sha256 != request_sha256:
            raise IdempotencyConflictError(
                f"The idempotency key {idempotency_key!r} was used for {row.id} with another"
                " request; take a new key for a new job."
            )
        return job_of(row)

    def _check(self, actor: Actor, request: JobRequest, origin: Origin) -> None:
        """Hold a request against what the database knows."""
        if self._session.get(QueueRow, request.queue) is None:
            names = ", ".join(self._session.scalars(select(QueueRow.name).order_by(QueueRow.name)))
            raise QueueNotFoundError(f"There is no queue {request.queue!r}; there are: {names}.")
        if request.upload_id is not None:
            keep_for_job(self._session, self._policy, actor.tenant, request.upload_id)
        else:
            check_readable(actor.limits, request.input_url or "")
        if request.output_url is not None:
            check_writable(actor.limits, request.output_url)
        allowed = actor.limits.queued_jobs
        if allowed is not None and origin.flow == SINGLE:
            # Locked, so that submissions at the same time cannot pass the limit together.
            self._session.execute(
                select(ApiKeyRow.id)
                .where(ApiKeyRow.id == actor.key_id)
                .with_for_update(key_share=True)
            )
            waiting = select(func.count()).where(
                JobRow.key_id == actor.key_id, JobRow.flow == SINGLE, in_state("queued")
            )
            if self._session.scalars(waiting).one() >= allowed:
                raise TooManyQueuedError(
                    f"This API key has {allowed} jobs waiting, which is its limit; wait for some of"
                    " them, or cancel some."
                )

    def get(self, tenant: str, job_id: str) -> Job:
        """Read a job.

        Raises:
            JobNotFoundError: there is none that this tenant can see.

        """
        row = self._session.scalar(
            select(JobRow).where(JobRow.id == job_id, visible(JobRow.tenant, tenant))
        )
        if row is None:
            raise _not_found(job_id)
        return job_of(row)

    def cancel(self, actor: Actor, job_id: str) -> Job:
        """Cancel a waiting job at once, and have a running one canceled by its worker.

        Raises:
            JobNotFoundError: there is none that this tenant can see.
            StateConflictError: it has ended.

        """
        row = self._locked(actor, job_id)
        canceled: JobRow | None
        if row.state == "queued":
            canceled = move(
                self._session, (JobRow.id == job_id,), "queued", "canceled",
                cancel_requested_at=now(),
            )  # fmt: skip
        elif row.state == "running":
            if row.cancel_requested_at is not None:
                return job_of(row)
            canceled = change(
                self._session,
                (JobRow.id == job_id, in_state("running")),
                cancel_requested_at=now(),
            )
        else:
            raise StateConflictError(f"{job_id} has {row.state}, so it cannot be canceled.")
        assert canceled is not None, "the row is locked"
        record(self._session, actor, "job.canceled", job_id, row.tenant)
        return job_of(canceled)

    def retry(self, actor: Actor, job_id: str) -> Job:
        """Queue a failed, canceled or expired job again, with all its attempts and at a new turn.

        Raises:
            JobNotFoundError: there is none that this tenant can see.
            StateConflictError: it has not ended, or it has a result.
            InputGoneError: its upload was removed meanwhile.

        """
        row = self._locked(actor, job_id)
        if row.state not in RETRIABLE:
            raise StateConflictError(
                f"{job_id} is {row.state}; only failed, canceled and expired jobs can be retried."
            )
        if job_of(row).request.upload_id is not None:
            if row.upload_id is None:
                raise InputGoneError(
                    f"The upload of {job_id} was removed; upload the file and submit a new job."
                )
            keep_for_job(self._session, self._policy, row.tenant, row.upload_id)
        queued = move(
            self._session,
            (JobRow.id == job_id,),
            row.state,
            "queued",
            turn=next_turn(self._session, row.tenant, row.queue, row.urgency, row.flow),
            **FRESH,
        )
        assert queued is not None, "the row is locked"
        post_bell(self._session, row.tenant, row.id, row.queue, BELL_DELAY_S)
        record(self._session, actor, "job.retried", job_id, row.tenant)
        return job_of(queued)

    def delete(self, actor: Actor, job_id: str) -> None:
        """Forget a job that does not run, and have its objects removed.

        Raises:
            JobNotFoundError: there is none that this tenant can see.
            StateConflictError: it runs.

        """
        row = self._locked(actor, job_id)
        if row.state == "running":
            raise StateConflictError(f"{job_id} is running; cancel it before you delete it.")
        note_deletion(self._session, row)
        self._session.execute(delete(JobRow).where(JobRow.id == job_id))
        post_removal(self._session, row.tenant, job_prefix(job_id))
        record(self._session, actor, "job.deleted", job_id, row.tenant)

    def _locked(self, actor: Actor, job_id: str) -> JobRow:
        row = locked(self._session, JobRow.id == job_id, visible(JobRow.tenant, actor.tenant))
        if row is None:
            raise _not_found(job_id)
        return row


def _not_found(job_id: str) -> JobNotFoundError:
    return JobNotFoundError(f"There is no job {job_id}; it may have been deleted.")
