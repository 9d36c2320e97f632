"""Rows of watched prefixes as what the rest of the program knows."""

from typing import Any, cast

from jobs.api_key import KeyLimits
from jobs.job import Reason
from jobs.placement import Output
from jobs.watch import (
    EventSource,
    EventState,
    Existing,
    KnownObject,
    ObjectState,
    ParkedMessage,
    S3Event,
    Watch,
)
from jobs.watch_tables import ParkedMessageRow, S3EventRow, WatchedObjectRow, WatchRow

ERROR_MAX = 500
"""So much of a sentence about a watch is kept."""


def watch_of(row: WatchRow) -> Watch:
    """Copy a watch's row."""
    return Watch(
        id=row.id,
        tenant=row.tenant,
        key_id=row.key_id,
        name=row.name,
        bucket=row.bucket,
        prefix=row.prefix,
        suffixes=tuple(row.suffixes),
        choices=row.choices,
        output=Output.from_json(row.output),
        existing=cast(Existing, row.existing),
        limits=KeyLimits.from_json(row.limits),
        created_at=row.created_at,
        updated_at=row.updated_at,
        paused_at=row.paused_at,
        last_error=row.last_error,
        last_error_at=row.last_error_at,
        listed_at=row.listed_at,
    )


def object_of(row: WatchedObjectRow) -> KnownObject:
    """Copy what is known about a key."""
    return KnownObject(row.key, row.revision, row.etag, row.sequencer, cast(ObjectState, row.state))


def event_of(row: S3EventRow) -> S3Event:
    """Copy an event's row."""
    return S3Event(
        id=row.id,
        watch_id=row.watch_id,
        kind=cast(Any, row.kind),
        bucket=row.bucket,
        key=row.key,
        version_id=row.version,
        etag=row.etag,
        size_bytes=row.size_bytes,
        sequencer=row.sequencer,
        source=cast(EventSource, row.source),
        state=cast(EventState, row.state),
        reason=reason_of(row.reason_code, row.reason_message),
        job_id=row.job_id,
        received=row.received,
        received_at=row.received_at,
    )


def parked_of(row: ParkedMessageRow) -> ParkedMessage:
    """Copy a parked message's row."""
    return ParkedMessage(
        id=row.id,
        queue_url=row.queue_url,
        message_id=row.message_id,
        body=row.body,
        reason=Reason(row.reason_code, row.reason_message),
        receives=row.receives,
        parked_at=row.parked_at,
    )


def reason_of(code: str | None, message: str | None) -> Reason | None:
    """Put a reason together; None where there is none."""
    return None if code is None else Reason(code, message or "")
