"""The tables of batches; those of watched prefixes are in `jobs.watch_tables`.

Part of `jobs.tables`, and looked at by the same two: `jobs.repository` and `migrations`.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from jobs.batch import BATCH_STATES, LINE_STATES, BatchState, LineState
from jobs.tables import Json, Table, make_index


def _one_of(states: tuple[str, ...]) -> str:
    return f"state IN ({', '.join(map(repr, states))})"


class BatchRow(Table):
    """Many objects to be enlarged in one go."""

    __tablename__ = "batches"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    idempotency_key: Mapped[str | None]
    request_sha256: Mapped[str]
    request: Mapped[Json]
    limits: Mapped[Json]
    """What the API key allowed when the batch was made: `KeyLimits`."""

    state: Mapped[BatchState] = mapped_column(String)
    version: Mapped[int] = mapped_column(BigInteger)
    round: Mapped[int]
    """Counts from 1; a retry begins another round, which ends with a report of its own."""
    position: Mapped[Json | None]
    """How far the source was read; None at its beginning."""
    lines_read: Mapped[int] = mapped_column(BigInteger)
    counts: Mapped[Json | None]
    """Lines by state, once the batch has ended; counted where it is None."""
    estimate: Mapped[Json | None]
    retry_states: Mapped[list[str] | None]
    """Lines of these states are about to wait again."""
    reports: Mapped[Json | None]
    """Addresses of the latest report, by its form."""
    reason_code: Mapped[str | None]
    reason_message: Mapped[str | None]

    lease_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    """Whoever reads lines, queues jobs or writes the report holds this lease."""
    look_at: Mapped[datetime]
    """When somebody should look after the batch again."""

    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(_one_of(BATCH_STATES), name="state"),
        UniqueConstraint("tenant", "idempotency_key"),
        # What has to be looked after.
        make_index(
            "ix_batches_look_at", "look_at", only="state IN ('reading', 'running', 'reporting')"
        ),
        make_index("ix_batches_tenant", "tenant", "created_at", "id"),
        make_index("ix_batches_created", "created_at", "id"),
        make_index("ix_batches_ended_at", "ended_at"),
    )


class BatchLineRow(Table):
    """One object of a batch, or one line that names none."""

    __tablename__ = "batch_lines"

    batch_id: Mapped[str] = mapped_column(
        ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Of the line in the manifest, or of the object in the listing; counts from 1."""
    state: Mapped[LineState] = mapped_column(String)
    input_url: Mapped[str | None]
    input_version: Mapped[str | None]
    input_etag: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    choices: Mapped[Json | None]
    """Parameters of this line alone."""
    output_url: Mapped[str | None]
    job_id: Mapped[str | None]
    reason_code: Mapped[str | None]
    reason_message: Mapped[str | None]
    result: Mapped[Json | None]
    """What the report tells of a result: its address, size, sha256, frames, seconds."""
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(_one_of(LINE_STATES), name="state"),
        # The next lines to queue, and the counts.
        make_index("ix_batch_lines_state", "batch_id", "state", "number"),
        # Whether two lines write to one address.
        make_index("ix_batch_lines_output", "batch_id", "output_url"),
    )
