"""What the service tells, frozen. Fields that a newer service adds are left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

State = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
ENDED: frozenset[State] = frozenset({"succeeded", "failed", "canceled", "expired"})

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Reason:
    """Why an attempt ended without a result."""

    code: str
    message: str


@dataclass(frozen=True)
class Progress:
    """How far the current attempt is."""

    stage: str
    percent: float
    frames_done: int
    frames_total: int | None
    frames_per_s: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class Result:
    """What a job made."""

    size_bytes: int
    sha256: str
    has_poster: bool
    has_preview: bool
    facts: Json


@dataclass(frozen=True)
class Job:
    """A job at one moment."""

    id: str
    state: State
    version: int
    is_cancel_requested: bool
    request: Json
    """As it was submitted, with the service's defaults."""
    attempt: int
    attempts_used: int
    max_attempts: int
    queue_position: int | None
    progress: Progress | None
    error: Reason | None
    input_facts: Json | None
    result: Result | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.request.get("name") or self.id)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED

    @classmethod
    def from_json(cls, found: Json) -> "Job":
        """Read a job document."""
        return cls(
            id=found["id"],
            state=found["state"],
            version=found["version"],
            is_cancel_requested=found["is_cancel_requested"],
            request=found["request"],
            attempt=found["attempt"],
            attempts_used=found["attempts_used"],
            max_attempts=found["max_attempts"],
            queue_position=found.get("queue_position"),
            progress=_progress(found.get("progress")),
            error=_reason(found.get("error")),
            input_facts=found.get("input_facts"),
            result=_result(found.get("result")),
            created_at=datetime.fromisoformat(found["created_at"]),
            updated_at=datetime.fromisoformat(found["updated_at"]),
            started_at=_moment(found.get("started_at")),
            ended_at=_moment(found.get("ended_at")),
            expires_at=_moment(found.get("expires_at")),
        )


@dataclass(frozen=True)
class Attempt:
    """One worker's try at a job."""

    number: int
    outcome: str
    started_at: datetime
    ended_at: datetime | None
    error: Reason | None
    stage_seconds: Mapping[str, float]

    @classmethod
    def from_json(cls, found: Json) -> "Attempt":
        """Read one entry of a job's attempts."""
        return cls(
            number=found["number"],
            outcome=found["outcome"],
            started_at=datetime.fromisoformat(found["started_at"]),
            ended_at=_moment(found.get("ended_at")),
            error=_reason(found.get("error")),
            stage_seconds=found["stage_seconds"],
        )


@dataclass(frozen=True)
class Upload:
    """A file on its way to the service, or there."""

    id: str
    state: Literal["pending", "complete"]
    filename: str
    size_bytes: int
    part_count: int | None
    parts_arrived: tuple[int, ...]
    """Numbers of the parts that the service has, while it is pending."""
    expires_at: datetime

    @classmethod
    def from_json(cls, found: Json) -> "Upload":
        """Read an upload document."""
        return cls(
            id=found["id"],
            state=found["state"],
            filename=found["filename"],
            size_bytes=found["size_bytes"],
            part_count=found.get("part_count"),
            parts_arrived=tuple(found.get("parts_arrived") or ()),
            expires_at=datetime.fromisoformat(found["expires_at"]),
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _reason(found: Json | None) -> Reason | None:
    return None if found is None else Reason(found["code"], found["message"])


def _progress(found: Json | None) -> Progress | None:
    if found is None:
        return None
    return Progress(
        stage=found["stage"],
        percent=found["percent"],
        frames_done=found["frames_done"],
        frames_total=found.get("frames_total"),
        frames_per_s=found.get("frames_per_s"),
        seconds_left=found.get("seconds_left"),
    )


def _result(found: Json | None) -> Result | None:
    if found is None:
        return None
    return Result(
        size_bytes=found["size_bytes"],
        sha256=found["sha256"],
        has_poster=found.get("has_poster", False),
        has_preview=found.get("has_preview", False),
        facts=found.get("facts") or {},
    )
