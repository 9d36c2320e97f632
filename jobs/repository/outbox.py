"""What a committed transaction still owes to the world: bells, webhooks, removals.

An entry is written in the transaction that causes it and is delivered at least once: bells and
removals can be repeated without harm, and a webhook keeps its id over all tries. A delivery is
taken for a while; whoever takes it and dies leaves it due again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.orm import Session

from jobs.batch import Batch, LineCounts
from jobs.clock import later, now
from jobs.identifiers import new_id
from jobs.job import Job
from jobs.policy import Policy
from jobs.tables import ApiKeyRow, OutboxRow

Topic = Literal["bell", "webhook", "removal", "abort"]

# Who submits rings by himself after the commit; the outbox is for when he could not.
BELL_DELAY_S = 1.0
# Only a worker that died leaves one behind, and nobody waits for it to go.
_ABORT_DELAY_S = 600.0


@dataclass(frozen=True)
class Delivery:
    """An entry that was taken to be delivered."""

    id: str
    topic: Topic
    payload: Mapping[str, Any]
    """bell: queue. removal: prefix. abort: url, upload_id, attempt. webhook: url, body."""
    tries: int
    """How often it was tried before."""
    created_at: datetime
    job_id: str | None
    webhook_secret: str | None
    """Signs it, where it is a webhook."""
    token: str


class Outbox:
    """Delivering."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def take(self, topic: Topic, limit: int = 100) -> list[Delivery]:
        """Take what is due, oldest first; nobody else gets it within `policy.delivery_lease_s`."""
        due = (
            select(OutboxRow.id)
            .where(
                OutboxRow.topic == topic,
                OutboxRow.not_before <= now(),
                OutboxRow.delivered_at.is_(None),
                OutboxRow.dead_at.is_(None),
            )
            .order_by(OutboxRow.not_before)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = self._session.scalars(due).all()
        taken = (
            update(OutboxRow)
            .where(OutboxRow.id.in_(ids))
            .values(token=token_hex(16), not_before=later(now(), self._policy.delivery_lease_s))
            .returning(OutboxRow)
        )
        rows = self._session.scalars(taken).all() if ids else []
        secrets = self._webhook_secrets({row.key_id for row in rows if topic == "webhook"})
        return [
            Delivery(
                id=row.id,
                topic=topic,
                payload=row.payload,
                tries=row.tries,
                created_at=row.created_at,
                job_id=row.job_id,
                webhook_secret=secrets.get(row.key_id),
                token=cast(str, row.token),
            )
            for row in sorted(rows, key=lambda row: row.id)
        ]

    def _webhook_secrets(self, key_ids: set[str | None]) -> dict[str | None, str]:
        query = select(ApiKeyRow.id, ApiKeyRow.webhook_secret).where(ApiKeyRow.id.in_(key_ids))
        return {row.id: row.webhook_secret for row in self._session.execute(query)}

    def delivered(self, delivery: Delivery) -> bool:
        """Settle a delivery; False where somebody else had taken it meanwhile.

        Webhooks are kept to be looked at, bells and removals are forgotten.
        """
        if delivery.topic == "webhook":
            settled = (
                update(OutboxRow)
                .where(*_still(delivery))
                .values(delivered_at=now(), tries=OutboxRow.tries + 1, last_error=None)
            )
            return self._session.scalar(settled.returning(OutboxRow.id)) is not None
        forgotten = delete(OutboxRow).where(*_still(delivery))
        return self._session.scalar(forgotten.returning(OutboxRow.id)) is not None

    def undelivered(self, delivery: Delivery, error: str) -> bool:
        """Put a delivery off, longer every time; True where it was a webhook's last try."""
        tries = delivery.tries + 1
        is_dead = delivery.topic == "webhook" and tries >= self._policy.webhook_tries
        self._session.execute(
            update(OutboxRow)
            .where(*_still(delivery))
            .values(
                tries=tries,
                last_error=error,
                not_before=later(now(), self._policy.backoff_s(tries)),
                dead_at=now() if is_dead else None,
                token=None,
            )
        )
        return is_dead


def post_bell(session: Session, tenant: str, job_id: str, queue: str, delay_s: float) -> None:
    """Have a queue's bell rung once a job can run."""
    _post(session, "bell", tenant, {"queue": queue}, job_id=job_id, delay_s=delay_s)


def post_removal(session: Session, tenant: str, prefix: str) -> None:
    """Have all objects removed whose key begins with a prefix."""
    _post(session, "removal", tenant, {"prefix": prefix})


def post_abort(
    session: Session, tenant: str, job_id: str, attempt: int, url: str, upload_id: str
) -> None:
    """Have an upload in parts to somebody's own bucket aborted, unless its attempt finishes it."""
    payload = {"url": url, "upload_id": upload_id, "attempt": attempt}
    _post(session, "abort", tenant, payload, job_id=job_id, delay_s=_ABORT_DELAY_S)


def post_webhook(session: Session, job: Job, key_id: str | None) -> None:
    """Have somebody told how a job ended."""
    assert job.ended_at is not None
    body = {
        "type": f"job.{job.state}",
        "timestamp": job.ended_at.isoformat(),
        "data": {
            "id": job.id,
            "name": job.request.name,
            "state": job.state,
            "attempt": job.attempt,
            "created_at": job.created_at.isoformat(),
            "ended_at": job.ended_at.isoformat(),
            "error": job.reason and {"code": job.reason.code, "message": job.reason.message},
            "result": job.result
            and {"size_bytes": job.result.size_bytes, "sha256": job.result.sha256},
        },
    }
    payload = {"url": job.request.webhook_url, "body": body}
    _post(session, "webhook", job.tenant, payload, job_id=job.id, key_id=key_id)


def post_batch_webhook(session: Session, batch: Batch, counts: LineCounts) -> None:
    """Have somebody told that a batch has ended."""
    assert batch.ended_at is not None
    body = {
        "type": f"batch.{batch.state}",
        "timestamp": batch.ended_at.isoformat(),
        "data": {
            "id": batch.id,
            "name": batch.request.name,
            "state": batch.state,
            "round": batch.round,
            "created_at": batch.created_at.isoformat(),
            "ended_at": batch.ended_at.isoformat(),
            "counts": asdict(counts),
            "reports": batch.reports,
            "error": batch.reason and {"code": batch.reason.code, "message": batch.reason.message},
        },
    }
    payload = {"url": batch.request.webhook_url, "body": body}
    _post(session, "webhook", batch.tenant, payload, key_id=batch.key_id)


def _post(
    session: Session,
    topic: Topic,
    tenant: str,
    payload: dict[str, Any],
    *,
    job_id: str | None = None,
    key_id: str | None = None,
    delay_s: float = 0.0,
) -> None:
    session.execute(
        insert(OutboxRow).values(
            id=new_id("out"),
            topic=topic,
            tenant=tenant,
            job_id=job_id,
            key_id=key_id,
            payload=payload,
            created_at=now(),
            not_before=later(now(), delay_s),
            tries=0,
        )
    )


def _still(delivery: Delivery) -> tuple[ColumnElement[bool], ...]:
    return (OutboxRow.id == delivery.id, OutboxRow.token == delivery.token)
