"""Users, sessions and samples of the dashboard, and what its lists of jobs are searched by."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)

JOB_INDEXES = ("name", "queue_created", "reason", "failures", "storage")


def upgrade() -> None:
    """Add the tables, and columns of jobs that until now were part of a document."""
    op.create_table(
        "users",
        text("id"),
        text("name"),
        text("role"),
        text("password_hash"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sa.CheckConstraint("role IN ('admin', 'reader')", name=op.f("ck_users_role")),
    )
    op.create_table(
        "sessions",
        text("sha256"),
        text("user_id"),
        text("csrf"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_sessions"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"
        ),
    )
    index("ix_sessions_user", "sessions", "user_id")
    index("ix_sessions_expires_at", "sessions", "expires_at")
    op.create_table(
        "first_links",
        text("sha256"),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_first_links"),
    )
    op.create_table(
        "login_allowances",
        text("subject"),
        sa.Column("full_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_login_allowances"),
    )
    op.create_table(
        "samples",
        sa.Column("span_s", sa.Integer(), nullable=False, autoincrement=False),
        text("series"),
        text("subject"),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("peak", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("span_s", "series", "subject", "at", name="pk_samples"),
    )
    index("ix_samples_at", "samples", "span_s", "at")
    _extend_jobs()
    index("ix_outbox_topic_created", "outbox", "topic", "created_at", "id")
    index("ix_outbox_dead", "outbox", "created_at", "id", only="dead_at IS NOT NULL")
    index("ix_uploads_created", "uploads", "created_at", "id")
    index("ix_audit_log_action", "audit_log", "action", "at", "id")


def _extend_jobs() -> None:
    op.add_column("jobs", sa.Column("name", sa.String()))
    op.add_column("jobs", sa.Column("reason_pattern", sa.String()))
    op.add_column("jobs", sa.Column("result_bytes", sa.BigInteger()))
    on_postgres = op.get_bind().dialect.name == "postgresql"
    name = "request ->> 'name'" if on_postgres else "json_extract(request, '$.name')"
    size = "result ->> 'size_bytes'" if on_postgres else "json_extract(result, '$.size_bytes')"
    op.execute(
        f"UPDATE jobs SET name = substr({name}, 1, 255),"  # noqa: S608 - nothing from outside
        " reason_pattern = substr(reason_message, 1, 200),"
        f" result_bytes = CAST({size} AS bigint)"
    )
    index("ix_jobs_name", "jobs", "created_at", "id", "name")
    index("ix_jobs_queue_created", "jobs", "queue", "created_at", "id")
    index(
        "ix_jobs_reason", "jobs", "reason_code", "created_at", "id",
        only="reason_code IS NOT NULL",
    )  # fmt: skip
    index(
        "ix_jobs_failures", "jobs", "reason_code", "reason_pattern", "ended_at", "id",
        only="state = 'failed'",
    )  # fmt: skip
    index("ix_jobs_storage", "jobs", "tenant", "result_bytes", only="state = 'succeeded'")


def downgrade() -> None:
    """Drop all of it."""
    op.drop_index("ix_audit_log_action", "audit_log")
    op.drop_index("ix_uploads_created", "uploads")
    op.drop_index("ix_outbox_dead", "outbox")
    op.drop_index("ix_outbox_topic_created", "outbox")
    for name in JOB_INDEXES:
        op.drop_index(f"ix_jobs_{name}", "jobs")
    for column in ("result_bytes", "reason_pattern", "name"):
        op.drop_column("jobs", column)
    for table in ("samples", "login_allowances", "first_links", "sessions", "users"):
        op.drop_table(table)


def text(name: str) -> sa.Column[str]:
    """Describe a column of text."""
    return sa.Column(name, sa.String(), nullable=False)


def index(name: str, table: str, *columns: str, only: str | None = None) -> None:
    """Make an index, over the rows that `only` selects where it is given."""
    where = None if only is None else sa.text(only)
    op.create_index(name, table, [*columns], postgresql_where=where, sqlite_where=where)
