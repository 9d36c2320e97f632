"""The rest of the farm: batches, a watched prefix, webhooks, the audit log, uploads."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import insert

from jobs.api_key import KeyLimits
from jobs.bulk_tables import BatchLineRow, BatchRow
from jobs.identifiers import new_id
from jobs.object_keys import upload_key
from jobs.tables import AuditRow, OutboxRow, UploadRow
from jobs.watch_tables import S3EventRow, WatchRow

if TYPE_CHECKING:
    from tests.browser.seed import Seed


def add_batches(seed: "Seed") -> None:
    for name, state, done in (("Newsreels 1950 to 1959", "running", 0.62),
                              ("Museum, first floor", "completed", 1.0)):  # fmt: skip
        batch_id = new_id("bat")
        seed.ids.setdefault("batch", batch_id)
        seed.session.execute(
            insert(BatchRow).values(
                id=batch_id, tenant="archive", key_id=seed.keys["archive"],
                request_sha256="x", limits=asdict(KeyLimits()), state=state, version=9,
                request={"prefix": "s3://films/newsreels/", "name": name}, round=1,
                lines_read=120, look_at=seed.now + timedelta(days=9),
                created_at=seed.ago(hours=5), updated_at=seed.ago(minutes=1),
                started_at=seed.ago(hours=5),
                ended_at=seed.ago(hours=1) if done == 1 else None,
            )
        )  # fmt: skip
        for number in range(1, 121):
            share = number / 120
            line = "succeeded" if share <= done else "waiting"
            if 0 < share - done < 0.05:
                line = "active"
            reason = number % 17 == 0 and share < done
            url = f"s3://films/newsreels/1950-{number:03d}.mkv"
            seed.session.execute(
                insert(BatchLineRow).values(
                    batch_id=batch_id, number=number, state="failed" if reason else line,
                    input_url=url, size_bytes=seed.dice.randrange(10**7, 10**9),
                    reason_code="video_damaged" if reason else None,
                    reason_message="The video ends in mid-frame." if reason else None,
                    ended_at=seed.ago(hours=4) if line == "succeeded" else None,
                )
            )  # fmt: skip


def add_watch(seed: "Seed") -> None:
    watch_id = seed.ids["watch"] = new_id("wat")
    seed.session.execute(
        insert(WatchRow).values(
            id=watch_id, tenant="newsroom", key_id=seed.keys["newsroom"], name="Ingest",
            bucket="ingest", prefix="tonight/", suffixes=[".mp4", ".mov"], choices={"scale": 2},
            output={"template": "out/{stem}.{container}", "on_collision": "fail"},
            existing="ignore", limits=asdict(KeyLimits()), secret_sha256="x",
            created_at=seed.ago(days=12), updated_at=seed.ago(minutes=3),
            list_at=seed.now + timedelta(days=1), listed_at=seed.ago(minutes=20),
        )
    )  # fmt: skip
    for number, state in enumerate(("submitted", "submitted", "ignored", "submitted")):
        seed.session.execute(
            insert(S3EventRow).values(
                id=new_id("evt"), watch_id=watch_id, tenant="newsroom", fold=f"fold-{number}",
                kind="created", bucket="ingest", key=f"tonight/take-{number + 1}.mp4",
                size_bytes=48_000_000, source="sqs", state=state, received=1,
                reason_code="suffix_not_watched" if state == "ignored" else None,
                reason_message="Its name has another ending." if state == "ignored" else None,
                received_at=seed.ago(minutes=3 + number), updated_at=seed.ago(minutes=3),
            )
        )  # fmt: skip


def add_the_rest(seed: "Seed") -> None:
    for number, (status, error) in enumerate(
        (("delivered", None), ("dead", "https://hooks.example.org answered with 503."),
         ("waiting", None), ("delivered", None))
    ):  # fmt: skip
        seed.session.execute(
            insert(OutboxRow).values(
                id=new_id("out"), topic="webhook", tenant="newsroom",
                job_id=seed.ids["film"], key_id=seed.keys["newsroom"],
                payload={"url": "https://hooks.example.org/flashvsr",
                         "body": {"type": "job.succeeded"}},
                created_at=seed.ago(minutes=5 + number), tries=int(status != "waiting") * 3,
                not_before=seed.now + timedelta(hours=1),
                delivered_at=seed.ago(minutes=4) if status == "delivered" else None,
                dead_at=seed.ago(minutes=2) if status == "dead" else None, last_error=error,
            )
        )  # fmt: skip
    for number, (actor, action, subject) in enumerate(
        (("user:ada", "queue.paused", "preview"), ("user:ada", "worker.draining", "gpu-02:0"),
         ("user:ron", "user.signed_in", "ron"),
         (seed.keys["museum"], "job.submitted", seed.ids["queued"]),
         (seed.keys["archive"], "job.submitted", seed.ids["film"]),
         ("operator", "key.created", seed.keys["museum"]))
    ):  # fmt: skip
        seed.session.execute(
            insert(AuditRow).values(
                id=new_id("aud"), at=seed.ago(minutes=11 * number + 1), tenant="archive",
                actor=actor, action=action, subject=subject, detail={},
            )
        )  # fmt: skip
    for number in range(5):
        upload_id = new_id("upl")
        is_complete = number != 1
        seed.session.execute(
            insert(UploadRow).values(
                id=upload_id, tenant=seed.dice.choice(sorted(seed.keys)),
                filename=f"tape-{number + 3}.mov",
                object_key=upload_key(upload_id), content_type="video/mp4",
                size_bytes=seed.dice.randrange(10**8, 10**10),
                created_at=seed.ago(hours=number + 1),
                completed_at=seed.ago(hours=number) if is_complete else None,
                expires_at=seed.now + timedelta(days=5),
            )
        )  # fmt: skip
