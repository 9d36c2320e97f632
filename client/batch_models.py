"""Batches as the service describes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from client.models import Reason

Json = Mapping[str, Any]

BatchState = Literal[
    "reading", "running", "planned", "reporting", "completed", "canceled", "failed"
]
LineState = Literal["waiting", "active", "succeeded", "failed", "skipped", "canceled", "refused"]

ENDED = frozenset({"planned", "completed", "canceled", "failed"})


@dataclass(frozen=True)
class Counts:
    """Lines by state."""

    total: int
    waiting: int
    active: int
    succeeded: int
    failed: int
    skipped: int
    canceled: int
    refused: int


@dataclass(frozen=True)
class Batch:
    """A batch at one moment."""

    id: str
    name: str | None
    state: BatchState
    version: int
    round: int
    is_dry_run: bool
    is_paused: bool
    is_cancel_requested: bool
    request: Json
    counts: Counts
    percent: float
    seconds_left: float | None
    estimate: Json | None
    reports: Mapping[str, str] | None
    error: Reason | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED

    @classmethod
    def from_json(cls, found: Json) -> "Batch":
        """Read a batch document."""
        error, ended_at = found.get("error"), found.get("ended_at")
        names = Counts.__dataclass_fields__
        return cls(
            id=found["id"],
            name=found.get("name"),
            state=found["state"],
            version=found["version"],
            round=found["round"],
            is_dry_run=found["is_dry_run"],
            is_paused=found["is_paused"],
            is_cancel_requested=found["is_cancel_requested"],
            request=found["request"],
            counts=Counts(**{name: found["counts"][name] for name in names}),
            percent=found["percent"],
            seconds_left=found.get("seconds_left"),
            estimate=found.get("estimate"),
            reports=found.get("reports"),
            error=None if error is None else Reason(error["code"], error["message"]),
            created_at=datetime.fromisoformat(found["created_at"]),
            ended_at=None if ended_at is None else datetime.fromisoformat(ended_at),
        )


@dataclass(frozen=True)
class BatchLine:
    """One line of a batch."""

    line: int
    state: LineState
    input_url: str | None
    input_bytes: int | None
    output_url: str | None
    output_bytes: int | None
    job_id: str | None
    error: Reason | None

    @classmethod
    def from_json(cls, found: Json) -> "BatchLine":
        """Read one line."""
        code = found.get("error_code")
        return cls(
            line=found["line"],
            state=found["state"],
            input_url=found.get("input_url"),
            input_bytes=found.get("input_bytes"),
            output_url=found.get("output_url"),
            output_bytes=found.get("output_bytes"),
            job_id=found.get("job_id"),
            error=None if code is None else Reason(code, found.get("error_message") or ""),
        )
