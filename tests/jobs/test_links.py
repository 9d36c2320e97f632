"""Links to local objects allow what they say, as long as they say, and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest

from jobs.errors import LinkInvalidError
from jobs.storage import SignedRequest, open_storage
from jobs.storage.local import LocalStorage
from tests.jobs.http import send
from tests.servers.link_server import LinkServer

KEY = "uploads/u/source"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[LocalStorage]:
    with LinkServer() as server:
        opened = open_storage((tmp_path / "store").as_uri(), server.url)
        assert isinstance(opened, LocalStorage)
        server.storage = opened
        yield opened


def put(storage: LocalStorage, size_bytes: int = 3, expires_s: float = 60) -> SignedRequest:
    return storage.sign_put(
        KEY, size_bytes=size_bytes, content_type="video/mp4", expires_s=expires_s
    )


@pytest.mark.parametrize("body", [b"", b"ab", b"abcd"])
def test_another_size_is_refused_and_nothing_kept(storage: LocalStorage, body: bytes) -> None:
    assert send(put(storage), body).status == 400
    assert storage.head(KEY) is None


def test_an_expired_link_is_refused(storage: LocalStorage) -> None:
    assert send(put(storage, expires_s=-1), b"abc").status == 403
    assert send(put(storage), b"abc").status == 200
    assert send(storage.sign_get(KEY, expires_s=-1)).status == 403


def test_reading_does_not_allow_writing_nor_the_other_way_round(storage: LocalStorage) -> None:
    request = put(storage)
    assert send(request, b"abc").status == 200
    assert send(request.url).status == 403
    assert send(SignedRequest("PUT", storage.sign_get(KEY, expires_s=60)), b"xyz").status == 403


@pytest.mark.parametrize(
    "change",
    [
        {"size_bytes": "4"},
        {"expires": "99999999999"},
        {"part": "1"},
        {"multipart_id": "../../x"},
        {"signature": "0" * 64},
        {"signature": "é"},
    ],
)
def test_every_part_of_a_link_is_signed(storage: LocalStorage, change: dict[str, str]) -> None:
    url = urlsplit(put(storage).url)
    query = urlencode(dict(parse_qsl(url.query)) | change)
    assert send(SignedRequest("PUT", urlunsplit(url._replace(query=query))), b"abcd").status == 403
    moved = url._replace(path=url.path.replace("source", "other"))
    assert send(SignedRequest("PUT", urlunsplit(moved)), b"abc").status == 403
    assert list(storage.list("")) == []


def test_empty_queries_are_refused(storage: LocalStorage) -> None:
    with pytest.raises(LinkInvalidError):
        storage.links.open("GET", KEY, {})


def test_all_processes_sign_with_one_secret(storage: LocalStorage, tmp_path: Path) -> None:
    other = open_storage((tmp_path / "store").as_uri(), storage.links.public_url)
    assert send(put(storage), b"abc").status == 200
    assert send(other.sign_get(KEY, expires_s=60)).body == b"abc"
    (secret,) = (tmp_path / "store").glob(".link*")
    assert secret.stat().st_mode & 0o077 == 0
