"""Many objects, with events doubled, disordered and lost, and processes that die on the way.

Results that are in the way get a number instead of being left alone, so that an object which was
done twice would show.
"""

import random
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from jobs.object_events import ObjectEvent
from tests.patience import PATIENCE_S, wait_until
from tests.servers.s3 import S3Server
from tests.watching.process import WorkerProcess, environment_of
from tests.watching.world import Queue, World, as_message


def dropped(world: World, count: int, chance: random.Random) -> list[ObjectEvent]:
    """Put objects, some of them twice; return the events in an order that no store should send."""
    events: list[ObjectEvent] = []
    for number in range(count):
        key = f"in/{number % 7}/film {number}+ü.mp4"
        some = [world.drop(key, f"first {number}".encode())] if chance.random() < 0.1 else []
        some.append(world.drop(key, f"film {number}".encode()))
        events += reversed(some)
    for _ in range(len(events) // 10):
        one, other = chance.sample(range(len(events)), 2)
        by_key = events[one].key == events[other].key
        if not by_key:
            events[one], events[other] = events[other], events[one]
    return events


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.heavy)])
def test_each_object_is_done_once_whatever_happens(
    farm: World,
    postgres_url: str,
    s3: S3Server,
    queue: Queue,
    tmp_path: Path,
    count: int,
) -> None:
    chance = random.Random(7)
    watch = farm.add(on_collision="version", choices={"scale": 2})
    environment = environment_of(
        s3, postgres_url, queue.url,
        storage_url="", engine="stub", allow_stub=1, lease_s=2, sweep_s=0.5, poll_s=0.1,
        progress_s=0.5, scratch=tmp_path / "scratch", data_dir=tmp_path / "data",
        stub_chunk_s=0.01,
    )  # fmt: skip
    patience_s = PATIENCE_S + count * 0.6
    with ExitStack() as stack:

        def start(command: str, number: int = 0) -> WorkerProcess:
            own = environment | {"FLASHVSR_WORKER_NAME": f"{command}{number}"}
            return stack.enter_context(WorkerProcess(tmp_path, own, number, command))

        start("sweep")
        taker, worker = start("events"), start("one")
        start("one", 1)
        wait_until(lambda: farm.watch(watch).listed_at, taker.log.read_text)
        events = dropped(farm, count, chance)
        keys = {event.key for event in events}
        lost = set(chance.sample(sorted(keys), count // 20))
        told = [event for event in events if event.key not in lost]
        for event in told:
            for _ in range(2 if chance.random() < 0.1 else 1):
                queue.send(as_message(event))
        wait_until(
            lambda: len(farm.jobs()) > count // 4, taker.log.read_text, patience_s=patience_s
        )
        taker.kill()
        worker.kill()
        time.sleep(0.5)
        taker = start("events", 1)
        wait_until(lambda: queue.left() == 0, taker.log.read_text, patience_s=patience_s)
        assert set(farm.inputs()) == keys - lost, "nobody has told of the rest"
        with farm.database.transaction() as rows:
            rows.watches.list_now(farm.actor, watch.id)
        wait_until(
            lambda: len(farm.jobs("succeeded")) == count,
            lambda: str(Counter(job.state for job in farm.jobs())),
            patience_s=patience_s,
        )  # fmt: skip
    assert set(farm.inputs()) == keys
    assert len(farm.inputs()) == count, "one job for each object"
    assert_report(farm, watch.id, lost)
    prefix = f"s3://{farm.bucket}/out/"
    written = [found.place.url for found in farm.buckets.list(farm.bucket, "out/")]
    expected = [f"{prefix}{key.removeprefix('in/')}".replace(".mp4", "_x2.mp4") for key in keys]
    assert sorted(written) == sorted(expected), "each result once, none with a number"
    results = {job.request.input_url: job.result and job.result.url for job in farm.jobs()}
    assert sorted(url for url in results.values() if url) == sorted(written)


def assert_report(world: World, watch_id: str, lost: set[str]) -> None:
    """What the watch tells about itself is what was done to it."""
    with world.database.reading() as rows:
        watch = rows.watches.get("alice", watch_id)
        counts = rows.watches.counts("alice", watch_id)
    total = len(world.inputs())
    assert (counts.submitted, counts.jobs) == (total, {"succeeded": total})
    assert (counts.refused, counts.ignored, counts.gone) == (0, 0, 0)
    events = world.events(watch)
    made = [event for event in events if event.state == "submitted"]
    assert len(made) == total
    assert {event.key for event in made if event.source == "lister"} == lost
    assert {event.job_id for event in made} == {job.id for job in world.jobs()}
    assert {event.state for event in events} <= {"submitted", "known", "stale"}
