"""Submit many jobs over HTTP to a real farm on this machine, and print what it took.

API, sweeper and worker processes, a private Postgres, a private Redis and an S3 server are started
for it. The engine is the stub, so everything that is measured is the service itself. Exit 1 if a
job is lost, fails, or runs twice.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import create_engine, text

from client import FlashVSRClient
from tests.load.farm import Farm, started_farm
from tests.patience import wait_until

SUBMITTERS = 8
DRAIN_S = 600.0


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

        wait_until(is_drained, "the queue did not get empty", patience_s=DRAIN_S)
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
