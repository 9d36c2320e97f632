"""What a job made, as redirects to signed links."""

import re
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from api.auth import JobsReader
from api.deps import ServicesDep
from api.errors import ResultExpiredError, ResultNotReadyError
from api.schemas.problems import Responses, keyed
from api.schemas.texts import JobId
from api.services import Services
from jobs.api_key import ApiKey
from jobs.job import Job, JobResult

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["Results"])

_REDIRECT: Responses = {
    307: {
        "description": "A link that works for a while, without an API key.",
        "headers": {"Location": {"description": "The link.", "schema": {"type": "string"}}},
    }
}
_SHAPE: dict[str, Any] = {
    "status_code": 307,
    "response_class": RedirectResponse,
    "responses": {**_REDIRECT, **keyed(404, 409, 410)},
}
_VIDEO_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
}


@router.get("/result", **_SHAPE)
def get_result(job_id: JobId, key: JobsReader, services: ServicesDep) -> RedirectResponse:
    """Fetch the video."""
    job, result = _finished(services, key, job_id)
    container = job.request.container
    return _redirect(
        services,
        result.key,
        _VIDEO_TYPES.get(container, "application/octet-stream"),
        filename=f"{_stem(job)}.{container}",
    )


@router.get("/poster", **_SHAPE)
def get_poster(job_id: JobId, key: JobsReader, services: ServicesDep) -> RedirectResponse:
    """Fetch a picture of the result."""
    _, result = _finished(services, key, job_id)
    suffix = (result.poster_key or "").rpartition(".")[2]
    media_type = {"png": "image/png", "webp": "image/webp"}.get(suffix, "image/jpeg")
    return _redirect(services, result.poster_key, media_type)


@router.get("/preview", **_SHAPE)
def get_preview(job_id: JobId, key: JobsReader, services: ServicesDep) -> RedirectResponse:
    """Fetch a short before and after, which every browser plays."""
    _, result = _finished(services, key, job_id)
    return _redirect(services, result.preview_key, "video/mp4")


def _finished(services: Services, key: ApiKey, job_id: str) -> tuple[Job, JobResult]:
    with services.database.reading() as rows:
        job = rows.jobs.get(key.tenant, job_id)
    if job.state == "expired":
        raise ResultExpiredError(f"The result of {job_id} was removed; retry the job to get it.")
    if job.state != "succeeded" or job.result is None:
        raise ResultNotReadyError(f"{job_id} is {job.state}, so it has no result.")
    return job, job.result


def _redirect(
    services: Services, object_key: str | None, media_type: str, filename: str | None = None
) -> RedirectResponse:
    if object_key is None:
        raise ResultNotReadyError("This job made no such file.")
    link = services.storage.sign_get(
        object_key,
        expires_s=services.settings.link_kept_s,
        filename=filename,
        content_type=media_type,
    )
    return RedirectResponse(link, 307, headers={"Cache-Control": "no-store"})


def _stem(job: Job) -> str:
    """Name the download after the job, without what a file system might take for a path."""
    name = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", job.request.name or job.id)
    stem = re.sub(r"\.\w{1,5}$", "", name).strip(". ") or job.id
    return f"{stem[:150]}_upscaled"
