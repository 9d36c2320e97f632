"""Figures about batches: what their lines add up to, samples of them, how jobs went lately."""

import math
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.batch import Batch, BatchLine
from jobs.bulk_tables import BatchLineRow
from jobs.repository.batch_lines import line_in
from jobs.repository.batch_rows import line_of
from jobs.repository.states import in_state
from jobs.request import JobRequest
from jobs.tables import AttemptRow, JobRow

_PACE_JOBS_MIN, _PACE_JOBS_MAX = 3, 50


@dataclass(frozen=True)
class Pace:
    """How jobs went lately."""

    jobs: int
    pixels_per_s: float
    """Output pixels for each second of enlarging."""
    bytes_per_pixel: float
    """Of the output."""


class BatchFigures:
    """Reading only."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def input_bytes(self, batch: Batch) -> tuple[int, int]:
        """Add up the inputs of lines that wait; also tell of how many the size is known."""
        total, sized = self._session.execute(
            select(func.sum(BatchLineRow.size_bytes), func.count(BatchLineRow.size_bytes)).where(
                BatchLineRow.batch_id == batch.id, line_in("waiting")
            )
        ).one()
        return int(total or 0), sized

    def sample(self, batch: Batch, waiting: int, limit: int) -> list[BatchLine]:
        """Give lines that wait, evenly spread over the batch."""
        step = max(1, waiting // limit)
        query = (
            select(BatchLineRow)
            .where(
                BatchLineRow.batch_id == batch.id,
                line_in("waiting"),
                BatchLineRow.number % step == 0,
            )
            .order_by(BatchLineRow.number)
            .limit(limit)
        )
        return [line_of(row) for row in self._session.scalars(query)]

    def first_output(self, batch: Batch) -> str | None:
        """Give the address of the first output; None where all results stay in our own store."""
        query = (
            select(BatchLineRow.output_url)
            .where(BatchLineRow.batch_id == batch.id, BatchLineRow.output_url.is_not(None))
            .order_by(BatchLineRow.number)
            .limit(1)
        )
        return self._session.scalar(query)

    def recent_pace(self, request: JobRequest) -> Pace | None:
        """Tell how the last jobs of this pipeline went; None where there were too few."""
        query = (
            select(JobRow.result, AttemptRow.stage_seconds)
            .join(
                AttemptRow,
                (AttemptRow.job_id == JobRow.id) & (AttemptRow.number == JobRow.attempt),
            )
            .where(in_state("succeeded"), JobRow.pipeline == request.pipeline)
            .order_by(JobRow.created_at.desc(), JobRow.id.desc())
            .limit(_PACE_JOBS_MAX)
        )
        jobs, pixels, seconds, size_bytes = 0, 0.0, 0.0, 0
        for result, stage_seconds in self._session.execute(query):
            facts = (result or {}).get("facts") or {}
            numbers = [facts.get(name) or 0 for name in ("width_px", "height_px", "frame_count")]
            took_s = stage_seconds.get("enlarging")
            if not took_s or not all(numbers):
                continue
            jobs += 1
            pixels += math.prod(numbers)
            seconds += took_s
            size_bytes += (result or {}).get("size_bytes") or 0
        if jobs < _PACE_JOBS_MIN or not pixels:
            return None
        return Pace(jobs, pixels / seconds, size_bytes / pixels)
