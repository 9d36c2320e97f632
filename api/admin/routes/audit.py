"""The audit log: who did what to what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.admin.access import Reader
from api.admin.pages import pages_of
from api.admin.routes.jobs import PAGE, CursorField
from api.deps import ServicesDep
from jobs.api_key import EVERY_TENANT

router = APIRouter()


@router.get("/audit")
def show_audit(
    request: Request,
    viewer: Reader,
    services: ServicesDep,
    subject: Annotated[str, Query(max_length=200)] = "",
    action: Annotated[str, Query(max_length=100)] = "",
    cursor: CursorField = None,
) -> Response:
    """Show actions, newest first."""
    subject, action = subject.strip(), action.strip()
    with services.database.reading() as rows:
        page = rows.audit_log.page(
            EVERY_TENANT,
            subject=subject or None,
            action=action or None,
            limit=PAGE,
            cursor=cursor,
        )
    return pages_of(request).show(
        request,
        "audit.html",
        viewer,
        entries=page.entries,
        next_cursor=page.next_cursor,
        is_first=cursor is None,
        fields={"subject": subject, "action": action},
    )
