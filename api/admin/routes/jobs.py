"""The list of jobs: filters in the address, pages by key."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.admin.access import Reader
from api.admin.job_query import read_query
from api.admin.pages import pages_of
from api.deps import ServicesDep
from jobs.api_key import EVERY_TENANT
from jobs.job import STATES
from jobs.repository.claims import PIPELINES

router = APIRouter()

PAGE = 50

CursorField = Annotated[str | None, Query(max_length=300)]


@router.get("/jobs")
def list_jobs(
    request: Request, viewer: Reader, services: ServicesDep, cursor: CursorField = None
) -> Response:
    """Show jobs, newest first."""
    asked = read_query(request.query_params)
    with services.database.reading() as rows:
        page = rows.job_lists.page(asked.tenant, asked.job_filter, limit=PAGE, cursor=cursor)
        queues = rows.queues.list()
        tenants = sorted({key.tenant for key in rows.api_keys.list(EVERY_TENANT)})
    return pages_of(request).show(
        request,
        "jobs/list.html",
        viewer,
        asked=asked,
        fields=asked.fields,
        jobs=page.jobs,
        next_cursor=page.next_cursor,
        is_first=cursor is None,
        states=STATES,
        pipelines=PIPELINES,
        queues=queues,
        tenants=tenants,
    )
