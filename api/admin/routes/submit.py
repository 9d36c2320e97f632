"""Submitting from the browser: a file goes straight to the object store, then a job is made of it.

The page's scripts ask here for what the REST API tells a client: links that send parts, and which
parts have come. The job itself is a plain form.
"""

from dataclasses import replace
from secrets import token_urlsafe
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api.admin.access import AdminAct, AdminView
from api.admin.films import near
from api.admin.forms import Form
from api.admin.job_form import read_job, read_upload
from api.admin.pages import Notice, pages_of
from api.admin.routes.uploads import UploadIdPath
from api.deps import ServicesDep
from api.errors import FieldsInvalidError
from api.first_keys import FIRST_TENANT
from api.reception import announce, assemble, parts_arrived, sign_parts, sign_whole
from api.schemas.jobs import Color, Container
from api.schemas.uploads import PartOut, PartsOut, RequestOut, UploadOut
from api.services import Services
from jobs.api_key import EVERY_TENANT
from jobs.errors import JobsError
from jobs.repository.claims import PIPELINES
from jobs.repository.uploads import Upload
from jobs.request import PRIORITIES
from media.encoding import Codec
from media.errors import MediaError

router = APIRouter(prefix="/submit")

_IDEMPOTENCY_MAX = 100
_LINKS_MAX = 100

Numbers = Annotated[
    list[Annotated[int, Field(ge=1, le=10_000)]], Query(alias="number", max_length=_LINKS_MAX)
]


@router.get("")
def show_form(
    request: Request, viewer: AdminView, services: ServicesDep, upload: str = ""
) -> Response:
    """Ask for a file and what to make of it; with an upload's id, go on with that one."""
    return _show(request, viewer, services, _find(services, upload) if upload else None)


@router.post("")
def submit(request: Request, act: AdminAct, services: ServicesDep) -> Response:
    """Make a job of an upload."""
    form = act.form
    upload_id = form.text("upload_id")
    upload = _find(services, upload_id) if upload_id else None
    try:
        if upload is None:
            raise FieldsInvalidError("Choose a file first.")
        new = read_job(form, upload.id).to_request()
        named = new if new.name else replace(new, name=upload.filename)
        with services.database.transaction() as rows:
            # The token is the page's: sent twice, it makes one job.
            submission = rows.jobs.submit(
                replace(act.actor, tenant=upload.tenant),
                named,
                f"dashboard:{form.text('once')[:_IDEMPOTENCY_MAX]}",
            )
    except (FieldsInvalidError, JobsError, MediaError) as error:
        return _show(request, act.viewer, services, upload, problem=str(error), form=form)
    services.ring(submission.job.request.queue)
    return pages_of(request).go(
        request, f"/jobs/{submission.job.id}", Notice("Submitted; watch it here.")
    )


@router.post("/uploads", status_code=201)
def create_upload(act: AdminAct, services: ServicesDep) -> UploadOut:
    """Announce a file for a tenant."""
    tenant = act.form.text("tenant")
    if tenant not in _tenants(services):
        raise FieldsInvalidError("There is no such tenant; make an API key for it first.")
    upload = announce(services, replace(act.actor, tenant=tenant), read_upload(act.form))
    return _described(services, upload)


@router.get("/uploads/{upload_id}")
def get_upload(upload_id: UploadIdPath, _: AdminView, services: ServicesDep) -> UploadOut:
    """Read an upload, with the parts that have come."""
    return _described(services, _find(services, upload_id))


@router.get("/uploads/{upload_id}/parts")
def sign_these_parts(
    upload_id: UploadIdPath, _: AdminView, services: ServicesDep, numbers: Numbers
) -> PartsOut:
    """Sign the requests that send these parts."""
    parts = [
        PartOut(
            number=part.number,
            offset_bytes=part.offset_bytes,
            size_bytes=part.size_bytes,
            request=_near(services, RequestOut.of(part.request)),
        )
        for part in sign_parts(services, _find(services, upload_id), numbers)
    ]
    return PartsOut(parts=parts, next_after=None)


@router.post("/uploads/{upload_id}/complete")
def complete_upload(upload_id: UploadIdPath, act: AdminAct, services: ServicesDep) -> UploadOut:
    """Say that everything was sent; the size is verified."""
    upload = _find(services, upload_id)
    if upload.state == "pending":
        assemble(services, upload)
    with services.database.transaction() as rows:
        return UploadOut.of(rows.uploads.complete(EVERY_TENANT, upload_id))


def _find(services: Services, upload_id: str) -> Upload:
    with services.database.reading() as rows:
        return rows.uploads.get(EVERY_TENANT, upload_id)


def _described(services: Services, upload: Upload) -> UploadOut:
    found = UploadOut.of(upload, sign_whole(services, upload), parts_arrived(services, upload))
    if found.request is None:
        return found
    return found.model_copy(update={"request": _near(services, found.request)})


def _near(services: Services, request: RequestOut) -> RequestOut:
    return request.model_copy(update={"url": near(services, request.url)})


def _tenants(services: Services) -> list[str]:
    with services.database.reading() as rows:
        known = {key.tenant for key in rows.api_keys.list(EVERY_TENANT)}
    return sorted(known or {FIRST_TENANT})


def _show(
    request: Request,
    viewer: AdminView,
    services: Services,
    upload: Upload | None,
    *,
    problem: str | None = None,
    form: Form | None = None,
) -> Response:
    with services.database.reading() as rows:
        queues = rows.queues.list()
    arrived = parts_arrived(services, upload) if upload else None
    return pages_of(request).show(
        request,
        "submit.html",
        viewer,
        status=422 if problem else 200,
        upload=upload,
        arrived_bytes=_size_of(upload, arrived or []),
        problem=problem,
        given=form or {},
        once=(form.get("once") if form else None) or token_urlsafe(16),
        tenants=_tenants(services),
        queues=queues,
        pipelines=PIPELINES,
        priorities=PRIORITIES,
        colors=get_args(Color),
        codecs=get_args(Codec),
        containers=get_args(Container),
    )


def _size_of(upload: Upload | None, arrived: list[int]) -> int:
    """Add up the parts that have come."""
    if upload is None or upload.part_size_bytes is None:
        return 0
    return min(upload.size_bytes, len(arrived) * upload.part_size_bytes)
