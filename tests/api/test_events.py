"""Server-sent events over real HTTP."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from api.routes import events
from tests.api.conftest import MakeWorld
from tests.api.world import Tenant, World
from tests.patience import wait_until


@contextmanager
def following(
    tenant: Tenant, job: dict[str, str], last_id: str | None = None
) -> Iterator[Iterator[str]]:
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    path = f"/v1/jobs/{job['id']}/events"
    with tenant.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield answer.iter_lines()


def next_event(lines: Iterator[str]) -> dict[str, str]:
    """Read on to the next event, past comments and the like."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            return fields
        else:
            fields = {}
    raise AssertionError("the stream ended")


def test_every_change_comes_and_the_end_ends_it(
    world: World, alice: Tenant, tmp_path: Path
) -> None:
    job = alice.submit()
    with following(alice, job) as lines:
        event = next_event(lines)
        assert (event["event"], event["id"]) == ("job", "1")
        lease = world.claim()
        event = next_event(lines)
        assert '"state":"running"' in event["data"]
        world.report(lease, 50)
        assert '"percent":50.0' in next_event(lines)["data"]
        ended = world.succeed(lease, tmp_path)
        event = next_event(lines)
        assert (event["event"], event["id"]) == ("ended", str(ended.version))
        assert list(lines) == []
    stay_away = {"Last-Event-ID": event["id"]}
    answer = alice.http.get(f"/v1/jobs/{job['id']}/events", headers=stay_away)
    assert answer.status_code == 204


def test_who_comes_back_gets_what_he_missed_and_nothing_twice(world: World, alice: Tenant) -> None:
    job = alice.submit()
    lease = world.claim()
    world.report(lease, 10)
    version = str(world.job(job["id"]).version)
    with following(alice, job, last_id="1") as lines:
        assert next_event(lines)["id"] == version
    threading.Timer(0.4, world.report, (lease, 20)).start()
    with following(alice, job, last_id=version) as lines:
        assert '"percent":20.0' in next_event(lines)["data"]


def test_a_deleted_job_ends_the_stream(embedded: World) -> None:
    alice = embedded.tenant("alice")
    job = alice.submit()
    with following(alice, job) as lines:
        next_event(lines)
        alice.http.delete(f"/v1/jobs/{job['id']}")
        assert next_event(lines)["event"] == "deleted"


def test_a_quiet_stream_is_kept_alive(embedded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.1)
    alice = embedded.tenant("alice")
    with following(alice, alice.submit()) as lines:
        assert ": still here" in [next(lines) for _ in range(8)]


def test_a_stream_has_an_end(make_embedded: MakeWorld) -> None:
    world = make_embedded(stream_max_s=0.3)
    alice = world.tenant("alice")
    with following(alice, alice.submit()) as lines:
        assert len(list(lines)) > 2
    assert world.app.state.watchers.count == 0


def test_a_reader_who_leaves_makes_room(embedded: World) -> None:
    alice = embedded.tenant("alice")
    with following(alice, alice.submit()) as lines:
        next_event(lines)
        assert embedded.app.state.watchers.count == 1
    wait_until(lambda: embedded.app.state.watchers.count == 0)


def test_stopping_waits_for_no_reader(embedded: World) -> None:
    alice = embedded.tenant("alice")
    job = alice.submit()
    with following(alice, job) as lines:
        next_event(lines)
        started = time.monotonic()
        embedded.stop()
        assert time.monotonic() - started < 15
        assert [line for line in lines if line.startswith("data")] == []


def test_another_tenants_stream_is_not_found(world: World, alice: Tenant, bob: Tenant) -> None:
    answer: httpx2.Response = bob.http.get(f"/v1/jobs/{alice.submit()['id']}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
