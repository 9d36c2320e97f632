"""A whole farm on this machine: servers, and the service's processes with the stub engine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.patience import PATIENCE_S, wait_until
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port
from tests.servers.redis import RedisServer
from tests.servers.s3 import CREDENTIALS, REGION, S3Server


@dataclass(frozen=True)
class Farm:
    """A running service and what it takes to talk to it."""

    url: str
    key: str
    database_url: str
    bucket: str
    """Somebody's own, which the key may read and write."""
    pids: Mapping[str, int]
    """Of API and sweeper, by name."""


@contextmanager
def started_farm(folder: Path, workers: int) -> Iterator[Farm]:
    """Start servers and processes, and stop them."""
    postgres, redis, s3 = PostgresServer(), RedisServer(folder), S3Server(folder)
    os.environ.update(CREDENTIALS)
    port, bucket = free_port(), s3.new_bucket()
    database_url = postgres.url(postgres.new_database())
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "BROKER_URL": redis.url,
        "STORAGE_URL": s3.url(s3.new_bucket()),
        "FLASHVSR_BUCKETS_URL": f"s3://?endpoint={s3.endpoint()}&region={REGION}",
        "FLASHVSR_PORT": str(port),
        "FLASHVSR_DATA_DIR": str(folder),
        "FLASHVSR_ENGINE": "stub",
        "FLASHVSR_ALLOW_STUB": "1",
        "FLASHVSR_SCRATCH": str(folder / "scratch"),
        "OMP_NUM_THREADS": "1",
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(*module: str, **more: str) -> int:
        with (folder / "processes.log").open("ab") as log:
            command = [sys.executable, "-m", *module]
            process = subprocess.Popen(command, env=environment | more, stdout=log, stderr=log)
        processes.append(process)
        return process.pid

    try:
        _run("migrations", environment=environment)
        own = f"s3://{bucket}/"
        created = _run(
            *("api", "keys", "create", "--tenant", "alice", "--name", "load"),
            *("--scopes", "jobs:read", "jobs:write", "uploads:write"),
            *("--input-prefix", own, "--output-prefix", own),
            environment=environment,
        )
        pids = {"API": start("api"), "sweeper": start("worker", "sweep")}
        for number in range(workers):
            start("worker", "one", FLASHVSR_WORKER_NAME=f"w{number}")
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_ready(url), "the API did not start")
        yield Farm(url, json.loads(created)["secret"], database_url, bucket, pids)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(PATIENCE_S)
        s3.stop()
        redis.stop()
        postgres.close()


def _run(*module: str, environment: Mapping[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-m", *module],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz").status_code == 200
    except httpx2.HTTPError:
        return False
