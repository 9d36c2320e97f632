"""The queue's consumer, as a process, on a server that speaks SQS."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import EventInvalidError, SettingsError
from tests.patience import wait_until
from tests.servers.s3 import S3Server
from tests.watching.process import ROOT, WorkerProcess, environment_of
from tests.watching.world import Queue, World, as_message, as_record
from worker.settings import read_event_settings


@pytest.fixture
def environment(s3: S3Server, sqlite_url: str, queue: Queue) -> dict[str, str]:
    return environment_of(s3, sqlite_url, queue.url, list_s=3600, events_receives_max=2)


@pytest.fixture
def process(tmp_path: Path, environment: dict[str, str]) -> Iterator[WorkerProcess]:
    with WorkerProcess(tmp_path, environment) as started:
        yield started


def test_what_the_store_itself_sends_becomes_jobs(
    embedded: World, sqs: Any, queue: Queue, process: WorkerProcess
) -> None:
    """The notifications are the server's own, written when objects are."""
    arn = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["QueueArn"])
    configuration = {"QueueArn": arn["Attributes"]["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
    watch = embedded.add(template="out/{path}/{stem}.{container}", existing="ignore")
    wait_until(lambda: embedded.watch(watch).listed_at, complaint=process.log.read_text)
    embedded.client.put_bucket_notification_configuration(
        Bucket=embedded.bucket,
        NotificationConfiguration={"QueueConfigurations": [configuration]},
    )
    keys = ["in/a b.mp4", "in/a+b.mp4", "in/100%25.mp4", "in/ä/映 画.mp4", "in/&=#.mp4"]
    for number, key in enumerate(keys):
        embedded.drop(key, str(number).encode())
    embedded.drop("out/result.mp4")
    wait_until(lambda: len(embedded.jobs()) == 5 and queue.left() == 0, process.log.read_text)
    assert embedded.inputs() == sorted(keys)
    assert {event.source for event in embedded.events(watch)} == {"sqs"}
    assert "s3:TestEvent" not in process.log.read_text()


def test_messages_of_all_shapes_in_one_queue(
    embedded: World, queue: Queue, process: WorkerProcess
) -> None:
    embedded.add(existing="ignore")
    plain, wrapped, bridged = (embedded.drop(f"in/{name}+.mp4") for name in ("p", "w", "b"))
    queue.send(as_message(plain, plain))
    queue.send(json.dumps({"Type": "Notification", "Message": as_message(wrapped)}))
    found = {"key": bridged.key, "etag": bridged.etag, "sequencer": bridged.sequencer}
    detail = {"bucket": {"name": embedded.bucket}, "object": found}
    queue.send(json.dumps({"detail-type": "Object Created", "detail": detail}))
    queue.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}))
    wait_until(lambda: queue.left() == 0, process.log.read_text)
    assert embedded.inputs() == ["in/b+.mp4", "in/p+.mp4", "in/w+.mp4"]


def test_poison_is_put_aside_with_its_reason_and_the_rest_runs(
    embedded: World, queue: Queue, process: WorkerProcess, environment: dict[str, str]
) -> None:
    embedded.add(existing="ignore")
    good = embedded.drop("in/good.mp4")
    bad_key = as_record(good)
    bad_key["s3"]["object"]["key"] = "%FF"
    for body in ("no JSON", json.dumps({"Records": [as_record(good), bad_key]})):
        queue.send(body)
    wait_until(lambda: queue.left() == 0, process.log.read_text)
    assert embedded.inputs() == ["in/good.mp4"]
    command = [sys.executable, "-m", "worker", "parked"]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    parked = [json.loads(line) for line in done.stdout.splitlines()]
    assert {message["code"] for message in parked} == {EventInvalidError.code}
    assert {message["receives"] for message in parked} == {2}
    by_body = {message["body"][:7]: message["reason"] for message in parked}
    assert "is no JSON" in by_body["no JSON"]
    assert "not UTF-8" in by_body['{"Recor']


def test_it_stops_at_once_and_loses_nothing(
    embedded: World, queue: Queue, tmp_path: Path, environment: dict[str, str]
) -> None:
    embedded.add(existing="ignore")
    events = [embedded.drop(f"in/{number}.mp4", str(number).encode()) for number in range(40)]
    for event in events:
        queue.send(as_message(event))
    slow = environment | {"FLASHVSR_EVENTS_WAIT_S": "20"}
    with WorkerProcess(tmp_path, slow) as first:
        wait_until(embedded.jobs, first.log.read_text)
        assert first.terminate() == 0
    with WorkerProcess(tmp_path, slow, 1) as second:
        wait_until(lambda: queue.left() == 0, second.log.read_text)
        assert len(embedded.inputs()) == 40
        time.sleep(0.5)
        began = time.monotonic()
        assert second.terminate() == 0
        assert time.monotonic() - began < 15, "it does not wait for its last request"


def test_settings_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHVSR_EVENTS_WAIT_S", "21")
    with pytest.raises(SettingsError, match="FLASHVSR_EVENTS_WAIT_S cannot be used"):
        read_event_settings()


def test_without_buckets_there_is_nothing_to_watch(environment: dict[str, str]) -> None:
    del environment["FLASHVSR_BUCKETS_URL"]
    command = [sys.executable, "-m", "worker", "events"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "FLASHVSR_BUCKETS_URL" in done.stderr
