"""A whole service without its API: real workers and sweepers as processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from jobs.api_key import EVERY_TENANT, OPERATOR, SCOPES, Actor, KeyLimits
from jobs.database import Database
from jobs.errors import BrokerUnavailableError
from jobs.identifiers import new_id
from jobs.job import ENDED, Attempt, Job, State
from jobs.object_keys import upload_key
from jobs.policy import Policy
from jobs.queue import open_bell
from jobs.repository.workers import Worker
from jobs.request import JobRequest
from jobs.storage import open_storage
from tests.patience import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]
LEASE_S = 4.0
QUICK = Policy(
    lease_s=LEASE_S,
    backoff_first_s=0.2,
    backoff_factor=1.5,
    backoff_max_s=0.5,
    delivery_lease_s=2.0,
    webhook_tries=3,
)
PATIENT = replace(QUICK, lease_s=60.0)
"""For what a test claims itself: it keeps it until `tests.clock.pass_time` says otherwise."""


class Process:
    """A worker or a sweeper with everything that it starts."""

    def __init__(self, command: str, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "worker", *command.split()],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def signal_all(self, number: signal.Signals) -> None:
        """To it and to its children."""
        os.killpg(self._popen.pid, number)

    def kill(self) -> None:
        """Nothing of it lives on."""
        if self._popen.poll() is None:
            self.signal_all(signal.SIGKILL)
            self._popen.wait()

    def terminate(self) -> None:
        self._popen.terminate()

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        return self._popen.wait(timeout_s)


class World:
    """Rows, objects and perhaps a broker; and the processes that a test starts."""

    def __init__(self, folder: Path, database: str, storage: str, broker: str | None) -> None:
        self.folder = folder
        self.database_url, self.storage_url, self.broker_url = database, storage, broker
        self.database = Database(database, PATIENT)
        self.storage = open_storage(storage)
        # Redis is shared by all tests, queues are not.
        self.queue = f"q{token_hex(4)}"
        self._bell = open_bell(broker)
        self._processes: list[Process] = []
        self._opened: list[Database] = [self.database]
        with self.database.transaction() as rows:
            limits = KeyLimits(input_prefixes=("s3://films/",))
            new = rows.api_keys.create(OPERATOR, "alice", "test", SCOPES, limits)
            rows.workers.register("nobody", [self.queue])
            rows.workers.leave("nobody")
        self.webhook_secret = new.webhook_secret
        self.actor: Actor = new.key.actor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.kill()
        self._bell.close()
        for database in self._opened:
            database.close()

    def open(self, policy: Policy, **changes: Any) -> Database:
        """Open the same database with other times."""
        self._opened.append(Database(self.database_url, replace(policy, **changes)))
        return self._opened[-1]

    def use_storage(self, url: str) -> None:
        self.storage_url, self.storage = url, open_storage(url)

    def allow_input(self, prefix: str) -> None:
        self.actor = replace(self.actor, limits=KeyLimits(input_prefixes=(prefix,)))

    def submit_address(self, address: str) -> str:
        with self.database.transaction() as rows:
            request = JobRequest(input_url=address, queue=self.queue)
            return rows.jobs.submit(self.actor, request).job.id

    def environment(self, **more: object) -> dict[str, str]:
        """What the processes are told; `lease_s` becomes FLASHVSR_LEASE_S."""
        chosen: dict[str, object] = {
            "lease_s": LEASE_S,
            "sweep_s": 0.2,
            "ring_s": 0.5,
            "orphans_s": 0.5,
            "progress_s": 0.1,
            "poll_s": 0.1,
            "scratch": self.folder / "scratch",
            "queues": self.queue,
            "engine": "stub",
            "allow_stub": 1,
            "webhook_private": 1,
        } | more
        where = {"DATABASE_URL": self.database_url, "STORAGE_URL": self.storage_url}
        if self.broker_url is not None:
            where["BROKER_URL"] = self.broker_url
        flags = {f"FLASHVSR_{name.upper()}": str(value) for name, value in chosen.items()}
        return {**os.environ, "PYTHONWARNINGS": "", **where, **flags}

    def start_worker(self, name: str = "w1", command: str = "one", **more: object) -> Process:
        """Start a worker; it is ready when its row says so."""
        process = Process(
            command,
            self.environment(worker_name=name, **more),
            self.folder / f"{name}.log",
        )
        self._processes.append(process)
        wait_until(
            lambda: any(w.id.startswith(f"{name}:") for w in self.workers()),
            lambda: process.log.read_text()[-3000:],
        )
        return process

    def start_sweeper(self, name: str = "sweeper", **more: object) -> Process:
        process = Process("sweep", self.environment(**more), self.folder / f"{name}.log")
        self._processes.append(process)
        return process

    def submit(self, body: bytes | Path = b"a film", *, ring: bool = True, **choices: Any) -> str:
        """Upload and submit as the API does; return the job's id."""
        source = body if isinstance(body, Path) else self.folder / "source"
        if not isinstance(body, Path):
            source.write_bytes(body)
        upload_id = new_id("upl")
        with self.database.transaction() as rows:
            rows.uploads.announce(
                self.actor,
                upload_id,
                filename="film.mp4",
                content_type="video/mp4",
                size_bytes=source.stat().st_size,
            )
        self.storage.put(upload_key(upload_id), source, content_type="video/mp4")
        with self.database.transaction() as rows:
            rows.uploads.complete(self.actor.tenant, upload_id)
            request = JobRequest(upload_id=upload_id, queue=self.queue, **choices)
            job = rows.jobs.submit(self.actor, request).job
        if ring:
            self.ring()
        return job.id

    def submit_many(self, count: int, *, ring: bool = True) -> list[str]:
        """Submit jobs that share one upload, in one transaction."""
        first = self.submit(ring=False)
        request = self.job(first).request
        with self.database.transaction() as rows:
            ids = [rows.jobs.submit(self.actor, request).job.id for _ in range(count - 1)]
        if ring:
            for _ in range(count):
                self.ring()
        return [first, *ids]

    def ring(self) -> None:
        # As the API does: the outbox rings later.
        with suppress(BrokerUnavailableError):
            self._bell.ring(self.queue)

    def cancel(self, job_id: str) -> None:
        with self.database.transaction() as rows:
            rows.jobs.cancel(self.actor, job_id)

    def job(self, job_id: str) -> Job:
        with self.database.reading() as rows:
            return rows.jobs.get(EVERY_TENANT, job_id)

    def attempts(self, job_id: str) -> list[Attempt]:
        with self.database.reading() as rows:
            return rows.job_lists.attempts(EVERY_TENANT, job_id)

    def outcomes(self, job_id: str) -> list[str]:
        return [attempt.outcome for attempt in self.attempts(job_id)]

    def workers(self) -> list[Worker]:
        with self.database.reading() as rows:
            return rows.workers.list()

    def keys(self, prefix: str = "results/") -> list[str]:
        """What really is in the store, unfinished uploads too."""
        return [facts.key for facts in self.storage.list(prefix)] + [
            f"{key} (unfinished)" for key in self.storage.list_unfinished(prefix)
        ]

    def wait_for(self, job_id: str, state: State = "succeeded") -> Job:
        """Wait for an end, which must be this one."""
        wanted = ENDED if state in ENDED else {state}
        wait_until(lambda: self.job(job_id).state in wanted, lambda: self.describe(job_id))
        job = self.job(job_id)
        assert job.state == state, self.describe(job_id)
        return job

    def wait_for_stage(self, job_id: str, stage: str) -> Job:
        def is_there() -> bool:
            job = self.job(job_id)
            return (
                job.state == "running"
                and job.progress is not None
                and (job.progress.stage == stage)
            )

        wait_until(is_there, lambda: self.describe(job_id))
        return self.job(job_id)

    def describe(self, job_id: str) -> str:
        logs = [f"{p.log.name}:\n{p.log.read_text()[-3000:]}" for p in self._processes]
        return "\n".join([str(self.job(job_id)), *map(str, self.attempts(job_id)), *logs])

    def sweep(self) -> None:
        """Sweep once, as a process of its own."""
        process = Process("sweep --once", self.environment(), self.folder / "once.log")
        assert process.wait(PATIENCE_S) == 0, process.log.read_text()

    def assert_clean(self) -> None:
        """Every object belongs to a published result, and every published object is there."""
        published: set[str] = set()
        with self.database.reading() as rows:
            for job in rows.job_lists.page(EVERY_TENANT, limit=1000).jobs:
                if job.state == "succeeded" and job.result is not None:
                    result = job.result
                    names = (result.key, result.poster_key, result.preview_key)
                    published |= {key for key in names if key is not None}
        assert set(self.keys()) == published
        scratch = self.folder / "scratch"
        # A worker removes its files a moment after it has told how the attempt ended.
        wait_until(lambda: not list(scratch.glob("*/*/job_*")), lambda: "a folder was left")
