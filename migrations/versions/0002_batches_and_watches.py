"""Batches with their lines, watched prefixes with their events, and which job belongs to which."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
QUEUED = "state = 'queued'"


def upgrade() -> None:
    """Add the tables of bulk runs, and say of each job which of them it belongs to."""
    op.add_column("jobs", sa.Column("flow", sa.String(), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("batch_line", sa.BigInteger()))
    op.drop_index("ix_jobs_tenant_turn", "jobs")
    op.drop_index("ix_jobs_key_queued", "jobs")
    index(
        "ix_jobs_flow_turn", "jobs", "tenant", "queue", "urgency", "flow", "turn", only=QUEUED
    )  # fmt: skip
    index("ix_jobs_key_queued", "jobs", "key_id", "flow", only=QUEUED)
    index("ix_jobs_flow", "jobs", "flow", "created_at", "id", only="flow != ''")

    op.create_table(
        "batches",
        text("id"),
        text("tenant"),
        text("key_id", nullable=True),
        text("idempotency_key", nullable=True),
        text("request_sha256"),
        sa.Column("request", JSON, nullable=False),
        sa.Column("limits", JSON, nullable=False),
        text("state"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("position", JSON),
        sa.Column("lines_read", sa.BigInteger(), nullable=False),
        sa.Column("counts", JSON),
        sa.Column("estimate", JSON),
        sa.Column("retry_states", JSON),
        sa.Column("reports", JSON),
        text("reason_code", nullable=True),
        text("reason_message", nullable=True),
        text("lease_token", nullable=True),
        sa.Column("lease_until", MOMENT),
        sa.Column("look_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("paused_at", MOMENT),
        sa.Column("cancel_requested_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.UniqueConstraint("tenant", "idempotency_key", name="uq_batches_tenant_idempotency_key"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_batches_key_id"),
        one_of(
            "batches",
            "reading", "running", "planned", "reporting", "completed", "canceled", "failed",
        ),
    )  # fmt: skip
    index(
        "ix_batches_look_at", "batches", "look_at",
        only="state IN ('reading', 'running', 'reporting')",
    )  # fmt: skip
    index("ix_batches_tenant", "batches", "tenant", "created_at", "id")
    index("ix_batches_created", "batches", "created_at", "id")
    index("ix_batches_ended_at", "batches", "ended_at")

    op.create_table(
        "batch_lines",
        text("batch_id"),
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        text("state"),
        text("input_url", nullable=True),
        text("input_version", nullable=True),
        text("input_etag", nullable=True),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("choices", JSON),
        text("output_url", nullable=True),
        text("job_id", nullable=True),
        text("reason_code", nullable=True),
        text("reason_message", nullable=True),
        sa.Column("result", JSON),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("batch_id", "number", name="pk_batch_lines"),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name="fk_batch_lines_batch_id", ondelete="CASCADE"
        ),
        one_of(
            "batch_lines",
            "waiting", "active", "succeeded", "failed", "skipped", "canceled", "refused",
        ),
    )  # fmt: skip
    index("ix_batch_lines_state", "batch_lines", "batch_id", "state", "number")
    index("ix_batch_lines_output", "batch_lines", "batch_id", "output_url")

    op.create_table(
        "watches",
        text("id"),
        text("tenant"),
        text("key_id", nullable=True),
        text("name", nullable=True),
        text("bucket"),
        text("prefix"),
        sa.Column("suffixes", JSON, nullable=False),
        sa.Column("choices", JSON, nullable=False),
        sa.Column("output", JSON, nullable=False),
        text("existing"),
        sa.Column("limits", JSON, nullable=False),
        text("secret_sha256"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("paused_at", MOMENT),
        text("last_error", nullable=True),
        sa.Column("last_error_at", MOMENT),
        text("position", nullable=True),
        sa.Column("list_at", MOMENT, nullable=False),
        sa.Column("listed_at", MOMENT),
        text("lease_token", nullable=True),
        sa.Column("lease_until", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_watches"),
        sa.UniqueConstraint("secret_sha256", name="uq_watches_secret_sha256"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_watches_key_id"),
        sa.CheckConstraint("existing IN ('run', 'ignore')", name=op.f("ck_watches_existing")),
    )
    index("ix_watches_tenant", "watches", "tenant", "created_at", "id")
    index("ix_watches_bucket", "watches", "bucket")
    index("ix_watches_list_at", "watches", "list_at", only="paused_at IS NULL")

    op.create_table(
        "watched_objects",
        text("watch_id"),
        text("key"),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        text("version", nullable=True),
        text("etag", nullable=True),
        sa.Column("size_bytes", sa.BigInteger()),
        text("sequencer", nullable=True),
        text("state"),
        text("job_id", nullable=True),
        text("reason_code", nullable=True),
        text("reason_message", nullable=True),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("watch_id", "key", name="pk_watched_objects"),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["watches.id"], name="fk_watched_objects_watch_id", ondelete="CASCADE"
        ),
        one_of("watched_objects", "submitted", "refused", "ignored", "gone"),
    )
    index("ix_watched_objects_state", "watched_objects", "watch_id", "state")
    index("ix_watched_objects_job", "watched_objects", "job_id", only="job_id IS NOT NULL")

    op.create_table(
        "s3_events",
        text("id"),
        text("watch_id"),
        text("tenant"),
        text("fold"),
        text("kind"),
        text("bucket"),
        text("key"),
        text("version", nullable=True),
        text("etag", nullable=True),
        sa.Column("size_bytes", sa.BigInteger()),
        text("sequencer", nullable=True),
        text("source"),
        text("state"),
        text("reason_code", nullable=True),
        text("reason_message", nullable=True),
        text("job_id", nullable=True),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_s3_events"),
        sa.UniqueConstraint("fold", name="uq_s3_events_fold"),
        sa.ForeignKeyConstraint(
            ["watch_id"], ["watches.id"], name="fk_s3_events_watch_id", ondelete="CASCADE"
        ),
        one_of("s3_events", "submitted", "known", "stale", "refused", "ignored", "gone"),
    )
    index("ix_s3_events_watch", "s3_events", "watch_id", "received_at", "id")
    index("ix_s3_events_received", "s3_events", "received_at")

    op.create_table(
        "parked_messages",
        text("id"),
        text("queue_url"),
        text("message_id"),
        text("body"),
        text("reason_code"),
        text("reason_message"),
        sa.Column("receives", sa.Integer(), nullable=False),
        sa.Column("parked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parked_messages"),
        sa.UniqueConstraint("message_id", name="uq_parked_messages_message_id"),
    )
    index("ix_parked_messages_parked_at", "parked_messages", "parked_at", "id")


def downgrade() -> None:
    """Drop the tables; jobs that came of them become single jobs."""
    for table in (
        "parked_messages", "s3_events", "watched_objects", "watches", "batch_lines", "batches",
    ):  # fmt: skip
        op.drop_table(table)
    for name in ("ix_jobs_flow", "ix_jobs_flow_turn", "ix_jobs_key_queued"):
        op.drop_index(name, "jobs")
    op.drop_column("jobs", "batch_line")
    op.drop_column("jobs", "flow")
    index("ix_jobs_tenant_turn", "jobs", "tenant", "queue", "urgency", "turn", only=QUEUED)
    index("ix_jobs_key_queued", "jobs", "key_id", only=QUEUED)


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """Describe a column of text."""
    return sa.Column(name, sa.String(), nullable=nullable)


def one_of(table: str, *states: str) -> sa.CheckConstraint:
    """Describe which states there are."""
    found = ", ".join(map(repr, states))
    return sa.CheckConstraint(f"state IN ({found})", name=op.f(f"ck_{table}_state"))


def index(name: str, table: str, *columns: str, only: str | None = None) -> None:
    """Make an index, over the rows that `only` selects where it is given."""
    where = None if only is None else sa.text(only)
    op.create_index(name, table, [*columns], postgresql_where=where, sqlite_where=where)
