"""Every page of the dashboard over 100,000 jobs in Postgres: how long it takes, by which plans.

    python -m tests.load.dashboard [--jobs 100000] [--rounds 20]

Prints a line for each page. Exit 1 if the 95th percentile of one is above 200 ms, or if a plan
reads a whole large table. (What all uploads take together is read from all their rows, which are
few and short.)
"""

# ruff: noqa: T201 - a command speaks by printing

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text

from api.settings import ApiSettings
from jobs.api_key import OPERATOR, SCOPES
from jobs.database import open_engine
from jobs.user import hash_password
from migrations import migrate
from tests.admin.browser import Browser
from tests.api.world import FILMS, World, settings_of
from tests.servers.postgres import PostgresServer

LIMIT_MS = 200.0
_LARGE = ("jobs", "audit_log", "outbox", "samples", "attempts")
_WORKERS = 16

_SEED = """
INSERT INTO uploads (id, tenant, object_key, filename, content_type, size_bytes, created_at,
    completed_at, expires_at)
SELECT 'upl_' || lpad(n::text, 26, '0'), 'tenant-' || n % 20, 'uploads/x', 'film ' || n || '.mp4',
    'video/mp4', 1000000 + n, now() - n * interval '6 seconds', now(), now() + interval '7 days'
FROM generate_series(1, :jobs / 2) n;

INSERT INTO jobs (id, tenant, key_id, name, request_sha256, request, limits, state, version, queue,
    pipeline, urgency, turn, created_at, updated_at, not_before, started_at, ended_at, expires_at,
    attempt, attempts_used, max_attempts, worker_id, lease_token, lease_until, progress,
    reason_code, reason_message, reason_pattern, input_facts, result, result_bytes)
SELECT 'job_' || lpad(n::text, 26, '0'), 'tenant-' || n % 20, :key_id, 'reel ' || n || '.mp4', 'x',
    jsonb_build_object('input_url', 's3://films/reel-' || n || '.mp4', 'name',
        'reel ' || n || '.mp4', 'queue', q, 'pipeline', p, 'priority', 0),
    '{}', s, 5, q, p, 0, n, t, t, t,
    CASE WHEN s <> 'queued' THEN t + interval '1 minute' END,
    CASE WHEN s IN ('succeeded', 'failed', 'canceled') THEN t + interval '3 minutes' END,
    CASE WHEN s = 'succeeded' THEN now() + interval '7 days' END,
    1, 0, 4,
    CASE WHEN s = 'running' THEN 'gpu-' || n % :workers || '\\:0' END,
    CASE WHEN s = 'running' THEN 'token' END,
    CASE WHEN s = 'running' THEN now() + interval '1 day' END,
    CASE WHEN s = 'running' THEN jsonb_build_object('stage', 'enlarging', 'percent', 40,
        'frames_done', 100, 'frames_total', 240, 'frames_per_s', 12.5) END,
    CASE WHEN s = 'failed' THEN 'error_' || n % 7 END,
    CASE WHEN s = 'failed' THEN 'reel ' || n || '.mp4: sentence ' || n % 40 END,
    CASE WHEN s = 'failed' THEN '…: sentence ' || chr(65 + n % 40) END,
    '{"width_px": 768, "height_px": 432, "frame_count": 240, "codec": "h264"}',
    CASE WHEN s = 'succeeded' THEN jsonb_build_object('key', 'results/x', 'size_bytes', 5000000 + n,
        'sha256', repeat('ab', 32), 'facts', '{"width_px": 3072}'::jsonb) END,
    CASE WHEN s = 'succeeded' THEN 5000000 + n END
FROM (
    SELECT n, now() - (:jobs - n) * interval '6 seconds' AS t,
        CASE WHEN n > :jobs - :workers THEN 'running' WHEN n % 10 = 0 THEN 'queued'
            WHEN n % 10 = 1 THEN 'failed' WHEN n % 50 = 2 THEN 'canceled' ELSE 'succeeded' END AS s,
        CASE WHEN n % 4 = 0 THEN 'h100' ELSE 'a100' END AS q,
        CASE WHEN n % 3 = 0 THEN 'full' ELSE 'tiny' END AS p
    FROM generate_series(1, :jobs) n
) rows;

INSERT INTO attempts (job_id, number, worker_id, token, outcome, started_at, ended_at,
    stage_seconds)
SELECT id, 1, 'gpu-0:0', 'token', CASE state WHEN 'failed' THEN 'failed' ELSE 'succeeded' END,
    created_at, ended_at, '{"downloading": 1.5, "enlarging": 20.5, "uploading": 2.0}'
FROM jobs WHERE state IN ('succeeded', 'failed');

INSERT INTO audit_log (id, at, tenant, actor, action, subject, detail)
SELECT 'aud_' || id, created_at, tenant, 'key', 'job.submitted', id, '{}' FROM jobs;

INSERT INTO outbox (id, topic, tenant, job_id, key_id, payload, created_at, not_before, tries,
    delivered_at, dead_at, last_error)
SELECT 'out_' || id, 'webhook', tenant, id, key_id,
    '{"url": "https://example.org/hook", "body": {"type": "job.succeeded"}}', created_at,
    created_at, 1, CASE WHEN state = 'succeeded' THEN now() END,
    CASE WHEN state = 'failed' THEN now() END, NULL
FROM jobs WHERE state IN ('succeeded', 'failed');

INSERT INTO samples (span_s, series, subject, at, count, total, peak)
SELECT width, series, '', to_timestamp(floor(extract(epoch FROM now()) / width) * width)
    - n * width * interval '1 second', 10, 10 * n, n
FROM unnest(ARRAY['succeeded', 'failed', 'canceled', 'frames_per_s', 'running', 'workers']) series,
    (VALUES (60, 170), (600, 430), (3600, 800)) spans (width, points),
    generate_series(0, points) n;

INSERT INTO samples (span_s, series, subject, at, count, total, peak)
SELECT width, series, 'gpu-' || w || '\\:0',
    to_timestamp(floor(extract(epoch FROM now()) / width) * width)
    - n * width * interval '1 second', 10, 5, 1
FROM unnest(ARRAY['gpu_busy', 'gpu_memory_bytes', 'frames_per_s']) series,
    generate_series(0, :workers - 1) w,
    (VALUES (60, 170), (600, 430), (3600, 800)) spans (width, points),
    generate_series(0, points) n;
"""

PAGES = (
    "/", "/?over=day", "/?over=week", "/overview/live?over=week", "/overview/plots?over=week",
    "/overview/table?over=week",
    "/jobs", "/jobs?state=queued", "/jobs?state=failed&error=error_3", "/jobs?queue=h100",
    "/jobs?tenant=tenant-7", "/jobs?tenant=tenant-7&state=succeeded&pipeline=full",
    "/jobs?pipeline=full&queue=a100", "/jobs?text=reel+777", "/jobs?text=nothing+is+called+so",
    "/jobs?state=canceled&pipeline=full&queue=h100", "/jobs?error=error_3",
    "/jobs?batch=bat_none", "/jobs?from=2020-01-01T00:00&before=2020-01-02T00:00",
    "/jobs?state=canceled&text=nothing", "PAGE-500", "JOB", "JOB/live",
    "/jobs/bulk?action=cancel", "/jobs/bulk?action=retry&state=failed",
    "/jobs/bulk?action=retry&state=failed&error=error_3", "/jobs/bulk?action=cancel&text=777",
    "/workers", "/workers/live", "/failures", "/uploads", "/uploads?tenant=tenant-3", "/storage",
    "/keys", "/webhooks", "/webhooks?status=dead", "/webhooks?status=pending", "/audit",
    "/audit?action=job.submitted", "/audit?action=nothing", "/batches", "/watches", "/submit",
    "/account",
)  # fmt: skip


def seed(world: World, jobs: int) -> None:
    """Fill a migrated database."""
    with world.database.transaction() as rows:
        rows.users.add(OPERATOR, "ada", "admin", hash_password("correct horse"))
        key = rows.api_keys.create(OPERATOR, "tenant-0", "test", SCOPES, FILMS).key
        for number in range(_WORKERS):
            facts = {"gpu": "A100", "gpu_memory_bytes": 85, "gpu_memory_free_bytes": 5}
            rows.workers.register(f"gpu-{number}:0", ["a100", "h100"], {**facts, "gpu_busy": 0.9})
    engine = open_engine(world.settings.database)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        values = {"jobs": jobs, "workers": _WORKERS, "key_id": key.id}
        for statement in _SEED.split(";\n\n"):
            connection.execute(text(statement), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


class Plans:
    """Explains every statement while a page is made."""

    def __init__(self, world: World) -> None:
        self._seen: set[str] = set()
        self.wrong: list[str] = []
        self.is_on = False
        for engine in (world.database._engine, world.database._reading_engine):
            event.listen(engine, "before_cursor_execute", self._explain)

    def _explain(
        self,
        connection: Connection,
        cursor: object,
        statement: str,
        parameters: Any,
        context: object,
        executemany: bool,
    ) -> None:
        if not self.is_on or not statement.lstrip().startswith(("SELECT", "WITH")):
            return
        rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        plan = "\n".join(str(row[0]) for row in rows)
        if re.search(rf"Seq Scan on ({'|'.join(_LARGE)})\b", plan):
            self.wrong.append(f"{statement}\n{plan}")


@contextmanager
def started_world(jobs: int) -> Iterator[World]:
    """A seeded service on a private Postgres."""
    server = PostgresServer()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = server.url(server.new_database())
        migrate(url)
        settings: ApiSettings = settings_of(folder, url, (folder / "store").as_uri())
        world = World(settings)
        try:
            seed(world, jobs)
            yield world
        finally:
            world.close()
            server.close()


def deep_page(browser: Browser, pages: int) -> str:
    """Follow the list of jobs for so many pages; return the last address."""
    path = "/jobs"
    for _ in range(pages):
        links = browser.get(path).links("next")
        if not links:
            break
        path = links[0].removeprefix("/admin")
    return path


def measure(world: World, jobs: int, rounds: int, depth: int = 500) -> list[dict[str, Any]]:
    """Load every page so many times, and once with its plans; `depth` pages down the list too."""
    with world.database.transaction() as rows:
        begun = rows.logins.begin("ada", "127.0.0.1")
    assert begun is not None
    browser = Browser(world, begun[1])
    plans = Plans(world)
    there = set(browser.get("/").links())
    job = f"/jobs/job_{jobs // 2 + 3:026}"
    deep = deep_page(browser, depth)
    found = []
    for page in PAGES:
        path = {"JOB": job, "JOB/live": f"{job}/live", "PAGE-500": deep}.get(page, page)
        if page in ("/batches", "/watches") and f"/admin{page}" not in there:
            continue
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            answer = browser.http.get(f"/admin{path}")
            times.append((time.perf_counter() - started) * 1000)
            # 286 is htmx's "and no more": the page of a job that has ended asks no further.
            wanted = 286 if path.endswith("/live") and path.startswith("/jobs/job_") else 200
            assert answer.status_code == wanted, f"{path}: {answer.status_code} {answer.text[:500]}"
        plans.wrong, plans.is_on = [], True
        browser.http.get(f"/admin{path}")
        plans.is_on = False
        found.append(
            {
                "page": page,
                "p50_ms": round(statistics.median(times), 1),
                "p95_ms": round(sorted(times)[int(0.95 * (len(times) - 1))], 1),
                "kb": len(answer.content) // 1000,
                "scans": plans.wrong,
            }
        )
    return found


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with started_world(chosen.jobs) as world:
        found = measure(world, chosen.jobs, chosen.rounds)
    if chosen.json:
        print(json.dumps(found, indent=2))
    for each in found:
        note = "".join(f"\n    reads a whole table:\n{plan}" for plan in each["scans"])
        print(f"{each['page']:55} {each['p50_ms']:7} {each['p95_ms']:7} ms {each['kb']:5} KB{note}")
    slow = [each["page"] for each in found if each["p95_ms"] > LIMIT_MS]
    scanning = [each["page"] for each in found if each["scans"]]
    print(f"slower than {LIMIT_MS:.0f} ms: {slow or 'none'}; whole tables: {scanning or 'none'}")
    return 1 if slow or scanning else 0


if __name__ == "__main__":
    sys.exit(main())
