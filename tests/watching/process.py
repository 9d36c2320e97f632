"""Processes of the service, as an operator starts them."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.patience import PATIENCE_S
from tests.servers.s3 import CREDENTIALS, REGION, S3Server

ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """`python -m worker events`, or another command, which can be killed."""

    def __init__(
        self, folder: Path, environment: dict[str, str], number: int = 0, command: str = "events"
    ) -> None:
        self.log = folder / f"{command}-{number}.log"
        with self.log.open("ab") as file:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "worker", command],
                env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def kill(self) -> None:
        """As a machine that loses its power."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGKILL)
            self._popen.wait()

    def terminate(self) -> int:
        """As `docker stop`; return the exit status."""
        self._popen.terminate()
        return self._popen.wait(PATIENCE_S)


def environment_of(s3: S3Server, database_url: str, queue_url: str, **more: Any) -> dict[str, str]:
    """What the process is told; `list_s` becomes FLASHVSR_LIST_S."""
    own = {"storage_url": "STORAGE_URL"}
    flags = {own.get(name, f"FLASHVSR_{name.upper()}"): str(value) for name, value in more.items()}
    return {
        **os.environ,
        **CREDENTIALS,
        "PYTHONWARNINGS": "",
        "DATABASE_URL": database_url,
        "FLASHVSR_BUCKETS_URL": f"s3://?endpoint={s3.endpoint()}&region={REGION}",
        "FLASHVSR_EVENTS_QUEUE_URL": queue_url,
        "FLASHVSR_EVENTS_ENDPOINT": s3.endpoint(),
        "FLASHVSR_EVENTS_REGION": REGION,
        "FLASHVSR_EVENTS_WAIT_S": "1",
        "FLASHVSR_EVENTS_VISIBILITY_S": "5",
        **flags,
    }
