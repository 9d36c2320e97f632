"""Watched prefixes: what they were told last, what became of it, and what went wrong."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response

from api.admin.access import AdminAct, AdminView, Reader
from api.admin.pages import Notice, pages_of
from api.admin.routes.jobs import PAGE, CursorField
from api.deps import ServicesDep
from jobs.api_key import EVERY_TENANT

router = APIRouter()

WatchIdPath = Annotated[str, Path(max_length=64)]
Verb = Literal["pause", "resume", "list", "remove"]

_WATCHES = 50
_PARKED = 20
_DONE = {
    "pause": "Paused; what is dropped meanwhile is found when the watch is resumed.",
    "resume": "The watch goes on.",
    "list": "The prefix will be listed soon.",
    "remove": "The watch was removed; its jobs go on.",
}


@router.get("/watches")
def list_watches(
    request: Request, viewer: Reader, services: ServicesDep, cursor: CursorField = None
) -> Response:
    """Show watched prefixes, newest first, and the messages that nobody could read."""
    with services.database.reading() as rows:
        page = rows.watches.page(EVERY_TENANT, limit=_WATCHES, cursor=cursor)
        watches = [(watch, rows.s3_events.latest(watch.id)) for watch in page.watches]
        parked = rows.s3_events.parked(limit=_PARKED).messages
    return pages_of(request).show(
        request,
        "watches.html",
        viewer,
        watches=watches,
        parked=parked,
        next_cursor=page.next_cursor,
        is_first=cursor is None,
    )


@router.get("/watches/{watch_id}")
def show_watch(
    request: Request,
    watch_id: WatchIdPath,
    viewer: Reader,
    services: ServicesDep,
    cursor: CursorField = None,
) -> Response:
    """Show one watched prefix with its events."""
    with services.database.reading() as rows:
        watch = rows.watches.get(EVERY_TENANT, watch_id)
        counts = rows.watches.counts(EVERY_TENANT, watch_id)
        page = rows.s3_events.page(EVERY_TENANT, watch_id, limit=PAGE, cursor=cursor)
    return pages_of(request).show(
        request,
        "watches/watch.html",
        viewer,
        watch=watch,
        counts=counts,
        events=page.events,
        next_cursor=page.next_cursor,
        is_first=cursor is None,
    )


@router.get("/watches/{watch_id}/remove")
def ask_to_remove(
    request: Request, watch_id: WatchIdPath, viewer: AdminView, services: ServicesDep
) -> Response:
    """Ask before a watch is removed."""
    with services.database.reading() as rows:
        watch = rows.watches.get(EVERY_TENANT, watch_id)
    return pages_of(request).show(
        request,
        "confirm.html",
        viewer,
        title="Stop watching this prefix?",
        sentence="What it knows of its objects is forgotten; a new watch would look at them again."
        " Jobs that were made go on.",
        subject=watch.name or watch.url,
        path=f"/watches/{watch_id}/remove",
        back=f"/watches/{watch_id}",
        label="Remove the watch",
    )


@router.post("/watches/{watch_id}/{verb}")
def steer(
    request: Request, watch_id: WatchIdPath, verb: Verb, act: AdminAct, services: ServicesDep
) -> Response:
    """Pause, resume, list or remove a watch."""
    with services.database.transaction() as rows:
        match verb:
            case "pause":
                rows.watches.pause(act.actor, watch_id)
            case "resume":
                rows.watches.resume(act.actor, watch_id)
            case "list":
                rows.watches.list_now(act.actor, watch_id)
            case "remove":
                rows.watches.remove(act.actor, watch_id)
    there = "/watches" if verb == "remove" else f"/watches/{watch_id}"
    return pages_of(request).go(request, there, Notice(_DONE[verb]))
