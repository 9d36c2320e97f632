"""Reading many jobs: pages, attempts, places in the queue, and the figures that metrics show."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, literal, select, tuple_
from sqlalchemy.orm import Session

from jobs.clock import now
from jobs.errors import JobNotFoundError
from jobs.job import STATES, Attempt, Job, State
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
    ids: tuple[str, ...] = ()
    queue: str | None = None
    pipeline: Pipeline | None = None
    flow: str | None = None
    """The id of a batch or of a watch."""
    reason_code: str | None = None
    reason_pattern: str | None = None
    """The message but for what differs from job to job; see `failures.pattern_of`."""
    text: str | None = None
    """A part of the name, or the beginning of the id."""
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


def matching(wanted: JobFilter) -> tuple[ColumnElement[bool], ...]:
    """Keep the jobs that a filter shows."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(in_state(*wanted.states))
    if wanted.ids:
        conditions.append(JobRow.id.in_(wanted.ids))
    for column, value in (
        (JobRow.queue, wanted.queue),
        (JobRow.pipeline, wanted.pipeline),
        (JobRow.flow, wanted.flow),
        (JobRow.reason_code, wanted.reason_code),
        (JobRow.reason_pattern, wanted.reason_pattern),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.flow is not None:
        # Said again for the index, which leaves single jobs out.
        conditions.append(JobRow.flow != literal("", literal_execute=True))
    if wanted.created_from is not None:
        conditions.append(JobRow.created_at >= wanted.created_from)
    if wanted.created_before is not None:
        conditions.append(JobRow.created_at < wanted.created_before)
    if wanted.text is not None:
        name = func.lower(JobRow.name).contains(wanted.text.lower(), autoescape=True)
        conditions.append(name | JobRow.id.startswith(wanted.text, autoescape=True))
    return tuple(conditions)


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
        conditions = [visible(JobRow.tenant, tenant), *matching(wanted)]
        if cursor is not None:
            conditions.append(older_than(cursor, JobRow.created_at, JobRow.id))
        newest_first = (JobRow.created_at.desc(), JobRow.id.desc())
        query = select(JobRow).where(*conditions)
        if wanted.text is not None:
            # Ids first: an index alone knows the names, and many rows may have to be passed over.
            ids = select(JobRow.id).where(*conditions).order_by(*newest_first).limit(limit + 1)
            query = select(JobRow).where(JobRow.id.in_(ids))
        query = query.order_by(*newest_first).limit(limit + 1)
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

    def totals(self) -> dict[State, int]:
        """Count all jobs by state."""
        query = select(JobRow.state, func.count()).group_by(JobRow.state)
        counts = {row[0]: row[1] for row in self._session.execute(query)}
        return {state: counts.get(state, 0) for state in STATES}

    def running(self, limit: int = 1000) -> list[Job]:
        """List the jobs that run, of all tenants."""
        query = select(JobRow).where(in_state("running")).order_by(JobRow.started_at).limit(limit)
        return [job_of(row) for row in self._session.scalars(query)]

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
