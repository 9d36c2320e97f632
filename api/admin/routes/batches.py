"""Batches: how far each is, what failed in it, and steering it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api.admin.access import AdminAct, AdminView, Reader
from api.admin.pages import Notice, pages_of
from api.admin.routes.jobs import CursorField
from api.deps import ServicesDep
from api.routes.batches import stream_report
from api.schemas.batches import BatchOut, ReportForm
from jobs.api_key import EVERY_TENANT
from jobs.batch import LINE_STATES, Batch, LineState
from jobs.repository import Repository

router = APIRouter()

BatchIdPath = Annotated[str, Path(max_length=64)]
Verb = Literal["start", "pause", "resume", "retry", "cancel"]

_PAGE = 20
_LINES = 100
_DONE = {
    "start": "The batch begins.",
    "pause": "Paused; jobs that run go on.",
    "resume": "The batch goes on.",
    "retry": "What failed is tried again.",
    "cancel": "All that waits is canceled, and what runs between two chunks.",
}


@router.get("/batches")
def list_batches(
    request: Request, viewer: Reader, services: ServicesDep, cursor: CursorField = None
) -> Response:
    """Show batches, newest first."""
    with services.database.reading() as rows:
        page = rows.batches.page(EVERY_TENANT, limit=_PAGE, cursor=cursor)
        batches = [(batch.tenant, _described(rows, batch)) for batch in page.batches]
    return pages_of(request).show(
        request,
        "batches.html",
        viewer,
        batches=batches,
        next_cursor=page.next_cursor,
        is_first=cursor is None,
    )


@router.get("/batches/{batch_id}")
def show_batch(
    request: Request,
    batch_id: BatchIdPath,
    viewer: Reader,
    services: ServicesDep,
    state: Annotated[Literal["", LineState], Query()] = "",
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> Response:
    """Show one batch and its lines."""
    chosen: tuple[LineState, ...] = (state,) if state else ()
    with services.database.reading() as rows:
        batch = rows.batches.get(EVERY_TENANT, batch_id)
        described = _described(rows, batch)
        lines = rows.batches.lines(batch, states=chosen, after=after, limit=_LINES + 1)
    return pages_of(request).show(
        request,
        "batches/batch.html",
        viewer,
        tenant=batch.tenant,
        batch=described,
        lines=lines[:_LINES],
        next_after=lines[_LINES - 1].number if len(lines) > _LINES else None,
        after=after,
        state=state,
        states=LINE_STATES,
    )


@router.get("/batches/{batch_id}/live")
def show_batch_again(
    request: Request, batch_id: BatchIdPath, viewer: Reader, services: ServicesDep
) -> Response:
    """Show the part that changes while it runs."""
    with services.database.reading() as rows:
        described = _described(rows, rows.batches.get(EVERY_TENANT, batch_id))
    return pages_of(request).show(request, "batches/live.html", viewer, batch=described)


@router.get("/batches/{batch_id}/report")
def fetch_report(
    batch_id: BatchIdPath,
    viewer: Reader,
    services: ServicesDep,
    form: Annotated[ReportForm, Query()] = "csv",
) -> Response:
    """Give the report as it is now."""
    return stream_report(services, EVERY_TENANT, batch_id, form)


@router.get("/batches/{batch_id}/cancel")
def ask_to_cancel(
    request: Request, batch_id: BatchIdPath, viewer: AdminView, services: ServicesDep
) -> Response:
    """Ask before a batch is canceled."""
    with services.database.reading() as rows:
        batch = rows.batches.get(EVERY_TENANT, batch_id)
        counts = rows.batches.counts(batch)
    left = counts.total - counts.ended
    return pages_of(request).show(
        request,
        "confirm.html",
        viewer,
        title=f"Cancel what is left of this batch: {left} of {counts.total} lines?",
        sentence="What has succeeded stays. Canceled lines can be retried.",
        subject=batch.request.name or batch.id,
        path=f"/batches/{batch_id}/cancel",
        back=f"/batches/{batch_id}",
        label="Cancel the batch",
    )


@router.post("/batches/{batch_id}/{verb}")
def steer(
    request: Request, batch_id: BatchIdPath, verb: Verb, act: AdminAct, services: ServicesDep
) -> Response:
    """Start, pause, resume, retry or cancel a batch."""
    with services.database.transaction() as rows:
        acts = {
            "start": rows.batches.start,
            "pause": rows.batches.pause,
            "resume": rows.batches.resume,
            "retry": rows.batches.retry,
            "cancel": rows.batches.cancel,
        }
        acts[verb](act.actor, batch_id)
    return pages_of(request).go(request, f"/batches/{batch_id}", Notice(_DONE[verb]))


def _described(rows: Repository, batch: Batch) -> BatchOut:
    return BatchOut.of(batch, rows.batches.counts(batch), rows.batches.elapsed_s(batch))
