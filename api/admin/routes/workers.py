"""Workers and queues: what each GPU does, and having it drain, go on or stop."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response

from api.admin.access import AdminAct, AdminView, Reader
from api.admin.farm import read_farm
from api.admin.pages import Notice, pages_of
from api.deps import ServicesDep
from jobs.repository.claims import WorkerWanted

router = APIRouter()

# Ids of workers are host names and numbers; a slash may be among them.
WorkerId = Annotated[str, Path(max_length=200)]

_WANTED: dict[str, tuple[WorkerWanted, str]] = {
    "drain": ("drain", "{} finishes its job and takes no more."),
    "resume": ("run", "{} takes jobs again."),
    "stop": ("stop", "{} exits after this job."),
}


@router.get("/workers")
def show_workers(request: Request, viewer: Reader, services: ServicesDep) -> Response:
    """Show every worker and every queue."""
    with services.database.reading() as rows:
        farm = read_farm(rows)
    return pages_of(request).show(request, "workers.html", viewer, farm=farm)


@router.get("/workers/live")
def show_workers_again(request: Request, viewer: Reader, services: ServicesDep) -> Response:
    """Show the part of the page that changes by the second."""
    with services.database.reading() as rows:
        farm = read_farm(rows)
    return pages_of(request).show(request, "workers/live.html", viewer, farm=farm)


@router.get("/workers/stop/{worker_id:path}")
def ask_to_stop(request: Request, worker_id: WorkerId, viewer: AdminView) -> Response:
    """Ask before a worker is made to exit."""
    return pages_of(request).show(
        request,
        "confirm.html",
        viewer,
        title="Stop this worker after its job?",
        sentence="It finishes the job that it runs, then its process exits. Whatever started it may"
        " start it again.",
        subject=worker_id,
        path=f"/workers/stop/{worker_id}",
        back="/workers",
        label="Stop the worker",
    )


@router.post("/workers/{wanted}/{worker_id:path}")
def want(
    request: Request,
    wanted: Literal["drain", "resume", "stop"],
    worker_id: WorkerId,
    act: AdminAct,
    services: ServicesDep,
) -> Response:
    """Ask a worker to drain, to go on or to stop; it hears of it within seconds."""
    mode, said = _WANTED[wanted]
    with services.database.transaction() as rows:
        rows.workers.want(act.actor, worker_id, mode)
    return pages_of(request).go(request, "/workers", Notice(said.format(worker_id)))


@router.post("/queues/{name}/pause")
def pause(request: Request, name: str, act: AdminAct, services: ServicesDep) -> Response:
    """Let no worker claim from a queue."""
    with services.database.transaction() as rows:
        rows.queues.pause(act.actor, name)
    said = f"Queue {name} is paused; jobs that run go on."
    return pages_of(request).go(request, "/workers", Notice(said))


@router.post("/queues/{name}/resume")
def resume(request: Request, name: str, act: AdminAct, services: ServicesDep) -> Response:
    """Let workers claim from a queue again."""
    with services.database.transaction() as rows:
        rows.queues.resume(act.actor, name)
    services.ring(name)
    return pages_of(request).go(request, "/workers", Notice(f"Queue {name} goes on."))
