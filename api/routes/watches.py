"""Watched prefixes: added, looked at, paused, resumed, listed, removed."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.auth import JobsReader, JobsWriter
from api.deps import ServicesDep
from api.routes.jobs import Cursor
from api.schemas.problems import keyed
from api.schemas.texts import WatchId
from api.schemas.watches import (
    NewWatch,
    NewWatchOut,
    S3EventOut,
    S3EventPageOut,
    WatchOut,
    WatchPageOut,
)
from jobs.repository import Repository
from jobs.watch import EventState, Watch

router = APIRouter(prefix="/v1/watches", tags=["Watched prefixes"])

Limit = Annotated[int, Query(ge=1, le=200)]


@router.post("", status_code=201, responses=keyed(404, 409, 413))
def add_watch(
    body: NewWatch, key: JobsWriter, services: ServicesDep, response: Response
) -> NewWatchOut:
    """Watch a prefix; the secret for stores that post events is in this answer and nowhere else."""
    services.open_intake()
    with services.database.transaction() as rows:
        new = rows.watches.add(
            key.actor,
            body.prefix,
            name=body.name,
            suffixes=body.suffixes,
            choices=body.chosen(),
            output=body.to_output(),
            existing=body.existing,
        )
    response.headers["Location"] = f"/v1/watches/{new.watch.id}"
    return NewWatchOut.of_new(new.watch, new.secret)


@router.get("", responses=keyed())
def list_watches(
    key: JobsReader,
    services: ServicesDep,
    limit: Limit = 50,
    cursor: Annotated[Cursor | None, Query(description="From the page before.")] = None,
) -> WatchPageOut:
    """List watches, newest first."""
    with services.database.reading() as rows:
        page = rows.watches.page(key.tenant, limit=limit, cursor=cursor)
        shown = [WatchOut.of(watch, rows.s3_events.latest(watch.id)) for watch in page.watches]
    return WatchPageOut(watches=shown, next_cursor=page.next_cursor)


@router.get("/{watch_id}", responses=keyed(404))
def get_watch(watch_id: WatchId, key: JobsReader, services: ServicesDep) -> WatchOut:
    """Read a watch, with its counts and its last event."""
    with services.database.reading() as rows:
        return _described(rows, rows.watches.get(key.tenant, watch_id))


@router.get("/{watch_id}/events", responses=keyed(404))
def list_events(
    watch_id: WatchId,
    key: JobsReader,
    services: ServicesDep,
    state: Annotated[list[EventState] | None, Query(description="One or more.")] = None,
    limit: Limit = 50,
    cursor: Annotated[Cursor | None, Query(description="From the page before.")] = None,
) -> S3EventPageOut:
    """List what stores told and the lister found, newest first."""
    with services.database.reading() as rows:
        rows.watches.get(key.tenant, watch_id)
        page = rows.s3_events.page(key.tenant, watch_id, state or (), limit=limit, cursor=cursor)
    events = [S3EventOut.of(event) for event in page.events]
    return S3EventPageOut(events=events, next_cursor=page.next_cursor)


@router.post("/{watch_id}/pause", responses=keyed(404))
def pause_watch(watch_id: WatchId, key: JobsWriter, services: ServicesDep) -> WatchOut:
    """Make no more jobs; what is dropped meanwhile is found when the watch is resumed."""
    with services.database.transaction() as rows:
        return _described(rows, rows.watches.pause(key.actor, watch_id))


@router.post("/{watch_id}/resume", responses=keyed(404))
def resume_watch(watch_id: WatchId, key: JobsWriter, services: ServicesDep) -> WatchOut:
    """Go on, within the limits of the key that asks, and look for what was missed."""
    with services.database.transaction() as rows:
        return _described(rows, rows.watches.resume(key.actor, watch_id))


@router.post("/{watch_id}/list", status_code=202, responses=keyed(404))
def list_prefix(watch_id: WatchId, key: JobsWriter, services: ServicesDep) -> WatchOut:
    """Have the prefix listed now, for what no event told of."""
    with services.database.transaction() as rows:
        return _described(rows, rows.watches.list_now(key.actor, watch_id))


@router.delete("/{watch_id}", status_code=204, responses=keyed(404))
def remove_watch(watch_id: WatchId, key: JobsWriter, services: ServicesDep) -> None:
    """Watch no longer; the jobs that were made and their results stay."""
    with services.database.transaction() as rows:
        rows.watches.remove(key.actor, watch_id)


def _described(rows: Repository, watch: Watch) -> WatchOut:
    counts = rows.watches.counts(watch.tenant, watch.id)
    return WatchOut.of(watch, rows.s3_events.latest(watch.id), counts)
