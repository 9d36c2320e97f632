"""Webhooks as operators see them: what was delivered, what was not, and sending it again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from jobs.api_key import EVERY_TENANT, Actor
from jobs.clock import now
from jobs.errors import StateConflictError, WebhookNotFoundError
from jobs.repository.audit_log import record
from jobs.repository.cursor import older_than, page_of
from jobs.tables import OutboxRow

WebhookStatus = Literal["pending", "delivered", "dead"]


@dataclass(frozen=True)
class Webhook:
    """One message, over all its tries."""

    id: str
    """Also the message's own id, which stays the same when it is sent again."""
    tenant: str
    job_id: str | None
    url: str
    body: Mapping[str, Any]
    status: WebhookStatus
    tries: int
    created_at: datetime
    next_try_at: datetime | None
    delivered_at: datetime | None
    dead_at: datetime | None
    last_error: str | None


@dataclass(frozen=True)
class WebhookPage:
    """Webhooks, newest first, and where the next page begins."""

    webhooks: tuple[Webhook, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class DeadWebhooks:
    """Messages that are not tried any more."""

    count: int
    until: datetime


class Webhooks:
    """All tenants' messages."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(
        self,
        *,
        status: WebhookStatus | None = None,
        job_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> WebhookPage:
        """List messages, newest first.

        Raises:
            RequestInvalidError: the cursor is not one that an earlier page gave.

        """
        query = select(OutboxRow).where(OutboxRow.topic == "webhook")
        if status is not None:
            query = query.where(*_in_status(status))
        if job_id is not None:
            query = query.where(OutboxRow.job_id == job_id)
        if cursor is not None:
            query = query.where(older_than(cursor, OutboxRow.created_at, OutboxRow.id))
        query = query.order_by(OutboxRow.created_at.desc(), OutboxRow.id.desc()).limit(limit + 1)
        rows = self._session.scalars(query).all()
        shown, next_cursor = page_of(rows, limit, lambda row: (row.created_at, row.id))
        return WebhookPage(tuple(map(_webhook_of, shown)), next_cursor)

    def count_dead(self) -> int:
        """Count the messages that are not tried any more."""
        # Nothing but webhooks is ever given up, and without the topic an index is enough.
        query = select(func.count()).select_from(OutboxRow).where(*_in_status("dead"))
        return self._session.scalars(query).one()

    def dead_until_now(self) -> DeadWebhooks:
        """Count the messages that are not tried any more, and say until when that was so."""
        return DeadWebhooks(self.count_dead(), self._session.scalars(select(now())).one())

    def replay(self, actor: Actor, webhook_id: str) -> Webhook:
        """Send a message again that was delivered or given up, with the same id.

        Raises:
            WebhookNotFoundError: there is none.
            StateConflictError: it waits for its next try anyway.

        """
        this = (OutboxRow.id == webhook_id, OutboxRow.topic == "webhook")
        settled = or_(OutboxRow.delivered_at.is_not(None), OutboxRow.dead_at.is_not(None))
        row = self._session.scalar(
            update(OutboxRow)
            .where(*this, settled)
            .values(
                tries=0,
                not_before=now(),
                delivered_at=None,
                dead_at=None,
                token=None,
                last_error=None,
            )
            .returning(OutboxRow)
        )
        if row is None:
            if self._session.scalar(select(OutboxRow.id).where(*this)) is None:
                raise WebhookNotFoundError(
                    f"There is no webhook {webhook_id}; old ones are forgotten after a while."
                )
            raise StateConflictError(f"{webhook_id} waits to be sent already.")
        record(self._session, actor, "webhook.replayed", webhook_id, row.tenant, job=row.job_id)
        return _webhook_of(row)

    def replay_dead(self, actor: Actor, before: datetime, limit: int = 500) -> int:
        """Send messages again that were given up before a moment; return how many."""
        chosen = (
            select(OutboxRow.id)
            .where(OutboxRow.topic == "webhook", *_in_status("dead"), OutboxRow.dead_at < before)
            .order_by(OutboxRow.created_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = self._session.scalars(chosen).all()
        if not ids:
            return 0
        self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.id.in_(ids))
            .values(tries=0, not_before=now(), dead_at=None, token=None)
        )
        record(
            self._session, actor, "webhook.replayed_all", "webhooks", EVERY_TENANT, count=len(ids)
        )
        return len(ids)


def _in_status(status: WebhookStatus) -> tuple[ColumnElement[bool], ...]:
    match status:
        case "delivered":
            return (OutboxRow.delivered_at.is_not(None),)
        case "dead":
            return (OutboxRow.dead_at.is_not(None),)
        case _:
            return (OutboxRow.delivered_at.is_(None), OutboxRow.dead_at.is_(None))


def _webhook_of(row: OutboxRow) -> Webhook:
    status: WebhookStatus = "pending"
    if row.delivered_at is not None:
        status = "delivered"
    elif row.dead_at is not None:
        status = "dead"
    return Webhook(
        id=row.id,
        tenant=row.tenant,
        job_id=row.job_id,
        url=row.payload.get("url") or "",
        body=row.payload.get("body") or {},
        status=status,
        tries=row.tries,
        created_at=row.created_at,
        next_try_at=row.not_before if status == "pending" else None,
        delivered_at=row.delivered_at,
        dead_at=row.dead_at,
        last_error=row.last_error,
    )
