"""The links of a local store: what they allow, and nothing else."""

import http.client
import socket
import time

import httpx2
import pytest

from api.routes import objects
from jobs.storage.local import LocalStorage
from tests import web
from tests.api.world import World

BODY = bytes(range(256)) * 100


@pytest.fixture
def store(embedded: World) -> LocalStorage:
    assert isinstance(embedded.storage, LocalStorage)
    return embedded.storage


@pytest.fixture
def link(embedded: World, store: LocalStorage) -> str:
    path = store.path_of("results/job_1/1/result.mp4")
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    return store.sign_get(
        "results/job_1/1/result.mp4", expires_s=60, filename="übung.mp4", content_type="video/mp4"
    )


def test_a_link_gives_the_file_as_it_was_signed(link: str) -> None:
    answer = web.get(link)
    assert (answer.status_code, answer.content) == (200, BODY)
    assert answer.headers["content-type"] == "video/mp4"
    assert "%C3%BCbung.mp4" in answer.headers["content-disposition"]
    assert "sandbox" in answer.headers["content-security-policy"]
    head = web.head(link)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(BODY)))


def test_ranges_are_served(link: str) -> None:
    part = web.get(link, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, BODY[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(BODY)}"
    assert web.get(link, headers={"Range": "bytes=25500-"}).content == BODY[25500:]
    assert web.get(link, headers={"Range": "bytes=99999-"}).status_code == 416
    assert web.get(link, headers={"Range": "bytes=nonsense"}).status_code == 400


def test_a_changed_link_is_refused(link: str, store: LocalStorage) -> None:
    changed = [
        link.replace("result.mp4?", "other.mp4?"),
        link.replace("video%2Fmp4", "text%2Fhtml"),
        link.replace("expires=", "expires=9"),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.partition("?")[0],
    ]
    for each in changed:
        answer = web.get(each)
        assert (answer.status_code, answer.json()["code"]) == (403, "link_invalid"), each
    answer = web.put(link, content=b"mine now")
    assert (answer.status_code, answer.json()["code"]) == (403, "link_invalid")
    assert web.get(link).content == BODY


def test_an_expired_link_is_refused(store: LocalStorage, link: str) -> None:
    late = store.sign_get("results/job_1/1/result.mp4", expires_s=-1)
    answer = web.get(late)
    assert (answer.status_code, "expired" in answer.json()["detail"]) == (403, True)


def test_no_path_leads_out(embedded: World, subtests: pytest.Subtests) -> None:
    for trick in ("../../flashvsr.db", "%2e%2e/x", "a//b", "/etc/passwd", "%00"):
        with subtests.test(trick=trick):
            # Sent by hand, because clients tidy such paths up.
            connection = http.client.HTTPConnection("127.0.0.1", embedded.settings.port)
            connection.request("GET", f"/objects/{trick}?signature=0&expires=99999999999")
            assert connection.getresponse().status in (403, 404)
            connection.close()


def test_not_even_a_signed_path_leads_out(embedded: World, store: LocalStorage) -> None:
    for key in ("../.link-secret", "a/../../x"):
        url = httpx2.URL(store.sign_get(key, expires_s=60))
        connection = http.client.HTTPConnection("127.0.0.1", embedded.settings.port)
        connection.request("GET", f"/objects/{key}?{url.query.decode()}")
        answer = connection.getresponse()
        assert answer.status == 500
        assert b"link-secret" not in answer.read()
        connection.close()


def test_a_body_of_another_size_leaves_nothing(store: LocalStorage) -> None:
    request = store.sign_put("uploads/u/source", size_bytes=5, content_type="a/b", expires_s=60)

    def chunked(body: bytes) -> httpx2.Response:
        return web.put(request.url, content=iter([body]), headers=request.headers)

    for body in (b"1234", b"123456"):
        assert web.put(request.url, content=body).status_code == 422
        assert chunked(body).json()["code"] == "object_damaged"
    assert store.head("uploads/u/source") is None
    assert chunked(b"12345").status_code == 200
    assert store.path_of("uploads/u/source").read_bytes() == b"12345"


def test_a_sender_who_leaves_leaves_nothing(embedded: World, store: LocalStorage) -> None:
    request = store.sign_put("uploads/u/source", size_bytes=500, content_type="a/b", expires_s=60)
    url = httpx2.URL(request.url)
    with socket.create_connection(("127.0.0.1", embedded.settings.port)) as sender:
        head = f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
        sender.sendall(head.encode() + b"only this")
        time.sleep(0.3)
    time.sleep(0.3)
    assert store.head("uploads/u/source") is None
    assert [*(store.path_of("x").parents[1] / ".partial").iterdir()] == []


def test_a_sender_who_stalls_is_given_up(
    embedded: World, store: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "STALL_S", 0.2)
    request = store.sign_put("uploads/u/source", size_bytes=500, content_type="a/b", expires_s=60)
    url = httpx2.URL(request.url)
    with socket.create_connection(("127.0.0.1", embedded.settings.port)) as sender:
        head = f"PUT {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
        sender.sendall(head.encode() + b"only this")
        assert sender.recv(1000).startswith(b"HTTP/1.1 408")


def test_another_store_serves_no_links(farm: World) -> None:
    answer = farm.client().get("/objects/a?expires=1&signature=0")
    assert (answer.status_code, answer.json()["code"]) == (404, "address_not_found")
