"""`flashvsr serve` with the stub engine, as an operator starts it, and a look behind it."""

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert

from jobs.api_key import OPERATOR
from jobs.database import Database, open_engine
from jobs.job import Job
from jobs.storage import Storage, open_storage
from jobs.tables import QueueRow
from jobs.user import Role, hash_password
from tests.cli.command import FLASHVSR
from tests.patience import PATIENCE_S
from tests.servers.process import free_port

PASSWORD = "correct horse battery"
UNSERVED = "unserved"
VIEWED = "viewed"
"""Queues from which no worker takes anything."""

_EMBEDDED = ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "FLASHVSR_API_KEY")
SLOWLY = {"FLASHVSR_STUB_CHUNKS": "12", "FLASHVSR_STUB_CHUNK_S": "0.2"}
"""A job takes some seconds, so that one can watch it."""


@dataclass
class Service:
    """A service that runs in processes of its own."""

    url: str
    first_link: str
    database: Database
    folder: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, **more: str) -> "Service":
        port = free_port()
        weights = folder / "weights"
        weights.mkdir(parents=True)
        environment = {name: value for name, value in os.environ.items() if name not in _EMBEDDED}
        environment |= {"FLASHVSR_ENGINE": "stub", "FLASHVSR_ALLOW_STUB": "1", **SLOWLY, **more}
        log = folder / "serve.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [FLASHVSR, "serve", "--port", str(port),
                 *("--data-dir", folder), *("--weights", weights)],
                env=environment, stdout=out, stderr=out,
            )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while "listens on" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                pytest.fail(f"the service did not start: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        link = re.search(r"first user: (\S+)", log.read_text())
        assert link is not None
        database = Database(f"sqlite:///{folder / 'flashvsr.db'}")
        engine = open_engine(f"sqlite:///{folder / 'flashvsr.db'}")
        with engine.begin() as connection:
            connection.execute(insert(QueueRow), [{"name": UNSERVED}, {"name": VIEWED}])
        engine.dispose()
        return cls(f"http://127.0.0.1:{port}", link[1], database, folder, process)

    def close(self) -> None:
        self.database.close()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE_S)

    @property
    def storage(self) -> Storage:
        return open_storage((self.folder / "storage").as_uri(), self.url)

    def add_user(self, name: str, role: Role = "admin") -> None:
        with self.database.transaction() as rows:
            rows.users.add(OPERATOR, name, role, hash_password(PASSWORD))

    def jobs(self) -> list[Job]:
        with self.database.reading() as rows:
            return list(rows.job_lists.page("*", limit=200).jobs)

    def job(self, job_id: str) -> Job:
        with self.database.reading() as rows:
            return rows.jobs.get("*", job_id)
