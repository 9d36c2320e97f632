"""Rows of batches into the frozen things that leave this package, and back."""

from collections.abc import Mapping
from typing import Any, cast

from jobs.api_key import KeyLimits
from jobs.batch import Batch, BatchLine, BatchRequest, LineState
from jobs.bulk_tables import BatchLineRow, BatchRow
from jobs.job import Reason


def batch_of(row: BatchRow) -> Batch:
    """Copy a batch's row."""
    return Batch(
        id=row.id,
        tenant=row.tenant,
        key_id=row.key_id,
        request=BatchRequest.from_json(row.request),
        limits=KeyLimits.from_json(row.limits),
        state=row.state,
        version=row.version,
        round=row.round,
        position=row.position,
        lines_read=row.lines_read,
        estimate=row.estimate,
        reports=row.reports,
        reason=_reason(row.reason_code, row.reason_message),
        created_at=row.created_at,
        updated_at=row.updated_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        is_paused=row.paused_at is not None,
        is_cancel_requested=row.cancel_requested_at is not None,
        retry_states=tuple(cast(list[LineState], row.retry_states or [])),
    )


def line_of(row: BatchLineRow) -> BatchLine:
    """Copy a line's row."""
    return BatchLine(
        number=row.number,
        state=row.state,
        input_url=row.input_url,
        input_version=row.input_version,
        input_etag=row.input_etag,
        size_bytes=row.size_bytes,
        choices=row.choices,
        output_url=row.output_url,
        job_id=row.job_id,
        reason=_reason(row.reason_code, row.reason_message),
        result=row.result,
        ended_at=row.ended_at,
    )


def values_of(batch_id: str, line: BatchLine) -> Mapping[str, Any]:
    """Give a new line's columns."""
    return {
        "batch_id": batch_id,
        "number": line.number,
        "state": line.state,
        "input_url": line.input_url,
        "input_version": line.input_version,
        "input_etag": line.input_etag,
        "size_bytes": line.size_bytes,
        "choices": None if line.choices is None else dict(line.choices),
        "output_url": line.output_url,
        "reason_code": line.reason and line.reason.code,
        "reason_message": line.reason and line.reason.message,
    }


def _reason(code: str | None, message: str | None) -> Reason | None:
    return None if code is None else Reason(code, message or "")
