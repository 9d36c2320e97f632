"""Workers: who they are, what they serve, and what the operator wants of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from jobs.api_key import Actor
from jobs.clock import now
from jobs.errors import WorkerNotFoundError
from jobs.repository.audit_log import record
from jobs.repository.claims import WorkerWanted
from jobs.repository.queues import add_queues
from jobs.repository.states import in_state
from jobs.tables import JobRow, WorkerRow


@dataclass(frozen=True)
class Worker:
    """A worker process: one GPU."""

    id: str
    queues: tuple[str, ...]
    wanted: WorkerWanted
    facts: Mapping[str, Any]
    """Whatever it tells about itself: host, GPU, memory, loaded model."""
    started_at: datetime
    heartbeat_at: datetime
    silent_s: float
    """Since the last heartbeat, by the database's clock."""
    job_id: str | None
    """What it runs now."""


class Workers:
    """Workers belong to no tenant; who may look at them is the API's decision."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def register(
        self, worker_id: str, queues: Collection[str], facts: Mapping[str, Any] | None = None
    ) -> None:
        """Write down a worker that starts; whatever was wanted of its id before is forgotten.

        Args:
            worker_id: unique among live processes, such as `gpu-7:0`.
            queues: which it serves; new ones come into being.
            facts: about host and GPU.

        """
        add_queues(self._session, queues)
        self._session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))
        self._session.execute(
            insert(WorkerRow).values(
                id=worker_id,
                queues=sorted(queues),
                wanted="run",
                facts=dict(facts or {}),
                started_at=now(),
                heartbeat_at=now(),
            )
        )

    def report(self, worker_id: str, facts: Mapping[str, Any] | None = None) -> WorkerWanted:
        """Tell that a worker lives, with new facts if there are some; hear what is wanted of it.

        Raises:
            WorkerNotFoundError: its row was removed; register again.

        """
        values = {} if facts is None else {"facts": dict(facts)}
        wanted = self._session.scalar(
            update(WorkerRow)
            .where(WorkerRow.id == worker_id)
            .values(heartbeat_at=now(), **values)
            .returning(WorkerRow.wanted)
        )
        if wanted is None:
            raise _not_found(worker_id)
        return cast(WorkerWanted, wanted)

    def leave(self, worker_id: str) -> None:
        """Forget a worker that exits."""
        self._session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    def want(self, actor: Actor, worker_id: str, wanted: WorkerWanted) -> None:
        """Ask a worker to run, to drain or to stop; it hears of it at its next heartbeat.

        Raises:
            WorkerNotFoundError: there is none.

        """
        found = self._session.scalar(
            update(WorkerRow)
            .where(WorkerRow.id == worker_id)
            .values(wanted=wanted)
            .returning(WorkerRow.id)
        )
        if found is None:
            raise _not_found(worker_id)
        record(self._session, actor, f"worker.{wanted}", worker_id, actor.tenant)

    def list(self) -> "list[Worker]":
        """List workers by id."""
        running = in_state("running")
        query = (
            select(WorkerRow, JobRow.id, now())
            .outerjoin(JobRow, (JobRow.worker_id == WorkerRow.id) & running)
            .order_by(WorkerRow.id, JobRow.started_at)
        )
        # A worker that died and came back may hold a dead lease too: the later job is its own.
        workers = {
            row.id: Worker(
                id=row.id,
                queues=tuple(row.queues),
                wanted=cast(WorkerWanted, row.wanted),
                facts=row.facts,
                started_at=row.started_at,
                heartbeat_at=row.heartbeat_at,
                silent_s=(at - row.heartbeat_at).total_seconds(),
                job_id=job_id,
            )
            for row, job_id, at in self._session.execute(query)
        }
        return [*workers.values()]


def _not_found(worker_id: str) -> WorkerNotFoundError:
    return WorkerNotFoundError(f"There is no worker {worker_id}; register it.")
