"""The farm at one moment: its queues, its workers, and what somebody should look after."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.api_key import EVERY_TENANT
from jobs.job import Job
from jobs.repository import Repository
from jobs.repository.workers import Worker

SILENT_S = 60.0
"""A worker that was not heard of for so long is probably gone; it tells every 5 s."""
_WAIT_LONG_S = 3600.0


@dataclass(frozen=True)
class QueueNow:
    """One queue."""

    name: str
    paused_at: datetime | None
    waiting: int
    oldest_wait_s: float
    running: int
    workers: int
    """That live and take jobs from it."""


@dataclass(frozen=True)
class WorkerNow:
    """One worker, with the job that it runs."""

    worker: Worker
    job: Job | None

    @property
    def is_silent(self) -> bool:
        """Whether it has not been heard of."""
        return self.worker.silent_s > SILENT_S

    @property
    def mode(self) -> str:
        """What it does, in one word or two."""
        if self.is_silent:
            return "silent"
        if self.fact("problem"):
            return "broken"
        if self.worker.wanted == "stop":
            return "stopping"
        if self.worker.wanted == "drain":
            return "draining" if self.job else "drained"
        return "working" if self.job else "idle"

    @property
    def memory_used_bytes(self) -> int | None:
        """What is in use of the GPU's memory."""
        total, free = self.fact("gpu_memory_bytes"), self.fact("gpu_memory_free_bytes")
        return total - free if isinstance(total, int) and isinstance(free, int) else None

    @property
    def frames_per_s(self) -> float | None:
        """Of the job that it runs."""
        return self.job.progress.frames_per_s if self.job and self.job.progress else None

    def fact(self, name: str) -> Any:  # noqa: ANN401 - whatever the worker tells
        """Return what the worker tells about itself; None where it does not."""
        return self.worker.facts.get(name)


@dataclass(frozen=True)
class Trouble:
    """Something that somebody should look after."""

    sentence: str
    path: str
    """The page that shows more."""


@dataclass(frozen=True)
class Farm:
    """Everything that runs or waits now."""

    queues: tuple[QueueNow, ...]
    workers: tuple[WorkerNow, ...]

    @property
    def frames_per_s(self) -> float:
        """Of all workers together."""
        return sum(worker.frames_per_s or 0.0 for worker in self.workers)

    def troubles(self, dead_webhooks: int = 0) -> list[Trouble]:
        """Name what is wrong, the worst first."""
        return [*self._of_workers(), *self._of_queues(), *_of_webhooks(dead_webhooks)]

    def _of_workers(self) -> Iterable[Trouble]:
        for each in self.workers:
            if each.is_silent:
                yield Trouble(f"Worker {each.worker.id} has not been heard of lately.", "/workers")
            elif problem := each.fact("problem"):
                yield Trouble(f"Worker {each.worker.id} takes no jobs: {problem}", "/workers")

    def _of_queues(self) -> Iterable[Trouble]:
        for queue in self.queues:
            if not queue.waiting:
                continue
            if queue.paused_at is not None:
                yield Trouble(
                    f"Queue {queue.name} is paused while {queue.waiting} jobs wait.", "/workers"
                )
            elif not queue.workers:
                yield Trouble(
                    f"{queue.waiting} jobs wait in queue {queue.name}, which no worker serves.",
                    "/workers",
                )
            elif queue.oldest_wait_s > _WAIT_LONG_S:
                hours = queue.oldest_wait_s / 3600
                yield Trouble(
                    f"The oldest job of queue {queue.name} has waited {hours:.1f} hours.",
                    f"/jobs?state=queued&queue={queue.name}",
                )


def read_farm(rows: Repository) -> Farm:
    """Read everything in one transaction."""
    running = rows.job_lists.running()
    by_id: Mapping[str, Job] = {job.id: job for job in running}
    workers = tuple(
        WorkerNow(worker, by_id.get(worker.job_id or "")) for worker in rows.workers.list()
    )
    backlogs = {backlog.queue: backlog for backlog in rows.job_lists.backlogs(EVERY_TENANT)}
    queues = []
    for queue in rows.queues.list():
        backlog = backlogs.get(queue.name)
        serving = [
            w for w in workers if queue.name in w.worker.queues and w.mode in ("working", "idle")
        ]
        queues.append(
            QueueNow(
                queue.name,
                queue.paused_at,
                backlog.jobs if backlog else 0,
                backlog.oldest_wait_s if backlog else 0.0,
                sum(job.request.queue == queue.name for job in running),
                len(serving),
            )
        )
    return Farm(tuple(queues), workers)


def _of_webhooks(dead: int) -> Iterable[Trouble]:
    if dead:
        what = "1 webhook could" if dead == 1 else f"{dead} webhooks could"
        yield Trouble(
            f"{what} not be delivered, and no more tries are made.", "/webhooks?status=dead"
        )
