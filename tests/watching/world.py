"""Watched prefixes with everything behind them: rows, and buckets on a real S3 server."""

import json
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from secrets import token_hex
from typing import Any
from urllib.parse import quote_plus

from jobs.api_key import EVERY_TENANT, OPERATOR, SCOPES, Actor, KeyLimits
from jobs.database import Database
from jobs.intake import Intake
from jobs.job import Job
from jobs.object_events import ObjectEvent
from jobs.placement import Output
from jobs.policy import INPUT_MAX_BYTES
from jobs.repository.job_lists import JobFilter
from jobs.storage.buckets import Buckets
from jobs.watch import NewWatch, S3Event, Watch
from tests.servers.s3 import REGION, S3Server
from worker.lister import Lister
from worker.settings import EventSettings

_SEQUENCERS = count(1)


@dataclass
class World:
    """One tenant, one bucket, and the watches that a test adds."""

    database: Database
    s3: S3Server
    bucket: str = field(init=False)
    client: Any = field(init=False)
    buckets: Buckets = field(init=False)

    def __post_init__(self) -> None:
        self.client, self.buckets = _open(self.s3)
        self.bucket = f"watched-{token_hex(6)}"
        self.client.create_bucket(Bucket=self.bucket)
        self.rung: list[str] = []
        self.intake = self.open_intake()
        self.actor = self.new_actor("alice")

    def open_intake(
        self, buckets: Buckets | None = None, size_max_bytes: int = INPUT_MAX_BYTES
    ) -> Intake:
        return Intake(self.database, buckets or self.buckets, self.rung.append, size_max_bytes)

    def open_lister(self, **changes: Any) -> Lister:
        settings = EventSettings(**changes)
        return Lister(settings, self.database, self.buckets, self.intake)

    def new_actor(self, tenant: str) -> Actor:
        prefix = f"s3://{self.bucket}/"
        limits = KeyLimits(input_prefixes=(prefix,), output_prefixes=(prefix,))
        with self.database.transaction() as rows:
            return rows.api_keys.create(OPERATOR, tenant, "test", SCOPES, limits).key.actor

    def add(self, prefix: str = "in/", **choices: Any) -> Watch:
        return self.add_new(prefix, **choices).watch

    def add_new(self, prefix: str = "in/", **choices: Any) -> NewWatch:
        template = choices.pop("template", "out/{path}/{stem}_x{scale}.{container}")
        actor = choices.pop("actor", self.actor)
        output = Output(template, choices.pop("on_collision", "fail"))
        with self.database.transaction() as rows:
            return rows.watches.add(actor, f"s3://{self.bucket}/{prefix}", output=output, **choices)

    def drop(self, key: str, body: bytes = b"a film") -> ObjectEvent:
        """Put an object; return the event that tells of it."""
        answer = self.client.put_object(Bucket=self.bucket, Key=key, Body=body)
        return ObjectEvent(
            "created",
            self.bucket,
            key,
            answer.get("VersionId"),
            answer["ETag"].strip('"'),
            len(body),
            next_sequencer(),
        )

    def delete(self, key: str) -> ObjectEvent:
        self.client.delete_object(Bucket=self.bucket, Key=key)
        return ObjectEvent("removed", self.bucket, key, sequencer=next_sequencer())

    def jobs(self, state: str | None = None) -> list[Job]:
        found: list[Job] = []
        cursor: str | None = None
        wanted = JobFilter(states=(state,)) if state else None  # type: ignore[arg-type]
        while True:
            with self.database.reading() as rows:
                page = rows.job_lists.page(EVERY_TENANT, wanted, limit=1000, cursor=cursor)
            found += page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return found

    def inputs(self) -> list[str]:
        """Keys that have jobs, once for each job."""
        prefix = f"s3://{self.bucket}/"
        urls = [job.request.input_url or "" for job in self.jobs()]
        assert all(url.startswith(prefix) for url in urls)
        return sorted(url.removeprefix(prefix) for url in urls)

    def events(self, watch: Watch) -> list[S3Event]:
        """Everything that a watch was told, oldest first."""
        with self.database.reading() as rows:
            return list(reversed(rows.s3_events.page(EVERY_TENANT, watch.id, limit=10_000).events))

    def event(self, watch: Watch, key: str) -> S3Event:
        (found,) = [event for event in self.events(watch) if event.key == key]
        return found

    def watch(self, watch: Watch) -> Watch:
        with self.database.reading() as rows:
            return rows.watches.get(EVERY_TENANT, watch.id)

    def fail(self, job_id: str) -> None:
        """Have the job end without a result, as a person can."""
        with self.database.transaction() as rows:
            rows.jobs.cancel(OPERATOR, job_id)


@dataclass
class Queue:
    """A queue on the server, seen from outside."""

    client: Any
    url: str

    def send(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def left(self) -> int:
        """Messages that are there, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)


@cache
def _open(s3: S3Server) -> tuple[Any, Buckets]:
    """Make clients once: each of them costs a third of a second."""
    return s3.client(), Buckets(s3.endpoint(), REGION)


def next_sequencer() -> str:
    return f"{next(_SEQUENCERS):016X}"


def as_record(event: ObjectEvent, **changes: Any) -> dict[str, Any]:
    """Tell of an event as S3 does."""
    name = "ObjectCreated:Put" if event.kind == "created" else "ObjectRemoved:Delete"
    found: dict[str, Any] = {"key": quote_plus(event.key, safe="/")}
    if event.kind == "created":
        found |= {"size": event.size_bytes, "eTag": event.etag}
    if event.version_id:
        found["versionId"] = event.version_id
    if event.sequencer:
        found["sequencer"] = event.sequencer
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": name,
        "s3": {"bucket": {"name": event.bucket}, "object": found},
        **changes,
    }


def as_message(*events: ObjectEvent) -> str:
    return json.dumps({"Records": [as_record(event) for event in events]})
