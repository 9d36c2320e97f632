"""Watched prefixes: added, looked at, paused, resumed, removed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from jobs.api_key import EVERY_TENANT, Actor
from jobs.batch import split_prefix
from jobs.clock import now
from jobs.errors import WatchNotFoundError
from jobs.identifiers import new_id
from jobs.permission import check_readable, check_writable
from jobs.placement import Output
from jobs.repository.audit_log import record
from jobs.repository.cursor import older_than, page_of
from jobs.repository.visibility import visible
from jobs.repository.watch_checks import check_output, check_watch
from jobs.repository.watch_rows import ERROR_MAX, watch_of
from jobs.tables import JobRow
from jobs.watch import (
    WATCH_OUTPUT,
    Existing,
    NewWatch,
    Watch,
    WatchCounts,
    clean_suffixes,
    new_event_secret,
    sha256_of_event_secret,
)
from jobs.watch_tables import WatchedObjectRow, WatchRow


@dataclass(frozen=True)
class WatchPage:
    """Watches, newest first, and where the next page begins."""

    watches: tuple[Watch, ...]
    next_cursor: str | None


class Watches:
    """Everything about watches but their objects and events."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        actor: Actor,
        url: str,
        *,
        name: str | None = None,
        suffixes: Sequence[str] = (),
        choices: Mapping[str, Any] | None = None,
        output: Output = WATCH_OUTPUT,
        existing: Existing = "run",
    ) -> NewWatch:
        """Watch a prefix; what lies there already is looked at soon.

        Args:
            actor: whose key allows what is read and written.
            url: `s3://bucket/prefix`; what follows the bucket may be empty.
            name: for people.
            suffixes: endings of keys, such as .mp4; none takes every object.
            choices: what `JobRequest` takes, without the input and the output.
            output: how addresses of outputs are made.
            existing: what becomes of objects that lie there already.

        Raises:
            RequestInvalidError: the address, a choice or the output cannot be used, or the API key
                does not allow them.
            WatchLoopError: results could land under a prefix that is watched.

        """
        assert actor.tenant != EVERY_TENANT, "a watch belongs to one tenant"
        bucket, prefix = split_prefix(url)
        secret = new_event_secret()
        values = {
            "id": new_id("wat"),
            "tenant": actor.tenant,
            "key_id": actor.key_id,
            "name": name,
            "bucket": bucket,
            "prefix": prefix,
            "suffixes": list(clean_suffixes(tuple(suffixes))),
            "choices": dict(choices or {}),
            "output": output.as_json(),
            "existing": existing,
            "limits": asdict(actor.limits),
            "secret_sha256": sha256_of_event_secret(secret),
        }
        check_watch(self._session, actor, bucket, prefix, choices or {}, output)
        row = self._session.scalars(
            insert(WatchRow)
            .values(**values, created_at=now(), updated_at=now(), list_at=now())
            .returning(WatchRow)
        ).one()
        record(self._session, actor, "watch.added", row.id, row.tenant, url=url)
        return NewWatch(watch_of(row), secret)

    def check_output(
        self,
        output: Output,
        source_bucket: str,
        source_prefix: str,
        known: Mapping[str, str] | None = None,
    ) -> None:
        """Refuse outputs that could land under any watched prefix.

        Args:
            output: how addresses of outputs are made.
            source_bucket: of the inputs; empty where they come from several ones.
            source_prefix: what the keys of all inputs begin with.
            known: fields of the template that are the same for all inputs.

        Raises:
            WatchLoopError: they could.

        """
        check_output(self._session, output, source_bucket, source_prefix, known)

    def covering(self, bucket: str, key: str, watch_id: str | None = None) -> list[Watch]:
        """Find the watches that want an object, or the one of them that is named, paused or not."""
        query = select(WatchRow).where(WatchRow.bucket == bucket).order_by(WatchRow.id)
        if watch_id is not None:
            query = query.where(WatchRow.id == watch_id)
        found = (watch_of(row) for row in self._session.scalars(query))
        return [watch for watch in found if watch.covers(bucket, key)]

    def of_secret(self, secret: str) -> Watch | None:
        """Find the watch that a secret belongs to; found by a hash, so timing tells nothing."""
        row = self._session.scalar(
            select(WatchRow).where(WatchRow.secret_sha256 == sha256_of_event_secret(secret))
        )
        return None if row is None else watch_of(row)

    def get(self, tenant: str, watch_id: str) -> Watch:
        """Read a watch.

        Raises:
            WatchNotFoundError: there is none that this tenant can see.

        """
        row = self._session.scalar(
            select(WatchRow).where(WatchRow.id == watch_id, visible(WatchRow.tenant, tenant))
        )
        if row is None:
            raise _not_found(watch_id)
        return watch_of(row)

    def page(self, tenant: str, *, limit: int = 50, cursor: str | None = None) -> WatchPage:
        """List watches, newest first.

        Raises:
            RequestInvalidError: the cursor is not one that an earlier page gave.

        """
        query = select(WatchRow).where(visible(WatchRow.tenant, tenant))
        if cursor is not None:
            query = query.where(older_than(cursor, WatchRow.created_at, WatchRow.id))
        query = query.order_by(WatchRow.created_at.desc(), WatchRow.id.desc()).limit(limit + 1)
        rows = self._session.scalars(query).all()
        shown, next_cursor = page_of(rows, limit, lambda row: (row.created_at, row.id))
        return WatchPage(tuple(map(watch_of, shown)), next_cursor)

    def counts(self, tenant: str, watch_id: str) -> WatchCounts:
        """Count a watch's objects, and the jobs that were made of them.

        Raises:
            WatchNotFoundError: there is none that this tenant can see.

        """
        self.get(tenant, watch_id)
        objects = (
            select(WatchedObjectRow.state, func.count())
            .where(WatchedObjectRow.watch_id == watch_id)
            .group_by(WatchedObjectRow.state)
        )
        jobs = (
            select(JobRow.state, func.count())
            .where(JobRow.flow == watch_id, JobRow.flow != "")
            .group_by(JobRow.state)
        )
        by_state = {str(state): count for state, count in self._session.execute(objects)}
        of_jobs = {str(state): count for state, count in self._session.execute(jobs)}
        return WatchCounts(**by_state, jobs=of_jobs)

    def pause(self, actor: Actor, watch_id: str) -> Watch:
        """Make no more jobs; what is dropped meanwhile is found when the watch is resumed.

        Raises:
            WatchNotFoundError: there is none that this tenant can see.

        """
        return self._changed(actor, watch_id, "watch.paused", paused_at=now())

    def resume(self, actor: Actor, watch_id: str) -> Watch:
        """Go on, with what the key that asks may do, and look for what was missed.

        Raises:
            WatchNotFoundError: there is none that this tenant can see.
            RequestInvalidError: this key may not read or write what the watch does.
            WatchLoopError: results could land under a prefix that is watched meanwhile.

        """
        watch = self.get(actor.tenant, watch_id)
        values: dict[str, object] = {"paused_at": None, **_from_the_beginning()}
        if actor.tenant != EVERY_TENANT:
            sample = watch.request_for(f"{watch.prefix}sample.mov", None, None)
            check_readable(actor.limits, watch.url)
            check_writable(actor.limits, sample.output_url or "")
            values |= {"key_id": actor.key_id, "limits": asdict(actor.limits)}
        return self._changed(
            actor, watch_id, "watch.resumed", last_error=None, last_error_at=None, **values
        )

    def list_now(self, actor: Actor, watch_id: str) -> Watch:
        """Have the whole prefix listed again, soon and from its beginning.

        Raises:
            WatchNotFoundError: there is none that this tenant can see.

        """
        return self._changed(actor, watch_id, "watch.listed", **_from_the_beginning())

    def remove(self, actor: Actor, watch_id: str) -> None:
        """Forget a watch and what it knew of its objects; its jobs and their results stay.

        Raises:
            WatchNotFoundError: there is none that this tenant can see.

        """
        row = self._session.scalar(
            delete(WatchRow)
            .where(WatchRow.id == watch_id, visible(WatchRow.tenant, actor.tenant))
            .returning(WatchRow)
        )
        if row is None:
            raise _not_found(watch_id)
        record(self._session, actor, "watch.removed", watch_id, row.tenant)

    def note_error(self, watch_id: str, sentence: str) -> None:
        """Show what is wrong with a watch to those who look at it."""
        self._session.execute(
            update(WatchRow)
            .where(WatchRow.id == watch_id)
            .values(last_error=sentence[:ERROR_MAX], last_error_at=now())
        )

    def _changed(self, actor: Actor, watch_id: str, action: str, **values: object) -> Watch:
        row = self._session.scalar(
            update(WatchRow)
            .where(WatchRow.id == watch_id, visible(WatchRow.tenant, actor.tenant))
            .values(updated_at=now(), **values)
            .returning(WatchRow)
        )
        if row is None:
            raise _not_found(watch_id)
        record(self._session, actor, action, watch_id, row.tenant)
        return watch_of(row)


def _from_the_beginning() -> dict[str, object]:
    """Have the prefix listed anew; a lister that is at it loses its lease."""
    return {"list_at": now(), "position": None, "lease_token": None, "lease_until": None}


def _not_found(watch_id: str) -> WatchNotFoundError:
    return WatchNotFoundError(f"There is no watch {watch_id}; it may have been removed.")
