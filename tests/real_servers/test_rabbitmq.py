"""Bells over a real RabbitMQ: rung, lost, refused; and workers that live on when it dies."""

import os
import signal
import threading
import time
from collections.abc import Callable
from secrets import token_hex
from typing import Any

import pytest
from kombu.connection import Connection

from jobs.errors import BrokerUnavailableError
from jobs.queue import TASK, broker_queue, open_bell
from tests.patience import wait_until
from tests.servers.rabbitmq import RabbitServer
from tests.worker.world import World

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

SLOW: dict[str, Any] = {"stub_chunks": 400, "stub_chunk_s": 0.05}
"""A job of 20 s, which no test waits for."""


@pytest.fixture
def queue() -> str:
    return f"q{token_hex(4)}"


def connected(rabbitmq: RabbitServer) -> Any:
    """Talk to the broker past the code under test."""
    return Connection(rabbitmq.url)  # type: ignore[no-untyped-call]


def waiting(rabbitmq: RabbitServer, queue: str) -> int:
    """Count the bells that nobody has heard yet."""
    with connected(rabbitmq) as connection:
        found = connection.default_channel.queue_declare(broker_queue(queue), passive=True)
        return int(found.message_count)


def duration_of(act: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(BrokerUnavailableError):
        act()
    return time.monotonic() - began


class TestBell:
    def test_a_ring_is_a_message(self, rabbitmq: RabbitServer, queue: str) -> None:
        bell = open_bell(rabbitmq.url)
        bell.ring(queue)
        bell.ring(queue)
        bell.close()
        assert waiting(rabbitmq, queue) == 2
        with connected(rabbitmq) as connection:
            message = connection.default_channel.basic_get(broker_queue(queue))
        assert message.headers["task"] == TASK
        assert message.headers["ignore_result"] is True
        assert message.properties["expiration"] == "300000"

    def test_many_threads(self, rabbitmq: RabbitServer, queue: str) -> None:
        bell = open_bell(rabbitmq.url)
        threads = [threading.Thread(target=bell.ring, args=(queue,)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bell.close()
        assert waiting(rabbitmq, queue) == 16

    def test_what_nobody_hears_does_not_pile_up(
        self, rabbitmq: RabbitServer, queue: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobs.queue._EXPIRES_S", 0.5)
        bell = open_bell(rabbitmq.url)
        for _ in range(3):
            bell.ring(queue)
        wait_until(lambda: waiting(rabbitmq, queue) == 0)
        bell.close()

    def test_gone_and_back(self, rabbitmq: RabbitServer, queue: str) -> None:
        bell = open_bell(rabbitmq.url)
        bell.ring(queue)
        rabbitmq.stop(signal.SIGTERM)
        try:
            assert duration_of(lambda: bell.ring(queue)) < 5, "over the connection that it had"
            assert duration_of(lambda: bell.ring(queue)) < 5, "over a new one"
        finally:
            rabbitmq.start()
        bell.ring(queue)
        bell.close()
        assert waiting(rabbitmq, queue) == 2, "kept over the stop"

    def test_a_broker_that_confirms_nothing_keeps_nobody_waiting(
        self, rabbitmq: RabbitServer, queue: str
    ) -> None:
        known, new = open_bell(rabbitmq.url), open_bell(rabbitmq.url)
        known.ring(queue)
        rabbitmq.freeze()
        try:
            assert duration_of(lambda: known.ring(queue)) < 8
            assert duration_of(lambda: new.ring(queue)) < 8
        finally:
            rabbitmq.thaw()
        # Of another queue: what was sent to the frozen broker may still arrive.
        known.ring(f"{queue}-later")
        new.ring(f"{queue}-later")
        assert waiting(rabbitmq, f"{queue}-later") == 2
        known.close()
        new.close()

    @pytest.mark.parametrize(("old", "new"), [("guest:guest", "guest:wrong"), ("//", "//none")])
    def test_a_broker_that_refuses_is_said(
        self, rabbitmq: RabbitServer, queue: str, old: str, new: str
    ) -> None:
        head, _, tail = rabbitmq.url.rpartition(old)
        bell = open_bell(f"{head}{new}{tail}")
        assert duration_of(lambda: bell.ring(queue)) < 5
        bell.close()


class TestWorkers:
    def test_a_bell_starts_a_job_at_once(self, rabbit_farm: World, rabbitmq: RabbitServer) -> None:
        worker = rabbit_farm.start_worker()
        first = rabbit_farm.submit()
        rabbit_farm.wait_for(first)
        began = time.monotonic()
        second = rabbit_farm.submit()
        rabbit_farm.wait_for(second)
        assert time.monotonic() - began < 2, "without a sweeper only the bell can have told"
        many = rabbit_farm.submit_many(20)
        for job_id in many:
            rabbit_farm.wait_for(job_id)
        assert all(rabbit_farm.outcomes(j) == ["succeeded"] for j in [first, second, *many])
        wait_until(lambda: waiting(rabbitmq, rabbit_farm.queue) == 0)
        worker.terminate()
        assert worker.wait() == 0
        assert rabbit_farm.workers() == []
        rabbit_farm.assert_clean()

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
    def test_the_broker_stops_while_jobs_wait(
        self, rabbit_farm: World, rabbitmq: RabbitServer, how: signal.Signals
    ) -> None:
        """Once without a worker, once under a worker that is busy."""
        before = [rabbit_farm.submit() for _ in range(3)]
        rabbitmq.stop(how)
        rabbitmq.start()
        rabbit_farm.start_worker(stub_chunks=20, stub_chunk_s=0.05)
        rabbit_farm.start_sweeper()
        for job_id in before:
            rabbit_farm.wait_for(job_id)
        running = rabbit_farm.submit()
        rabbit_farm.wait_for_stage(running, "enlarging")
        rabbitmq.stop(how)
        try:
            meanwhile = [rabbit_farm.submit() for _ in range(3)]
            rabbit_farm.wait_for(running)
        finally:
            rabbitmq.start()
        after = rabbit_farm.submit()
        for job_id in [*meanwhile, after]:
            rabbit_farm.wait_for(job_id)
        everything = [*before, running, *meanwhile, after]
        assert all(rabbit_farm.outcomes(job_id) == ["succeeded"] for job_id in everything)
        rabbit_farm.assert_clean()

    def test_a_worker_starts_before_the_broker(
        self, rabbit_farm: World, rabbitmq: RabbitServer
    ) -> None:
        rabbitmq.stop(signal.SIGTERM)
        try:
            early = rabbit_farm.submit()
            worker = threading.Thread(target=rabbit_farm.start_worker)
            worker.start()
            time.sleep(3)
        finally:
            rabbitmq.start()
        worker.join()
        rabbit_farm.start_sweeper()
        rabbit_farm.wait_for(early)
        assert rabbit_farm.outcomes(early) == ["succeeded"]

    def test_a_terminated_worker_gives_its_job_back(self, rabbit_farm: World) -> None:
        first = rabbit_farm.start_worker("w1", command="run", **SLOW)
        job_id = rabbit_farm.submit()
        rabbit_farm.wait_for_stage(job_id, "enlarging")
        # No sweeper runs, and it does not look by itself: that it hears of it is the bell's work.
        rabbit_farm.start_worker("w2", look_s=3600)
        first.terminate()
        job = rabbit_farm.wait_for(job_id)
        assert rabbit_farm.outcomes(job_id) == ["given_back", "succeeded"]
        assert job.attempts_used == 0
        assert first.wait() == 0
        assert [worker.id for worker in rabbit_farm.workers()] == ["w2:0"]
        rabbit_farm.assert_clean()

    def test_a_killed_worker_s_job_is_finished_once_by_another(self, rabbit_farm: World) -> None:
        first = rabbit_farm.start_worker("w1", **SLOW)
        job_id = rabbit_farm.submit()
        rabbit_farm.wait_for_stage(job_id, "enlarging")
        rabbit_farm.start_worker("w2")
        rabbit_farm.start_sweeper()
        first.kill()
        rabbit_farm.wait_for(job_id)
        assert rabbit_farm.outcomes(job_id) == ["lost", "succeeded"]
        assert [a.worker_id for a in rabbit_farm.attempts(job_id)] == ["w1:0", "w2:0"]
        # The next process of that name clears up the files that were left.
        rabbit_farm.start_worker("w1")
        rabbit_farm.sweep()
        rabbit_farm.assert_clean()

    def test_a_killed_pool_child_is_replaced(self, rabbit_farm: World) -> None:
        worker = rabbit_farm.start_worker(stub_chunks=20, stub_chunk_s=0.05)
        rabbit_farm.start_sweeper()
        job_id = rabbit_farm.submit()
        rabbit_farm.wait_for_stage(job_id, "enlarging")
        (row,) = rabbit_farm.workers()
        assert row.facts["pid"] != worker.pid
        os.kill(row.facts["pid"], signal.SIGKILL)
        rabbit_farm.wait_for(job_id)
        assert rabbit_farm.outcomes(job_id) == ["lost", "succeeded"]
        rabbit_farm.sweep()
        rabbit_farm.assert_clean()

    def test_bells_are_doubled_and_lost(self, rabbit_farm: World, rabbitmq: RabbitServer) -> None:
        rabbit_farm.start_worker("w1")
        rabbit_farm.start_worker("w2")
        ids = rabbit_farm.submit_many(30)
        for _ in range(50):
            rabbit_farm.ring()
        for job_id in ids:
            rabbit_farm.wait_for(job_id)
        with connected(rabbitmq) as connection:
            connection.default_channel.queue_purge(broker_queue(rabbit_farm.queue))
        unheard = rabbit_farm.submit(ring=False)
        time.sleep(1)
        assert rabbit_farm.job(unheard).state == "queued"
        rabbit_farm.start_sweeper()
        rabbit_farm.wait_for(unheard)
        assert all(rabbit_farm.outcomes(j) == ["succeeded"] for j in [*ids, unheard])
        rabbit_farm.assert_clean()
