"""Submitting jobs, looking at them, and changing their course."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Header, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, StringConstraints
from starlette.concurrency import run_in_threadpool

from api.auth import JobsReader, JobsWriter
from api.deps import ServicesDep
from api.schemas.jobs import AttemptOut, JobOut, JobPageOut, NewJob
from api.schemas.problems import Responses, keyed
from api.schemas.texts import JobId, QueueName
from api.watch import Watchers, read_job, wait_for_change
from jobs.api_key import ApiKey
from jobs.errors import LimitError
from jobs.job import State
from jobs.repository import Repository
from jobs.repository.job_lists import JobFilter
from jobs.request import JobRequest, Pipeline

router = APIRouter(prefix="/v1/jobs", tags=["Jobs"])


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie between the years 1 and 9999") from error


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_=-]{1,200}$")]
_UNCHANGED: Responses = {304: {"description": "Nothing changed since the ETag that was sent."}}
_ACCEPTED: Responses = {
    202: {
        "description": "The job waits. The same idempotency key gives the same job.",
        "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
    }
}


@router.post("", status_code=202, responses={**_ACCEPTED, **keyed(404, 409, 413)})
def submit_job(
    body: NewJob,
    key: JobsWriter,
    services: ServicesDep,
    response: Response,
    later: BackgroundTasks,
    idempotency_key: Annotated[
        IdempotencyKey | None, Header(description="Makes it safe to send this twice.")
    ] = None,
) -> JobOut:
    """Submit a job."""
    request = body.to_request()
    _check_limits(key, request)
    with services.database.transaction() as rows:
        named = request if request.name else replace(request, name=_name(rows, key, request))
        submission = rows.jobs.submit(key.actor, named, idempotency_key)
    # Also for a repeated one: whoever sent it first may have died before the bell.
    later.add_task(services.ring, submission.job.request.queue)
    response.headers["Location"] = f"/v1/jobs/{submission.job.id}"
    return JobOut.of(submission.job)


def _check_limits(key: ApiKey, request: JobRequest) -> None:
    """Hold the output's size against the key where it is known; else the worker does."""
    if key.limits.pixels is None or request.width_px is None or request.height_px is None:
        return
    if request.width_px * request.height_px > key.limits.pixels:
        raise LimitError(
            f"{request.width_px}x{request.height_px} is beyond this API key's limit of"
            f" {key.limits.pixels} pixels a frame; choose a smaller output."
        )


def _name(rows: Repository, key: ApiKey, request: JobRequest) -> str | None:
    if request.upload_id is not None:
        return rows.uploads.get(key.tenant, request.upload_id).filename
    return (request.input_url or "").rpartition("/")[2][-255:] or None


@router.get("", responses=keyed())
def list_jobs(
    key: JobsReader,
    services: ServicesDep,
    state: Annotated[list[State] | None, Query(description="One or more.")] = None,
    queue: QueueName | None = None,
    pipeline: Pipeline | None = None,
    created_from: Moment | None = None,
    created_before: Moment | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[Cursor | None, Query(description="From the page before.")] = None,
) -> JobPageOut:
    """List jobs, newest first; new ones do not shift later pages."""
    wanted = JobFilter(
        states=tuple(state or ()),
        queue=queue,
        pipeline=pipeline,
        created_from=created_from,
        created_before=created_before,
    )
    with services.database.reading() as rows:
        page = rows.job_lists.page(key.tenant, wanted, limit=limit, cursor=cursor)
    return JobPageOut(jobs=[JobOut.of(job) for job in page.jobs], next_cursor=page.next_cursor)


@router.get("/{job_id}", response_model=JobOut, responses={**_UNCHANGED, **keyed(404)})
async def get_job(
    request: Request,
    job_id: JobId,
    key: JobsReader,
    services: ServicesDep,
    response: Response,
    wait: Annotated[
        float, Query(ge=0, allow_inf_nan=False, description="Seconds to wait for a change.")
    ] = 0,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> JobOut | Response:
    """Read a job.

    With `wait`, the answer comes when the job changes, at the latest after so many seconds (the
    service may cut them short). With `If-None-Match`, a job that already differs from the ETag is
    answered at once.
    """
    known = {tag.strip() for tag in (if_none_match or "").split(",")}
    job = await read_job(services, key.tenant, job_id)
    if wait > 0 and (if_none_match is None or any(_is_of(tag, job.version) for tag in known)):
        watchers: Watchers = request.app.state.watchers
        watchers.check()
        with watchers.seat():
            timeout_s = min(wait, services.settings.wait_max_s)
            job = await wait_for_change(services, job, timeout_s, request.is_disconnected)

    def described() -> JobOut:
        with services.database.reading() as rows:
            latest = rows.jobs.get(key.tenant, job_id)
            return JobOut.of(latest, rows.job_lists.position(key.tenant, job_id))

    answer = await run_in_threadpool(described) if job.state == "queued" else JobOut.of(job)
    etag = f'W/"{answer.version}.{answer.queue_position or 0}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return answer


def _is_of(tag: str, version: int) -> bool:
    return tag.removeprefix("W/").startswith(f'"{version}.')


@router.get("/{job_id}/attempts", responses=keyed(404))
def list_attempts(job_id: JobId, key: JobsReader, services: ServicesDep) -> list[AttemptOut]:
    """List what workers tried, first to last."""
    with services.database.reading() as rows:
        return [AttemptOut.of(attempt) for attempt in rows.job_lists.attempts(key.tenant, job_id)]


@router.post("/{job_id}/cancel", status_code=202, responses=keyed(404, 409))
def cancel_job(job_id: JobId, key: JobsWriter, services: ServicesDep) -> JobOut:
    """Cancel a waiting job at once, and a running one between two chunks."""
    with services.database.transaction() as rows:
        return JobOut.of(rows.jobs.cancel(key.actor, job_id))


@router.post("/{job_id}/retry", status_code=202, responses=keyed(404, 409))
def retry_job(
    job_id: JobId, key: JobsWriter, services: ServicesDep, later: BackgroundTasks
) -> JobOut:
    """Queue a failed, canceled or expired job again."""
    with services.database.transaction() as rows:
        job = rows.jobs.retry(key.actor, job_id)
    later.add_task(services.ring, job.request.queue)
    return JobOut.of(job)


@router.delete("/{job_id}", status_code=204, responses=keyed(404, 409))
def delete_job(job_id: JobId, key: JobsWriter, services: ServicesDep) -> None:
    """Forget a job that does not run; its files are removed soon after."""
    with services.database.transaction() as rows:
        rows.jobs.delete(key.actor, job_id)
