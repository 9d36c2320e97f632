"""The same moves as for one job, for all jobs that match: in chunks, each a transaction.

What was counted is what is acted on: `settled_before` leaves out what came to match later. A chunk
that was committed is not looked at again, so whoever breaks off can go on at the cursor, or begin
again from nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from sqlalchemy import ColumnElement, case, func, not_, select, update
from sqlalchemy.orm import Session

from jobs.api_key import Actor
from jobs.clock import later, now
from jobs.errors import RequestInvalidError
from jobs.job import RETRIABLE, State
from jobs.json_changes import with_number
from jobs.policy import Policy
from jobs.repository.audit_log import record_all
from jobs.repository.cursor import older_than, place_of
from jobs.repository.job_lists import JobFilter, matching
from jobs.repository.moves import FRESH, change_all, move_all
from jobs.repository.outbox import BELL_DELAY_S, post_bell
from jobs.repository.states import in_state
from jobs.repository.turns import next_turns
from jobs.repository.visibility import visible
from jobs.request import PRIORITIES
from jobs.tables import JobRow, UploadRow

BulkAction = Literal["cancel", "retry", "prioritise"]

_STATES: Mapping[BulkAction, tuple[State, ...]] = {
    "cancel": ("queued", "running"),
    "retry": tuple(sorted(RETRIABLE)),
    "prioritise": ("queued",),
}


@dataclass(frozen=True)
class BulkCount:
    """What an action would change."""

    jobs: int
    settled_before: datetime
    """Name it when the action is confirmed."""


@dataclass(frozen=True)
class BulkChunk:
    """What became of one chunk."""

    looked_at: int
    changed: int
    next_cursor: str | None
    """Where the next chunk begins; None at the end."""


class Bulk:
    """Actions on many jobs of one tenant, or of all."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def count(self, tenant: str, action: BulkAction, wanted: JobFilter) -> BulkCount:
        """Count the jobs that match and whose state allows the action."""
        at = self._session.scalars(select(now())).one()
        query = select(func.count()).select_from(JobRow)
        jobs = self._session.scalars(query.where(*_chosen(tenant, action, wanted, at))).one()
        return BulkCount(jobs, at)

    def apply(
        self,
        actor: Actor,
        action: BulkAction,
        wanted: JobFilter,
        settled_before: datetime,
        *,
        priority: int | None = None,
        cursor: str | None = None,
        limit: int = 500,
    ) -> BulkChunk:
        """Act on the next jobs that match, newest first, and as many as `limit`.

        Raises:
            RequestInvalidError: the priority is missing or outside its range, or the cursor is not
                one that an earlier chunk gave.

        """
        query = select(JobRow).where(*_chosen(actor.tenant, action, wanted, settled_before))
        if cursor is not None:
            query = query.where(older_than(cursor, JobRow.created_at, JobRow.id))
        rows = self._session.scalars(
            query.order_by(JobRow.created_at.desc(), JobRow.id.desc())
            .limit(limit)
            .with_for_update()
        ).all()
        match action:
            case "cancel":
                changed = self._cancel(actor, rows)
            case "retry":
                changed = self._retry(actor, rows)
            case _:
                changed = self._prioritise(actor, rows, priority)
        is_last = len(rows) < limit
        following = None if is_last else place_of(rows[-1].created_at, rows[-1].id)
        return BulkChunk(len(rows), changed, following)

    def _cancel(self, actor: Actor, rows: Sequence[JobRow]) -> int:
        waiting = _ids(row for row in rows if row.state == "queued")
        running = _ids(
            row for row in rows if row.state == "running" and not row.cancel_requested_at
        )
        ended = move_all(
            self._session, (JobRow.id.in_(waiting),), "queued", "canceled",
            cancel_requested_at=now(),
        )  # fmt: skip
        asked = change_all(
            self._session, (JobRow.id.in_(running), in_state("running")), cancel_requested_at=now()
        )
        return self._record(actor, "job.canceled", [*ended, *asked])

    def _retry(self, actor: Actor, rows: Sequence[JobRow]) -> int:
        uploads = {row.upload_id for row in rows if row.upload_id is not None}
        self._session.execute(
            update(UploadRow)
            .where(UploadRow.id.in_(uploads), UploadRow.completed_at.is_not(None))
            .values(expires_at=later(now(), self._policy.upload_kept_s))
        )
        # Without its upload a job cannot run again.
        able = [row for row in rows if row.upload_id or not row.request.get("upload_id")]
        turns = self._turns(able, None)
        queued: list[JobRow] = []
        for state in _STATES["retry"]:
            own = _ids(row for row in able if row.state == state)
            queued += (
                move_all(self._session, (JobRow.id.in_(own),), state, "queued", turn=turns, **FRESH)
                if own
                else []
            )
        self._ring(queued)
        return self._record(actor, "job.retried", queued)

    def _prioritise(self, actor: Actor, rows: Sequence[JobRow], priority: int | None) -> int:
        if priority is None or priority not in PRIORITIES:
            raise RequestInvalidError(
                f"Give a priority between {PRIORITIES[0]} and {PRIORITIES[-1]}."
            )
        other = [row for row in rows if row.urgency != -priority]
        if not other:
            return 0
        changed = change_all(
            self._session,
            (JobRow.id.in_(_ids(other)), in_state("queued")),
            urgency=-priority,
            turn=self._turns(other, -priority),
            request=with_number(JobRow.request, "priority", priority),
        )
        return self._record(actor, "job.prioritised", changed, priority=priority)

    def _turns(self, rows: Sequence[JobRow], urgency: int | None) -> ColumnElement[int] | int:
        """Give each job its turn, the oldest first."""
        turns: dict[str, int] = {}

        def flow_of(row: JobRow) -> tuple[str, str, int, str]:
            return row.tenant, row.queue, row.urgency if urgency is None else urgency, row.flow

        ordered = sorted(rows, key=lambda row: (flow_of(row), row.created_at, row.id))
        for flow, members in groupby(ordered, key=flow_of):
            ids = _ids(members)
            turns |= zip(ids, next_turns(self._session, *flow, len(ids)), strict=True)
        return case(turns, value=JobRow.id) if turns else 0

    def _ring(self, rows: Sequence[JobRow]) -> None:
        # One bell for each queue: the sweeper passes it on to every idle worker.
        for row in {row.queue: row for row in rows}.values():
            post_bell(self._session, row.tenant, row.id, row.queue, BELL_DELAY_S)

    def _record(
        self,
        actor: Actor,
        action: str,
        rows: Sequence[JobRow],
        **detail: Any,  # noqa: ANN401
    ) -> int:
        subjects = [(row.id, row.tenant) for row in rows]
        record_all(self._session, actor, action, subjects, bulk=True, **detail)
        return len(rows)


def _chosen(
    tenant: str, action: BulkAction, wanted: JobFilter, settled_before: datetime
) -> tuple[ColumnElement[bool], ...]:
    conditions = (
        visible(JobRow.tenant, tenant),
        in_state(*_STATES[action]),
        *matching(wanted),
        JobRow.created_at < settled_before,
    )
    if action == "retry":
        return (*conditions, JobRow.ended_at < settled_before)
    # Queued anew by somebody after the count; a job that a worker gave back is still the same.
    anew = in_state("queued") & (JobRow.attempts_used == 0) & (JobRow.updated_at >= settled_before)
    return (*conditions, not_(anew))


def _ids(rows: Iterable[JobRow]) -> list[str]:
    return [row.id for row in rows]
