"""Failed jobs in groups: those that failed for one reason stand together."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.repository.states import in_state
from jobs.tables import JobRow

_PATTERN_MAX = 200
_VARYING = re.compile(r"\b(?:job|upl|key|bat|wat)_[0-9a-z]{26}\b|\d+(?:[.,:]\d+)*")


@dataclass(frozen=True)
class FailureGroup:
    """Jobs that failed with one code and one message, but for names and numbers."""

    code: str
    pattern: str
    jobs: int
    latest_at: datetime
    example_id: str
    """The job that failed last."""
    example_message: str


class Failures:
    """All tenants' failed jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def groups(self, limit: int = 200) -> list[FailureGroup]:
        """List the groups, the largest first."""
        code, pattern = JobRow.reason_code, JobRow.reason_pattern
        grouped = (
            select(
                code,
                pattern,
                func.count().label("jobs"),
                func.max(JobRow.ended_at).label("latest_at"),
            )
            .where(in_state("failed"))
            .group_by(code, pattern)
            .order_by(func.count().desc(), code, pattern)
            .limit(limit)
        )
        return [self._group(*row) for row in self._session.execute(grouped)]

    def _group(
        self, code: str | None, pattern: str | None, jobs: int, latest_at: datetime | None
    ) -> FailureGroup:
        latest = (
            select(JobRow.id, JobRow.reason_message)
            .where(
                in_state("failed"),
                JobRow.reason_code.is_(None) if code is None else JobRow.reason_code == code,
                JobRow.reason_pattern.is_(None)
                if pattern is None
                else JobRow.reason_pattern == pattern,
            )
            .order_by(JobRow.ended_at.desc(), JobRow.id.desc())
            .limit(1)
        )
        job_id, message = self._session.execute(latest).one()
        assert latest_at is not None, "what failed has ended"
        return FailureGroup(code or "", pattern or "", jobs, latest_at, job_id, message or "")


def pattern_of(message: str, name: str | None) -> str:
    """Take out of a message what differs from job to job: the file's name, ids and numbers."""
    if name:
        message = message.replace(name, "…")
        # Sentences about a file call it as the worker does, which spares odd letters.
        message = message.replace(re.sub(r"[^\w .()+-]", "_", name).strip(" .")[:60] or name, "…")
    return _VARYING.sub("#", message)[:_PATTERN_MAX]
