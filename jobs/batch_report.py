"""A batch's report: what became of each line, as CSV or JSON, piece by piece."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Literal

from jobs.batch import Batch, BatchLine, LineCounts

ReportForm = Literal["csv", "json"]

COLUMNS = (
    "line", "state", "input_url", "input_version", "input_bytes", "output_url", "output_bytes",
    "output_sha256", "frames", "seconds", "job_id", "error_code", "error_message", "ended_at",
)  # fmt: skip


def write_report(
    form: ReportForm, batch: Batch, counts: LineCounts, lines: Iterable[BatchLine]
) -> Iterator[str]:
    """Give the report in pieces; lines are taken one at a time.

    CSV has a header and one row a line. JSON has `batch` and `lines`, with the same names.
    """
    return _csv(lines) if form == "csv" else _json(batch, counts, lines)


def row_of(line: BatchLine) -> dict[str, Any]:
    """Tell about one line under the names of `COLUMNS`."""
    result = line.result or {}
    values = (
        line.number,
        line.state,
        line.input_url,
        line.input_version,
        line.size_bytes,
        result.get("url") or line.output_url,
        result.get("size_bytes"),
        result.get("sha256"),
        result.get("frames"),
        result.get("seconds"),
        line.job_id,
        line.reason.code if line.reason else None,
        line.reason.message if line.reason else None,
        line.ended_at.isoformat() if line.ended_at else None,
    )
    return dict(zip(COLUMNS, values, strict=True))


def _csv(lines: Iterable[BatchLine]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    for line in lines:
        writer.writerow(row_of(line))
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _json(batch: Batch, counts: LineCounts, lines: Iterable[BatchLine]) -> Iterator[str]:
    about = {
        "id": batch.id,
        "name": batch.request.name,
        "state": batch.state,
        "round": batch.round,
        "created_at": batch.created_at.isoformat(),
        "started_at": batch.started_at and batch.started_at.isoformat(),
        "ended_at": batch.ended_at and batch.ended_at.isoformat(),
        "counts": asdict(counts),
    }
    yield f'{{"batch": {json.dumps(about)},\n"lines": ['
    for number, line in enumerate(lines):
        yield (",\n" if number else "\n") + json.dumps(row_of(line), ensure_ascii=False)
    yield "\n]}\n"
