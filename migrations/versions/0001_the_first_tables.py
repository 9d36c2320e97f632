"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

STATES = "'queued', 'running', 'succeeded', 'failed', 'canceled', 'expired'"


def upgrade() -> None:
    """Make all tables, and the queue that jobs go to where they name none."""
    op.create_table(
        "api_keys",
        text("id"),
        text("tenant"),
        text("name"),
        text("prefix"),
        text("sha256"),
        text("webhook_secret"),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("limits", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("rate_full_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )
    index("ix_api_keys_tenant", "api_keys", "tenant", "id")

    queues = op.create_table(
        "queues",
        text("name"),
        sa.Column("paused_at", MOMENT),
        sa.PrimaryKeyConstraint("name", name="pk_queues"),
    )
    op.bulk_insert(queues, [{"name": "a100"}])

    op.create_table(
        "uploads",
        text("id"),
        text("tenant"),
        text("key_id", nullable=True),
        text("object_key"),
        text("filename"),
        text("content_type"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        text("multipart_id", nullable=True),
        sa.Column("part_size_bytes", sa.BigInteger()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("completed_at", MOMENT),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_uploads_key_id"),
    )
    index("ix_uploads_tenant", "uploads", "tenant", "created_at", "id")
    index("ix_uploads_expires_at", "uploads", "expires_at")

    op.create_table(
        "jobs",
        text("id"),
        text("tenant"),
        text("key_id", nullable=True),
        text("upload_id", nullable=True),
        text("idempotency_key", nullable=True),
        text("request_sha256"),
        sa.Column("request", JSON, nullable=False),
        sa.Column("limits", JSON, nullable=False),
        text("state"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        text("queue"),
        text("pipeline"),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("expires_at", MOMENT),
        sa.Column("cancel_requested_at", MOMENT),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("attempts_used", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        text("worker_id", nullable=True),
        text("lease_token", nullable=True),
        sa.Column("lease_until", MOMENT),
        sa.Column("progress", JSON),
        text("reason_code", nullable=True),
        text("reason_message", nullable=True),
        sa.Column("input_facts", JSON),
        sa.Column("result", JSON),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("tenant", "idempotency_key", name="uq_jobs_tenant_idempotency_key"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_jobs_key_id"),
        sa.ForeignKeyConstraint(["queue"], ["queues.name"], name="fk_jobs_queue"),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["uploads.id"], name="fk_jobs_upload_id", ondelete="SET NULL"
        ),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_jobs_state")),
        sa.CheckConstraint(
            "(state = 'running') = (lease_token IS NOT NULL)", name=op.f("ck_jobs_lease")
        ),
    )
    queued, running = "state = 'queued'", "state = 'running'"
    index("ix_jobs_next", "jobs", "queue", "urgency", "turn", "id", "not_before", only=queued)
    index("ix_jobs_tenant_turn", "jobs", "tenant", "queue", "urgency", "turn", only=queued)
    index("ix_jobs_running_turn", "jobs", "queue", "urgency", "turn", only=running)
    index("ix_jobs_key_queued", "jobs", "key_id", only=queued)
    index("ix_jobs_tenant_created", "jobs", "tenant", "created_at", "id")
    index("ix_jobs_tenant_state_created", "jobs", "tenant", "state", "created_at", "id")
    index("ix_jobs_created", "jobs", "created_at", "id")
    index("ix_jobs_state_created", "jobs", "state", "created_at", "id")
    index("ix_jobs_lease_until", "jobs", "lease_until", only=running)
    index("ix_jobs_expires_at", "jobs", "expires_at", only="state = 'succeeded'")
    index("ix_jobs_ended_at", "jobs", "ended_at")
    index("ix_jobs_upload", "jobs", "upload_id")

    op.create_table(
        "attempts",
        text("job_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        text("worker_id"),
        text("token"),
        text("outcome"),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        text("reason_code", nullable=True),
        text("reason_message", nullable=True),
        sa.Column("stage_seconds", JSON, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_attempts"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_attempts_job_id", ondelete="CASCADE"
        ),
    )

    op.create_table(
        "outbox",
        text("id"),
        text("topic"),
        text("tenant"),
        text("job_id", nullable=True),
        text("key_id", nullable=True),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        text("token", nullable=True),
        sa.Column("delivered_at", MOMENT),
        sa.Column("dead_at", MOMENT),
        text("last_error", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    pending = "delivered_at IS NULL AND dead_at IS NULL"
    index("ix_outbox_due", "outbox", "topic", "not_before", only=pending)
    index("ix_outbox_job", "outbox", "job_id")
    index("ix_outbox_created", "outbox", "created_at")

    op.create_table(
        "workers",
        text("id"),
        sa.Column("queues", JSON, nullable=False),
        text("wanted"),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("heartbeat_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )

    op.create_table(
        "audit_log",
        text("id"),
        sa.Column("at", MOMENT, nullable=False),
        text("tenant"),
        text("actor"),
        text("action"),
        text("subject"),
        sa.Column("detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    index("ix_audit_log_at", "audit_log", "at", "id")
    index("ix_audit_log_tenant", "audit_log", "tenant", "at", "id")
    index("ix_audit_log_subject", "audit_log", "subject")


def downgrade() -> None:
    """Drop all tables, those that refer to others first."""
    for table in (
        "audit_log", "workers", "outbox", "attempts", "jobs", "uploads", "queues", "api_keys",
    ):  # fmt: skip
        op.drop_table(table)


def text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """Describe a column of text."""
    return sa.Column(name, sa.String(), nullable=nullable)


def index(name: str, table: str, *columns: str, only: str | None = None) -> None:
    """Make an index, over the rows that `only` selects where it is given."""
    where = None if only is None else sa.text(only)
    op.create_index(name, table, [*columns], postgresql_where=where, sqlite_where=where)
