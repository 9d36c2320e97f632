"""A person's side of batches: make one, look at it, pause, cancel, try again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jobs.api_key import EVERY_TENANT, Actor
from jobs.batch import BATCH_ENDED, Batch, BatchLine, BatchRequest, LineCounts, LineState
from jobs.bulk_tables import BatchLineRow, BatchRow
from jobs.clock import now
from jobs.errors import BatchNotFoundError, IdempotencyConflictError, StateConflictError
from jobs.identifiers import new_id
from jobs.permission import check_readable, check_writable
from jobs.policy import Policy
from jobs.repository.audit_log import record
from jobs.repository.batch_lines import count_lines, line_in
from jobs.repository.batch_rows import batch_of, line_of
from jobs.repository.cursor import older_than, page_of
from jobs.repository.uploads import keep_for_job
from jobs.repository.visibility import visible


@dataclass(frozen=True)
class NewBatch:
    """What became of a request for a batch."""

    batch: Batch
    is_new: bool
    """False where the idempotency key had been used for the same request before."""


@dataclass(frozen=True)
class BatchPage:
    """Batches, newest first, and where the next page begins."""

    batches: tuple[Batch, ...]
    next_cursor: str | None


class Batches:
    """Batches of one tenant, or of all."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def create(
        self, actor: Actor, request: BatchRequest, idempotency_key: str | None = None
    ) -> NewBatch:
        """Accept a batch, or find the one that the same idempotency key made before.

        Its lines are read later, by whoever keeps batches; see `BatchWork`.

        Raises:
            IdempotencyConflictError: the key was used with another request.
            RequestInvalidError: the API key may not read the source, or not write the report.
            UploadNotFoundError: no such manifest of this tenant.
            UploadStateError: the manifest's upload is not complete.

        """
        assert actor.tenant != EVERY_TENANT, "a batch belongs to one tenant"
        body = json.dumps(request.as_json(), sort_keys=True).encode()
        request_sha256 = hashlib.sha256(body).hexdigest()
        if idempotency_key is not None:
            earlier = self._earlier(actor.tenant, idempotency_key, request_sha256)
            if earlier is not None:
                return NewBatch(earlier, is_new=False)
        for address in (request.prefix, request.manifest_url):
            if address is not None:
                check_readable(actor.limits, address)
        if request.report_url is not None:
            check_writable(actor.limits, request.report_url)
        if request.upload_id is not None:
            keep_for_job(self._session, self._policy, actor.tenant, request.upload_id)
        new_row = (
            insert(BatchRow)
            .values(
                id=new_id("bat"),
                tenant=actor.tenant,
                key_id=actor.key_id,
                idempotency_key=idempotency_key,
                request_sha256=request_sha256,
                request=request.as_json(),
                limits=actor.limits.as_json(),
                state="reading",
                version=1,
                round=1,
                lines_read=0,
                look_at=now(),
                created_at=now(),
                updated_at=now(),
            )
            .returning(BatchRow)
        )
        try:
            with self._session.begin_nested():
                row = self._session.scalars(new_row).one()
        except IntegrityError:
            # The same request, sent twice at the same time: the other one came first.
            if idempotency_key is None:
                raise
            earlier = self._earlier(actor.tenant, idempotency_key, request_sha256)
            if earlier is None:
                raise
            return NewBatch(earlier, is_new=False)
        record(self._session, actor, "batch.created", row.id, row.tenant)
        return NewBatch(batch_of(row), is_new=True)

    def _earlier(self, tenant: str, idempotency_key: str, request_sha256: str) -> Batch | None:
        row = self._session.scalar(
            select(BatchRow).where(
                BatchRow.tenant == tenant, BatchRow.idempotency_key == idempotency_key
            )
        )
        if row is None:
            return None
        if row.request_sha256 != request_sha256:
            raise IdempotencyConflictError(
                f"The idempotency key {idempotency_key!r} was used for {row.id} with another"
                " request; take a new key for a new batch."
            )
        return batch_of(row)

    def get(self, tenant: str, batch_id: str) -> Batch:
        """Read a batch.

        Raises:
            BatchNotFoundError: there is none that this tenant can see.

        """
        row = self._session.scalar(
            select(BatchRow).where(BatchRow.id == batch_id, visible(BatchRow.tenant, tenant))
        )
        if row is None:
            raise _not_found(batch_id)
        return batch_of(row)

    def page(self, tenant: str, *, limit: int = 50, cursor: str | None = None) -> BatchPage:
        """List batches, newest first.

        Raises:
            RequestInvalidError: the cursor is not one that an earlier page gave.

        """
        query = select(BatchRow).where(visible(BatchRow.tenant, tenant))
        if cursor is not None:
            query = query.where(older_than(cursor, BatchRow.created_at, BatchRow.id))
        query = query.order_by(BatchRow.created_at.desc(), BatchRow.id.desc()).limit(limit + 1)
        rows = self._session.scalars(query).all()
        shown, next_cursor = page_of(rows, limit, lambda row: (row.created_at, row.id))
        return BatchPage(tuple(map(batch_of, shown)), next_cursor)

    def counts(self, batch: Batch) -> LineCounts:
        """Count a batch's lines by state."""
        kept = self._session.scalar(select(BatchRow.counts).where(BatchRow.id == batch.id))
        if kept is not None:
            return LineCounts(**kept)
        return count_lines(self._session, batch.id)

    def elapsed_s(self, batch: Batch) -> float | None:
        """Tell how long ago the first job was queued; None where none was."""
        if batch.started_at is None:
            return None
        at = self._session.scalars(select(now())).one()
        return (at - batch.started_at).total_seconds()

    def lines(
        self,
        batch: Batch,
        *,
        states: Sequence[LineState] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> list[BatchLine]:
        """List lines behind a number, in their order."""
        query = select(BatchLineRow).where(
            BatchLineRow.batch_id == batch.id, BatchLineRow.number > after
        )
        if states:
            query = query.where(line_in(*states))
        query = query.order_by(BatchLineRow.number).limit(limit)
        return [line_of(row) for row in self._session.scalars(query)]

    def pause(self, actor: Actor, batch_id: str) -> Batch:
        """Queue no more jobs, and hold those that wait; those that run go on.

        Raises:
            BatchNotFoundError: there is none that this tenant can see.
            StateConflictError: it has ended.

        """
        row = self._locked(actor, batch_id)
        _check_live(row, "paused")
        return self._change(actor, row, "batch.paused", paused_at=row.paused_at or now())

    def resume(self, actor: Actor, batch_id: str) -> Batch:
        """Let a paused batch go on.

        Raises:
            BatchNotFoundError: there is none that this tenant can see.
            StateConflictError: it has ended.

        """
        row = self._locked(actor, batch_id)
        _check_live(row, "resumed")
        return self._change(actor, row, "batch.resumed", paused_at=None)

    def cancel(self, actor: Actor, batch_id: str) -> Batch:
        """Cancel all that waits and runs; the rest has happened, and is in the report.

        Raises:
            BatchNotFoundError: there is none that this tenant can see.
            StateConflictError: it has ended.

        """
        row = self._locked(actor, batch_id)
        _check_live(row, "canceled")
        return self._change(
            actor, row, "batch.canceled", cancel_requested_at=row.cancel_requested_at or now()
        )

    def retry(self, actor: Actor, batch_id: str) -> Batch:
        """Try what failed again; in a batch that was canceled, also what that has stopped.

        A batch that could not read its source reads on from where it was.

        Raises:
            BatchNotFoundError: there is none that this tenant can see.
            StateConflictError: it has not ended, or is a dry run.

        """
        row = self._locked(actor, batch_id)
        if row.state not in ("completed", "canceled", "failed"):
            raise StateConflictError(
                f"{batch_id} is {row.state}; only completed, canceled and failed batches can be"
                " retried."
            )
        was_read = (row.position or {}).get("is_done", False)
        states = ["failed", "canceled"] if row.state == "canceled" else ["failed"]
        return self._change(
            actor, row, "batch.retried",
            state="running" if was_read else "reading",
            round=BatchRow.round + 1,
            retry_states=states,
            counts=None, ended_at=None, cancel_requested_at=None, paused_at=None,
            reason_code=None, reason_message=None,
        )  # fmt: skip

    def start(self, actor: Actor, batch_id: str) -> Batch:
        """Run what a dry run has listed.

        Raises:
            BatchNotFoundError: there is none that this tenant can see.
            StateConflictError: it is no dry run, or it is not over.

        """
        row = self._locked(actor, batch_id)
        if row.state != "planned":
            raise StateConflictError(f"{batch_id} is {row.state}; only a planned one can start.")
        request = {**row.request, "is_dry_run": False}
        return self._change(
            actor, row, "batch.started", state="running", request=request, counts=None,
            ended_at=None,
        )  # fmt: skip

    def _locked(self, actor: Actor, batch_id: str) -> BatchRow:
        row = self._session.scalar(
            select(BatchRow)
            .where(BatchRow.id == batch_id, visible(BatchRow.tenant, actor.tenant))
            .with_for_update()
        )
        if row is None:
            raise _not_found(batch_id)
        return row

    def _change(self, actor: Actor, row: BatchRow, action: str, **values: object) -> Batch:
        changed = self._session.scalars(
            update(BatchRow)
            .where(BatchRow.id == row.id)
            .values(version=BatchRow.version + 1, updated_at=now(), look_at=now(), **values)
            .returning(BatchRow)
        ).one()
        record(self._session, actor, action, row.id, row.tenant)
        return batch_of(changed)


def _check_live(row: BatchRow, verb: str) -> None:
    if row.state in BATCH_ENDED:
        raise StateConflictError(f"{row.id} has ended as {row.state}, so it cannot be {verb}.")


def _not_found(batch_id: str) -> BatchNotFoundError:
    return BatchNotFoundError(f"There is no batch {batch_id}; it may have been deleted.")
