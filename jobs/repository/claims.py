"""A worker's side: take the next job, keep it, end it.

A claim is a lease: it ends by the database's clock, and every later write names the token that the
claim was given. Once the lease has ended, freed by the sweeper or not, the worker changes nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from secrets import token_hex
from typing import Any, Literal, cast, get_args

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from jobs.clock import later, now
from jobs.errors import LeaseLostError
from jobs.job import Job, JobResult, Outcome, Progress, Reason
from jobs.object_keys import attempt_prefix
from jobs.policy import Policy
from jobs.repository.moves import Conditions, break_off, change, locked, move, publish
from jobs.repository.outbox import post_abort
from jobs.repository.rows import job_of
from jobs.repository.states import in_state
from jobs.request import Pipeline
from jobs.tables import AttemptRow, JobRow, QueueRow, WorkerRow

PIPELINES: tuple[Pipeline, ...] = get_args(Pipeline)

WorkerWanted = Literal["run", "drain", "stop"]
"""What the operator wants of a worker: take jobs; finish the job and take no more; and exit."""


@dataclass(frozen=True)
class Lease:
    """The right to write about one attempt."""

    job_id: str
    attempt: int
    worker_id: str
    token: str = field(repr=False)

    @property
    def object_prefix(self) -> str:
        """Begins the key of every object that this attempt writes."""
        return attempt_prefix(self.job_id, self.attempt)


@dataclass(frozen=True)
class Claim:
    """A job that now runs here."""

    job: Job
    lease: Lease


@dataclass(frozen=True)
class Orders:
    """What a heartbeat brings back."""

    is_cancel_requested: bool
    wanted: WorkerWanted


class Claims:
    """Everything that a worker does to a job. All but `claim` may be repeated without harm."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def claim(
        self,
        worker_id: str,
        queues: Collection[str],
        pipelines: Collection[Pipeline] = PIPELINES,
    ) -> Claim | None:
        """Take the next job of these queues, by priority, then by turn; None where there is none.

        A worker that is registered and asked to drain or to stop gets none.
        """
        for queue in self._queues_by_their_next_job(queues):
            token = token_hex(16)
            row = move(
                self._session,
                (JobRow.id == self._next_of(queue, worker_id, pipelines),),
                "queued",
                "running",
                attempt=JobRow.attempt + 1,
                worker_id=worker_id,
                lease_token=token,
                lease_until=later(now(), self._policy.lease_s),
                started_at=now(),
                progress=None,
            )
            if row is not None:
                self._session.execute(
                    insert(AttemptRow).values(
                        job_id=row.id,
                        number=row.attempt,
                        worker_id=worker_id,
                        token=token,
                        outcome="running",
                        started_at=row.started_at,
                        stage_seconds={},
                    )
                )
                return Claim(job_of(row), Lease(row.id, row.attempt, worker_id, token))
        return None

    def _queues_by_their_next_job(self, queues: Collection[str]) -> list[str]:
        """Order several queues without locking anything; each claim then reads one index only."""
        if len(queues) == 1:
            return list(queues)
        heads = []
        for queue in queues:
            head = self._session.execute(
                select(JobRow.urgency, JobRow.turn)
                .where(*_ready(queue))
                .order_by(JobRow.urgency, JobRow.turn, JobRow.id)
                .limit(1)
            ).first()
            if head is not None:
                heads.append((head.urgency, head.turn, queue))
        return [queue for _, _, queue in sorted(heads)]

    def _next_of(
        self, queue: str, worker_id: str, pipelines: Collection[Pipeline]
    ) -> ColumnElement[str]:
        leaving = select(WorkerRow.id).where(WorkerRow.id == worker_id, WorkerRow.wanted != "run")
        paused = select(QueueRow.name).where(
            QueueRow.name == queue, QueueRow.paused_at.is_not(None)
        )
        served = () if set(pipelines) == set(PIPELINES) else (JobRow.pipeline.in_(pipelines),)
        return (
            select(JobRow.id)
            .where(*_ready(queue), *served, ~leaving.exists(), ~paused.exists())
            .order_by(JobRow.urgency, JobRow.turn, JobRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )

    def heartbeat(self, lease: Lease, progress: Progress | None = None) -> Orders:
        """Renew the lease, write the progress if there is some, and bring back what is wanted.

        Raises:
            LeaseLostError: stop at once; what this attempt does no longer counts.

        """
        values: dict[str, object] = {"lease_until": later(now(), self._policy.lease_s)}
        if progress is not None:
            row = change(self._session, _held(lease), progress=asdict(progress), **values)
        else:
            # Nothing that anybody sees has changed, so the version stays.
            row = self._session.scalar(
                update(JobRow).where(*_held(lease)).values(**values).returning(JobRow)
            )
        if row is None:
            raise _lost(lease)
        wanted = self._session.scalar(
            update(WorkerRow)
            .where(WorkerRow.id == lease.worker_id)
            .values(heartbeat_at=now())
            .returning(WorkerRow.wanted)
        )
        return Orders(
            row.cancel_requested_at is not None, cast(WorkerWanted, wanted) if wanted else "run"
        )

    def record_input(self, lease: Lease, facts: Mapping[str, Any]) -> None:
        """Write down what the input's probe found, in plain JSON types.

        Raises:
            LeaseLostError: see `heartbeat`.

        """
        if change(self._session, _held(lease), input_facts=dict(facts)) is None:
            raise _lost(lease)

    def note_upload(self, lease: Lease, url: str, upload_id: str) -> None:
        """Have an upload in parts aborted should it stay unfinished; raises `LeaseLostError`."""
        row = locked(self._session, *_held(lease))
        if row is None:
            raise _lost(lease)
        post_abort(self._session, row.tenant, row.id, lease.attempt, url, upload_id)

    def succeed(
        self, lease: Lease, result: JobResult, stage_seconds: Mapping[str, float] | None = None
    ) -> Job:
        """Publish the result and end the job, also where a cancel came too late to be seen.

        Raises:
            LeaseLostError: see `heartbeat`.

        """
        row = publish(self._session, self._policy, _held(lease), result, stage_seconds or {})
        if row is None:
            return self._ended_before(lease, "succeeded")
        return job_of(row)

    def fail(
        self,
        lease: Lease,
        reason: Reason,
        *,
        is_retriable: bool,
        stage_seconds: Mapping[str, float] | None = None,
    ) -> Job:
        """End the attempt; the job waits for another one if that may help and is left.

        Raises:
            LeaseLostError: see `heartbeat`.

        """
        return self._break_off(lease, "failed", reason, is_retriable, stage_seconds or {})

    def give_back(self, lease: Lease, reason: Reason | None = None) -> Job:
        """Let another worker continue at once; the attempt does not count against the limit.

        Raises:
            LeaseLostError: see `heartbeat`.

        """
        return self._break_off(lease, "given_back", reason, True, {})

    def cancel(
        self,
        lease: Lease,
        stage_seconds: Mapping[str, float] | None = None,
        reason: Reason | None = None,
    ) -> Job:
        """End the job because a heartbeat asked for it, or because there is nothing to do.

        Raises:
            LeaseLostError: see `heartbeat`.

        """
        return self._break_off(lease, "canceled", reason, False, stage_seconds or {})

    def _break_off(
        self,
        lease: Lease,
        outcome: Outcome,
        reason: Reason | None,
        is_retriable: bool,
        stage_seconds: Mapping[str, float],
    ) -> Job:
        running = locked(self._session, *_held(lease))
        if running is None:
            return self._ended_before(lease, outcome)
        row = break_off(
            self._session,
            self._policy,
            running,
            outcome,
            reason,
            is_retriable=is_retriable,
            stage_seconds=stage_seconds,
        )
        return job_of(row)

    def _ended_before(self, lease: Lease, outcome: Outcome) -> Job:
        """Return the job where this write was committed before and only its answer was lost."""
        row = self._session.scalar(
            select(JobRow)
            .join(AttemptRow, AttemptRow.job_id == JobRow.id)
            .where(
                JobRow.id == lease.job_id,
                AttemptRow.number == lease.attempt,
                AttemptRow.token == lease.token,
                AttemptRow.outcome == outcome,
            )
        )
        if row is None:
            raise _lost(lease)
        return job_of(row)


def _ready(queue: str) -> Conditions:
    return (in_state("queued"), JobRow.queue == queue, JobRow.not_before <= now())


def _held(lease: Lease) -> Conditions:
    return (
        JobRow.id == lease.job_id,
        in_state("running"),
        JobRow.lease_token == lease.token,
        JobRow.lease_until > now(),
    )


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(
        f"Attempt {lease.attempt} of {lease.job_id} no longer belongs to {lease.worker_id}; stop it"
        " and claim another job."
    )
