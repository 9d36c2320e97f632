"""What stores told, to be looked at; and the messages that nothing could be made of."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jobs.clock import later, now
from jobs.identifiers import new_id
from jobs.job import Reason
from jobs.object_events import ObjectEvent
from jobs.policy import Policy
from jobs.repository.cursor import older_than, page_of
from jobs.repository.visibility import visible
from jobs.repository.watch_rows import event_of, parked_of
from jobs.watch import (
    Decision,
    EventSource,
    EventState,
    ParkedMessage,
    S3Event,
    Watch,
)
from jobs.watch_tables import ParkedMessageRow, S3EventRow

_BODY_MAX = 65_536


@dataclass(frozen=True)
class S3EventPage:
    """Events, newest first, and where the next page begins."""

    events: tuple[S3Event, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class ParkedPage:
    """Parked messages, newest first, and where the next page begins."""

    messages: tuple[ParkedMessage, ...]
    next_cursor: str | None


class S3Events:
    """Reading, parking, forgetting. Events are written by `note`, where they are decided about."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def page(
        self,
        tenant: str,
        watch_id: str,
        states: Collection[EventState] = (),
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> S3EventPage:
        """List a watch's events, newest first.

        Raises:
            RequestInvalidError: the cursor is not one that an earlier page gave.

        """
        query = select(S3EventRow).where(
            S3EventRow.watch_id == watch_id, visible(S3EventRow.tenant, tenant)
        )
        if states:
            query = query.where(S3EventRow.state.in_(states))
        if cursor is not None:
            query = query.where(older_than(cursor, S3EventRow.received_at, S3EventRow.id))
        query = query.order_by(S3EventRow.received_at.desc(), S3EventRow.id.desc())
        rows = self._session.scalars(query.limit(limit + 1)).all()
        shown, next_cursor = page_of(rows, limit, lambda row: (row.received_at, row.id))
        return S3EventPage(tuple(map(event_of, shown)), next_cursor)

    def latest(self, watch_id: str) -> S3Event | None:
        """Return the newest thing that a watch was told; None where that was nothing yet."""
        row = self._session.scalar(
            select(S3EventRow)
            .where(S3EventRow.watch_id == watch_id)
            .order_by(S3EventRow.received_at.desc(), S3EventRow.id.desc())
            .limit(1)
        )
        return None if row is None else event_of(row)

    def park(
        self, queue_url: str, message_id: str, body: str, reason: Reason, receives: int
    ) -> None:
        """Put a message aside, so that it can be deleted; one that is parked already stays so."""
        parked = insert(ParkedMessageRow).values(
            id=new_id("evt"),
            queue_url=queue_url,
            message_id=message_id,
            # Postgres takes no NUL, and no half of a pair.
            body=body.encode(errors="replace").decode().replace("\0", "�")[:_BODY_MAX],
            reason_code=reason.code,
            reason_message=reason.message,
            receives=receives,
            parked_at=now(),
        )
        try:
            with self._session.begin_nested():
                self._session.execute(parked)
        except IntegrityError:
            # Its deletion was lost, so that it came once more.
            return

    def parked(self, *, limit: int = 50, cursor: str | None = None) -> ParkedPage:
        """List parked messages, newest first; for the operator, for they belong to nobody.

        Raises:
            RequestInvalidError: the cursor is not one that an earlier page gave.

        """
        query = select(ParkedMessageRow)
        if cursor is not None:
            place = older_than(cursor, ParkedMessageRow.parked_at, ParkedMessageRow.id)
            query = query.where(place)
        query = query.order_by(ParkedMessageRow.parked_at.desc(), ParkedMessageRow.id.desc())
        rows = self._session.scalars(query.limit(limit + 1)).all()
        shown, next_cursor = page_of(rows, limit, lambda row: (row.parked_at, row.id))
        return ParkedPage(tuple(map(parked_of, shown)), next_cursor)

    def forget_old(self, limit: int = 10_000) -> int:
        """Delete what was told, and parked, so long ago that only history needs it."""
        kept = later(now(), -self._policy.record_kept_s)
        events = select(S3EventRow.id).where(S3EventRow.received_at <= kept).limit(limit)
        parked = select(ParkedMessageRow.id).where(ParkedMessageRow.parked_at <= kept).limit(limit)
        statements = (
            delete(S3EventRow).where(S3EventRow.id.in_(events)).returning(S3EventRow.id),
            delete(ParkedMessageRow)
            .where(ParkedMessageRow.id.in_(parked))
            .returning(ParkedMessageRow.id),
        )
        return sum(len(self._session.scalars(statement).all()) for statement in statements)


def note(
    session: Session,
    watch: Watch,
    event: ObjectEvent,
    source: EventSource,
    decision: Decision,
    reason: Reason | None,
) -> None:
    """Write an event down with what came of it, or count it where it was told before."""
    told = {
        "state": decision.state,
        "job_id": decision.job and decision.job.id,
        "reason_code": reason and reason.code,
        "reason_message": reason and reason.message,
    }
    if _count(session, watch, event, told if decision.job else {}):
        return
    new = insert(S3EventRow).values(
        id=new_id("evt"),
        watch_id=watch.id,
        tenant=watch.tenant,
        fold=_fold(watch, event),
        kind=event.kind,
        bucket=event.bucket,
        key=event.key,
        version=event.version_id,
        etag=event.etag,
        size_bytes=event.size_bytes,
        sequencer=event.sequencer,
        source=source,
        received=1,
        received_at=now(),
        updated_at=now(),
        **told,
    )
    try:
        with session.begin_nested():
            session.execute(new)
    except IntegrityError:
        # The same was told twice at the same time.
        _count(session, watch, event, {})


def _count(session: Session, watch: Watch, event: ObjectEvent, told: Mapping[str, object]) -> bool:
    """Count an event that was told before; False where it was not."""
    counted = (
        update(S3EventRow)
        .where(S3EventRow.fold == _fold(watch, event))
        .values(received=S3EventRow.received + 1, updated_at=now(), **told)
        .returning(S3EventRow.id)
    )
    return session.scalar(counted) is not None


def _fold(watch: Watch, event: ObjectEvent) -> str:
    parts = (event.kind, event.key, event.version_id, event.sequencer, event.etag)
    # An id holds no NUL, and neither does a key.
    text = "\0".join((watch.id, *(part or "" for part in parts)))
    return hashlib.sha256(text.encode()).hexdigest()
