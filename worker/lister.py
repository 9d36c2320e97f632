"""Lists watched prefixes for what no event told of: lost events, changes, what was there before.

Page after page, and the place is remembered after each, so that whoever takes over goes on there. A
page is compared with what is known in one query; only what is new or changed is asked for.
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from jobs.database import Database
from jobs.errors import JobsError, StorageDeniedError, StorageError
from jobs.intake import Intake
from jobs.repository.watch_listings import Listing
from jobs.storage.buckets import BucketObject, Buckets
from worker.settings import EventSettings

PAGE = 1000
_LEASE_S = 600.0
"""For one page; whoever dies with a listing leaves it for so long."""
_IDLE_S = 1.0
_AWAY_S = 30.0
_DENIED_S = 300.0

log = logging.getLogger(__name__)


class Lister:
    """Lists one prefix at a time. Any number of processes may run at once."""

    def __init__(
        self, settings: EventSettings, database: Database, buckets: Buckets, intake: Intake
    ) -> None:
        self._settings = settings
        self._database = database
        self._buckets = buckets
        self._intake = intake
        self._stopping = threading.Event()

    def run(self) -> None:
        """List whatever is due, until `stop`."""
        while not self._stopping.is_set():
            try:
                has_listed = self.list_next()
            except JobsError as error:
                log.warning("listing: %s", error)
                has_listed = False
            except Exception:
                # The next round may go better.
                log.exception("listing")
                has_listed = False
            if not has_listed:
                self._stopping.wait(_IDLE_S)

    def stop(self) -> None:
        """End after the keys that are looked at."""
        self._stopping.set()

    def list_next(self) -> bool:
        """List the prefix that has waited longest; False where none is due.

        Raises:
            DatabaseUnavailableError: the listing stays taken until its lease is over.

        """
        with self._database.transaction() as rows:
            listing = rows.watch_listings.take(_LEASE_S)
        if listing is None:
            return False
        if self._is_key_revoked(listing):
            return True
        try:
            ended = self._list(listing)
        except StorageError as error:
            log.warning("%s cannot be listed: %s", listing.watch.url, error)
            wait_s = _DENIED_S if isinstance(error, StorageDeniedError) else _AWAY_S
            with self._database.transaction() as rows:
                rows.watch_listings.fail(listing.watch.id, listing.token, wait_s, str(error))
            return True
        if ended is not None:
            with self._database.transaction() as rows:
                rows.watch_listings.end(ended, self._settings.list_s)
        return True

    def _is_key_revoked(self, listing: Listing) -> bool:
        with self._database.transaction() as rows:
            reason = rows.watched_objects.reason_to_wait(listing.watch)
            if reason is not None:
                rows.watch_listings.fail(
                    listing.watch.id, listing.token, self._settings.list_s, reason.message
                )
        return reason is not None

    def _list(self, listing: Listing) -> Listing | None:
        """Go on to the end; None where the listing was stopped, or taken away."""
        found = self._buckets.list(listing.watch.bucket, listing.watch.prefix, listing.after)
        current: Listing | None = listing
        with ThreadPoolExecutor(self._settings.events_at_once) as pool:
            while current is not None and (page := list(islice(found, PAGE))):
                list(pool.map(self._look, self._news(current, page)))
                if self._stopping.is_set():
                    self._put_back(current)
                    return None
                with self._database.transaction() as rows:
                    current = rows.watch_listings.go_on(current, page[-1].place.key, _LEASE_S)
        return current

    def _news(self, listing: Listing, page: list[BucketObject]) -> Iterator[tuple[Listing, str]]:
        """Give what of a page is new, changed, or there again."""
        watch = listing.watch
        wanted = [each for each in page if watch.covers(watch.bucket, each.place.key)]
        with self._database.reading() as rows:
            known = rows.watched_objects.known(watch.id, [each.place.key for each in wanted])
        for each in wanted:
            before = known.get(each.place.key)
            if before is None or before.state == "gone" or before.etag != (each.etag or None):
                yield listing, each.place.key

    def _look(self, news: tuple[Listing, str]) -> None:
        if not self._stopping.is_set():
            listing, key = news
            self._intake.look(listing.watch, key)

    def _put_back(self, listing: Listing) -> None:
        """Let somebody else go on at once, from where this page began."""
        with self._database.transaction() as rows:
            rows.watch_listings.fail(listing.watch.id, listing.token, 0.0, None)
