"""Making jobs of objects that appear under watched prefixes.

An event is a hint, as a bell is: it says that something happened to a key, perhaps twice, late, or
in the wrong order. What is done rests on what the store says when it is asked. The answer and what
is known are put together in one transaction, which also writes the event and the job.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobs.database import Database
from jobs.errors import DatabaseUnavailableError, StorageDeniedError, WatchNotFoundError
from jobs.object_events import ObjectEvent
from jobs.placement import Place
from jobs.watch import Decision, EventSource, ObjectNow, Watch

if TYPE_CHECKING:
    from jobs.storage.buckets import Buckets

_TRIES = 20


class Intake:
    """Takes events in, from wherever. Safe to share between threads."""

    def __init__(
        self,
        database: Database,
        buckets: "Buckets",
        ring: Callable[[str], None],
        size_max_bytes: int,
    ) -> None:
        """Prepare to take events.

        Args:
            database: of the watches.
            buckets: where the objects are.
            ring: called with a queue's name after a job was committed; must not raise.
            size_max_bytes: larger objects are refused before anything is read of them.

        """
        self._database = database
        self._buckets = buckets
        self._ring = ring
        self._size_max_bytes = size_max_bytes

    def take(
        self, event: ObjectEvent, source: EventSource, watch_id: str | None = None
    ) -> list[Decision]:
        """Take one event for every watch that wants it, or for one; what none wants is dropped.

        May be repeated: a content that has its job gets no other one.

        Raises:
            StorageError: the store did not say what the object is.
            DatabaseUnavailableError: nothing was written for at least one of the watches.

        """
        with self._database.reading() as rows:
            watches = rows.watches.covering(event.bucket, event.key, watch_id)
        decisions = (self._settle(watch, event, source) for watch in watches)
        return [decision for decision in decisions if decision is not None]

    def look(self, watch: Watch, key: str) -> Decision | None:
        """Decide about a key that the lister came upon; None where the watch is gone.

        Raises:
            StorageError: see `take`.
            DatabaseUnavailableError: see `take`.

        """
        return self._settle(watch, ObjectEvent("created", watch.bucket, key), "lister")

    def _settle(self, watch: Watch, event: ObjectEvent, source: EventSource) -> Decision | None:
        for _ in range(_TRIES):
            decision = self._try_to_settle(watch, event, source)
            if decision is not None:
                if decision.job is not None:
                    self._ring(decision.job.request.queue)
                return decision
            try:
                with self._database.reading() as rows:
                    watch = rows.watches.get(watch.tenant, watch.id)
            except WatchNotFoundError:
                return None
        raise DatabaseUnavailableError(
            f"s3://{event.bucket}/{event.key} changed more often than it could be looked at; try"
            " again."
        )

    def _try_to_settle(
        self, watch: Watch, event: ObjectEvent, source: EventSource
    ) -> Decision | None:
        with self._database.reading() as rows:
            known = rows.watched_objects.known(watch.id, [event.key]).get(event.key)
        if known is not None:
            with self._database.transaction() as rows:
                folded = rows.watched_objects.fold(watch, event, source, known)
            if folded is not None:
                return folded
        found = self._ask(watch, event)
        with self._database.transaction() as rows:
            return rows.watched_objects.decide(
                watch, event, source, found, known.revision if known else 0, self._size_max_bytes
            )

    def _ask(self, watch: Watch, event: ObjectEvent) -> ObjectNow | None:
        try:
            found = self._buckets.head(Place(event.bucket, event.key))
        except StorageDeniedError as error:
            with self._database.transaction() as rows:
                rows.watches.note_error(watch.id, str(error))
            raise
        if found is None:
            return None
        return ObjectNow(found.etag or None, found.version_id, found.size_bytes)
