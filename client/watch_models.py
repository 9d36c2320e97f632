"""Watched prefixes as the service describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from client.models import Reason

Json = Mapping[str, Any]

EventState = Literal["submitted", "known", "stale", "refused", "ignored", "gone"]


@dataclass(frozen=True)
class WatchCounts:
    """How many objects of a watch are where."""

    submitted: int
    refused: int
    ignored: int
    gone: int
    jobs: Mapping[str, int]
    """By state."""


@dataclass(frozen=True)
class S3Event:
    """Something that a store told about an object, or that listing the prefix found."""

    id: str
    kind: Literal["created", "removed"]
    key: str
    source: Literal["sqs", "webhook", "lister"]
    state: EventState
    error: Reason | None
    job_id: str | None
    received: int
    """How often it came."""
    received_at: datetime

    @classmethod
    def from_json(cls, found: Json) -> "S3Event":
        """Read an event document."""
        error = found.get("error")
        return cls(
            id=found["id"],
            kind=found["kind"],
            key=found["key"],
            source=found["source"],
            state=found["state"],
            error=None if error is None else Reason(error["code"], error["message"]),
            job_id=found.get("job_id"),
            received=found["received"],
            received_at=datetime.fromisoformat(found["received_at"]),
        )


@dataclass(frozen=True)
class Watch:
    """A watched prefix at one moment."""

    id: str
    name: str | None
    prefix: str
    """`s3://bucket/prefix`."""
    suffixes: Sequence[str]
    parameters: Json
    output: Json
    """Its template and its collision rule."""
    is_paused: bool
    created_at: datetime
    last_event: S3Event | None
    last_error: str | None
    listed_at: datetime | None
    """When the prefix was last listed to its end."""
    counts: WatchCounts | None
    """Only where one watch was read."""
    secret: str | None = field(default=None, repr=False)
    """For stores that post events; only where the watch was just added."""

    @classmethod
    def from_json(cls, found: Json) -> "Watch":
        """Read a watch document."""
        last_event, counts = found.get("last_event"), found.get("counts")
        listed_at = found.get("listed_at")
        return cls(
            id=found["id"],
            name=found.get("name"),
            prefix=found["prefix"],
            suffixes=tuple(found["suffixes"]),
            parameters=found["parameters"],
            output=found["output"],
            is_paused=found["is_paused"],
            created_at=datetime.fromisoformat(found["created_at"]),
            last_event=None if last_event is None else S3Event.from_json(last_event),
            last_error=found.get("last_error"),
            listed_at=None if listed_at is None else datetime.fromisoformat(listed_at),
            counts=None if counts is None else _counts(counts),
            secret=found.get("secret"),
        )


def _counts(found: Json) -> WatchCounts:
    return WatchCounts(
        submitted=found["submitted"],
        refused=found["refused"],
        ignored=found["ignored"],
        gone=found["gone"],
        jobs=found["jobs"],
    )
