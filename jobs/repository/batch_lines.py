"""What a move of a job means for its line in a batch, written in the same transaction.

So the lines alone tell how far a batch is, long after their jobs were forgotten.
"""

from typing import Any

from sqlalchemy import ColumnElement, String, func, literal, select, update
from sqlalchemy.orm import Session

from jobs.batch import LineCounts, LineState
from jobs.bulk_tables import BatchLineRow, BatchRow
from jobs.clock import now
from jobs.errors import OutputSkippedError
from jobs.tables import JobRow


def line_in(*states: LineState) -> ColumnElement[bool]:
    """Keep lines in one of these states; they stand in the statement, as with `in_state`."""
    inline = [literal(state, String, literal_execute=True) for state in states]
    return BatchLineRow.state == inline[0] if len(inline) == 1 else BatchLineRow.state.in_(inline)


def count_lines(session: Session, batch_id: str) -> LineCounts:
    """Count lines by state, from one index."""
    query = (
        select(BatchLineRow.state, func.count())
        .where(BatchLineRow.batch_id == batch_id)
        .group_by(BatchLineRow.state)
    )
    return LineCounts(**dict(session.execute(query).all()))


def note_end(session: Session, job: JobRow) -> None:
    """Write down how a line's job ended."""
    if job.batch_line is None:
        return
    state: LineState = "canceled"
    if job.state == "succeeded":
        state = "succeeded"
    elif job.state == "failed":
        state = "failed"
    elif job.reason_code == OutputSkippedError.code:
        state = "skipped"
    session.execute(
        update(BatchLineRow)
        .where(*_line_of(job))
        .values(
            state=state,
            reason_code=None if state == "succeeded" else job.reason_code,
            reason_message=None if state == "succeeded" else job.reason_message,
            result=_result_of(job) if state == "succeeded" else None,
            ended_at=now(),
        )
    )


def note_deletion(session: Session, job: JobRow) -> None:
    """Write down that a waiting job was deleted, so that its line comes to an end."""
    if job.batch_line is None:
        return
    session.execute(
        update(BatchLineRow)
        .where(*_line_of(job), line_in("active"))
        .values(
            state="canceled",
            job_id=None,
            reason_code="job_deleted",
            reason_message="Somebody deleted the job.",
            ended_at=now(),
        )
    )


def note_retry(session: Session, job: JobRow) -> None:
    """Write down that a line's job waits again; a batch that was complete goes on."""
    if job.batch_line is None:
        return
    again: dict[str, Any] = {"reason_code": None, "reason_message": None, "result": None}
    session.execute(
        update(BatchLineRow).where(*_line_of(job)).values(state="active", ended_at=None, **again)
    )
    session.execute(
        update(BatchRow)
        .where(BatchRow.id == job.flow, BatchRow.state.in_(("completed", "canceled")))
        .values(
            state="running",
            round=BatchRow.round + 1,
            version=BatchRow.version + 1,
            counts=None,
            ended_at=None,
            cancel_requested_at=None,
            look_at=now(),
            updated_at=now(),
        )
    )


def _line_of(job: JobRow) -> tuple[ColumnElement[bool], ...]:
    return (
        BatchLineRow.batch_id == job.flow,
        BatchLineRow.number == job.batch_line,
        BatchLineRow.job_id == job.id,
    )


def _result_of(job: JobRow) -> dict[str, Any]:
    found = job.result or {}
    facts, source = found.get("facts") or {}, job.input_facts or {}
    seconds = None
    if job.started_at is not None and job.ended_at is not None:
        seconds = round((job.ended_at - job.started_at).total_seconds(), 3)
    return {
        "url": found.get("url"),
        "size_bytes": found.get("size_bytes"),
        "sha256": found.get("sha256"),
        "frames": facts.get("frame_count") or source.get("frame_count"),
        "seconds": seconds,
    }
