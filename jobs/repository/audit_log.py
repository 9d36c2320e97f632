"""Who did what to what, written in the transaction that does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from jobs.api_key import Actor
from jobs.clock import now
from jobs.identifiers import new_id
from jobs.repository.cursor import older_than, page_of
from jobs.repository.visibility import visible
from jobs.tables import AuditRow


@dataclass(frozen=True)
class AuditEntry:
    """One action."""

    id: str
    at: datetime
    tenant: str
    actor: str
    action: str
    """Such as `job.canceled`."""
    subject: str
    """The id of what was acted on."""
    detail: dict[str, Any]


@dataclass(frozen=True)
class AuditPage:
    """Entries, newest first, and where the next page begins."""

    entries: tuple[AuditEntry, ...]
    next_cursor: str | None


class AuditLog:
    """Reading the log; every change of the repository writes its own entry."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(
        self,
        tenant: str,
        *,
        subject: str | None = None,
        action: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AuditPage:
        """List entries, newest first.

        Raises:
            RequestInvalidError: the cursor is not one that an earlier page gave.

        """
        query = select(AuditRow).where(visible(AuditRow.tenant, tenant))
        if subject is not None:
            query = query.where(AuditRow.subject == subject)
        if action is not None:
            query = query.where(AuditRow.action == action)
        if cursor is not None:
            query = query.where(older_than(cursor, AuditRow.at, AuditRow.id))
        query = query.order_by(AuditRow.at.desc(), AuditRow.id.desc()).limit(limit + 1)
        rows = self._session.scalars(query).all()
        shown, next_cursor = page_of(rows, limit, lambda row: (row.at, row.id))
        entries = tuple(
            AuditEntry(r.id, r.at, r.tenant, r.actor, r.action, r.subject, r.detail) for r in shown
        )
        return AuditPage(entries, next_cursor)


def record(
    session: Session, actor: Actor, action: str, subject: str, tenant: str, **detail: object
) -> None:
    """Add an entry; `tenant` is the owner of what was acted on."""
    record_all(session, actor, action, [(subject, tenant)], **detail)


def record_all(
    session: Session,
    actor: Actor,
    action: str,
    subjects: Sequence[tuple[str, str]],
    **detail: object,
) -> None:
    """Add an entry for each of several subjects, given with the tenants that own them."""
    entries = [
        {
            "id": new_id("aud"),
            "at": now(),
            "tenant": tenant,
            "actor": actor.name,
            "action": action,
            "subject": subject,
            "detail": detail,
        }
        for subject, tenant in subjects
    ]
    if entries:
        session.execute(insert(AuditRow).values(entries))
