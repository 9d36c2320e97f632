"""A farm in the middle of its work: enough of everything that no page of the dashboard is empty."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from jobs.api_key import OPERATOR, SCOPES, KeyLimits
from jobs.dashboard_tables import SampleRow
from jobs.database import open_engine
from jobs.identifiers import new_id
from jobs.object_keys import attempt_prefix, upload_key
from jobs.repository.failures import pattern_of
from jobs.request import JobRequest
from jobs.tables import AttemptRow, JobRow, QueueRow, UploadRow, WorkerRow
from tests import clips
from tests.api.world import World
from tests.browser import seed_bulk

CARS = Path(__file__).parents[1] / "data" / "cars.mp4"

FILMS = (
    "harbour-1926.mkv", "market-day.mp4", "reel-07.mov", "reel-08.mov", "wedding-1974.avi",
    "night-tram.mp4", "expedition-3.mkv", "interview-lisa.mp4", "newsreel-12.mpg",
    "football-final.mp4", "regatta.mp4", "opening-speech.mov",
)  # fmt: skip
TENANTS = ("archive", "newsroom", "museum")
_REASONS = (
    ("video_damaged", "{name}: the video ends in the middle of a frame, at 00:01:{n:02d}"),
    ("not_a_video", "{name}: this is not a video; copy it again"),
    ("out_of_memory", "The GPU's memory was not enough for {n} tiles; choose a smaller size."),
)
_GPU = "NVIDIA A100-SXM4-80GB"
_GIB = 1 << 30
FACTS: dict[str, Any] = {
    "container": "mp4", "codec": "h264", "width_px": 192, "height_px": 108, "frame_count": 36,
    "duration_s": 2.88, "average_rate": "25/2", "bit_depth": 8, "size_bytes": 36_040,
}  # fmt: skip


class Seed:
    """Fills a world; what it made is named by its fields."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        self.dice = random.Random(7)
        self.now = datetime.now(UTC)
        self.ids: dict[str, str] = {}
        with world.database.transaction() as rows:
            limits = KeyLimits(requests_per_minute=600, input_prefixes=("s3://films/",))
            keys = [
                rows.api_keys.create(OPERATOR, tenant, f"{tenant}: nightly run", SCOPES, limits)
                for tenant in TENANTS
            ]
        self.keys = {key.key.tenant: key.key.id for key in keys}
        engine = open_engine(world.settings.database)
        with Session(engine) as session, session.begin():
            self.session = session
            session.execute(insert(QueueRow).values(name="h100", paused_at=None))
            session.execute(insert(QueueRow).values(name="preview", paused_at=self.ago(minutes=12)))
            session.flush()
            self._add_jobs()
            self._add_film()
            self._add_workers()
            self._add_samples()
            seed_bulk.add_batches(self)
            seed_bulk.add_watch(self)
            seed_bulk.add_the_rest(self)
        engine.dispose()

    def ago(self, **spans: float) -> datetime:
        return self.now - timedelta(**spans)

    def _job(self, state: str, created: datetime, **more: Any) -> str:
        """Add a job; return its id."""
        dice, tenant = self.dice, more.pop("tenant", None) or self.dice.choice(TENANTS)
        job_id, name = new_id("job"), more.pop("name", None) or dice.choice(FILMS)
        queue = more.pop("queue", None) or dice.choice(("a100", "a100", "h100"))
        source: dict[str, Any] = {"input_url": f"s3://films/{tenant}/{name}"}
        if upload := more.get("upload_id"):
            source = {"upload_id": upload}
        request = JobRequest(
            **source, name=name, queue=queue, priority=dice.choice((0, 0, 5)),
            pipeline=dice.choice(("tiny", "tiny", "full")), scale=more.pop("scale", 4),
        )  # fmt: skip
        is_begun = state != "queued"
        started = created + timedelta(seconds=dice.uniform(2, 60)) if is_begun else None
        took = timedelta(seconds=dice.uniform(40, 900))
        ended = started + took if started and state not in ("queued", "running") else None
        reason = more.pop("reason", None)
        values: dict[str, Any] = {
            "id": job_id, "tenant": tenant, "key_id": self.keys[tenant], "name": name,
            "request_sha256": "x", "request": request.as_json(), "limits": {}, "state": state,
            "version": 3, "queue": queue, "pipeline": request.pipeline,
            "urgency": -request.priority, "turn": dice.randrange(100), "created_at": created,
            "updated_at": created, "not_before": created, "started_at": started,
            "ended_at": ended, "attempt": int(is_begun), "max_attempts": 4,
            "attempts_used": int(state == "failed"),
            "expires_at": self.now + timedelta(days=6) if state == "succeeded" else None,
            "lease_token": "token" if state == "running" else None,
            "lease_until": self.now + timedelta(hours=3) if state == "running" else None,
            "input_facts": FACTS if is_begun else None,
        }  # fmt: skip
        if reason:
            code, message = reason
            values |= {"reason_code": code, "reason_message": message}
            values |= {"reason_pattern": pattern_of(message, name)}
        if state == "succeeded" and "result" not in more:
            size = dice.randrange(40_000_000, 900_000_000)
            result = {"key": "results/x", "size_bytes": size, "sha256": "ab" * 32, "facts": {}}
            values |= {"result": result, "result_bytes": size}
        self.session.execute(insert(JobRow).values(**values | more))
        if is_begun:
            stages = {
                "loading": 0.1, "downloading": took.total_seconds() * 0.06, "probing": 0.3,
                "enlarging": took.total_seconds() * 0.86, "uploading": took.total_seconds() * 0.08,
            }  # fmt: skip
            self.session.execute(
                insert(AttemptRow).values(
                    job_id=job_id, number=1, worker_id=more.get("worker_id") or "gpu-03:1",
                    token="token", outcome=state if state != "expired" else "succeeded",
                    started_at=started, ended_at=ended,
                    reason_code=reason[0] if reason else None,
                    reason_message=reason[1] if reason else None,
                    stage_seconds={n: round(s, 1) for n, s in stages.items()} if ended else {},
                )
            )  # fmt: skip
        return job_id

    def _add_jobs(self) -> None:
        dice = self.dice
        for number in range(160):
            state = dice.choice(("succeeded",) * 8 + ("failed", "canceled"))
            reason = None
            name = dice.choice(FILMS)
            if state == "failed":
                code, message = dice.choice(_REASONS)
                reason = (code, message.format(name=name, n=dice.randrange(10, 59)))
            # More of them lately, as on a farm that grows.
            created = self.ago(hours=1 + 160 * (number / 160) ** 2)
            job_id = self._job(state, created, reason=reason, name=name)
            if state == "failed":
                self.ids["failed"] = job_id
        for number in range(23):
            self.ids["queued"] = self._job("queued", self.ago(minutes=2 + number * 1.7))

    def _add_film(self) -> None:
        """A job whose input and result can really be played."""
        folder, storage = self._folder, self._world.storage
        large = folder / "large.mp4"
        clips.ffmpeg(
            "-i", CARS, "-vf", "scale=768:432:flags=lanczos,unsharp=5:5:1.2", "-an",
            "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", large,
        )  # fmt: skip
        upload_id = new_id("upl")
        self.session.execute(
            insert(UploadRow).values(
                id=upload_id, tenant="archive", object_key=upload_key(upload_id),
                filename="crossing.mp4", content_type="video/mp4",
                size_bytes=CARS.stat().st_size, created_at=self.ago(minutes=9),
                completed_at=self.ago(minutes=9), expires_at=self.now + timedelta(days=7),
            )
        )  # fmt: skip
        storage.put(upload_key(upload_id), CARS, content_type="video/mp4")
        key = f"{attempt_prefix('seeded', 1)}result.mp4"
        stored = storage.put(key, large, content_type="video/mp4")
        facts = FACTS | {"width_px": 768, "height_px": 432, "size_bytes": stored.size_bytes}
        result = {
            "key": key, "size_bytes": stored.size_bytes, "sha256": stored.sha256, "facts": facts,
        }  # fmt: skip
        self.ids["film"] = self._job(
            "succeeded", self.ago(minutes=8), tenant="archive", name="crossing.mp4",
            upload_id=upload_id, result=result, result_bytes=stored.size_bytes, scale=4,
        )  # fmt: skip

    def _add_workers(self) -> None:
        for host, gpu, wanted, busy in (
            ("gpu-01", 0, "run", 0.97), ("gpu-01", 1, "run", 0.95), ("gpu-02", 0, "drain", 0.91),
            ("gpu-02", 1, "run", 0.0), ("gpu-03", 0, "run", 0.96), ("gpu-03", 1, "run", 0.93),
        ):  # fmt: skip
            worker_id = f"{host}:{gpu}"
            if busy:
                percent = self.dice.uniform(10, 85)
                progress = {
                    "stage": "enlarging", "percent": round(percent, 1),
                    "frames_done": int(14 * percent), "frames_total": 1400,
                    "frames_per_s": round(self.dice.uniform(26, 31), 1), "seconds_left": 51.0,
                }  # fmt: skip
                self.ids["running"] = self._job(
                    "running", self.ago(minutes=4), worker_id=worker_id, progress=progress,
                    queue="a100",
                )  # fmt: skip
            facts = {
                "engine": "flashvsr", "pipeline": "tiny", "gpu": _GPU, "host": host,
                "job": self.ids["running"] if busy else None, "gpu_busy": busy,
                "gpu_memory_bytes": 80 * _GIB,
                "gpu_memory_free_bytes": int((80 - 31 * busy) * _GIB),
            }  # fmt: skip
            self.session.execute(
                insert(WorkerRow).values(
                    id=worker_id, queues=["a100", "h100"], wanted=wanted, facts=facts,
                    started_at=self.ago(hours=30), heartbeat_at=self.now,
                )
            )  # fmt: skip

    def _add_samples(self) -> None:
        found = [
            {"span_s": width_s, "series": series, "subject": subject, "at": at, "count": 1,
             "total": value, "peak": value}
            for width_s, points in ((60, 62), (600, 146), (3600, 170))
            for n in range(points)
            for at in (self._begin_of(width_s, n),)
            for series, subject, value in self._measured(n / points)
        ]  # fmt: skip
        self.session.execute(insert(SampleRow), found)

    def _begin_of(self, width_s: int, number: int) -> datetime:
        first = int(self.now.timestamp()) // width_s * width_s
        return datetime.fromtimestamp(first - number * width_s, UTC)

    def _measured(self, share: float) -> list[tuple[str, str, float]]:
        dice = self.dice
        busy = 0.55 + 0.45 * abs(1 - 2 * ((share * 3) % 1))
        found = [
            ("frames_per_s", "", 145 * busy + dice.uniform(-6, 6)),
            ("succeeded", "", max(0.0, 0.9 * busy + dice.uniform(-0.3, 0.3))),
            ("failed", "", max(0.0, dice.uniform(-0.2, 0.14))),
            ("canceled", "", max(0.0, dice.uniform(-0.3, 0.06))),
            ("running", "", 5 * busy),
            ("workers", "", 6.0),
        ]
        for queue, factor in (("a100", 26), ("h100", 11), ("preview", 2)):
            found.append(("waiting", queue, factor * busy + dice.uniform(0, 2)))
            found.append(("oldest_wait_s", queue, 60 * factor * busy))
        for number in range(6):
            worker = f"gpu-0{number // 2 + 1}:{number % 2}"
            found.append(("gpu_busy", worker, min(1.0, busy * 0.93 + dice.uniform(0, 0.06))))
            found.append(("gpu_memory_bytes", worker, (20 + number + 9 * busy) * _GIB))
        return found
