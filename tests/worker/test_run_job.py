"""What happens at the last moment: leases lost, answers lost, the store cut off."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jobs.database import Database
from jobs.errors import DatabaseUnavailableError, StorageUnavailableError
from jobs.queue import open_bell
from jobs.repository import Repository
from jobs.repository.claims import Claim
from jobs.storage import open_storage
from jobs.storage.buckets import Buckets
from tests.clock import pass_time
from tests.servers.faulty_proxy import FaultyProxy
from tests.servers.s3 import S3Server
from tests.worker.world import PATIENT, World
from worker.engine import Made
from worker.heartbeat import Heartbeat
from worker.run_job import run_job
from worker.settings import WorkerSettings
from worker.stub_engine import StubEngine
from worker.tools import Tools


class HookedEngine(StubEngine):
    """Does something when the work is done and the upload begins."""

    then: Callable[[], None]

    def enlarge(self, *arguments: Any, **options: Any) -> Made:
        made = super().enlarge(*arguments, **options)
        self.then()
        return made


def make_tools(world: World, then: Callable[[], None], **settings: Any) -> Tools:
    chosen = WorkerSettings(
        engine="stub",
        allow_stub=True,
        queues=world.queue,
        scratch=world.folder / "scratch",
        **{"patience_s": 5, "progress_s": 0.1} | settings,
    )
    engine = HookedEngine(chosen)
    engine.then = then
    buckets = Buckets.of_url(world.storage_url) if world.storage_url.startswith("s3:") else None
    return Tools(chosen, world.database, world.storage, engine, open_bell(None), buckets)


def claim(world: World, worker: str = "w1:0") -> Claim:
    with world.database.transaction() as rows:
        found = rows.claims.claim(worker, [world.queue])
    assert found is not None
    return found


def expire_lease(world: World, job_id: str) -> None:
    """As time and a sweeper do it."""
    pass_time(world.database, PATIENT.lease_s)
    with world.database.transaction() as rows:
        assert [job.id for job in rows.sweeps.free_expired_leases()] == [job_id]


@pytest.mark.parametrize("store_is_away", [False, True])
def test_zombie_that_finishes_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, store_is_away: bool
) -> None:
    monkeypatch.setattr(Heartbeat, "_run", lambda _self: None)  # Its thread gets no turn.
    job_id = world.submit(ring=False)
    found = claim(world)
    tools = make_tools(world, lambda: expire_lease(world, job_id))
    if store_is_away:

        def fail(_prefix: str) -> int:
            raise StorageUnavailableError("away")

        monkeypatch.setattr(world.storage, "delete", fail)
    run_job(found, tools)
    assert world.job(job_id).state == "queued"
    assert world.outcomes(job_id) == ["lost"]
    assert len(world.keys()) == (3 if store_is_away else 0)
    monkeypatch.undo()
    run_job(claim(world, "w2:0"), make_tools(world, lambda: None))
    world.wait_for(job_id)
    assert world.outcomes(job_id) == ["lost", "succeeded"]
    world.sweep()
    world.assert_clean()


class LosesAnAnswer(Database):
    """Commits, and then the connection breaks."""

    is_armed = False

    @contextmanager
    def transaction(self) -> Iterator[Repository]:
        with super().transaction() as rows:
            yield rows
        if self.is_armed:
            self.is_armed = False
            raise DatabaseUnavailableError("the answer was lost")


def test_answer_to_the_last_write_is_lost(world: World) -> None:
    job_id = world.submit(ring=False)
    database = LosesAnAnswer(world.database_url, PATIENT)
    tools = make_tools(world, lambda: None, progress_s=0.05)
    tools.database = database

    put = world.storage.put

    def put_and_arm(key: str, *arguments: Any, **options: Any) -> Any:
        stored = put(key, *arguments, **options)
        database.is_armed = "preview" in key
        return stored

    tools.storage.put = put_and_arm  # type: ignore[method-assign]
    run_job(claim(world), tools)
    database.close()
    world.wait_for(job_id)
    assert world.outcomes(job_id) == ["succeeded"]
    world.assert_clean()


@pytest.mark.parametrize("event", ["before-send", "response-received"])
def test_storage_is_cut_off_when_an_upload_completes(farm: World, s3: S3Server, event: str) -> None:
    with FaultyProxy(s3.port) as proxy:
        storage: Any = open_storage(farm.storage_url.replace(str(s3.port), str(proxy.port)))
        cuts: list[str] = []

        def cut(**_: object) -> None:
            if not cuts:
                cuts.append(event)
                proxy.refuse()
                threading.Timer(1.0, proxy.allow).start()
                if event == "response-received":
                    raise ConnectionResetError("the answer was lost")

        storage._client.meta.events.register(f"{event}.s3.CompleteMultipartUpload", cut)
        job_id = farm.submit(ring=False)
        tools = make_tools(farm, lambda: None, stub_result_bytes=20 << 20, patience_s=20)
        tools.storage = storage
        run_job(claim(farm), tools)
    assert cuts
    job = farm.wait_for(job_id)
    assert job.result is not None
    assert farm.outcomes(job_id) == ["succeeded"]
    farm.storage.get(job.result.key, farm.folder / "back", sha256=job.result.sha256)
    farm.sweep()
    farm.assert_clean()


def test_input_that_is_gone_fails_once(world: World) -> None:
    job_id = world.submit(ring=False)
    world.storage.delete("uploads/")
    run_job(claim(world), make_tools(world, lambda: None))
    job = world.wait_for(job_id, "failed")
    assert job.reason is not None
    assert job.reason.code == "input_gone"
    assert world.outcomes(job_id) == ["failed"]


def test_input_from_a_bucket(farm: World, s3: S3Server) -> None:
    bucket = s3.new_bucket()
    s3.client().put_object(Bucket=bucket, Key="a folder/film #1?.mp4", Body=b"from a bucket")
    farm.allow_input(f"s3://{bucket}/")
    job_id = farm.submit_address(f"s3://{bucket}/a folder/film #1?.mp4")
    run_job(claim(farm), make_tools(farm, lambda: None))
    job = farm.wait_for(job_id)
    assert job.result is not None
    assert job.result.size_bytes == len(b"from a bucket")
