"""A job as everybody sees it: its states, the moves between them, and what is known about it.

This module does not know where any of it is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from jobs.request import JobRequest

State = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]
STATES: tuple[State, ...] = get_args(State)

MOVES: Mapping[State, frozenset[State]] = {
    "queued": frozenset({"running", "canceled"}),
    # Back to queued: given back, failed with attempts left, or the lease expired.
    "running": frozenset({"succeeded", "failed", "canceled", "queued"}),
    "succeeded": frozenset({"expired"}),
    "failed": frozenset({"queued"}),
    "canceled": frozenset({"queued"}),
    "expired": frozenset({"queued"}),
}

ENDED: frozenset[State] = frozenset({"succeeded", "failed", "canceled", "expired"})
RETRIABLE: frozenset[State] = frozenset({"failed", "canceled", "expired"})

Outcome = Literal["running", "succeeded", "failed", "canceled", "lost", "given_back"]
COUNTED: frozenset[Outcome] = frozenset({"failed", "lost"})
"""The outcomes that use up one of a job's attempts."""


@dataclass(frozen=True)
class Reason:
    """Why an attempt ended without a result."""

    code: str
    """Stable, snake_case."""
    message: str
    """One sentence for people."""


@dataclass(frozen=True)
class Progress:
    """How far the current attempt is."""

    stage: str
    percent: float = 0.0
    frames_done: int = 0
    frames_total: int | None = None
    frames_per_s: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class JobResult:
    """The pointer to what a job produced; writing it into the row is what publishes it."""

    key: str
    size_bytes: int
    sha256: str
    poster_key: str | None = None
    preview_key: str | None = None
    url: str | None = None
    """`s3://bucket/key` where it lies in somebody's own bucket; it is theirs and never expires."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The output as its probe describes it, in plain JSON types."""


@dataclass(frozen=True)
class JobLimits:
    """What the API key allowed when the job was submitted; None is no limit."""

    pixels: int | None = None
    """Width times height of one output frame."""
    duration_s: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One worker's try at a job."""

    job_id: str
    number: int
    """Counts from 1 over the job's whole life."""
    worker_id: str
    outcome: Outcome
    started_at: datetime
    ended_at: datetime | None
    reason: Reason | None
    stage_seconds: Mapping[str, float]


@dataclass(frozen=True)
class Job:
    """One job; a copy of its row at one moment."""

    id: str
    tenant: str
    request: JobRequest
    state: State
    version: int
    """Grows with every change of the row, so that it serves as an ETag and as an event id."""
    attempt: int
    """The number of the latest attempt; 0 before the first."""
    attempts_used: int
    """How many attempts of `max_attempts` failed or were lost."""
    max_attempts: int
    created_at: datetime
    updated_at: datetime
    not_before: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None
    """When the result will be removed."""
    is_cancel_requested: bool
    flow: str
    """The id of the batch or the watch that it belongs to; empty for a single job."""
    batch_line: int | None
    worker_id: str | None
    progress: Progress | None
    reason: Reason | None
    """Why the latest attempt failed; None once a later one succeeds."""
    input_facts: Mapping[str, Any] | None
    result: JobResult | None
    """Its objects exist only while the state is `succeeded`."""
    limits: JobLimits
