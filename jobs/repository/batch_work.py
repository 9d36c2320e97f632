"""What makes a batch go on: its lines are read, queued in bites, counted, reported.

Whoever does that for a batch holds its lease, and every write names the lease's token. Several may
look for work at once; each batch is looked after by one of them, and by the next one when it dies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from secrets import token_hex
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from jobs.batch import BATCH_ENDED, Batch, BatchLine, BatchState, LineCounts
from jobs.bulk_tables import BatchLineRow, BatchRow
from jobs.clock import later, now
from jobs.job import Reason
from jobs.policy import Policy
from jobs.repository.batch_leases import BatchLease, change, give_back, held, keep
from jobs.repository.batch_lines import count_lines
from jobs.repository.batch_rows import batch_of, values_of
from jobs.repository.outbox import post_batch_webhook


class BatchWork:
    """Everything that is done to a batch by itself. Each method may be repeated without harm."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def take(self) -> tuple[Batch, BatchLease] | None:
        """Take the batch that waits longest to be looked after; None where there is none."""
        due = (
            select(BatchRow.id)
            .where(
                BatchRow.state.in_(("reading", "running", "reporting")),
                BatchRow.look_at <= now(),
                or_(BatchRow.lease_until.is_(None), BatchRow.lease_until <= now()),
            )
            .order_by(BatchRow.look_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        token = token_hex(16)
        row = self._session.scalar(
            update(BatchRow)
            .where(BatchRow.id == due.scalar_subquery())
            .values(lease_token=token, lease_until=later(now(), self._policy.batch_lease_s))
            .returning(BatchRow)
        )
        return None if row is None else (batch_of(row), BatchLease(row.id, token))

    def keep(self, lease: BatchLease) -> Batch:
        """Renew the lease and read the batch as it is now.

        Raises:
            LeaseLostError: somebody else looks after it; stop.

        """
        return keep(self._session, self._policy, lease)

    def give_back(self, lease: BatchLease, delay_s: float) -> None:
        """Let it be looked after again in so many seconds.

        Raises:
            LeaseLostError: see `keep`.

        """
        give_back(self._session, lease, delay_s)

    def add_lines(
        self, lease: BatchLease, lines: Sequence[BatchLine], position: Mapping[str, Any]
    ) -> Batch:
        """Write down lines that were read, and how far that was; both or nothing.

        A line whose output another one of the batch has is refused, unless versions are wanted.

        Raises:
            LeaseLostError: see `keep`.

        """
        batch = self.keep(lease)
        if lines:
            single = self._without_doubles(batch, lines)
            self._session.execute(
                insert(BatchLineRow), [values_of(batch.id, line) for line in single]
            )
        return change(
            self._session,
            lease,
            position=dict(position),
            lines_read=BatchRow.lines_read + len(lines),
        )

    def _without_doubles(self, batch: Batch, lines: Sequence[BatchLine]) -> list[BatchLine]:
        output = batch.request.output
        if output is not None and output.on_collision == "version":
            return list(lines)
        urls = {line.output_url for line in lines if line.output_url is not None}
        query = select(BatchLineRow.output_url, BatchLineRow.number).where(
            BatchLineRow.batch_id == batch.id, BatchLineRow.output_url.in_(urls)
        )
        taken = dict(self._session.execute(query).all()) if urls else {}
        single = []
        for line in lines:
            first = taken.setdefault(line.output_url, line.number) if line.output_url else None
            if first is None or first == line.number:
                single.append(line)
                continue
            reason = Reason("output_taken", f"Line {first} writes to the same address.")
            # Without the address, which belongs to the other line.
            single.append(
                BatchLine(line.number, "refused", line.input_url, line.input_version, reason=reason)
            )
        return single

    def set_position(self, lease: BatchLease, position: Mapping[str, Any]) -> Batch:
        """Write down how far the source was read.

        Raises:
            LeaseLostError: see `keep`.

        """
        return change(self._session, lease, position=dict(position))

    def set_state(
        self,
        lease: BatchLease,
        state: BatchState,
        reason: Reason | None = None,
        **more: Mapping[str, Any],
    ) -> Batch:
        """Move the batch on; an end keeps the counts and tells the webhook.

        Args:
            lease: of the batch.
            state: which it has from now on.
            reason: why it failed.
            more: `estimate` or `reports`.

        Raises:
            LeaseLostError: see `keep`.

        """
        values: dict[str, object] = {"state": state, **more}
        if reason is not None:
            values |= {"reason_code": reason.code, "reason_message": reason.message}
        if state in BATCH_ENDED:
            counts = count_lines(self._session, lease.batch_id)
            values |= {"ended_at": now(), "counts": asdict(counts)}
            batch = change(self._session, lease, **values)
            if batch.request.webhook_url:
                post_batch_webhook(self._session, batch, counts)
            return batch
        return change(self._session, lease, **values)

    def forget_old(self, limit: int = 10_000) -> int:
        """Delete batches that ended long ago, and before them their lines; count rows."""
        old = (
            select(BatchRow.id)
            .where(BatchRow.ended_at <= later(now(), -self._policy.record_kept_s))
            .order_by(BatchRow.ended_at)
            .limit(1)
        )
        batch_id = self._session.scalar(old)
        if batch_id is None:
            return 0
        some = select(BatchLineRow.number).where(BatchLineRow.batch_id == batch_id).limit(limit)
        lines = self._session.scalars(
            delete(BatchLineRow)
            .where(BatchLineRow.batch_id == batch_id, BatchLineRow.number.in_(some))
            .returning(BatchLineRow.number)
        ).all()
        if len(lines) == limit:
            return limit
        self._session.execute(delete(BatchRow).where(BatchRow.id == batch_id))
        return len(lines) + 1

    def counts(self, lease: BatchLease) -> LineCounts:
        """Count the lines by state."""
        return count_lines(self._session, lease.batch_id)

    def note_start(self, lease: BatchLease) -> None:
        """Write down that the first jobs were queued."""
        self._session.execute(
            update(BatchRow)
            .where(*held(lease), BatchRow.started_at.is_(None))
            .values(started_at=now(), updated_at=now(), version=BatchRow.version + 1)
        )

    def forget_retry(self, lease: BatchLease) -> Batch:
        """Write down that all lines wait again that were to.

        Raises:
            LeaseLostError: see `keep`.

        """
        return change(self._session, lease, retry_states=None)
