"""The client against a real service."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import client.client
import client.fetching
import client.following
import client.http
import client.sending
from client import (
    AccessError,
    ClientError,
    ConflictError,
    DownloadDamagedError,
    FlashVSRClient,
    Job,
    NotFoundError,
    RateLimitedError,
    RequestRefusedError,
    UnreachableError,
    Upload,
    WaitTimeoutError,
)
from jobs.api_key import KeyLimits
from jobs.job import Reason
from jobs.storage import Storage, open_storage
from jobs.storage.interface import PART_BYTES
from tests.api.world import World
from tests.patience import PATIENCE_S
from tests.servers.faulty_proxy import FaultyProxy
from tests.servers.process import free_port

FILM = "s3://films/a.mp4"


@pytest.fixture(autouse=True)
def _quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(failures: int, at_least_s: float | None = None) -> None:
        time.sleep(0.05)

    for module in (client.http, client.following, client.sending, client.fetching, client.client):
        monkeypatch.setattr(module, "pause", short)


@pytest.fixture
def service(world: World) -> Iterator[FlashVSRClient]:
    with FlashVSRClient(world.url, world.new_key("alice").secret) as opened:
        yield opened


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "a film & more.mp4"
    path.write_bytes(b"a film")
    return path


def test_the_whole_way(world: World, service: FlashVSRClient, film: Path, tmp_path: Path) -> None:
    upload = service.upload(film, verify=True)
    assert (upload.state, upload.filename) == ("complete", "a film & more.mp4")
    job = service.submit(upload_id=upload.id, pipeline="full", scale=2, bit_depth=10, codec="hevc")
    assert (job.state, job.request["scale"], job.name) == ("queued", 2, "a film & more.mp4")
    lease = world.claim()
    threading.Timer(0.3, world.report, (lease, 50)).start()
    threading.Timer(0.9, world.succeed, (lease, tmp_path)).start()
    seen: list[Job] = []
    done = service.wait(job.id, timeout_s=PATIENCE_S, on_change=seen.append)
    assert done.state == "succeeded"
    assert [each.state for each in seen][-1] == "succeeded"
    assert 50 in [each.progress.percent for each in seen if each.progress]
    progress: list[tuple[int, int]] = []
    target = service.download(
        job.id, tmp_path / "out.mp4", on_progress=lambda *step: progress.append(step)
    )
    assert target.read_bytes() == b"a larger film"
    assert progress[-1] == (13, 13)
    assert service.download(job.id, tmp_path / "p.jpg", part="poster").read_bytes() == b"poster.jpg"
    (attempt,) = service.attempts(job.id)
    assert attempt.outcome == "succeeded"
    service.delete(job.id)
    with pytest.raises(NotFoundError, match="deleted"):
        service.get(job.id)


def test_a_large_file_goes_in_parts(world: World, service: FlashVSRClient, tmp_path: Path) -> None:
    path = tmp_path / "large.mkv"
    path.write_bytes(bytes(PART_BYTES) + b"the rest")
    progress: list[int] = []
    upload = service.upload(path, on_progress=lambda done, _: progress.append(done))
    assert upload.part_count == 2
    assert progress[-1] == PART_BYTES + 8
    stored = world.storage.get(f"uploads/{upload.id}/source", tmp_path / "back")
    assert stored.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_upload_that_broke_off_goes_on(
    world: World, service: FlashVSRClient, tmp_path: Path
) -> None:
    path = tmp_path / "large.mkv"
    path.write_bytes(os.urandom(2 * PART_BYTES) + b"the rest")
    begun: list[Upload] = []

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        service.upload(path, parallel=1, on_begun=begun.append, on_progress=stop)
    (upload,) = begun
    assert upload.parts_arrived == ()
    other = tmp_path / "other.mkv"
    other.write_bytes(b"another film")
    with pytest.raises(ClientError, match="send the file that was begun"):
        service.upload(other, resume=upload.id)
    done: list[int] = []
    again = service.upload(
        path, resume=upload.id, parallel=1, on_begun=begun.append,
        on_progress=lambda sent, _: done.append(sent),
    )  # fmt: skip
    # What had come is counted at once and not sent again.
    assert 1 in begun[-1].parts_arrived
    assert done[0] == PART_BYTES
    assert (again.id, again.state, done[-1]) == (upload.id, "complete", path.stat().st_size)
    stored = world.storage.get(f"uploads/{upload.id}/source", tmp_path / "back")
    assert stored.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert service.upload(path, resume=upload.id).state == "complete"


def test_what_cannot_be_sent(service: FlashVSRClient, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="cannot be read: No such file"):
        service.upload(tmp_path / "nothing")
    (tmp_path / "empty").touch()
    with pytest.raises(ClientError, match="is empty"):
        service.upload(tmp_path / "empty")


def test_an_upload_that_fails_leaves_nothing(
    world: World, service: FlashVSRClient, film: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        service.upload(film, on_progress=stop)
    with world.database.transaction() as rows:
        assert len(rows.outbox.take("removal")) == 1


def test_errors_are_of_their_kind(world: World, service: FlashVSRClient, tmp_path: Path) -> None:
    with FlashVSRClient(world.url, "fvsr_wrong") as stranger, pytest.raises(AccessError) as found:
        stranger.get("job_" + "0" * 26)
    assert (found.value.status, found.value.code) == (401, "key_invalid")
    assert found.value.request_id
    with pytest.raises(RequestRefusedError) as refused:
        service.submit(input_url=FILM, crf=-1)
    assert refused.value.errors[0]["pointer"] == "/crf"
    job = service.submit(input_url=FILM)
    with pytest.raises(ConflictError, match="no result"):
        service.download(job.id, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    limited = world.new_key("carol", KeyLimits(requests_per_minute=1)).secret
    with FlashVSRClient(world.url, limited, tries=2) as carol:
        assert [*carol.list()] == []
        with pytest.raises(RateLimitedError) as too_often:
            next(carol.list())
    assert too_often.value.retry_after_s


def test_submitting_twice_with_a_key_of_ones_own(service: FlashVSRClient) -> None:
    first = service.submit(input_url=FILM, idempotency_key="once")
    assert service.submit(input_url=FILM, idempotency_key="once").id == first.id
    assert service.submit(input_url=FILM).id != first.id


def test_lists_go_over_all_pages(world: World, service: FlashVSRClient) -> None:
    ids = [service.submit(input_url=FILM, name=f"n{n}").id for n in range(5)]
    assert [job.id for job in service.list(page_size=2)] == ids[::-1]
    service.cancel(ids[0])
    assert [job.id for job in service.list(states=["canceled", "failed"])] == [ids[0]]
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert len([*service.list(created_before=soon, queue="a100", pipeline="tiny")]) == 5
    assert [*service.list(created_from=soon)] == []
    assert service.retry(ids[0]).state == "queued"


def test_waiting_has_an_end(service: FlashVSRClient) -> None:
    job = service.submit(input_url=FILM)
    with pytest.raises(WaitTimeoutError, match=r"within 0\.5 s"):
        service.wait(job.id, timeout_s=0.5)
    assert service.cancel(job.id).state == "canceled"
    assert service.wait(job.id, timeout_s=0).state == "canceled"


def test_events_end_with_the_job(world: World, service: FlashVSRClient) -> None:
    job = service.submit(input_url=FILM)
    seen = []
    for at in service.events(job.id):
        seen.append(at.state)
        if at.state == "queued":
            lease = world.claim()
        elif at.state == "running":
            with world.database.transaction() as rows:
                rows.claims.fail(lease, Reason("broken", "It is broken."), is_retriable=False)
    assert seen == ["queued", "running", "failed"]
    failed = service.get(job.id)
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == ("broken", "It is broken.")
    assert [at.state for at in service.events(job.id)] == ["failed"]


def test_an_existing_file_is_not_replaced(service: FlashVSRClient, film: Path) -> None:
    with pytest.raises(ClientError, match="exists"):
        service.download("job_" + "0" * 26, film)


def test_a_damaged_download_is_not_kept(embedded: World, tmp_path: Path) -> None:
    with FlashVSRClient(embedded.url, embedded.new_key("alice").secret) as service:
        job = service.submit(input_url=FILM)
        done = embedded.succeed(embedded.claim(), tmp_path)
        assert done.result is not None
        (tmp_path / "store" / "objects" / done.result.key).write_bytes(b"another film!")
        with pytest.raises(DownloadDamagedError):
            service.download(job.id, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.glob("*out.mp4*")] == []


def test_outages_are_waited_out(embedded: World, tmp_path: Path) -> None:
    secret = embedded.new_key("alice").secret
    with FaultyProxy(embedded.settings.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        with FlashVSRClient(url, secret, tries=50) as service:
            proxy.refuse()
            threading.Timer(0.4, proxy.allow).start()
            job = service.submit(input_url=FILM)
            lease = embedded.claim()

            def outage() -> None:
                proxy.refuse()
                embedded.succeed(lease, tmp_path)
                time.sleep(0.3)
                proxy.allow()

            threading.Timer(0.3, outage).start()
            assert [at.state for at in service.events(job.id)][-1] == "succeeded"
            assert service.wait(job.id, timeout_s=PATIENCE_S).state == "succeeded"
            assert len([*service.list()]) == 1


def test_nobody_there() -> None:
    with (
        FlashVSRClient(f"http://127.0.0.1:{free_port()}", "x", tries=2) as service,
        pytest.raises(UnreachableError, match="is the service running"),
    ):
        service.get("job_1")
    with pytest.raises(ClientError, match="no address"):
        FlashVSRClient("localhost:8000", "x")


def test_a_broken_download_is_taken_up_where_it_broke(embedded: World, tmp_path: Path) -> None:
    body = bytes(range(256)) * 40_000
    with FlashVSRClient(embedded.url, embedded.new_key("alice").secret) as service:
        job = service.submit(input_url=FILM)
        embedded.succeed(embedded.claim(), tmp_path, body)
        with FaultyProxy(embedded.settings.port) as proxy:
            # Only the bytes go over the proxy; it cuts the first connection in the middle.
            embedded.services.storage = _behind(embedded, proxy.port)
            proxy.cut_after(4_000_000)
            done: list[int] = []
            target = service.download(
                job.id, tmp_path / "out.mp4", on_progress=lambda at, _: done.append(at)
            )
    assert target.read_bytes() == body
    assert done == sorted(done), "nothing was fetched twice"


def _behind(world: World, port: int) -> Storage:
    return open_storage(world.settings.storage, f"http://127.0.0.1:{port}")
