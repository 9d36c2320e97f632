"""Failed jobs by their reason, and retrying one before all."""

from fastapi import APIRouter, Request, Response

from api.admin.access import AdminAct, Reader
from api.admin.pages import Notice, pages_of
from api.deps import ServicesDep

router = APIRouter()


@router.get("/failures")
def show_failures(request: Request, viewer: Reader, services: ServicesDep) -> Response:
    """Show the groups, the largest first."""
    with services.database.reading() as rows:
        groups = rows.failures.groups()
    return pages_of(request).show(request, "failures.html", viewer, groups=groups)


@router.post("/failures/retry")
def retry_one(request: Request, act: AdminAct, services: ServicesDep) -> Response:
    """Queue one job of a group again, and show how it goes."""
    with services.database.transaction() as rows:
        job = rows.jobs.retry(act.actor, act.form.text("job_id"))
    services.ring(job.request.queue)
    said = "Queued again. See whether it succeeds before you retry the others."
    return pages_of(request).go(request, f"/jobs/{job.id}", Notice(said))
