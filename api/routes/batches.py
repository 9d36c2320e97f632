"""Batches: many objects in one go, looked at and steered as one."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from api.auth import JobsReader, JobsWriter
from api.deps import ServicesDep
from api.routes.jobs import Cursor, IdempotencyKey
from api.schemas.batches import (
    BatchOut,
    BatchPageOut,
    LineOut,
    LinePageOut,
    NewBatch,
    ReportForm,
)
from api.schemas.problems import Responses, keyed
from api.schemas.texts import BatchId
from api.services import Services
from jobs.api_key import ApiKey
from jobs.batch import Batch, BatchLine, LineState, split_prefix
from jobs.batch_report import write_report
from jobs.errors import QueueNotFoundError
from jobs.repository import Repository
from jobs.request import DEFAULT_QUEUE

router = APIRouter(prefix="/v1/batches", tags=["Batches"])

_LINES_AT_ONCE = 1000
_ACCEPTED: Responses = {
    202: {
        "description": "Its lines are read soon. The same idempotency key gives the same batch.",
        "headers": {"Location": {"description": "The batch.", "schema": {"type": "string"}}},
    }
}
_REPORT: dict[str, Any] = {
    "response_class": StreamingResponse,
    "responses": {
        200: {
            "description": "One row or object a line.",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
            },
        },
        **keyed(404),
    },
}


@router.post("", status_code=202, responses={**_ACCEPTED, **keyed(404, 409, 413)})
def create_batch(
    body: NewBatch,
    key: JobsWriter,
    services: ServicesDep,
    response: Response,
    idempotency_key: Annotated[
        IdempotencyKey | None, Header(description="Makes it safe to send this twice.")
    ] = None,
) -> BatchOut:
    """Make a batch of a prefix, a list, or a manifest; or, as a dry run, list and estimate it.

    Each object becomes one job. What cannot be one is refused with a reason, and the rest runs.
    """
    request = body.to_request()
    with services.database.transaction() as rows:
        queue = request.choices.get("queue", DEFAULT_QUEUE)
        if queue not in (names := [found.name for found in rows.queues.list()]):
            raise QueueNotFoundError(f"There is no queue {queue!r}; there are: {', '.join(names)}.")
        if request.prefix is not None and request.output is not None:
            rows.watches.check_output(request.output, *split_prefix(request.prefix))
        batch = rows.batches.create(key.actor, request, idempotency_key).batch
        response.headers["Location"] = f"/v1/batches/{batch.id}"
        return _described(rows, batch)


@router.get("", responses=keyed())
def list_batches(
    key: JobsReader,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[Cursor | None, Query(description="From the page before.")] = None,
) -> BatchPageOut:
    """List batches, newest first; new ones do not shift later pages."""
    with services.database.reading() as rows:
        page = rows.batches.page(key.tenant, limit=limit, cursor=cursor)
        found = [_described(rows, batch) for batch in page.batches]
    return BatchPageOut(batches=found, next_cursor=page.next_cursor)


@router.get("/{batch_id}", responses=keyed(404))
def get_batch(batch_id: BatchId, key: JobsReader, services: ServicesDep) -> BatchOut:
    """Read a batch with its counts, its progress and the time left."""
    with services.database.reading() as rows:
        return _described(rows, rows.batches.get(key.tenant, batch_id))


@router.get("/{batch_id}/lines", responses=keyed(404))
def list_lines(
    batch_id: BatchId,
    key: JobsReader,
    services: ServicesDep,
    state: Annotated[list[LineState] | None, Query(description="One or more.")] = None,
    after: Annotated[int, Query(ge=0, le=2**53, description="The last line known.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> LinePageOut:
    """List lines with their objects, jobs and results; of a dry run, what would run."""
    with services.database.reading() as rows:
        batch = rows.batches.get(key.tenant, batch_id)
        found = rows.batches.lines(batch, states=state or (), after=after, limit=limit + 1)
    shown = found[:limit]
    return LinePageOut(
        lines=[LineOut.of(line) for line in shown],
        next_after=shown[-1].number if len(found) > limit else None,
    )


@router.get("/{batch_id}/report", **_REPORT)
def get_report(
    batch_id: BatchId,
    key: JobsReader,
    services: ServicesDep,
    form: Annotated[ReportForm, Query(description="csv or json.")] = "csv",
) -> StreamingResponse:
    """Fetch the report as it is now; once the batch has ended, it also lies beside the results."""
    return stream_report(services, key.tenant, batch_id, form)


def stream_report(
    services: Services, tenant: str, batch_id: str, form: ReportForm
) -> StreamingResponse:
    """Write a report piece by piece.

    Raises:
        BatchNotFoundError: there is no such batch that this tenant can see.

    """
    with services.database.reading() as rows:
        batch = rows.batches.get(tenant, batch_id)
        counts = rows.batches.counts(batch)
    pieces = write_report(form, batch, counts, _lines(services, batch))
    headers = {"Content-Disposition": f'attachment; filename="{batch.id}.{form}"'}
    media_type = "text/csv" if form == "csv" else "application/json"
    return StreamingResponse(_gathered(pieces), media_type=media_type, headers=headers)


def _lines(services: Services, batch: Batch) -> Iterator[BatchLine]:
    after = 0
    while True:
        with services.database.reading() as rows:
            lines = rows.batches.lines(batch, after=after, limit=_LINES_AT_ONCE)
        if not lines:
            return
        yield from lines
        after = lines[-1].number


def _gathered(pieces: Iterator[str]) -> Iterator[str]:
    """Gather small pieces, each of which would be a message to the server's loop."""
    some: list[str] = []
    for piece in pieces:
        some.append(piece)
        if len(some) == _LINES_AT_ONCE:
            yield "".join(some)
            some = []
    yield "".join(some)


@router.post("/{batch_id}/start", status_code=202, responses=keyed(404, 409))
def start_batch(batch_id: BatchId, key: JobsWriter, services: ServicesDep) -> BatchOut:
    """Run what a dry run has listed."""
    return _steer(services, key, batch_id, "start")


@router.post("/{batch_id}/pause", status_code=202, responses=keyed(404, 409))
def pause_batch(batch_id: BatchId, key: JobsWriter, services: ServicesDep) -> BatchOut:
    """Hold everything that does not run yet."""
    return _steer(services, key, batch_id, "pause")


@router.post("/{batch_id}/resume", status_code=202, responses=keyed(404, 409))
def resume_batch(batch_id: BatchId, key: JobsWriter, services: ServicesDep) -> BatchOut:
    """Let a paused batch go on."""
    return _steer(services, key, batch_id, "resume")


@router.post("/{batch_id}/cancel", status_code=202, responses=keyed(404, 409))
def cancel_batch(batch_id: BatchId, key: JobsWriter, services: ServicesDep) -> BatchOut:
    """Cancel all that waits, and what runs between two chunks; results that are there stay."""
    return _steer(services, key, batch_id, "cancel")


@router.post("/{batch_id}/retry", status_code=202, responses=keyed(404, 409))
def retry_batch(batch_id: BatchId, key: JobsWriter, services: ServicesDep) -> BatchOut:
    """Try what failed again; in a canceled batch, also what was canceled."""
    return _steer(services, key, batch_id, "retry")


def _steer(services: Services, key: ApiKey, batch_id: str, verb: str) -> BatchOut:
    with services.database.transaction() as rows:
        act = {
            "start": rows.batches.start,
            "pause": rows.batches.pause,
            "resume": rows.batches.resume,
            "cancel": rows.batches.cancel,
            "retry": rows.batches.retry,
        }
        return _described(rows, act[verb](key.actor, batch_id))


def _described(rows: Repository, batch: Batch) -> BatchOut:
    return BatchOut.of(batch, rows.batches.counts(batch), rows.batches.elapsed_s(batch))
