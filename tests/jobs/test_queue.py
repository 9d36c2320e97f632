"""Bells: over a real Redis, and inside one process."""

import json
import threading
import time
import uuid

import pytest
from redis import Redis

from jobs.errors import BrokerUnavailableError, SettingsError
from jobs.queue import TASK, CeleryBell, LocalBell, broker_queue, open_bell
from tests.servers.redis import RedisServer


@pytest.fixture
def queue() -> str:
    return f"q-{uuid.uuid4().hex[:8]}"


def test_a_ring_is_a_message_that_names_the_task_and_the_queue(
    redis: RedisServer, queue: str
) -> None:
    bell = open_bell(redis.url)
    bell.ring(queue)
    bell.ring(queue)
    with Redis(port=redis.port) as client:
        messages = client.lrange(broker_queue(queue), 0, -1)
    bell.close()
    assert isinstance(messages, list)
    assert len(messages) == 2
    message = json.loads(messages[0])
    assert message["headers"]["task"] == TASK
    assert message["headers"]["expires"] is not None
    assert message["headers"]["ignore_result"] is True


def test_a_broker_that_is_gone_is_said_quickly_and_used_again_when_it_is_back(
    redis: RedisServer, queue: str
) -> None:
    bell = open_bell(redis.url)
    bell.ring(queue)
    redis.stop()
    try:
        began = time.monotonic()
        with pytest.raises(BrokerUnavailableError):
            bell.ring(queue)
        assert time.monotonic() - began < 30
    finally:
        redis.start()
    bell.ring(queue)
    with Redis(port=redis.port) as client:
        assert client.llen(broker_queue(queue)) == 1, "emptied, then rung once"
    bell.close()


def test_ringing_from_many_threads(redis: RedisServer, queue: str) -> None:
    bell = open_bell(redis.url)
    threads = [threading.Thread(target=bell.ring, args=(queue,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Redis(port=redis.port) as client:
        assert client.llen(broker_queue(queue)) == 16
    bell.close()


def test_a_local_bell_wakes_who_waits() -> None:
    bell = LocalBell()
    woken: list[float] = []
    began = time.monotonic()

    def wait() -> None:
        bell.wait(60)
        woken.append(time.monotonic() - began)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    bell.ring("a100")
    thread.join()
    assert 0.1 <= woken[0] < 30


def test_a_ring_while_nobody_waits_is_not_missed() -> None:
    bell = LocalBell()
    heard = bell.wait(0)
    bell.ring("a100")
    began = time.monotonic()
    heard = bell.wait(60, heard)
    assert time.monotonic() - began < 30
    assert bell.wait(0.01, heard) == heard


def test_urls_choose_the_bell() -> None:
    assert isinstance(open_bell(None), LocalBell)
    assert isinstance(open_bell("amqp://guest@localhost//"), CeleryBell)
    with pytest.raises(SettingsError, match="BROKER_URL"):
        open_bell("filesystem://")
