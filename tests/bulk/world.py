"""A service with somebody's own bucket beside it, and what tests do with batches."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Update, update

from jobs.api_key import EVERY_TENANT, OPERATOR, SCOPES, KeyLimits
from jobs.batch import BATCH_ENDED, Batch, BatchLine, BatchRequest, BatchState, LineCounts
from jobs.bulk_tables import BatchRow
from jobs.clock import now
from jobs.database import Database, open_engine
from jobs.job import Job
from jobs.placement import Output
from jobs.queue import open_bell
from jobs.storage import open_storage
from jobs.storage.buckets import Buckets
from jobs.tables import OutboxRow
from tests.clock import pass_time
from tests.patience import wait_until
from tests.servers.s3 import S3Server
from tests.worker.world import PATIENT, World
from worker.bulk.keeper import BatchKeeper
from worker.settings import SweeperSettings

BESIDE = Output("{prefix}/{stem}_x4.mp4")
APART = Output("out/{path}/{stem}_x4.mp4")


class BulkWorld(World):
    """A world whose tenant may read and write one bucket."""

    def __init__(
        self, folder: Path, database: str, storage: str, broker: str | None, s3: S3Server
    ) -> None:
        super().__init__(folder, database, storage, broker)
        self.client = s3.client()
        self.bucket = s3.new_bucket()
        self.buckets_url = f"s3://?endpoint={s3.endpoint()}&region=us-east-1"
        self.buckets = Buckets.of_url(self.buckets_url)
        own = (f"s3://{self.bucket}/",)
        limits = KeyLimits(input_prefixes=own, output_prefixes=own)
        self.actor = self.new_actor("alice", limits)

    def new_actor(self, tenant: str, limits: KeyLimits) -> Any:
        with self.database.transaction() as rows:
            return rows.api_keys.create(OPERATOR, tenant, "bulk", SCOPES, limits).key.actor

    def environment(self, **more: object) -> dict[str, str]:
        return super().environment(buckets_url=self.buckets_url, **more)

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, body: bytes = b"a film") -> str:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)
        return self.url(key)

    def put_many(self, keys: list[str]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.put(key, f"film {key}".encode()), keys))

    def body(self, key: str) -> bytes:
        found: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return found

    def in_bucket(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def request(self, **fields: Any) -> BatchRequest:
        choices = {"queue": self.queue, **fields.pop("choices", {})}
        return BatchRequest(**{"output": APART, "choices": choices, **fields})

    def create(self, **fields: Any) -> Batch:
        with self.database.transaction() as rows:
            return rows.batches.create(self.actor, self.request(**fields)).batch

    def create_manifest(self, text: str, **fields: Any) -> Batch:
        """Make a batch of a manifest that lies in the bucket."""
        url = self.put("manifests/a", text.encode())
        return self.create(manifest_url=url, **fields)

    def keeper(self, database: Database | None = None, **settings: Any) -> BatchKeeper:
        chosen = SweeperSettings(**settings)
        storage = open_storage(self.storage_url)
        return BatchKeeper(
            chosen, database or self.database, storage, self.buckets, open_bell(None)
        )

    def look(self, batch: Batch, **settings: Any) -> Batch:
        """Look after batches once, in this process."""
        self.keeper(**settings).look_after_all()
        return self.batch(batch)

    def batch(self, batch: Batch) -> Batch:
        with self.database.reading() as rows:
            return rows.batches.get(EVERY_TENANT, batch.id)

    def counts(self, batch: Batch) -> LineCounts:
        with self.database.reading() as rows:
            return rows.batches.counts(self.batch(batch))

    def lines(self, batch: Batch, **which: Any) -> list[BatchLine]:
        with self.database.reading() as rows:
            return rows.batches.lines(batch, **which)

    def wait_for_batch(self, batch: Batch, state: BatchState = "completed") -> Batch:
        wait_until(
            lambda: self.batch(batch).state in BATCH_ENDED | {state},
            lambda: self.describe_batch(batch),
        )
        found = self.batch(batch)
        assert found.state == state, self.describe_batch(batch)
        return found

    def wait_for_lines(self, batch: Batch, succeeded: int) -> None:
        wait_until(
            lambda: self.counts(batch).succeeded > succeeded,
            lambda: self.describe_batch(batch),
        )

    def describe_batch(self, batch: Batch) -> str:
        logs = [f"{p.log.name}:\n{p.log.read_text()[-3000:]}" for p in self._processes]
        lines = [str(line) for line in self.lines(batch, limit=10)]
        return "\n".join([str(self.batch(batch)), str(self.counts(batch)), *lines, *logs])

    def csv_report(self, batch: Batch) -> list[dict[str, str]]:
        reports = self.batch(batch).reports or {}
        text = self.body(reports["csv"].removeprefix(self.url(""))).decode()
        return list(csv.DictReader(io.StringIO(text)))

    def json_report(self, batch: Batch) -> dict[str, Any]:
        reports = self.batch(batch).reports or {}
        found: dict[str, Any] = json.loads(self.body(reports["json"].removeprefix(self.url(""))))
        return found

    def limit(self, **limits: Any) -> None:
        self.actor = replace(self.actor, limits=replace(self.actor.limits, **limits))

    def expire_lease(self, job: Job) -> None:
        """Let a running job's lease end, and the job wait again."""
        pass_time(self.database, PATIENT.lease_s)
        with self.database.transaction() as rows:
            assert [freed.id for freed in rows.sweeps.free_expired_leases()] == [job.id]

    def make_due(self, topic: str) -> None:
        """Have what the outbox holds of a topic tried now."""
        self._execute(update(OutboxRow).where(OutboxRow.topic == topic).values(not_before=now()))

    def make_due_batches(self) -> None:
        """Have all batches looked after now."""
        self._execute(update(BatchRow).values(look_at=now()))

    def _execute(self, statement: Update) -> None:
        engine = open_engine(self.database_url)
        with engine.begin() as connection:
            connection.execute(statement)
        engine.dispose()
