"""The lister's side of watches: whose turn it is, how far it is, and what went wrong.

A listing is a lease, as a job is: one lister at a time goes on with a prefix, from where the last
one stopped, and one that lost its lease changes nothing.
"""

from dataclasses import dataclass, replace
from secrets import token_hex

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from jobs.clock import later, now
from jobs.repository.watch_rows import ERROR_MAX, watch_of
from jobs.watch import Watch
from jobs.watch_tables import WatchRow


@dataclass(frozen=True)
class Listing:
    """The right to go on with the listing of a watch."""

    watch: Watch
    token: str
    after: str
    """The last key that was seen; empty at the beginning."""


class WatchListings:
    """Listing watched prefixes, page by page."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, lease_s: float) -> Listing | None:
        """Take the watch whose listing has waited longest; nobody else gets it for a while."""
        due = (
            select(WatchRow.id)
            .where(
                WatchRow.paused_at.is_(None),
                WatchRow.list_at <= now(),
                or_(WatchRow.lease_until.is_(None), WatchRow.lease_until <= now()),
            )
            .order_by(WatchRow.list_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        token = token_hex(16)
        row = self._session.scalar(
            update(WatchRow)
            .where(WatchRow.id == due.scalar_subquery())
            .values(lease_token=token, lease_until=later(now(), lease_s))
            .returning(WatchRow)
        )
        return None if row is None else Listing(watch_of(row), token, row.position or "")

    def go_on(self, listing: Listing, after: str, lease_s: float) -> Listing | None:
        """Remember how far a listing is; None where it is no longer one's own."""
        row = self._session.scalar(
            update(WatchRow)
            .where(
                WatchRow.id == listing.watch.id,
                WatchRow.lease_token == listing.token,
                WatchRow.lease_until > now(),
                WatchRow.paused_at.is_(None),
                func.coalesce(WatchRow.position, "") == listing.after,
            )
            .values(position=after, lease_until=later(now(), lease_s))
            .returning(WatchRow)
        )
        return None if row is None else replace(listing, watch=watch_of(row), after=after)

    def end(self, listing: Listing, next_s: float) -> None:
        """Give a listing up that came to its end, until it is time for the next one."""
        self._give_up(
            listing.watch.id,
            listing.token,
            list_at=later(now(), next_s),
            position=None,
            listed_at=now(),
            last_error=None,
            last_error_at=None,
        )

    def fail(self, watch_id: str, token: str, wait_s: float, error: str | None) -> None:
        """Give a listing up that cannot go on now; somebody goes on from there later."""
        values: dict[str, object] = {"list_at": later(now(), wait_s)}
        if error is not None:
            values |= {"last_error": error[:ERROR_MAX], "last_error_at": now()}
        self._give_up(watch_id, token, **values)

    def _give_up(self, watch_id: str, token: str, **values: object) -> None:
        self._session.execute(
            update(WatchRow)
            .where(WatchRow.id == watch_id, WatchRow.lease_token == token)
            .values(lease_token=None, lease_until=None, **values)
        )
