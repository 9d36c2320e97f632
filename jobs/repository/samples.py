"""Figures over time: taken once a minute, added up for minutes, ten minutes and hours at once.

So a plot over a week reads as few rows as one over an hour, and nothing has to be summed up later.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sqlalchemy import Integer, case, cast, delete, extract, func, select
from sqlalchemy.orm import Session

from jobs.clock import later, now
from jobs.dashboard_tables import SampleRow
from jobs.job import State
from jobs.repository.states import in_state
from jobs.repository.upserts import insert_into
from jobs.tables import JobRow, QueueRow, WorkerRow

Span = Literal["hour", "day", "week"]

_MINUTE_S = 60
_WIDTHS: Final[dict[Span, tuple[int, int]]] = {
    "hour": (_MINUTE_S, 60),
    "day": (600, 144),
    "week": (3600, 168),
}
"""How many seconds one point stands for, and how many points there are."""
_KEPT_S = {_MINUTE_S: 3 * 3600, 600: 3 * 86_400, 3600: 35 * 86_400}
_CATCH_UP = 60
"""Minutes without a sweeper of which it is still counted how many jobs ended in them."""
_SILENT_S = 60.0
_ENDS: tuple[State, ...] = ("succeeded", "failed", "canceled")
FARM = ""
_TAKEN = "taken"

Value = tuple[str, str, float]
"""Series, subject, value."""


@dataclass(frozen=True)
class Plot:
    """Lines over one axis of time."""

    at: list[int]
    """Where each span begins, in seconds since 1970."""
    width_s: int
    lines: dict[tuple[str, str], list[float | None]]
    """By series and subject: the mean within each span; None where nothing was measured."""


class Samples:
    """Taking and reading them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self) -> bool:
        """Measure for this minute; False where that was done already, by whichever sweeper."""
        minute = _begin(self._session.scalars(select(now())).one(), _MINUTE_S)
        latest = self._session.scalar(
            select(func.max(SampleRow.at)).where(
                SampleRow.span_s == _MINUTE_S,
                SampleRow.series == _TAKEN,
                SampleRow.subject == FARM,
            )
        )
        mark = insert_into(self._session, SampleRow).values(
            span_s=_MINUTE_S, series=_TAKEN, subject=FARM, at=minute, count=1, total=0.0, peak=0.0
        )
        # Whoever writes the mark measures; other sweepers wait for it and then find it.
        if self._session.scalar(mark.on_conflict_do_nothing().returning(SampleRow.span_s)) is None:
            return False
        self._add(minute, [*self._of_queues(), *self._of_workers()])
        step = timedelta(seconds=_MINUTE_S)
        first = minute - step if latest is None else max(latest, minute - _CATCH_UP * step)
        while first < minute:
            self._add(first, self._ended(first, first + step))
            first += step
        return True

    def _of_queues(self) -> Iterable[Value]:
        waiting = (
            select(JobRow.queue, func.count(), func.min(JobRow.not_before), now())
            .where(in_state("queued"), JobRow.not_before <= now())
            .group_by(JobRow.queue)
        )
        found = {row[0]: row for row in self._session.execute(waiting)}
        for queue in self._session.scalars(select(QueueRow.name)):
            row = found.get(queue)
            yield "waiting", queue, row[1] if row else 0
            yield "oldest_wait_s", queue, (row[3] - row[2]).total_seconds() if row else 0
        running = select(func.count()).select_from(JobRow).where(in_state("running"))
        yield "running", FARM, self._session.scalars(running).one()

    def _of_workers(self) -> Iterable[Value]:
        alive = select(WorkerRow).where(WorkerRow.heartbeat_at > later(now(), -_SILENT_S))
        progress = {
            worker: (found or {}).get("frames_per_s") or 0.0
            for worker, found in self._session.execute(
                select(JobRow.worker_id, JobRow.progress).where(in_state("running"))
            )
        }
        workers = self._session.scalars(alive).all()
        yield "workers", FARM, len(workers)
        yield "frames_per_s", FARM, sum(progress.values())
        busy = []
        for worker in workers:
            yield "frames_per_s", worker.id, progress.get(worker.id, 0.0)
            share = worker.facts.get("gpu_busy")
            total = worker.facts.get("gpu_memory_bytes")
            free = worker.facts.get("gpu_memory_free_bytes")
            if isinstance(share, int | float):
                busy.append(float(share))
                yield "gpu_busy", worker.id, float(share)
            if isinstance(total, int) and isinstance(free, int):
                yield "gpu_memory_bytes", worker.id, total - free
        if busy:
            yield "gpu_busy", FARM, sum(busy) / len(busy)

    def _ended(self, begin: datetime, end: datetime) -> list[Value]:
        query = (
            select(JobRow.state, func.count())
            .where(JobRow.ended_at >= begin, JobRow.ended_at < end)
            .group_by(JobRow.state)
        )
        counts = {row[0]: row[1] for row in self._session.execute(query)}
        return [(state, FARM, counts.get(state, 0)) for state in _ENDS]

    def _add(self, at: datetime, values: Iterable[Value]) -> None:
        rows = [
            {
                "span_s": width_s,
                "series": series,
                "subject": subject,
                "at": _begin(at, width_s),
                "count": 1,
                "total": float(value),
                "peak": float(value),
            }
            for series, subject, value in values
            for width_s in _KEPT_S
        ]
        for start in range(0, len(rows), 500):
            new = insert_into(self._session, SampleRow).values(rows[start : start + 500])
            given = new.excluded
            self._session.execute(
                new.on_conflict_do_update(
                    index_elements=["span_s", "series", "subject", "at"],
                    set_={
                        "count": SampleRow.count + given.count,
                        "total": SampleRow.total + given.total,
                        "peak": case(
                            (SampleRow.peak > given.peak, SampleRow.peak), else_=given.peak
                        ),
                    },
                )
            )

    def plot(self, span: Span, series: Collection[str], *, farm_only: bool = False) -> Plot:
        """Read lines over the last hour, day or week."""
        width_s, points = _WIDTHS[span]
        end = _begin(self._session.scalars(select(now())).one(), width_s)
        first = end - timedelta(seconds=width_s * (points - 1))
        # Seconds instead of moments: thousands of them are made into nothing else here.
        query = select(
            SampleRow.series,
            SampleRow.subject,
            cast(extract("epoch", SampleRow.at), Integer),
            SampleRow.count,
            SampleRow.total,
        ).where(
            SampleRow.span_s == width_s,
            SampleRow.series.in_(series),
            SampleRow.at >= first,
        )
        if farm_only:
            query = query.where(SampleRow.subject == FARM)
        empty: list[float | None] = [None] * points
        lines: dict[tuple[str, str], list[float | None]] = defaultdict(lambda: [*empty])
        began = round(first.timestamp())
        for name, subject, at_s, count, total in self._session.execute(query):
            place = (at_s - began) // width_s
            if 0 <= place < points:
                lines[name, subject][place] = total / count
        return Plot([began + width_s * n for n in range(points)], width_s, dict(lines))

    def ended(self, span: Span) -> dict[str, int]:
        """Count the jobs that ended over the last hour, day or week, by how they ended."""
        width_s, points = _WIDTHS[span]
        query = (
            select(SampleRow.series, func.sum(SampleRow.total))
            .where(
                SampleRow.span_s == width_s,
                SampleRow.series.in_(_ENDS),
                SampleRow.subject == FARM,
                SampleRow.at > later(now(), -float(width_s * points)),
            )
            .group_by(SampleRow.series)
        )
        counts = {series: round(total) for series, total in self._session.execute(query)}
        return {state: counts.get(state, 0) for state in _ENDS}

    def forget_old(self) -> int:
        """Delete what no plot reaches any more."""
        count = 0
        for width_s, kept_s in _KEPT_S.items():
            old = delete(SampleRow).where(
                SampleRow.span_s == width_s, SampleRow.at < later(now(), -float(kept_s))
            )
            count += len(self._session.scalars(old.returning(SampleRow.span_s)).all())
        return count


def _begin(at: datetime, width_s: int) -> datetime:
    since = int(at.timestamp())
    return datetime.fromtimestamp(since - since % width_s, UTC)
