"""The tables. Nothing but `jobs.repository` and `migrations` looks at them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    MetaData,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from jobs.clock import Moment
from jobs.job import STATES, Outcome, State

Json = dict[str, Any]

_JSON = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def make_index(name: str, *columns: str, only: str | None = None) -> Index:
    """Make an index, over the rows that `only` selects where it is given."""
    where = None if only is None else text(only)
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)


class Table(DeclarativeBase):
    """What all tables share."""

    type_annotation_map = {  # noqa: RUF012 - read by SQLAlchemy as it stands
        datetime: Moment(),
        Json: _JSON,
        list[str]: _JSON,
    }
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


class ApiKeyRow(Table):
    """An API key."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    name: Mapped[str]
    prefix: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    webhook_secret: Mapped[str]
    scopes: Mapped[list[str]]
    limits: Mapped[Json]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    rate_full_at: Mapped[datetime | None]
    """When the allowance of requests will be untouched again; see `ApiKeys.spend`."""

    __table_args__ = (make_index("ix_api_keys_tenant", "tenant", "id"),)


class QueueRow(Table):
    """A queue: one GPU class. Workers add theirs when they start."""

    __tablename__ = "queues"

    name: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[datetime | None]


class UploadRow(Table):
    """A file that somebody sends, or sent."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    object_key: Mapped[str]
    filename: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    multipart_id: Mapped[str | None]
    part_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]

    __table_args__ = (
        make_index("ix_uploads_tenant", "tenant", "created_at", "id"),
        make_index("ix_uploads_expires_at", "expires_at"),
        make_index("ix_uploads_created", "created_at", "id"),
    )


class JobRow(Table):
    """The truth about a job. Every change of `state` is a compare-and-set, in `moves.py`."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    upload_id: Mapped[str | None] = mapped_column(ForeignKey("uploads.id", ondelete="SET NULL"))
    name: Mapped[str | None]
    """The request's, to be searched."""
    idempotency_key: Mapped[str | None]
    request_sha256: Mapped[str]
    request: Mapped[Json]
    limits: Mapped[Json]

    state: Mapped[State] = mapped_column(String)
    version: Mapped[int] = mapped_column(BigInteger)
    queue: Mapped[str] = mapped_column(ForeignKey("queues.name"))
    pipeline: Mapped[str]
    urgency: Mapped[int]
    """The priority with its sign changed, so that one ascending index gives the order of claims."""
    turn: Mapped[int] = mapped_column(BigInteger)
    """The place in the fair order between tenants and their flows; see `turns.py`."""
    flow: Mapped[str] = mapped_column(server_default="")
    """The id of the batch or the watch that a job belongs to; empty for single jobs."""
    batch_line: Mapped[int | None] = mapped_column(BigInteger)
    """Which line of the batch it is."""

    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    not_before: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]

    attempt: Mapped[int]
    attempts_used: Mapped[int]
    max_attempts: Mapped[int]
    worker_id: Mapped[str | None]
    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]

    progress: Mapped[Json | None]
    reason_code: Mapped[str | None]
    reason_message: Mapped[str | None]
    reason_pattern: Mapped[str | None]
    """The message without what differs from job to job; see `failures.py`."""
    input_facts: Mapped[Json | None]
    result: Mapped[Json | None]
    result_bytes: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(map(repr, STATES))})", name="state"),
        CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="lease"),
        UniqueConstraint("tenant", "idempotency_key"),
        # The next job of a queue.
        make_index(
            "ix_jobs_next", "queue", "urgency", "turn", "id", "not_before", only="state = 'queued'"
        ),
        # The last turn of a tenant's flow in a queue, and which flows there are.
        make_index(
            "ix_jobs_flow_turn",
            *("tenant", "queue", "urgency", "flow", "turn"),
            only="state = 'queued'",
        ),
        # The turn that a queue is at.
        make_index("ix_jobs_running_turn", "queue", "urgency", "turn", only="state = 'running'"),
        # How much of its limit a key uses.
        make_index("ix_jobs_key_queued", "key_id", "flow", only="state = 'queued'"),
        # Lists, newest first: one tenant's or all, of one state or all.
        make_index("ix_jobs_tenant_created", "tenant", "created_at", "id"),
        make_index("ix_jobs_tenant_state_created", "tenant", "state", "created_at", "id"),
        make_index("ix_jobs_created", "created_at", "id"),
        # The jobs of one batch or watch, newest first.
        make_index("ix_jobs_flow", "flow", "created_at", "id", only="flow != ''"),
        make_index("ix_jobs_state_created", "state", "created_at", "id"),
        # What the dashboard searches and adds up.
        make_index("ix_jobs_name", "created_at", "id", "name"),
        make_index("ix_jobs_queue_created", "queue", "created_at", "id"),
        make_index(
            "ix_jobs_reason",
            *("reason_code", "created_at", "id"),
            only="reason_code IS NOT NULL",
        ),
        make_index(
            "ix_jobs_failures",
            *("reason_code", "reason_pattern", "ended_at", "id"),
            only="state = 'failed'",
        ),
        make_index("ix_jobs_storage", "tenant", "result_bytes", only="state = 'succeeded'"),
        # What the sweeper looks for.
        make_index("ix_jobs_lease_until", "lease_until", only="state = 'running'"),
        make_index("ix_jobs_expires_at", "expires_at", only="state = 'succeeded'"),
        make_index("ix_jobs_ended_at", "ended_at"),
        make_index("ix_jobs_upload", "upload_id"),
    )


class AttemptRow(Table):
    """One worker's try at a job."""

    __tablename__ = "attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    worker_id: Mapped[str]
    token: Mapped[str]
    outcome: Mapped[Outcome] = mapped_column(String)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reason_code: Mapped[str | None]
    reason_message: Mapped[str | None]
    stage_seconds: Mapped[Json]


class OutboxRow(Table):
    """Something to be done outside the database because of a transaction that was committed."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str]
    tenant: Mapped[str]
    job_id: Mapped[str | None]
    key_id: Mapped[str | None]
    payload: Mapped[Json]
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    tries: Mapped[int]
    token: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    last_error: Mapped[str | None]

    __table_args__ = (
        make_index(
            "ix_outbox_due", "topic", "not_before", only="delivered_at IS NULL AND dead_at IS NULL"
        ),
        make_index("ix_outbox_job", "job_id"),
        make_index("ix_outbox_created", "created_at"),
        make_index("ix_outbox_topic_created", "topic", "created_at", "id"),
        make_index("ix_outbox_dead", "created_at", "id", only="dead_at IS NOT NULL"),
    )


class WorkerRow(Table):
    """A worker process: one GPU."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    queues: Mapped[list[str]]
    wanted: Mapped[str]
    facts: Mapped[Json]
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]


class AuditRow(Table):
    """Who did what to what; only ever added to."""

    __tablename__ = "audit_log"

    id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    tenant: Mapped[str]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[Json]

    __table_args__ = (
        make_index("ix_audit_log_at", "at", "id"),
        make_index("ix_audit_log_tenant", "tenant", "at", "id"),
        make_index("ix_audit_log_subject", "subject"),
        make_index("ix_audit_log_action", "action", "at", "id"),
    )
