"""A prefix in somebody's bucket whose new objects become jobs."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from jobs.api_key import Actor, KeyLimits
from jobs.errors import RequestInvalidError
from jobs.job import Job, Reason
from jobs.placement import Output, Place, check_key, scale_text
from jobs.request import JobRequest

Existing = Literal["run", "ignore"]
"""What becomes of objects that lay under the prefix before it was watched."""

EventSource = Literal["sqs", "webhook", "lister"]

ObjectState = Literal["submitted", "refused", "ignored", "gone"]
"""A job was made of it; none can be; none is wanted; it was removed."""

EventState = Literal["submitted", "known", "stale", "refused", "ignored", "gone"]
"""Those of the object; and what was told before, or is older than what was told."""

EXISTING: tuple[Existing, ...] = get_args(Existing)
OBJECT_STATES: tuple[ObjectState, ...] = get_args(ObjectState)
EVENT_STATES: tuple[EventState, ...] = get_args(EventState)

WATCH_OUTPUT: Final = Output("enlarged/{path}/{stem}_x{scale}.{container}", "skip")
"""Beside the watched prefix: inside it would be a loop."""


_SECRET_PREFIX = "fves_"  # noqa: S105 - its kind, not a secret


@dataclass(frozen=True)
class Watch:
    """A watched prefix; a copy of its row at one moment."""

    id: str
    tenant: str
    key_id: str | None
    name: str | None
    bucket: str
    prefix: str
    """Empty is the whole bucket."""
    suffixes: tuple[str, ...]
    """Endings of keys, in lower case; none is every object."""
    choices: Mapping[str, Any]
    """What `JobRequest` takes, without the input and the output."""
    output: Output
    existing: Existing
    limits: KeyLimits
    created_at: datetime
    updated_at: datetime
    paused_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    listed_at: datetime | None
    """When the lister last came to the end of the prefix."""

    @property
    def url(self) -> str:
        """The watched prefix as `s3://bucket/prefix`."""
        return f"s3://{self.bucket}/{self.prefix}"

    @property
    def actor(self) -> Actor:
        """Who submits its jobs."""
        return Actor(self.id, self.tenant, self.key_id, self.limits)

    def covers(self, bucket: str, key: str) -> bool:
        """Tell whether an object is one of those that are to become jobs."""
        return (
            bucket == self.bucket
            and key.startswith(self.prefix)
            # What ends with a slash is a folder that some tool has drawn.
            and not key.endswith("/")
            and (not self.suffixes or key.lower().endswith(self.suffixes))
        )

    def request_for(self, key: str, version_id: str | None, etag: str | None) -> JobRequest:
        """Make the request of one object.

        Raises:
            RequestInvalidError: the key is none that can be read or written.

        """
        check_key(key)
        source = Place(self.bucket, key)
        choices = JobRequest(input_url=Place.of_url(source.url).url, **self.choices)
        output = self.output.place(
            source,
            scale=scale_text(choices.scale, choices.width_px, choices.height_px),
            container=choices.container,
            base=self.prefix,
            watch=self.id,
        )
        return JobRequest(
            input_url=source.url,
            input_version=version_id,
            input_etag=etag,
            output_url=output.url,
            on_collision=self.output.on_collision,
            **{"name": source.name[-255:], **self.choices},
        )


@dataclass(frozen=True)
class KnownObject:
    """What was decided about a key so far."""

    key: str
    revision: int
    """Grows with every decision."""
    etag: str | None
    sequencer: str | None
    state: ObjectState


@dataclass(frozen=True)
class ObjectNow:
    """An object as its store describes it at this moment."""

    etag: str | None
    """Without quotes."""
    version_id: str | None
    size_bytes: int


@dataclass(frozen=True)
class Decision:
    """What came of an event."""

    state: EventState
    job: Job | None = None
    """The one that was made of it."""


@dataclass(frozen=True)
class NewWatch:
    """A watch at its creation, the only time that its secret is known."""

    watch: Watch
    secret: str = field(repr=False)
    """What a store sends along with the events that it posts."""


@dataclass(frozen=True)
class WatchCounts:
    """How many objects of a watch are where; of those submitted, by the state of their job."""

    submitted: int = 0
    refused: int = 0
    ignored: int = 0
    gone: int = 0
    jobs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class S3Event:
    """Something that a store told about one object, and what came of it."""

    id: str
    watch_id: str
    kind: Literal["created", "removed"]
    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    size_bytes: int | None
    sequencer: str | None
    source: EventSource
    state: EventState
    reason: Reason | None
    job_id: str | None
    received: int
    """How often it came."""
    received_at: datetime
    """When it came first."""


@dataclass(frozen=True)
class ParkedMessage:
    """A message of a queue that could not be dealt with."""

    id: str
    queue_url: str
    message_id: str
    body: str
    reason: Reason
    receives: int
    parked_at: datetime


def clean_suffixes(suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """Bring endings into the form in which they are compared.

    Raises:
        RequestInvalidError: one is empty or has a slash.

    """
    for suffix in suffixes:
        if not suffix or "/" in suffix:
            raise RequestInvalidError(f"{suffix!r} is no ending of a key; give one such as .mp4.")
    return tuple(sorted({suffix.lower() for suffix in suffixes}))


def new_event_secret() -> str:
    """Make a secret of 256 random bits."""
    return f"{_SECRET_PREFIX}{secrets.token_urlsafe(32)}"


def sha256_of_event_secret(secret: str) -> str:
    """Hash a secret as it is stored; 256 random bits need neither salt nor stretching."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
