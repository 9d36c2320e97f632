"""Results in somebody's own bucket: never over anything, written once, of the input that it was."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jobs.errors import LeaseLostError, OutputExistsError
from jobs.job import Job
from jobs.placement import Collision, Place
from jobs.queue import open_bell
from jobs.repository.claims import Claim
from jobs.request import JobRequest
from jobs.storage.buckets import Buckets
from jobs.storage.interface import MIB
from tests.bulk.world import BulkWorld
from worker.destination import Destination
from worker.run_job import run_job
from worker.settings import SweeperSettings, WorkerSettings
from worker.stub_engine import StubEngine
from worker.sweep import Sweeper
from worker.tools import Tools

LARGE = 40 * MIB
"""More than one part."""


class HookedEngine(StubEngine):
    """Does something in the middle of a job."""

    then: Callable[[], Any] = staticmethod(lambda: None)

    def enlarge(self, *arguments: Any, **more: Any) -> Any:
        self.then()
        return super().enlarge(*arguments, **more)


def tools_of(world: BulkWorld, then: Callable[[], Any] = lambda: None, **settings: Any) -> Tools:
    chosen = WorkerSettings(
        engine="stub", allow_stub=True, queues=world.queue, scratch=world.folder / "scratch",
        **{"patience_s": 1, "progress_s": 0.1} | settings,
    )  # fmt: skip
    engine = HookedEngine(chosen)
    engine.then = then
    return Tools(chosen, world.database, world.storage, engine, open_bell(None), world.buckets)


def submit(world: BulkWorld, key: str = "in/a.mp4", rule: Collision = "fail", **more: Any) -> Job:
    request = JobRequest(
        input_url=world.url(key), output_url=world.url("out/a.mp4"), on_collision=rule,
        queue=world.queue, **more,
    )  # fmt: skip
    with world.database.transaction() as rows:
        return rows.jobs.submit(world.actor, request).job


def claim(world: BulkWorld) -> Claim:
    with world.database.transaction() as rows:
        found = rows.claims.claim("w1:0", [world.queue])
    assert found is not None
    return found


def run(world: BulkWorld, job: Job, then: Callable[[], Any] = lambda: None, **more: Any) -> Job:
    run_job(claim(world), tools_of(world, then, **more))
    return world.job(job.id)


def reason_of(job: Job) -> str:
    assert job.reason is not None
    return job.reason.code


def test_a_result_goes_where_it_was_asked_to(embedded: BulkWorld) -> None:
    embedded.put("in/a.mp4", b"small film")
    job = run(embedded, submit(embedded))
    assert (job.state, job.result and job.result.url) == (
        "succeeded", embedded.url("out/a.mp4"),
    )  # fmt: skip
    assert embedded.body("out/a.mp4") == b"small film"
    kept = [key.rpartition("/")[2] for key in embedded.keys("results/")]
    assert sorted(kept) == ["poster.jpg", "preview.mp4"], "only these are ours"


@pytest.mark.parametrize("size", [100, LARGE])
def test_collision_rules(embedded: BulkWorld, size: int) -> None:
    embedded.put("in/a.mp4", b"new")
    embedded.put("out/a.mp4", b"theirs")
    failed = run(embedded, submit(embedded), stub_result_bytes=size)
    assert (failed.state, failed.attempts_used, reason_of(failed)) == ("failed", 1, "output_exists")
    skipped = run(embedded, submit(embedded, rule="skip"))
    assert (skipped.state, reason_of(skipped)) == ("canceled", "output_skipped")
    for _ in range(2):
        assert run(embedded, submit(embedded, rule="version")).state == "succeeded"
    assert embedded.in_bucket("out/") == ["out/a.mp4", "out/a.v2.mp4", "out/a.v3.mp4"]
    assert embedded.body("out/a.mp4") == b"theirs"


@pytest.mark.parametrize("size", [100, LARGE])
@pytest.mark.parametrize("rule", ["fail", "skip", "version"])
def test_what_appears_while_a_job_runs_is_left_alone(
    embedded: BulkWorld, rule: Collision, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look finds nothing, so that only the condition on the write protects it."""
    embedded.put("in/a.mp4", b"new")
    job = submit(embedded, rule=rule)
    tools = tools_of(embedded, stub_result_bytes=size)
    assert tools.buckets is not None
    send = tools.buckets._send

    def send_late(*arguments: Any) -> None:
        if "a.mp4" in str(arguments[0]):
            embedded.put("out/a.mp4", b"theirs")
        send(*arguments)

    monkeypatch.setattr(tools.buckets, "_send", send_late)
    run_job(claim(embedded), tools)
    assert embedded.body("out/a.mp4") == b"theirs"
    states = {"fail": "failed", "skip": "canceled", "version": "succeeded"}
    assert embedded.job(job.id).state == states[rule]
    uploads = embedded.client.list_multipart_uploads(Bucket=embedded.bucket)
    assert not uploads.get("Uploads")


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_worker_that_died_after_the_write_leaves_a_result(
    embedded: BulkWorld, tmp_path: Path, size: int
) -> None:
    embedded.put("in/a.mp4")
    job = submit(embedded, rule="version")
    path = tmp_path / "made.mp4"
    path.write_bytes(bytes(size))
    written = Destination(embedded.buckets, claim(embedded).job).put(
        path, content_type="video/mp4", on_bytes=lambda _: None, on_multipart=lambda *_: None
    )
    embedded.expire_lease(job)
    again = run(embedded, job, then=lambda: pytest.fail("it was enlarged twice"))
    assert (again.state, again.attempt) == ("succeeded", 2)
    assert again.result is not None
    assert (again.result.sha256, again.result.size_bytes) == (written.sha256, size)
    assert embedded.in_bucket("out/") == ["out/a.mp4"]


def test_a_write_whose_answer_was_lost_is_found(embedded: BulkWorld, tmp_path: Path) -> None:
    path = tmp_path / "made"
    path.write_bytes(b"made")
    place = Place(embedded.bucket, "out/x")
    write: dict[str, Any] = {"content_type": "video/mp4", "owner": {"flashvsr-job": "job_1"}}
    first = embedded.buckets.put_new(place, path, **write)
    assert embedded.buckets.put_new(place, path, **write) == first
    with pytest.raises(OutputExistsError):
        embedded.buckets.put_new(
            place, path, content_type="video/mp4", owner={"flashvsr-job": "job_2"}
        )


def test_an_input_that_changes_or_goes(embedded: BulkWorld) -> None:
    embedded.put("in/a.mp4", b"first")
    job = run(
        embedded, submit(embedded), then=lambda: embedded.put("in/a.mp4", b"other"), patience_s=0
    )
    assert (job.state, reason_of(job), job.attempts_used) == ("failed", "input_changed", 1)
    assert embedded.in_bucket("out/") == []
    stale = run(embedded, submit(embedded, input_etag="0" * 32))
    assert reason_of(stale) == "input_changed"
    embedded.client.delete_object(Bucket=embedded.bucket, Key="in/a.mp4")
    gone = run(embedded, submit(embedded))
    assert (gone.state, reason_of(gone)) == ("failed", "input_gone")
    embedded.put("in/a.mp4", b"")
    empty = run(embedded, submit(embedded))
    assert (empty.state, reason_of(empty)) == ("failed", "not_a_video")


def test_a_version_that_was_named_is_the_one_that_is_read(embedded: BulkWorld) -> None:
    embedded.client.put_bucket_versioning(
        Bucket=embedded.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    old = embedded.client.put_object(Bucket=embedded.bucket, Key="in/a.mp4", Body=b"old")
    embedded.put("in/a.mp4", b"new")
    version = old["VersionId"]
    job = submit(embedded, input_version=version)
    done = run(embedded, job, then=lambda: embedded.put("in/a.mp4", b"newest"))
    assert done.state == "succeeded"
    assert embedded.body("out/a.mp4") == b"old"


def test_a_half_sent_result_is_cleared_away(embedded: BulkWorld) -> None:
    embedded.put("in/a.mp4")
    job = submit(embedded)
    held = claim(embedded)
    begun = embedded.client.create_multipart_upload(Bucket=embedded.bucket, Key="out/a.mp4")
    with embedded.database.transaction() as rows:
        rows.claims.note_upload(held.lease, embedded.url("out/a.mp4"), begun["UploadId"])
    sweeper = Sweeper(
        SweeperSettings(), embedded.database, embedded.storage, open_bell(None), embedded.buckets
    )
    embedded.make_due("abort")
    sweeper.abort_uploads()
    found = embedded.client.list_multipart_uploads(Bucket=embedded.bucket)
    assert len(found["Uploads"]) == 1, "the attempt still runs"
    embedded.expire_lease(job)
    embedded.make_due("abort")
    assert sweeper.abort_uploads() == 1
    found = embedded.client.list_multipart_uploads(Bucket=embedded.bucket)
    assert not found.get("Uploads")
    with pytest.raises(LeaseLostError), embedded.database.transaction() as rows:
        rows.claims.note_upload(held.lease, embedded.url("out/a.mp4"), "another")


class _HugeObject(BaseHTTPRequestHandler):
    """A server with one object of 5 TB, of which nobody may ask for a byte."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(5 << 40))
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("ETag", '"abc"')
        self.end_headers()

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        self.send_error(500)

    def log_message(self, *_: Any) -> None: ...

    asked: ClassVar[list[str]] = []


@contextmanager
def huge_object() -> Iterator[Buckets]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _HugeObject) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Buckets(f"http://127.0.0.1:{server.server_port}", "us-east-1")
        server.shutdown()


def test_5_tb_are_refused_before_a_byte_is_read(embedded: BulkWorld) -> None:
    request = JobRequest(input_url=embedded.url("in/a.mp4"), queue=embedded.queue)
    with embedded.database.transaction() as rows:
        job = rows.jobs.submit(embedded.actor, request).job
    tools = tools_of(embedded)
    with huge_object() as buckets:
        tools.buckets = buckets
        run_job(claim(embedded), tools)
    found = embedded.job(job.id)
    assert (found.state, reason_of(found), found.attempts_used) == ("failed", "too_large", 1)
    assert found.reason is not None
    assert str(5 << 40) in found.reason.message
    assert _HugeObject.asked == []
