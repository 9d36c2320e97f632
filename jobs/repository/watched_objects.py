"""What becomes of the objects of watched prefixes: each content a job, once.

The row of a key is where everything about it meets: events in any order and number, and what the
lister finds. Who decides has asked the store after it read the row; where the row has changed
since, nothing is decided, and the store is asked again. So the latest decision always rests on the
latest look, whatever the order in which events come.
"""

from collections.abc import Collection
from itertools import islice

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jobs.clock import now
from jobs.errors import QueueNotFoundError, RequestInvalidError
from jobs.job import Job, Reason
from jobs.object_events import ObjectEvent, order_of
from jobs.placement import Place
from jobs.policy import Policy
from jobs.repository.s3_events import note
from jobs.repository.submissions import Origin, Submissions
from jobs.repository.watch_rows import object_of, watch_of
from jobs.repository.watches import Watches
from jobs.tables import ApiKeyRow, JobRow
from jobs.watch import Decision, EventSource, KnownObject, ObjectNow, ObjectState, Watch
from jobs.watch_tables import WatchedObjectRow, WatchRow

_KEYS_AT_ONCE = 100
"""With many more, Postgres would rather read the whole table."""

GONE = Reason("input_gone", "The object was removed before it was looked at.")
_PAUSED = Reason("watch_paused", "The watch is paused; what it missed is found when it is resumed.")
_BEFORE = Reason("was_there_before", "The object lay there before the prefix was watched.")
# As a worker would say it.
_EMPTY = Reason("not_a_video", "The object is empty; there is no video in it.")


class WatchedObjects:
    """Deciding about one object at a time."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._session = session
        self._policy = policy

    def known(self, watch_id: str, keys: Collection[str]) -> dict[str, KnownObject]:
        """Read what was decided about some keys so far; keys that are new are absent."""
        found: dict[str, KnownObject] = {}
        remaining = iter(keys)
        while some := list(islice(remaining, _KEYS_AT_ONCE)):
            query = select(WatchedObjectRow).where(
                WatchedObjectRow.watch_id == watch_id, WatchedObjectRow.key.in_(some)
            )
            found |= {row.key: object_of(row) for row in self._session.scalars(query)}
        return found

    def fold(
        self, watch: Watch, event: ObjectEvent, source: EventSource, known: KnownObject
    ) -> Decision | None:
        """Settle an event that its sequencer shows to be old; None where the store must be asked.

        An event that was told before is counted; one that is older than another is noted.
        """
        order = order_of(event.sequencer, known.sequencer)
        if order not in ("older", "same"):
            return None
        decision = Decision("known" if order == "same" else "stale")
        note(self._session, watch, event, source, decision, None)
        return decision

    def reason_to_wait(self, watch: Watch) -> Reason | None:
        """Say why no jobs are made for a watch at present, also to who looks at it; None if so."""
        if watch.paused_at is not None:
            return _PAUSED
        revoked = select(ApiKeyRow.revoked_at).where(ApiKeyRow.id == watch.key_id)
        if self._session.scalar(revoked) is None:
            return None
        sentence = "The API key of this watch was revoked; resume the watch with another key."
        self._session.execute(
            update(WatchRow)
            .where(WatchRow.id == watch.id)
            .values(last_error=sentence, last_error_at=now())
        )
        return Reason("key_revoked", sentence)

    def decide(
        self,
        watch: Watch,
        event: ObjectEvent,
        source: EventSource,
        found: ObjectNow | None,
        revision: int,
        size_max_bytes: int,
    ) -> Decision | None:
        """Decide about an object by what its store said after the row was read.

        Args:
            watch: that covers the object.
            event: what was told.
            source: who told it.
            found: the object as it is now; None where it is not there.
            revision: of the row that was read before the store was asked; 0 where there was none.
            size_max_bytes: larger objects are refused.

        Returns:
            What came of it; None where somebody decided meanwhile, so that the store must be asked
            again, or where the watch is gone.

        """
        watch_row = self._session.scalar(
            # Kept, so that it cannot be removed before this is written.
            select(WatchRow)
            .where(WatchRow.id == watch.id)
            .with_for_update(read=True, key_share=True)
        )
        if watch_row is None:
            return None
        watch = watch_of(watch_row)
        row = self._session.scalar(
            select(WatchedObjectRow)
            .where(WatchedObjectRow.watch_id == watch.id, WatchedObjectRow.key == event.key)
            .with_for_update()
        )
        if (row.revision if row else 0) != revision:
            return None
        stop = self.reason_to_wait(watch)
        if stop is not None:
            decision, reason = Decision("ignored"), stop
        elif found is None:
            decision, reason = Decision("gone"), GONE
            if row is not None and row.state != "gone":
                self._change(row, event, state="gone")
        elif row is not None and self._is_done(row, event, source, found):
            decision, reason = Decision("known"), None
            self._change(row, event, state=_state_before(row))
        else:
            try:
                with self._session.begin_nested():
                    decision, reason = self._new_content(
                        watch, event, source, found, row, size_max_bytes
                    )
            except IntegrityError:
                # Two were told of a new key at once; the other one was quicker.
                return None
        note(self._session, watch, event, source, decision, reason)
        return decision

    def _is_done(
        self, row: WatchedObjectRow, event: ObjectEvent, source: EventSource, found: ObjectNow
    ) -> bool:
        """Tell whether just this content was decided about before.

        What failed is done too, for the lister would bring it back for ever; but dropping the same
        file once more asks for another try.
        """
        if row.etag != found.etag:
            return False
        if row.state == "ignored" and source != "lister" and event.kind == "created":
            # Not there before after all: the first listing came upon it before its event did.
            return False
        is_dropped_again = row.state == "gone" or (
            event.kind == "created" and order_of(event.sequencer, row.sequencer) == "newer"
        )
        if not is_dropped_again or row.job_id is None:
            return True
        state = self._session.scalar(select(JobRow.state).where(JobRow.id == row.job_id))
        return state not in ("failed", "canceled")

    def _new_content(
        self,
        watch: Watch,
        event: ObjectEvent,
        source: EventSource,
        found: ObjectNow,
        row: WatchedObjectRow | None,
        size_max_bytes: int,
    ) -> tuple[Decision, Reason | None]:
        state: ObjectState
        job: Job | None = None
        reason: Reason | None
        is_first_listing = source == "lister" and watch.listed_at is None
        if watch.existing == "ignore" and is_first_listing and row is None:
            state, reason = "ignored", _BEFORE
        else:
            try:
                reason = self._reason_to_refuse(watch, event.key, found, size_max_bytes)
                if reason is None:
                    job = self._submit(watch, event.key, found)
            except (RequestInvalidError, QueueNotFoundError) as error:
                reason = Reason(error.code, str(error))
            state = "submitted" if job is not None else "refused"
        values = {
            "version": found.version_id,
            "etag": found.etag,
            "size_bytes": found.size_bytes,
            "state": state,
            "job_id": job and job.id,
            "reason_code": reason and reason.code,
            "reason_message": reason and reason.message,
        }
        if row is None:
            self._session.execute(
                insert(WatchedObjectRow).values(
                    watch_id=watch.id,
                    key=event.key,
                    revision=1,
                    sequencer=event.sequencer,
                    updated_at=now(),
                    **values,
                )
            )
        else:
            self._change(row, event, **values)
        return Decision(state, job), reason

    def _submit(self, watch: Watch, key: str, found: ObjectNow) -> Job:
        request = watch.request_for(key, found.version_id, found.etag)
        jobs = Submissions(self._session, self._policy)
        return jobs.submit(watch.actor, request, origin=Origin(flow=watch.id)).job

    def _reason_to_refuse(
        self, watch: Watch, key: str, found: ObjectNow, size_max_bytes: int
    ) -> Reason | None:
        if found.size_bytes == 0:
            return _EMPTY
        if found.size_bytes > size_max_bytes:
            return Reason(
                "too_large",
                f"The object has {found.size_bytes} bytes, beyond the limit of {size_max_bytes};"
                " cut the video into parts.",
            )
        output = Place.of_url(watch.request_for(key, None, None).output_url or "")
        # Watches that were added at the same moment could not see one another.
        if Watches(self._session).covering(output.bucket, output.key):
            return Reason(
                "watch_loop", f"The result {output.url} would lie under a prefix that is watched."
            )
        return None

    def _change(self, row: WatchedObjectRow, event: ObjectEvent, **values: object) -> None:
        if order_of(event.sequencer, row.sequencer) in ("newer", "unknown") and event.sequencer:
            values |= {"sequencer": event.sequencer}
        self._session.execute(
            update(WatchedObjectRow)
            .where(WatchedObjectRow.watch_id == row.watch_id, WatchedObjectRow.key == row.key)
            .values(revision=WatchedObjectRow.revision + 1, updated_at=now(), **values)
        )


def _state_before(row: WatchedObjectRow) -> str:
    """Tell in which state an object was before it was gone."""
    if row.state != "gone":
        return row.state
    if row.job_id is not None:
        return "submitted"
    return "ignored" if row.reason_code == _BEFORE.code else "refused"
