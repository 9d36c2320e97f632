"""What the sweeper does, in bites: each call handles some rows and can be repeated at any time.

Several sweepers may run at once; on Postgres they pass over one another's rows.
"""

from collections.abc import Iterable
from itertools import islice

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from jobs.clock import later, now
from jobs.job import RETRIABLE, Job, Reason
from jobs.object_keys import AttemptId, UploadId, attempt_prefix, owner_of, upload_prefix
from jobs.policy import Policy
from jobs.repository.moves import break_off, move
from jobs.repository.outbox import post_removal
from jobs.repository.rows import job_of
from jobs.repository.states import in_state
from jobs.tables import JobRow, OutboxRow, QueueRow, UploadRow, WorkerRow

_KEYS_AT_ONCE = 500


class Sweeps:
    """Putting right what time has made wrong."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def free_expired_leases(self, limit: int = 100) -> list[Job]:
        """End attempts whose worker was not heard of; their jobs wait again or have failed."""
        expired = (
            select(JobRow)
            .where(in_state("running"), JobRow.lease_until <= now())
            .order_by(JobRow.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [self._free(row) for row in self._session.scalars(expired).all()]

    def _free(self, running: JobRow) -> Job:
        silence = f"was not heard of for {self._policy.lease_s:g} s"
        row = break_off(
            self._session,
            self._policy,
            running,
            "lost",
            Reason("worker_lost", f"The worker {running.worker_id} {silence}."),
            is_retriable=True,
            stage_seconds={},
        )
        return job_of(row)

    def waiting_queues(self) -> list[str]:
        """Name the queues whose bell should ring: not paused, with a job that can run now."""
        ready = select(JobRow.id).where(
            JobRow.queue == QueueRow.name, in_state("queued"), JobRow.not_before <= now()
        )
        query = select(QueueRow.name).where(QueueRow.paused_at.is_(None), ready.exists())
        return list(self._session.scalars(query.order_by(QueueRow.name)))

    def expire_results(self, limit: int = 100) -> list[Job]:
        """Withdraw results that were kept long enough and have their objects removed."""
        due = (
            select(JobRow.id)
            .where(in_state("succeeded"), JobRow.expires_at <= now())
            .order_by(JobRow.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        jobs = []
        for job_id in self._session.scalars(due).all():
            row = move(self._session, (JobRow.id == job_id,), "succeeded", "expired")
            assert row is not None, "the row is locked"
            # Not the whole job's prefix: a retry may already write when this is carried out.
            post_removal(self._session, row.tenant, attempt_prefix(row.id, row.attempt))
            jobs.append(job_of(row))
        return jobs

    def expire_uploads(self, limit: int = 100) -> list[str]:
        """Forget uploads that no waiting or running job needs, and have their objects removed."""
        needed = select(JobRow.id).where(
            JobRow.upload_id == UploadRow.id, in_state("queued", "running")
        )
        due = (
            select(UploadRow)
            .where(UploadRow.expires_at <= now(), ~needed.exists())
            .order_by(UploadRow.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = self._session.scalars(due).all()
        for row in rows:
            post_removal(self._session, row.tenant, upload_prefix(row.id))
        ids = [row.id for row in rows]
        self._session.execute(delete(UploadRow).where(UploadRow.id.in_(ids)))
        return ids

    def forget_old_records(self, limit: int = 1000) -> int:
        """Delete rows that only history needed: ended jobs, delivered webhooks, gone workers."""
        kept_s = self._policy.record_kept_s
        old_jobs = (
            select(JobRow.id)
            .where(
                # A result outlives the record where it is to be kept longer.
                in_state(*RETRIABLE),
                JobRow.ended_at <= later(now(), -kept_s),
            )
            .limit(limit)
        )
        old_webhooks = (
            select(OutboxRow.id)
            .where(
                or_(OutboxRow.delivered_at.is_not(None), OutboxRow.dead_at.is_not(None)),
                OutboxRow.created_at <= later(now(), -kept_s),
            )
            .limit(limit)
        )
        statements = (
            delete(JobRow).where(JobRow.id.in_(old_jobs)).returning(JobRow.id),
            delete(OutboxRow).where(OutboxRow.id.in_(old_webhooks)).returning(OutboxRow.id),
            delete(WorkerRow)
            .where(WorkerRow.heartbeat_at <= later(now(), -kept_s))
            .returning(WorkerRow.id),
        )
        return sum(len(self._session.scalars(statement).all()) for statement in statements)

    def orphans(self, keys: Iterable[str]) -> list[str]:
        """Pick the objects that belong to nobody, which nothing can ever refer to again.

        A result belongs to the attempt that runs or that succeeded, an upload to its row; both
        exist before their first byte, so that no object is an orphan because it is young. Keys that
        are not ours are never picked.
        """
        picked: list[str] = []
        remaining = iter(keys)
        while some := list(islice(remaining, _KEYS_AT_ONCE)):
            owners = {key: owner for key in some if (owner := owner_of(key)) is not None}
            live = self._live(set(owners.values()))
            picked += [key for key, owner in owners.items() if owner not in live]
        return picked

    def _live(self, owners: set[AttemptId | UploadId]) -> set[AttemptId | UploadId]:
        job_ids = {owner.job_id for owner in owners if isinstance(owner, AttemptId)}
        upload_ids = {owner.id for owner in owners if isinstance(owner, UploadId)}
        attempts = select(JobRow.id, JobRow.attempt).where(
            JobRow.id.in_(job_ids), in_state("running", "succeeded")
        )
        uploads = select(UploadRow.id).where(UploadRow.id.in_(upload_ids))
        live: set[AttemptId | UploadId] = {
            AttemptId(job_id, number) for job_id, number in self._session.execute(attempts)
        }
        return live | {UploadId(upload_id) for upload_id in self._session.scalars(uploads)}
