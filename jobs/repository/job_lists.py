"""Reading many jobs: pages, attempts, places in the queue, and the figures that metrics show."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from jobs.clock import now
from jobs.errors import JobNotFoundError
from jobs.job import Attempt, Job, State
from jobs.repository.cursor import older_than, page_of
from jobs.repository.rows import attempt_of, job_of
from jobs.repository.states import in_state
from jobs.repository.visibility import visible
from jobs.request import Pipeline
from jobs.tables import AttemptRow, JobRow

COUNTED_AHEAD = 10_000


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list shows; everything that is given must hold."""

    states: tuple[State, ...] = ()
    queue: str | None = None
    pipeline: Pipeline | None = None
    reason_code: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True)
class JobPage:
    """Jobs, newest first, and where the next page begins."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class StateCount:
    """How many jobs of a queue are in a state."""

    queue: str
    state: State
    jobs: int


@dataclass(frozen=True)
class Backlog:
    """What of a queue could run now, paused or not."""

    queue: str
    jobs: int
    oldest_wait_s: float


class JobLists:
    """Reading only."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(
        self,
        tenant: str,
        job_filter: JobFilter | None = None,
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """List jobs, newest first; jobs that are submitted meanwhile do not shift later pages.

        Raises:
            RequestInvalidError: the cursor is not one that an earlier page gave.

        """
        wanted = job_filter or JobFilter()
        query = select(JobRow).where(visible(JobRow.tenant, tenant))
        if wanted.states:
            query = query.where(in_state(*wanted.states))
        if wanted.queue is not None:
            query = query.where(JobRow.queue == wanted.queue)
        if wanted.pipeline is not None:
            query = query.where(JobRow.pipeline == wanted.pipeline)
        if wanted.reason_code is not None:
            query = query.where(JobRow.reason_code == wanted.reason_code)
        if wanted.created_from is not None:
            query = query.where(JobRow.created_at >= wanted.created_from)
        if wanted.created_before is not None:
            query = query.where(JobRow.created_at < wanted.created_before)
        if cursor is not None:
            query = query.where(older_than(cursor, JobRow.created_at, JobRow.id))
        query = query.order_by(JobRow.created_at.desc(), JobRow.id.desc()).limit(limit + 1)
        rows = self._session.scalars(query).all()
        shown, next_cursor = page_of(rows, limit, lambda row: (row.created_at, row.id))
        return JobPage(tuple(map(job_of, shown)), next_cursor)

    def attempts(self, tenant: str, job_id: str) -> list[Attempt]:
        """List a job's attempts, first to last.

        Raises:
            JobNotFoundError: there is no such job that this tenant can see.

        """
        self._row(tenant, job_id)
        query = select(AttemptRow).where(AttemptRow.job_id == job_id).order_by(AttemptRow.number)
        return [attempt_of(row) for row in self._session.scalars(query)]

    def position(self, tenant: str, job_id: str) -> int | None:
        """Return a waiting job's place in its queue; None where it does not wait.

        1 is next; places from 10,001 on are not told apart.

        Raises:
            JobNotFoundError: there is no such job that this tenant can see.

        """
        row = self._row(tenant, job_id)
        if row.state != "queued":
            return None
        ahead = (
            select(JobRow.id)
            .where(
                JobRow.queue == row.queue,
                in_state("queued"),
                JobRow.not_before <= now(),
                tuple_(JobRow.urgency, JobRow.turn, JobRow.id)
                < tuple_(row.urgency, row.turn, row.id),
            )
            .limit(COUNTED_AHEAD)
            .subquery()
        )
        return self._session.scalars(select(func.count()).select_from(ahead)).one() + 1

    def state_counts(self, tenant: str) -> list[StateCount]:
        """Count jobs by queue and state; what is absent is 0."""
        query = (
            select(JobRow.queue, JobRow.state, func.count())
            .where(visible(JobRow.tenant, tenant))
            .group_by(JobRow.queue, JobRow.state)
            .order_by(JobRow.queue, JobRow.state)
        )
        return [StateCount(*row) for row in self._session.execute(query)]

    def backlogs(self, tenant: str) -> list[Backlog]:
        """Tell how much waits in each queue and for how long; queues without backlog are absent."""
        query = (
            select(JobRow.queue, func.count(), func.min(JobRow.not_before), now())
            .where(
                visible(JobRow.tenant, tenant),
                in_state("queued"),
                JobRow.not_before <= now(),
            )
            .group_by(JobRow.queue)
            .order_by(JobRow.queue)
        )
        return [
            Backlog(queue, jobs, (at - oldest).total_seconds())
            for queue, jobs, oldest, at in self._session.execute(query)
        ]

    def _row(self, tenant: str, job_id: str) -> JobRow:
        row = self._session.scalar(
            select(JobRow).where(JobRow.id == job_id, visible(JobRow.tenant, tenant))
        )
        if row is None:
            raise JobNotFoundError(f"There is no job {job_id}; it may have been deleted.")
        return row
