"""The lines of a batch on their way: queued in bites, held, canceled, tried again.

Each method names the lease of whoever looks after the batch; see `batch_leases`.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from jobs.batch import BatchLine, LineState
from jobs.bulk_tables import BatchLineRow
from jobs.clock import later, now
from jobs.job import Reason
from jobs.policy import Policy
from jobs.repository.batch_leases import BatchLease, keep
from jobs.repository.batch_lines import line_in
from jobs.repository.batch_rows import line_of
from jobs.repository.states import in_state
from jobs.tables import JobRow
from jobs.watch_tables import WatchRow

# Longer than any batch is paused; an index over what can run now then passes them over.
_HELD_S = 100 * 365 * 86_400.0


class BatchFeed:
    """Lines and their jobs. Each method may be repeated without harm."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def watched_prefixes(self) -> list[tuple[str, str]]:
        """Name the buckets and prefixes under which a result would be taken for a new input."""
        query = select(WatchRow.bucket, WatchRow.prefix)
        return list(self._session.execute(query).all())

    def skip_own_outputs(self, lease: BatchLease) -> int:
        """End lines whose input is where another line's result goes; count them.

        Where results lie beside their inputs, a second run over the same prefix finds the first
        one's results.
        """
        keep(self._session, self._policy, lease)
        other = aliased(BatchLineRow)
        is_output = (
            select(other.number)
            .where(
                other.batch_id == lease.batch_id,
                other.output_url == BatchLineRow.input_url,
            )
            .exists()
        )
        skipped = (
            update(BatchLineRow)
            .where(BatchLineRow.batch_id == lease.batch_id, line_in("waiting"), is_output)
            .values(
                state="skipped",
                reason_code="is_output",
                reason_message="Another line's result goes here, so this is no input.",
                ended_at=now(),
            )
            .returning(BatchLineRow.number)
        )
        return len(self._session.scalars(skipped).all())

    def active_count(self, lease: BatchLease) -> int:
        """Count lines whose job waits or runs."""
        query = select(func.count()).where(
            BatchLineRow.batch_id == lease.batch_id, line_in("active")
        )
        return self._session.scalars(query).one()

    def next_lines(self, lease: BatchLease, limit: int) -> list[BatchLine]:
        """Give lines that wait, first ones first, and keep them as they are until the end."""
        query = (
            select(BatchLineRow)
            .where(BatchLineRow.batch_id == lease.batch_id, line_in("waiting"))
            .order_by(BatchLineRow.number)
            .limit(limit)
        )
        return [line_of(row) for row in self._session.scalars(query)]

    def activate(self, lease: BatchLease, number: int, job_id: str) -> bool:
        """Give a waiting line its job; False where it does not wait any more."""
        return self._set_line(lease, number, "active", job_id=job_id)

    def end_line(self, lease: BatchLease, number: int, state: LineState, reason: Reason) -> bool:
        """End a waiting line without a job; False where it does not wait any more."""
        return self._set_line(
            lease, number, state,
            reason_code=reason.code, reason_message=reason.message, ended_at=now(),
        )  # fmt: skip

    def cancel_waiting(self, lease: BatchLease, limit: int = 5000) -> int:
        """End lines that wait because the batch was canceled; count them."""
        return self._move_lines(
            lease, ("waiting",), limit,
            state="canceled", ended_at=now(),
            reason_code="batch_canceled", reason_message="The batch was canceled.",
        )  # fmt: skip

    def wait_again(self, lease: BatchLease, states: Sequence[LineState], limit: int = 5000) -> int:
        """Let lines that ended wait again; count them."""
        return self._move_lines(
            lease, states, limit,
            state="waiting", ended_at=None, reason_code=None, reason_message=None,
        )  # fmt: skip

    def live_jobs(self, lease: BatchLease, limit: int = 1000) -> list[str]:
        """Name the jobs that wait or run, but for those that are being canceled."""
        query = (
            select(JobRow.id)
            .join(BatchLineRow, BatchLineRow.job_id == JobRow.id)
            .where(
                BatchLineRow.batch_id == lease.batch_id,
                line_in("active"),
                in_state("queued", "running"),
                JobRow.cancel_requested_at.is_(None),
            )
            .limit(limit)
        )
        return list(self._session.scalars(query))

    def hold(self, lease: BatchLease, *, is_held: bool) -> list[str]:
        """Hold the jobs that wait, or let them go on; name the queues that have work again."""
        moment = later(now(), _HELD_S) if is_held else now()
        is_held_now = JobRow.not_before > later(now(), _HELD_S / 2)
        batch = keep(self._session, self._policy, lease)
        changed = self._session.scalars(
            update(JobRow)
            .where(
                JobRow.tenant == batch.tenant,
                JobRow.flow == batch.id,
                in_state("queued"),
                ~is_held_now if is_held else is_held_now,
            )
            .values(not_before=moment, version=JobRow.version + 1, updated_at=now())
            .returning(JobRow)
        ).all()
        return sorted({row.queue for row in changed})

    def _set_line(self, lease: BatchLease, number: int, state: LineState, **values: object) -> bool:
        found = self._session.scalar(
            update(BatchLineRow)
            .where(
                BatchLineRow.batch_id == lease.batch_id,
                BatchLineRow.number == number,
                line_in("waiting"),
            )
            .values(state=state, **values)
            .returning(BatchLineRow.number)
        )
        return found is not None

    def _move_lines(
        self, lease: BatchLease, origins: Sequence[LineState], limit: int, **values: object
    ) -> int:
        keep(self._session, self._policy, lease)
        some = (
            select(BatchLineRow.number)
            .where(BatchLineRow.batch_id == lease.batch_id, line_in(*origins))
            .limit(limit)
        )
        moved = (
            update(BatchLineRow)
            .where(BatchLineRow.batch_id == lease.batch_id, BatchLineRow.number.in_(some))
            .values(**values)
            .returning(BatchLineRow.number)
        )
        return len(self._session.scalars(moved).all())
