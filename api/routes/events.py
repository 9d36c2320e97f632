"""A job's changes as server-sent events.

Every event carries the whole job, and its id is the job's version: whoever comes back with
`Last-Event-ID` gets the latest state at once if it is another one, and misses nothing by having
missed what lay between.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from api.auth import JobsReader
from api.deps import ServicesDep
from api.schemas.jobs import JobOut
from api.schemas.problems import keyed
from api.schemas.texts import JobId
from api.services import Services
from api.watch import Watchers, read_job, wait_for_change
from jobs.errors import DatabaseUnavailableError, JobNotFoundError
from jobs.job import ENDED, Job

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["Jobs"])

KEEP_ALIVE_S = 15.0
"""Proxies cut connections on which nothing is said for half a minute or more."""
_RECONNECT_MS = 2000

_EVENT_SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "The job's version."},
        "event": {"enum": ["job", "ended", "deleted"]},
        "data": {"type": "string", "description": "A `JobOut` as JSON; `{}` with `deleted`."},
    },
    "required": ["event", "data"],
}
_EVENTS = """\
id: 7
event: job
data: {"id": "job_01k9x3v7zq4c8m2n5t6r0wabcd", "state": "running", ...}

"""


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "An event `job` for every change, `ended` for the last, or `deleted`.",
            "content": {"text/event-stream": {"schema": _EVENT_SCHEMA, "example": _EVENTS}},
        },
        204: {"description": "The job ended, and the last event was received: stay away."},
        **keyed(404),
    },
)
async def stream_events(
    request: Request,
    job_id: JobId,
    key: JobsReader,
    services: ServicesDep,
    last_event_id: Annotated[
        str | None, Header(max_length=40, description="The id of the last event received.")
    ] = None,
) -> Response:
    """Follow a job until it ends."""
    job = await read_job(services, key.tenant, job_id)
    watchers: Watchers = request.app.state.watchers
    if job.state in ENDED and last_event_id == str(job.version):
        return Response(status_code=204)
    watchers.check()

    async def body() -> AsyncIterator[str]:
        with watchers.seat():
            async for event in _events(request, services, job, last_event_id):
                yield event

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


async def _events(
    request: Request, services: Services, job: Job, last_event_id: str | None
) -> AsyncIterator[str]:
    until = time.monotonic() + services.settings.stream_max_s
    yield f"retry: {_RECONNECT_MS}\n\n"
    if last_event_id != str(job.version):
        yield _event(job)
    while job.state not in ENDED and not services.closing.is_set():
        left_s = until - time.monotonic()
        if left_s <= 0 or await request.is_disconnected():
            return
        try:
            latest = await wait_for_change(
                services, job, min(KEEP_ALIVE_S, left_s), request.is_disconnected
            )
        except JobNotFoundError:
            yield "event: deleted\ndata: {}\n\n"
            return
        except DatabaseUnavailableError:
            await asyncio.sleep(1)
            latest = job
        yield ": still here\n\n" if latest.version == job.version else _event(latest)
        job = latest


def _event(job: Job) -> str:
    name = "ended" if job.state in ENDED else "job"
    return f"id: {job.version}\nevent: {name}\ndata: {JobOut.of(job).model_dump_json()}\n\n"
