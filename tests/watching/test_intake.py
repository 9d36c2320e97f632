"""Events in every order and number: each content becomes one job."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import permutations
from threading import Thread

import pytest

from jobs.object_events import ObjectEvent
from jobs.placement import Place
from jobs.storage.buckets import BucketObject, Buckets
from tests.servers.s3 import REGION
from tests.watching.test_messages import KEYS
from tests.watching.world import World


def test_a_dropped_object_becomes_a_job_by_the_preset(world: World) -> None:
    watch = world.add(choices={"scale": 2, "seed": 7, "container": "mkv"}, on_collision="version")
    event = world.drop("in/2026/my film.mov")
    (decision,) = world.intake.take(event, "sqs")
    assert decision.state == "submitted"
    (job,) = world.jobs()
    assert decision.job is not None
    assert decision.job.id == job.id
    request = job.request
    assert (request.input_url, request.input_etag) == (
        f"s3://{world.bucket}/in/2026/my film.mov",
        event.etag,
    )
    assert request.output_url == f"s3://{world.bucket}/out/2026/my film_x2.mkv"
    assert (request.scale, request.seed, request.on_collision) == (2, 7, "version")
    assert request.name == "my film.mov"
    assert (job.flow, job.tenant) == (watch.id, "alice")
    assert world.rung == ["a100"]
    told = world.event(watch, event.key)
    assert (told.state, told.job_id, told.source, told.received) == (
        "submitted",
        job.id,
        "sqs",
        1,
    )


@pytest.mark.parametrize("has_sequencer", [True, False])
def test_duplicates_are_folded(world: World, has_sequencer: bool) -> None:
    watch = world.add()
    event = world.drop("in/a.mp4")
    if not has_sequencer:
        event = replace(event, sequencer=None)
    states = [world.intake.take(event, "sqs")[0].state for _ in range(3)]
    assert states == ["submitted", "known", "known"]
    assert world.inputs() == ["in/a.mp4"]
    assert world.event(watch, "in/a.mp4").received == 3


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_events_does_not_matter(embedded: World, order: tuple[int, ...]) -> None:
    watch = embedded.add()
    events = [embedded.drop("in/a.mp4", body) for body in (b"one", b"two", b"three")]
    states = [embedded.intake.take(events[place], "sqs")[0].state for place in order]
    (job,) = embedded.jobs()
    assert job.request.input_etag == events[2].etag, "what is there now"
    assert states.count("submitted") == 1
    assert len(embedded.events(watch)) == 3


def test_each_content_is_done_when_events_come_in_time(world: World) -> None:
    world.add()
    for body in (b"one", b"two", b"two", b"one"):
        world.intake.take(world.drop("in/a.mp4", body), "sqs")
    assert len(world.jobs()) == 3, "the second two is the same content"


def test_versions_are_pinned(world: World) -> None:
    versioning = {"Status": "Enabled"}
    world.client.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration=versioning)
    world.add()
    first, second = world.drop("in/a.mp4", b"one"), world.drop("in/a.mp4", b"two")
    world.intake.take(second, "sqs")
    assert world.intake.take(first, "sqs")[0].state == "stale"
    (job,) = world.jobs()
    assert job.request.input_version == second.version_id
    assert second.version_id not in (None, first.version_id)


def test_removed_before_it_was_looked_at(world: World) -> None:
    watch = world.add()
    event = world.drop("in/a.mp4")
    removed = world.delete("in/a.mp4")
    assert world.intake.take(event, "sqs")[0].state == "gone"
    assert world.intake.take(removed, "sqs")[0].state == "gone"
    assert world.jobs() == []
    reason = world.events(watch)[0].reason
    assert reason is not None
    assert reason.code == "input_gone"


def test_removed_and_dropped_again(world: World) -> None:
    watch = world.add()
    first = world.drop("in/a.mp4")
    world.intake.take(first, "sqs")
    removed = world.delete("in/a.mp4")
    again = world.drop("in/a.mp4")
    for event in (again, removed, first):
        world.intake.take(event, "sqs")
    assert world.inputs() == ["in/a.mp4"], "the same content"
    states = [event.state for event in world.events(watch)]
    assert states == ["submitted", "known", "stale"]


def test_dropping_what_failed_once_more_is_another_try(world: World) -> None:
    world.add()
    event = world.drop("in/a.mp4")
    (decision,) = world.intake.take(event, "sqs")
    assert decision.job is not None
    world.fail(decision.job.id)
    assert world.intake.take(event, "sqs")[0].state == "known", "a duplicate asks for nothing"
    world.intake.take(world.drop("in/a.mp4"), "sqs")
    assert len(world.jobs()) == 2


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_all_keys(embedded: World, key: str) -> None:
    watch = embedded.add(template="out/{watch}.{container}")
    decisions = embedded.intake.take(embedded.drop(key), "sqs")
    if key.endswith("/"):
        assert decisions == [], "a folder that some tool has drawn"
        return
    assert [decision.state for decision in decisions] == ["submitted"]
    assert embedded.inputs() == [key]
    assert embedded.event(watch, key).key == key


def test_a_key_whose_output_would_be_too_long_is_refused(embedded: World) -> None:
    watch = embedded.add()
    event = embedded.drop(KEYS["longest"])
    assert embedded.intake.take(event, "sqs")[0].state == "refused"
    reason = embedded.event(watch, event.key).reason
    assert reason is not None
    assert "1024 are the most" in reason.message


@pytest.mark.parametrize("key", ["in/../a.mp4", "in/./a.mp4", "in/line\nbreak.mp4"])
def test_keys_that_could_be_read_as_others_are_refused(embedded: World, key: str) -> None:
    watch = embedded.add()

    class Present(Buckets):
        def head(self, place: Place, version_id: str | None = None) -> BucketObject | None:
            found = embedded.buckets.head(Place(embedded.bucket, "in/there.mp4"))
            return found and replace(found, place=place)

    embedded.drop("in/there.mp4")
    intake = embedded.open_intake(Present(embedded.s3.endpoint(), REGION))
    (decision,) = intake.take(ObjectEvent("created", embedded.bucket, key), "sqs")
    assert decision.state == "refused"
    reason = embedded.event(watch, key).reason
    assert reason is not None
    assert reason.code == "request_invalid"


def test_empty_objects_are_refused(world: World) -> None:
    watch = world.add()
    assert world.intake.take(world.drop("in/a.mp4", b""), "sqs")[0].state == "refused"
    reason = world.event(watch, "in/a.mp4").reason
    assert reason is not None
    assert reason.code == "not_a_video"
    world.intake.take(world.drop("in/a.mp4", b"a film"), "sqs")
    assert world.inputs() == ["in/a.mp4"], "it came after all"


class _HugeObject(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(5 * 2**40))
        self.send_header("ETag", '"abc-10000"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()

    def do_GET(self) -> None:
        raise AssertionError("nothing is read")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def huge_endpoint() -> Iterator[str]:
    """A server all of whose objects have 5 TiB."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _HugeObject)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_five_terabytes_are_refused_by_their_head(embedded: World, huge_endpoint: str) -> None:
    watch = embedded.add()
    intake = embedded.open_intake(Buckets(huge_endpoint, REGION))
    (decision,) = intake.take(ObjectEvent("created", embedded.bucket, "in/a.mp4"), "sqs")
    assert decision.state == "refused"
    reason = embedded.event(watch, "in/a.mp4").reason
    assert reason is not None
    assert reason.code == "too_large"
    assert str(5 * 2**40) in reason.message


def test_suffixes_and_prefixes_choose(embedded: World) -> None:
    embedded.add(suffixes=[".MP4", ".mov"])
    for key in ("in/a.mp4", "in/B.MOV", "in/notes.txt", "in/mp4", "elsewhere/a.mp4", "in/sub/"):
        embedded.intake.take(embedded.drop(key), "sqs")
    assert embedded.inputs() == ["in/B.MOV", "in/a.mp4"]


def test_every_watch_that_covers_an_object_makes_a_job(world: World) -> None:
    bob = world.new_actor("bob")
    world.add(template="out/a/{stem}.{container}")
    world.add("in/deep/", template="out/b/{stem}.{container}", actor=bob)
    world.intake.take(world.drop("in/deep/a.mp4"), "sqs")
    assert sorted(job.tenant for job in world.jobs()) == ["alice", "bob"]


def test_many_at_once_make_one_job(world: World) -> None:
    watch = world.add()
    event = world.drop("in/a.mp4")
    with ThreadPoolExecutor(8) as pool:
        states = [
            decisions[0].state
            for decisions in pool.map(lambda _: world.intake.take(event, "sqs"), range(16))
        ]
    assert sorted(states) == ["known"] * 15 + ["submitted"]
    assert world.event(watch, "in/a.mp4").received == 16


def test_who_asked_the_store_before_another_decided_asks_again(world: World) -> None:
    world.add()
    world.drop("in/a.mp4", b"one")
    asked = []

    class Meddled(Buckets):
        """Between the answer and the decision, the object is overwritten and decided about."""

        def head(self, place: Place, version_id: str | None = None) -> BucketObject | None:
            found = super().head(place, version_id)
            asked.append(found and found.etag)
            if len(asked) == 1:
                world.intake.take(world.drop("in/a.mp4", b"two"), "webhook")
            return found

    intake = world.open_intake(Meddled(world.s3.endpoint(), REGION))
    intake.take(ObjectEvent("created", world.bucket, "in/a.mp4"), "sqs")
    assert len(asked) == 2
    (job,) = world.jobs()
    assert job.request.input_etag == asked[1] != asked[0]
