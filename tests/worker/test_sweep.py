"""The sweeper: webhooks, results that expire, objects that belong to nobody."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.webhook import is_genuine
from tests.patience import wait_until
from tests.worker.world import World
from worker.settings import SweeperSettings
from worker.sweep import Sweeper
from worker.webhooks import WebhookError, is_public, post


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        # Who was cut off goes away in the middle of an answer.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Receiver:
    """Writes down what is sent to it, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.drips = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                while outer.drips:
                    try:
                        self.wfile.write(b" ")
                        self.wfile.flush()
                    except OSError:
                        return
                    time.sleep(0.1)
                self.send_response(outer.statuses.pop(0) if outer.statuses else 204)
                self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.end_headers()

            def log_message(self, *details: object) -> None:
                """Keep the tests' output clean."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook?a=b"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.drips = False
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def sweeper(world: World, **settings: object) -> Sweeper:
    chosen = SweeperSettings(webhook_private=True).model_copy(update=settings)
    return Sweeper(chosen, world.database, world.storage, world._bell)


def test_webhook_is_signed_and_sent_until_it_is_taken(world: World, receiver: Receiver) -> None:
    receiver.statuses = [500, 302]
    world.start_worker()
    job = world.wait_for(world.submit(webhook_url=receiver.url))
    sweep = sweeper(world)

    def arrived() -> bool:
        sweep.sweep_once()
        return len(receiver.got) == 3

    wait_until(arrived)
    sweep.sweep_once()
    headers, body = receiver.got[0]
    assert is_genuine(world.webhook_secret, headers, body, time.time())
    message = json.loads(body)
    assert (message["type"], message["data"]["id"]) == ("job.succeeded", job.id)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_webhook_dies_in_the_end(embedded: World, receiver: Receiver) -> None:
    receiver.statuses = [500] * 10
    job_id = embedded.submit(ring=False, webhook_url=receiver.url)
    embedded.cancel(job_id)
    sweep = sweeper(embedded)

    def tried() -> int:
        sweep.sweep_once()
        return len(receiver.got)

    wait_until(lambda: tried() == 3)
    # The next try would come after half a second at most, as the policy has it.
    time.sleep(1)
    assert tried() == 3, "webhook_tries of the policy"


def test_private_addresses_are_refused(embedded: World, receiver: Receiver) -> None:
    embedded.cancel(embedded.submit(ring=False, webhook_url=receiver.url))
    sweeper(embedded, webhook_private=False).sweep_once()
    assert receiver.got == []


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.statuses = [302]
    assert post(receiver.url, b"{}", {}, 5, allows_private=True) == 302
    assert len(receiver.got) == 1


def test_slow_receiver_is_cut_off(receiver: Receiver) -> None:
    receiver.drips = True
    started = time.monotonic()
    with pytest.raises(WebhookError):
        post(receiver.url, b"{}", {}, 0.5, allows_private=True)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_public_addresses(address: str, expected: bool) -> None:
    assert is_public(address) is expected


def test_results_expire(world: World) -> None:
    world.start_worker(result_kept_s=0.5)
    job_id = world.submit()
    wait_until(lambda: world.job(job_id).state == "succeeded")
    assert len(world.keys()) == 3
    time.sleep(0.6)
    world.start_sweeper()
    wait_until(lambda: world.job(job_id).state == "expired")
    wait_until(lambda: world.keys() == [])


def test_orphans_are_removed(world: World) -> None:
    world.start_worker()
    job_id = world.submit()
    world.wait_for(job_id)
    stray = world.folder / "stray"
    stray.write_bytes(b"x")
    for key in ("results/job_gone/1/result.mp4", f"results/{job_id}/7/result.mp4"):
        world.storage.put(key, stray, content_type="video/mp4")
    world.storage.start_multipart("results/job_gone/2/result.mp4", content_type="video/mp4")
    assert len(world.keys()) == 6
    world.sweep()
    world.assert_clean()
    assert len(world.keys()) == 3
