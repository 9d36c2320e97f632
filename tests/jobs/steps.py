"""What most tests do on the way, each in a transaction of its own, as the processes do it."""

from collections.abc import Sequence

from sqlalchemy import insert, select, text

from jobs.api_key import EVERY_TENANT, OPERATOR, SCOPES, Actor, KeyLimits
from jobs.database import Database, open_engine
from jobs.identifiers import new_id
from jobs.job import Attempt, Job, JobResult
from jobs.repository.claims import Claim, Lease
from jobs.repository.outbox import Delivery, Topic
from jobs.repository.uploads import Upload
from jobs.request import JobRequest
from jobs.tables import JobRow

RESULT = JobResult(key="unused", size_bytes=3, sha256="abc")


def make_actor(database: Database, tenant: str, limits: KeyLimits | None = None) -> Actor:
    limits = limits or KeyLimits(input_prefixes=("s3://films/",))
    with database.transaction() as rows:
        return rows.api_keys.create(OPERATOR, tenant, "test", SCOPES, limits).key.actor


def film(name: str = "film", **choices: object) -> JobRequest:
    return JobRequest(input_url=f"s3://films/{name}.mp4", name=name, **choices)  # type: ignore[arg-type]


def submit(database: Database, actor: Actor, name: str = "film", **choices: object) -> Job:
    with database.transaction() as rows:
        return rows.jobs.submit(actor, film(name, **choices)).job


def claim(database: Database, worker: str = "w1", queues: Sequence[str] = ("a100",)) -> Claim:
    found = try_claim(database, worker, queues)
    assert found is not None, "nothing to claim"
    return found


def try_claim(
    database: Database, worker: str = "w1", queues: Sequence[str] = ("a100",)
) -> Claim | None:
    with database.transaction() as rows:
        return rows.claims.claim(worker, queues)


def succeed(database: Database, lease: Lease) -> Job:
    with database.transaction() as rows:
        return rows.claims.succeed(lease, RESULT)


def read(database: Database, job_id: str) -> Job:
    with database.reading() as rows:
        return rows.jobs.get(EVERY_TENANT, job_id)


def attempts(database: Database, job_id: str) -> list[Attempt]:
    with database.reading() as rows:
        return rows.job_lists.attempts(EVERY_TENANT, job_id)


def take(database: Database, topic: Topic) -> list[Delivery]:
    with database.transaction() as rows:
        return rows.outbox.take(topic)


def removals(database: Database) -> list[str]:
    return [delivery.payload["prefix"] for delivery in take(database, "removal")]


def free_leases(database: Database) -> list[Job]:
    with database.transaction() as rows:
        return rows.sweeps.free_expired_leases()


def uploaded(database: Database, actor: Actor, *, is_complete: bool = True) -> Upload:
    with database.transaction() as rows:
        upload = rows.uploads.announce(
            actor, new_id("upl"), filename="a.mp4", content_type="video/mp4", size_bytes=3
        )
        return rows.uploads.complete(actor.tenant, upload.id) if is_complete else upload


def multiply(database_url: str, job_id: str, count: int, **values: Sequence[object]) -> list[str]:
    """Copy a job's row so many times, with values that take turns; much quicker than submitting."""
    engine = open_engine(database_url)
    with engine.begin() as connection:
        row = connection.execute(select(JobRow).where(JobRow.id == job_id)).mappings().one()
        copies = [
            {
                **row,
                "id": f"job_{n:06}",
                "turn": n,
                **{name: choices[n % len(choices)] for name, choices in values.items()},
            }
            for n in range(count)
        ]
        connection.execute(insert(JobRow), copies)
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return [copy["id"] for copy in copies]
