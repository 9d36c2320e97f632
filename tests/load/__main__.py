"""Submit many jobs over HTTP to a real farm on this machine, and print what it took.

API, sweeper and worker processes, a private Postgres, a private Redis and an S3 server are started
for it. The engine is the stub, so everything that is measured is the service itself. Exit 1 if a
job is lost, fails, or runs twice.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from sqlalchemy import create_engine, text

from client import FlashVSRClient
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port
from tests.servers.redis import RedisServer
from tests.servers.s3 import CREDENTIALS, S3Server

SUBMITTERS = 8
DRAIN_S = 600.0


@dataclass(frozen=True)
class Farm:
    """A running service and what it takes to talk to it."""

    url: str
    key: str
    database_url: str


@contextmanager
def started_farm(folder: Path, workers: int) -> Iterator[Farm]:
    """Start servers and processes, and stop them."""
    postgres, redis, s3 = PostgresServer(), RedisServer(folder), S3Server(folder)
    os.environ.update(CREDENTIALS)
    port = free_port()
    database_url = postgres.url(postgres.new_database())
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "BROKER_URL": redis.url,
        "STORAGE_URL": s3.url(s3.new_bucket()),
        "FLASHVSR_PORT": str(port),
        "FLASHVSR_DATA_DIR": str(folder),
        "FLASHVSR_ENGINE": "stub",
        "FLASHVSR_ALLOW_STUB": "1",
        "FLASHVSR_SCRATCH": str(folder / "scratch"),
        "OMP_NUM_THREADS": "1",
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(*module: str, **more: str) -> None:
        with (folder / "processes.log").open("ab") as log:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *module],
                    env=environment | more,
                    stdout=log,
                    stderr=log,
                )
            )

    try:
        _run("migrations", environment=environment)
        created = _run("api", "keys", "first", environment=environment)
        start("api")
        start("worker", "sweep")
        for number in range(workers):
            start("worker", "one", FLASHVSR_WORKER_NAME=f"w{number}")
        url = f"http://127.0.0.1:{port}"
        _wait_for(lambda: _is_ready(url), "the API")
        yield Farm(url, json.loads(created)["secret"], database_url)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(60)
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


def _wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not get there within {timeout_s:g} s")
        time.sleep(0.1)


def percentile(seconds: list[float], share: float) -> float:
    """Return the value in milliseconds below which that share of the values lies."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] * 1000


def run_load(farm: Farm, jobs: int, folder: Path) -> dict[str, float]:
    """Submit, poll meanwhile, wait until all has ended, and hold the rows against the promise."""
    source = folder / "film.mp4"
    source.write_bytes(b"a film of a few bytes")
    submit_s: list[float] = []
    poll_s: list[float] = []
    ids: list[str] = []
    over = threading.Event()

    with FlashVSRClient(farm.url, farm.key) as client:
        upload_id = client.upload(source).id

        def submit(_number: int) -> None:
            began = time.perf_counter()
            ids.append(client.submit(upload_id=upload_id).id)
            submit_s.append(time.perf_counter() - began)

        def poll() -> None:
            while not over.wait(0.02):
                if ids:
                    began = time.perf_counter()
                    client.get(random.choice(ids))
                    poll_s.append(time.perf_counter() - began)

        poller = threading.Thread(target=poll)
        poller.start()
        started = time.monotonic()
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            list(pool.map(submit, range(jobs)))
        submitted = time.monotonic() - started
        engine = create_engine(farm.database_url.replace("://", "+psycopg://"))
        unfinished = text("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")

        def is_drained() -> bool:
            with engine.connect() as connection:
                return int(connection.execute(unfinished).scalar_one()) == 0

        _wait_for(is_drained, "the queue", DRAIN_S)
        drained = time.monotonic() - started
        over.set()
        poller.join()
    with engine.connect() as connection:
        states = Counter(connection.execute(text("SELECT state FROM jobs")).scalars())
        attempts = connection.execute(text("SELECT count(*) FROM attempts")).scalar_one()
        busy_s = connection.execute(
            text("SELECT avg(extract(epoch FROM ended_at - started_at)) FROM attempts")
        ).scalar_one()
    engine.dispose()
    if states != {"succeeded": jobs} or attempts != jobs:
        raise AssertionError(f"{jobs} jobs became {dict(states)} in {attempts} attempts")
    return {
        "jobs": jobs,
        "submissions_per_s": jobs / submitted,
        "submit_p50_ms": percentile(submit_s, 0.5),
        "submit_p99_ms": percentile(submit_s, 0.99),
        "poll_p50_ms": percentile(poll_s, 0.5),
        "poll_p99_ms": percentile(poll_s, 0.99),
        "polls": len(poll_s),
        "jobs_per_s": jobs / drained,
        "attempt_ms": float(busy_s) * 1000,
    }


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=4)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with started_farm(folder, chosen.workers) as farm:
            figures = run_load(farm, chosen.jobs, folder)
    # What a worker spends on a job beyond the attempt itself: claiming, and waiting for bells.
    whole_ms = 1000 * chosen.workers / figures["jobs_per_s"]
    figures["overhead_per_job_ms"] = whole_ms - figures["attempt_ms"]
    for name, value in figures.items():
        print(f"{name:<22} {value:10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
