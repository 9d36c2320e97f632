"""The tables of watched prefixes: the watches, their objects, and what was told about them.

Part of `jobs.tables`, and looked at by the same two: `jobs.repository` and `migrations`.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from jobs.tables import Json, Table, make_index
from jobs.watch import EVENT_STATES, EXISTING, OBJECT_STATES


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(map(repr, words))})"


class WatchRow(Table):
    """A prefix whose new objects become jobs."""

    __tablename__ = "watches"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    name: Mapped[str | None]
    bucket: Mapped[str]
    prefix: Mapped[str]
    suffixes: Mapped[list[str]]
    """Endings of keys, in lower case; none is every object."""
    choices: Mapped[Json]
    """The parameter preset."""
    output: Mapped[Json]
    """`jobs.placement.Output`."""
    existing: Mapped[str]
    """What becomes of objects that lay there before."""
    limits: Mapped[Json]
    """What the API key allowed when the watch was added: `KeyLimits`."""
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    """Of the secret with which a store posts events."""

    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    paused_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    last_error_at: Mapped[datetime | None]

    position: Mapped[str | None]
    """The last key that the lister has seen of the present listing."""
    list_at: Mapped[datetime]
    """When the lister should go on."""
    listed_at: Mapped[datetime | None]
    """When it last came to the end."""
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    """The lister that is at it holds this lease."""

    __table_args__ = (
        CheckConstraint(_one_of("existing", EXISTING), name="existing"),
        make_index("ix_watches_tenant", "tenant", "created_at", "id"),
        make_index("ix_watches_bucket", "bucket"),
        # What the lister has to do.
        make_index("ix_watches_list_at", "list_at", only="paused_at IS NULL"),
    )


class WatchedObjectRow(Table):
    """What is known about one key under a watched prefix; kept as long as the watch."""

    __tablename__ = "watched_objects"

    watch_id: Mapped[str] = mapped_column(
        ForeignKey("watches.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    """Grows with every change; who asks the store in between compares it."""
    version: Mapped[str | None]
    etag: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sequencer: Mapped[str | None]
    """The newest one that an event had."""
    state: Mapped[str]
    job_id: Mapped[str | None]
    """Its latest job; no foreign key, for jobs are forgotten earlier."""
    reason_code: Mapped[str | None]
    reason_message: Mapped[str | None]
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint(_one_of("state", OBJECT_STATES), name="state"),
        make_index("ix_watched_objects_state", "watch_id", "state"),
        make_index("ix_watched_objects_job", "job_id", only="job_id IS NOT NULL"),
    )


class S3EventRow(Table):
    """Something that a store told, or the lister found; duplicates are counted in one row."""

    __tablename__ = "s3_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    watch_id: Mapped[str] = mapped_column(ForeignKey("watches.id", ondelete="CASCADE"))
    tenant: Mapped[str]
    fold: Mapped[str] = mapped_column(unique=True)
    """A hash of the watch, and of the kind, key, version, sequencer and ETag that were told."""
    kind: Mapped[str]
    bucket: Mapped[str]
    key: Mapped[str]
    version: Mapped[str | None]
    etag: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sequencer: Mapped[str | None]
    source: Mapped[str]
    """sqs, webhook or lister."""
    state: Mapped[str]
    reason_code: Mapped[str | None]
    reason_message: Mapped[str | None]
    job_id: Mapped[str | None]
    received: Mapped[int] = mapped_column(BigInteger)
    """How often it came."""
    received_at: Mapped[datetime]
    """When it came first."""
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint(_one_of("state", EVENT_STATES), name="state"),
        make_index("ix_s3_events_watch", "watch_id", "received_at", "id"),
        make_index("ix_s3_events_received", "received_at"),
    )


class ParkedMessageRow(Table):
    """A message of a queue that could not be dealt with, put aside with the reason."""

    __tablename__ = "parked_messages"

    id: Mapped[str] = mapped_column(primary_key=True)
    queue_url: Mapped[str]
    message_id: Mapped[str] = mapped_column(unique=True)
    body: Mapped[str]
    reason_code: Mapped[str]
    reason_message: Mapped[str]
    receives: Mapped[int]
    parked_at: Mapped[datetime]

    __table_args__ = (make_index("ix_parked_messages_parked_at", "parked_at", "id"),)
