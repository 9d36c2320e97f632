"""Uploads: what people sent, and how long it is kept."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.admin.access import AdminAct, AdminView, Reader
from api.admin.pages import Notice, pages_of
from api.admin.routes.jobs import PAGE, CursorField
from api.deps import ServicesDep
from jobs.api_key import EVERY_TENANT

router = APIRouter()

UploadIdPath = Annotated[str, Path(max_length=64)]


@router.get("/uploads")
def list_uploads(
    request: Request,
    viewer: Reader,
    services: ServicesDep,
    tenant: str = "",
    cursor: CursorField = None,
) -> Response:
    """Show uploads, newest first."""
    with services.database.reading() as rows:
        page = rows.uploads.page(tenant or EVERY_TENANT, limit=PAGE, cursor=cursor)
        tenants = sorted({key.tenant for key in rows.api_keys.list(EVERY_TENANT)})
    return pages_of(request).show(
        request,
        "uploads.html",
        viewer,
        uploads=page.uploads,
        next_cursor=page.next_cursor,
        is_first=cursor is None,
        tenant=tenant,
        tenants=tenants,
    )


@router.get("/uploads/{upload_id}/delete")
def ask_to_delete(
    request: Request, upload_id: UploadIdPath, viewer: AdminView, services: ServicesDep
) -> Response:
    """Ask before an upload is removed."""
    with services.database.reading() as rows:
        upload = rows.uploads.get(EVERY_TENANT, upload_id)
    return pages_of(request).show(
        request,
        "confirm.html",
        viewer,
        title="Delete this upload?",
        sentence="Its file is removed for good. Jobs that used it keep their results but cannot be"
        " retried.",
        subject=f"{upload.filename} ({upload.id})",
        path=f"/uploads/{upload_id}/delete",
        back="/uploads",
        label="Delete the upload",
    )


@router.post("/uploads/{upload_id}/delete")
def delete(
    request: Request, upload_id: UploadIdPath, act: AdminAct, services: ServicesDep
) -> Response:
    """Forget an upload and have its file removed."""
    with services.database.transaction() as rows:
        rows.uploads.delete(act.actor, upload_id)
    return pages_of(request).go(request, "/uploads", Notice(f"{upload_id} was deleted."))
