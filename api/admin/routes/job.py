"""One job: progress, attempts, facts, its parameters, its error in words, and what can be done."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from api.admin.access import AdminAct, AdminView, Reader
from api.admin.films import Film, find_films, sign_film
from api.admin.pages import Notice, pages_of
from api.deps import ServicesDep
from api.routes.results import Part, sign_part
from api.services import Services
from jobs.api_key import EVERY_TENANT
from jobs.errors import StateConflictError
from jobs.job import ENDED, RETRIABLE
from jobs.repository.job_lists import JobFilter
from jobs.request import PRIORITIES

router = APIRouter(prefix="/jobs/{job_id}")

_STOP_POLLING = 286
"""Of htmx, which draws the answer and asks no more."""

JobIdPath = Annotated[str, Path(max_length=64)]


@router.get("")
def show_job(
    request: Request, job_id: JobIdPath, viewer: Reader, services: ServicesDep
) -> Response:
    """Show everything that is known about a job."""
    known = _known(services, job_id)
    with services.database.reading() as rows:
        history = rows.audit_log.page(EVERY_TENANT, subject=job_id, limit=20).entries
        webhooks = rows.webhooks.page(job_id=job_id, limit=10).webhooks
    films = find_films(services, known["job"])
    return pages_of(request).show(
        request,
        "jobs/job.html",
        viewer,
        **known,
        history=history,
        webhooks=webhooks,
        priorities=PRIORITIES,
        films_from=films.origins if films else (),
        films=films,
    )


@router.get("/live")
def show_progress(
    request: Request, job_id: JobIdPath, viewer: Reader, services: ServicesDep, seen: str = ""
) -> Response:
    """Show the part that changes while the job runs; nothing is asked for after its end."""
    known = _known(services, job_id)
    answer = pages_of(request).show(request, "jobs/live.html", viewer, **known)
    if seen and seen != known["phase"]:
        # Has the rest of the page look again.
        answer.headers["HX-Trigger"] = "job-changed"
    if known["is_ended"]:
        answer.status_code = _STOP_POLLING
    return answer


@router.get("/films/{film}")
def play_film(job_id: JobIdPath, film: Film, viewer: Reader, services: ServicesDep) -> Response:
    """Lead to a film for the viewer, with a link that is fresh."""
    with services.database.reading() as rows:
        job = rows.jobs.get(EVERY_TENANT, job_id)
    link = sign_film(services, job, film)
    return RedirectResponse(link, 307, headers={"Cache-Control": "no-store"})


@router.get("/files/{part}")
def fetch_part(job_id: JobIdPath, part: Part, viewer: Reader, services: ServicesDep) -> Response:
    """Lead to something that the job made."""
    with services.database.reading() as rows:
        job = rows.jobs.get(EVERY_TENANT, job_id)
    link = sign_part(services, job, part)
    return RedirectResponse(link, 307, headers={"Cache-Control": "no-store"})


@router.get("/cancel")
def ask_to_cancel(
    request: Request, job_id: JobIdPath, viewer: AdminView, services: ServicesDep
) -> Response:
    """Ask before a job is canceled."""
    with services.database.reading() as rows:
        job = rows.jobs.get(EVERY_TENANT, job_id)
    if job.state in ENDED:
        raise StateConflictError(f"{job_id} has {job.state}, so it cannot be canceled.")
    lost = "What it has done so far is lost. " if job.state == "running" else ""
    return pages_of(request).show(
        request,
        "confirm.html",
        viewer,
        title="Cancel this job?",
        sentence=f"{lost}It can be retried later, from the beginning.",
        subject=job.request.name or job.id,
        path=f"/jobs/{job_id}/cancel",
        back=f"/jobs/{job_id}",
        label="Cancel the job",
    )


@router.post("/cancel")
def cancel(request: Request, job_id: JobIdPath, act: AdminAct, services: ServicesDep) -> Response:
    """Cancel a job."""
    with services.database.transaction() as rows:
        job = rows.jobs.cancel(act.actor, job_id)
    said = "Canceled." if job.state == "canceled" else "The worker will stop between two chunks."
    return pages_of(request).go(request, f"/jobs/{job_id}", Notice(said))


@router.post("/retry")
def retry(request: Request, job_id: JobIdPath, act: AdminAct, services: ServicesDep) -> Response:
    """Queue a job again."""
    with services.database.transaction() as rows:
        job = rows.jobs.retry(act.actor, job_id)
    services.ring(job.request.queue)
    return pages_of(request).go(request, f"/jobs/{job_id}", Notice("Queued again."))


@router.post("/priority")
def prioritise(
    request: Request, job_id: JobIdPath, act: AdminAct, services: ServicesDep
) -> Response:
    """Give a waiting job another priority."""
    priority = act.form.number("priority", least=PRIORITIES[0], most=PRIORITIES[-1])
    one = JobFilter(ids=(job_id,))
    with services.database.transaction() as rows:
        job = rows.jobs.get(EVERY_TENANT, job_id)
        if job.state != "queued":
            raise StateConflictError(f"{job_id} is {job.state}; only waiting jobs have a priority.")
        found = rows.bulk.count(EVERY_TENANT, "prioritise", one)
        rows.bulk.apply(
            act.actor, "prioritise", one, found.settled_before, priority=priority, limit=2
        )
    return pages_of(request).go(request, f"/jobs/{job_id}", Notice("It has another priority."))


@router.get("/delete")
def ask_to_delete(
    request: Request, job_id: JobIdPath, viewer: AdminView, services: ServicesDep
) -> Response:
    """Ask before a job is forgotten."""
    with services.database.reading() as rows:
        job = rows.jobs.get(EVERY_TENANT, job_id)
    if job.state == "running":
        raise StateConflictError(f"{job_id} is running; cancel it before you delete it.")
    return pages_of(request).show(
        request,
        "confirm.html",
        viewer,
        title="Delete this job?",
        sentence="The job, its history and its result are removed for good; its upload stays.",
        subject=job.request.name or job.id,
        path=f"/jobs/{job_id}/delete",
        back=f"/jobs/{job_id}",
        label="Delete the job",
    )


@router.post("/delete")
def delete(request: Request, job_id: JobIdPath, act: AdminAct, services: ServicesDep) -> Response:
    """Forget a job and have its files removed."""
    with services.database.transaction() as rows:
        rows.jobs.delete(act.actor, job_id)
    return pages_of(request).go(request, "/jobs", Notice(f"{job_id} was deleted."))


def _known(services: Services, job_id: str) -> dict[str, Any]:
    with services.database.reading() as rows:
        job = rows.jobs.get(EVERY_TENANT, job_id)
        attempts = rows.job_lists.attempts(EVERY_TENANT, job_id)
        position = rows.job_lists.position(EVERY_TENANT, job_id)
    longest_s = max((sum(a.stage_seconds.values()) for a in attempts), default=0.0)
    return {
        "job": job,
        "attempts": attempts,
        "position": position,
        "longest_s": longest_s,
        # Changes when more than the progress does.
        "phase": f"{job.state}.{job.attempt}.{job.input_facts is not None}",
        "is_ended": job.state in ENDED,
        "is_retriable": job.state in RETRIABLE,
    }
