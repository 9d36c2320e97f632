"""What a job made, as redirects to signed links."""

import re
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from api.auth import JobsReader
from api.deps import ServicesDep
from api.errors import ResultExpiredError, ResultNotReadyError
from api.schemas.problems import Responses, keyed
from api.schemas.texts import JobId
from api.services import Services
from jobs.api_key import ApiKey
from jobs.job import Job
from jobs.placement import Place

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


Part = Literal["result", "poster", "preview"]


@router.get("/result", **_SHAPE)
def get_result(job_id: JobId, key: JobsReader, services: ServicesDep) -> RedirectResponse:
    """Fetch the video."""
    return _redirect(services, key, job_id, "result")


@router.get("/poster", **_SHAPE)
def get_poster(job_id: JobId, key: JobsReader, services: ServicesDep) -> RedirectResponse:
    """Fetch a picture of the result."""
    return _redirect(services, key, job_id, "poster")


@router.get("/preview", **_SHAPE)
def get_preview(job_id: JobId, key: JobsReader, services: ServicesDep) -> RedirectResponse:
    """Fetch a short before and after, which every browser plays."""
    return _redirect(services, key, job_id, "preview")


def _redirect(services: Services, key: ApiKey, job_id: str, part: Part) -> RedirectResponse:
    with services.database.reading() as rows:
        job = rows.jobs.get(key.tenant, job_id)
    link = sign_part(services, job, part)
    return RedirectResponse(link, 307, headers={"Cache-Control": "no-store"})


def sign_part(services: Services, job: Job, part: Part) -> str:
    """Sign a link to something that a job made; a video is saved under a name, pictures are shown.

    Raises:
        ResultExpiredError: it was removed.
        ResultNotReadyError: the job has no such thing, or not yet.

    """
    if part == "result" and job.result is not None and job.result.url is not None:
        return _sign_theirs(services, job, job.result.url)
    if job.state == "expired":
        raise ResultExpiredError(f"The result of {job.id} was removed; retry the job to get it.")
    if job.state != "succeeded" or job.result is None:
        raise ResultNotReadyError(f"{job.id} is {job.state}, so it has no result.")
    filename = None
    match part:
        case "result":
            object_key: str | None = job.result.key
            container = job.request.container
            media_type = _VIDEO_TYPES.get(container, "application/octet-stream")
            filename = f"{_stem(job)}.{container}"
        case "poster":
            object_key = job.result.poster_key
            suffix = (object_key or "").rpartition(".")[2]
            media_type = {"png": "image/png", "webp": "image/webp"}.get(suffix, "image/jpeg")
        case "preview":
            object_key, media_type = job.result.preview_key, "video/mp4"
    if object_key is None:
        raise ResultNotReadyError("This job made no such file.")
    return services.storage.sign_get(
        object_key,
        expires_s=services.settings.link_kept_s,
        filename=filename,
        content_type=media_type,
    )


def _sign_theirs(services: Services, job: Job, url: str) -> str:
    """Sign a link to a result in somebody's own bucket, where it stays after the job is forgotten.

    Raises:
        ResultNotReadyError: this service knows no S3 server any more.

    """
    if services.buckets is None:
        raise ResultNotReadyError(f"The result of {job.id} lies at {url}; fetch it there.")
    container = job.request.container
    return services.buckets.sign_get(
        Place.of_url(url),
        expires_s=services.settings.link_kept_s,
        filename=f"{_stem(job)}.{container}",
        content_type=_VIDEO_TYPES.get(container, "application/octet-stream"),
    )


def _stem(job: Job) -> str:
    """Name the download after the job, without what a file system might take for a path."""
    name = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", job.request.name or job.id)
    stem = re.sub(r"\.\w{1,5}$", "", name).strip(". ") or job.id
    return f"{stem[:150]}_upscaled"
