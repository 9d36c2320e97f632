"""Queues: one per GPU class, each of which can be paused."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from jobs.api_key import Actor
from jobs.clock import now
from jobs.errors import QueueNotFoundError
from jobs.repository.audit_log import record
from jobs.tables import QueueRow


@dataclass(frozen=True)
class Queue:
    """A queue; jobs of a paused one wait, those that run go on."""

    name: str
    paused_at: datetime | None


class Queues:
    """Queues belong to no tenant; who may pause them is the API's decision."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> "list[Queue]":
        """List all queues by name."""
        query = select(QueueRow).order_by(QueueRow.name)
        return [Queue(row.name, row.paused_at) for row in self._session.scalars(query)]

    def pause(self, actor: Actor, name: str) -> Queue:
        """Let no worker claim from a queue until it is resumed.

        Raises:
            QueueNotFoundError: there is none.

        """
        return self._set(actor, name, is_paused=True)

    def resume(self, actor: Actor, name: str) -> Queue:
        """Let workers claim again; the sweeper rings for what waits.

        Raises:
            QueueNotFoundError: there is none.

        """
        return self._set(actor, name, is_paused=False)

    def _set(self, actor: Actor, name: str, *, is_paused: bool) -> Queue:
        row = self._session.scalar(
            update(QueueRow)
            .where(QueueRow.name == name)
            .values(paused_at=now() if is_paused else None)
            .returning(QueueRow)
        )
        if row is None:
            raise QueueNotFoundError(
                f"There is no queue {name!r}; a worker that serves it adds it."
            )
        action = "queue.paused" if is_paused else "queue.resumed"
        record(self._session, actor, action, name, actor.tenant)
        return Queue(row.name, row.paused_at)


def add_queues(session: Session, names: Collection[str]) -> None:
    """Add queues that do not exist yet."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    for name in sorted(names):
        session.execute(insert(QueueRow).values(name=name).on_conflict_do_nothing())
