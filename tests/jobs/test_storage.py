"""Objects, in a folder and in S3: whole or not at all, checked, and reached by signed links."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from jobs.errors import (
    ObjectDamagedError,
    ObjectNotFoundError,
    SettingsError,
    StorageDeniedError,
    StorageError,
    StorageUnavailableError,
)
from jobs.storage import Storage, open_storage
from jobs.storage.interface import MIB, PART_BYTES, part_size
from tests.jobs.http import send
from tests.servers.faulty_proxy import FaultyProxy
from tests.servers.s3 import S3Server

VIDEO = "video/mp4"


def file_of(folder: Path, size_bytes: int, name: str = "source") -> Path:
    path = folder / name
    path.write_bytes(os.urandom(size_bytes))
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size_bytes", [0, 1, PART_BYTES, 2 * PART_BYTES + 1])
def test_what_goes_in_comes_out(storage: Storage, tmp_path: Path, size_bytes: int) -> None:
    source, target = file_of(tmp_path, size_bytes), tmp_path / "target"
    up: list[int] = []
    down: list[int] = []
    stored = storage.put("results/j/1/out.mp4", source, content_type=VIDEO, on_bytes=up.append)
    assert (stored.size_bytes, stored.sha256) == (size_bytes, sha256_of(source))
    facts = storage.head("results/j/1/out.mp4")
    assert facts is not None
    assert facts.size_bytes == size_bytes
    read = storage.get(
        "results/j/1/out.mp4",
        target,
        size_bytes=size_bytes,
        sha256=stored.sha256,
        on_bytes=down.append,
    )
    assert read == stored
    assert target.read_bytes() == source.read_bytes()
    assert sum(up) == sum(down) == size_bytes
    assert list(storage.list_unfinished("")) == []


def test_missing_objects(storage: Storage, tmp_path: Path) -> None:
    assert storage.head("results/none") is None
    assert list(storage.list("results/none")) == []
    assert storage.delete("results/none") == 0
    with pytest.raises(ObjectNotFoundError):
        storage.get("results/none", tmp_path / "target")
    assert list(tmp_path.glob("*target*")) == []


@pytest.mark.parametrize("wrong", [{"size_bytes": 4}, {"sha256": "0" * 64}])
def test_a_damaged_object_is_not_handed_out(
    storage: Storage, tmp_path: Path, wrong: dict[str, object]
) -> None:
    storage.put("uploads/u/source", file_of(tmp_path, 5), content_type=VIDEO)
    with pytest.raises(ObjectDamagedError):
        storage.get("uploads/u/source", tmp_path / "target", **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.glob("*target*")) == []


def test_overwriting_replaces(storage: Storage, tmp_path: Path) -> None:
    storage.put("results/j/1/a", file_of(tmp_path, 100), content_type=VIDEO)
    second = storage.put("results/j/1/a", file_of(tmp_path, 7), content_type=VIDEO)
    assert storage.get("results/j/1/a", tmp_path / "target") == second


def test_lists_and_removals_go_by_prefix(storage: Storage, tmp_path: Path) -> None:
    source = file_of(tmp_path, 3)
    keys = ["results/j1/1/a.mp4", "results/j1/2/a.mp4", "results/j10/1/a.mp4", "uploads/u/source"]
    for key in keys:
        storage.put(key, source, content_type=VIDEO)
    assert [facts.key for facts in storage.list("")] == keys
    assert [facts.key for facts in storage.list("results/j1/")] == keys[:2]
    assert storage.delete("results/j1/") == 2
    assert storage.delete("results/j1/") == 0
    assert [facts.key for facts in storage.list("")] == keys[2:]


def test_lists_hold_while_objects_come_and_go(storage: Storage, tmp_path: Path) -> None:
    source = file_of(tmp_path, 10)
    storage.put("results/stays/out.mp4", source, content_type=VIDEO)
    done = Event()

    def come_and_go() -> None:
        while not done.is_set():
            storage.put("results/j/1/out.mp4", source, content_type=VIDEO)
            storage.delete("results/j/")

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(come_and_go)
        try:
            for _ in range(100):
                assert "results/stays/out.mp4" in {f.key for f in storage.list("results/")}
        finally:
            done.set()
        other.result()


def test_an_upload_that_is_stopped_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    class CanceledError(Exception):
        pass

    def stop(_: int) -> None:
        raise CanceledError

    source = file_of(tmp_path, 2 * PART_BYTES + 1)
    with pytest.raises(CanceledError):
        storage.put("results/j/1/a", source, content_type=VIDEO, on_bytes=stop)
    assert list(storage.list("")) == []
    assert list(storage.list_unfinished("")) == []


def test_an_upload_through_a_link(storage: Storage, tmp_path: Path) -> None:
    body = os.urandom(1000)
    request = storage.sign_put(
        "uploads/u/source", size_bytes=1000, content_type=VIDEO, expires_s=60
    )
    assert send(request, body).status == 200
    stored = storage.get("uploads/u/source", tmp_path / "target", size_bytes=1000)
    assert stored.sha256 == hashlib.sha256(body).hexdigest()


def test_an_upload_in_parts_through_links(storage: Storage, tmp_path: Path) -> None:
    step = 5 * MIB
    body = os.urandom(2 * step + 10)
    key = "uploads/u/source"
    multipart_id = storage.start_multipart(key, content_type=VIDEO)
    assert storage.parts_arrived(key, multipart_id) == {}
    with pytest.raises(ObjectNotFoundError):
        storage.finish_multipart(key, multipart_id)
    # Out of order, and one part twice, as a client does that resumes.
    for number in (3, 1, 2, 1):
        part = body[(number - 1) * step : number * step]
        request = storage.sign_part(key, multipart_id, number, size_bytes=len(part), expires_s=60)
        assert send(request, part).status == 200
        come = storage.parts_arrived(key, multipart_id)
        assert come[number] == len(part)
    assert list(come.items()) == [(1, step), (2, step), (3, 10)]
    assert storage.head(key) is None
    assert list(storage.list_unfinished("uploads/")) == [key]
    storage.finish_multipart(key, multipart_id)
    stored = storage.get(key, tmp_path / "target", size_bytes=len(body))
    assert stored.sha256 == hashlib.sha256(body).hexdigest()
    assert list(storage.list_unfinished("uploads/")) == []
    with pytest.raises(ObjectNotFoundError):
        storage.finish_multipart(key, multipart_id)


def test_aborted_parts_are_gone(storage: Storage) -> None:
    multipart_id = storage.start_multipart("uploads/u/source", content_type=VIDEO)
    request = storage.sign_part("uploads/u/source", multipart_id, 1, size_bytes=3, expires_s=60)
    assert send(request, b"abc").status == 200
    storage.abort_multipart("uploads/u/source", multipart_id)
    storage.abort_multipart("uploads/u/source", multipart_id)
    with pytest.raises(ObjectNotFoundError):
        storage.finish_multipart("uploads/u/source", multipart_id)
    with pytest.raises(ObjectNotFoundError):
        storage.parts_arrived("uploads/u/source", multipart_id)
    assert send(request, b"abc").status >= 400
    assert list(storage.list_unfinished("")) == []


def test_a_download_through_a_link_names_the_file(storage: Storage, tmp_path: Path) -> None:
    source = file_of(tmp_path, 1000)
    key = "results/j/1/out put+ü%.mp4"
    storage.put(key, source, content_type=VIDEO)
    url = storage.sign_get(key, expires_s=60, filename="Ferien ü.mp4", content_type=VIDEO)
    answer = send(url)
    assert (answer.status, answer.body) == (200, source.read_bytes())
    assert answer.headers["content-type"] == VIDEO


def test_ping(storage: Storage) -> None:
    storage.ping()


@pytest.mark.parametrize("size_bytes", [0, PART_BYTES * 10_000, 5 * 1024**4])
def test_no_upload_has_more_parts_than_s3_takes(size_bytes: int) -> None:
    assert part_size(size_bytes) * 10_000 >= size_bytes
    assert part_size(size_bytes) <= 5 * 1024**3


@pytest.mark.parametrize(
    "url",
    ["/folder", "ftp://host/x", "file://", "file://host/x", "s3://", "s3://b?colour=blue",
     "s3://b?style=none"],
)  # fmt: skip
def test_other_urls_are_explained(url: str) -> None:
    with pytest.raises(SettingsError, match="STORAGE_URL"):
        open_storage(url)


class TestS3:
    """What only a network can do."""

    def test_keys_lie_under_the_prefix_of_the_url(self, s3: S3Server, tmp_path: Path) -> None:
        bucket = s3.new_bucket()
        open_storage(s3.url(bucket)).put("a/b", file_of(tmp_path, 1), content_type=VIDEO)
        (found,) = s3.client().list_objects_v2(Bucket=bucket)["Contents"]
        assert found["Key"] == "service/a/b"
        assert s3.client().head_object(Bucket=bucket, Key="service/a/b")["ContentType"] == VIDEO

    def test_links_are_signed_v4_over_length_and_type(self, s3: S3Server) -> None:
        storage = open_storage(s3.url(s3.new_bucket()))
        put = storage.sign_put("k", size_bytes=3, content_type=VIDEO, expires_s=60)
        assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in put.url
        assert "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost" in put.url

    def test_links_name_the_public_address(self, s3: S3Server) -> None:
        url = s3.url(s3.new_bucket()) + "&public_endpoint=https://files.example.org"
        link = open_storage(url).sign_get("k", expires_s=60)
        assert link.startswith("https://files.example.org/")

    def test_a_bucket_that_does_not_exist_is_said(self, s3: S3Server, tmp_path: Path) -> None:
        storage = open_storage(s3.url("no-such-bucket"))
        with pytest.raises(StorageDeniedError, match="does not exist"):
            storage.put("k", file_of(tmp_path, 1), content_type=VIDEO)

    def test_a_network_that_fails_mid_upload_leaves_no_object(
        self, s3: S3Server, tmp_path: Path
    ) -> None:
        bucket = s3.new_bucket()
        source = file_of(tmp_path, PART_BYTES + 2 * MIB)
        with FaultyProxy(s3.port) as network:
            storage = open_storage(s3.url(bucket, network.port))
            network.refuse_after(PART_BYTES + MIB)
            with pytest.raises(StorageUnavailableError) as failure:
                storage.put("results/j/1/a", source, content_type=VIDEO)
            assert failure.value.is_temporary
            assert "Contents" not in s3.client().list_objects_v2(Bucket=bucket)
            network.allow()
            # The abort could not get through either; the removal of the prefix clears the parts.
            assert list(storage.list_unfinished("")) == ["results/j/1/a"]
            storage.delete("results/j/1/")
            assert list(storage.list_unfinished("")) == []
            stored = storage.put("results/j/1/a", source, content_type=VIDEO)
        assert stored.sha256 == sha256_of(source)

    def test_a_cut_upload_is_repeated_inside(self, s3: S3Server, tmp_path: Path) -> None:
        source = file_of(tmp_path, PART_BYTES + 2 * MIB)
        with FaultyProxy(s3.port) as network:
            storage = open_storage(s3.url(s3.new_bucket(), network.port))
            network.cut_after(PART_BYTES + MIB)
            stored = storage.put("k", source, content_type=VIDEO)
            assert storage.get("k", tmp_path / "target") == stored
        assert (tmp_path / "target").read_bytes() == source.read_bytes()

    def test_a_cut_download_goes_on_where_it_was_cut(self, s3: S3Server, tmp_path: Path) -> None:
        source = file_of(tmp_path, 4 * MIB)
        with FaultyProxy(s3.port) as network:
            storage = open_storage(s3.url(s3.new_bucket(), network.port))
            stored = storage.put("k", source, content_type=VIDEO)
            network.cut_after(2 * MIB)
            moved: list[int] = []
            assert storage.get("k", tmp_path / "target", on_bytes=moved.append) == stored
        assert (tmp_path / "target").read_bytes() == source.read_bytes()
        assert sum(moved) == 4 * MIB, "nothing was read twice"

    def test_a_network_that_fails_mid_download_leaves_no_file(
        self, s3: S3Server, tmp_path: Path
    ) -> None:
        with FaultyProxy(s3.port) as network:
            storage = open_storage(s3.url(s3.new_bucket(), network.port))
            storage.put("k", file_of(tmp_path, 4 * MIB), content_type=VIDEO)
            network.refuse_after(2 * MIB)
            with pytest.raises(StorageUnavailableError):
                storage.get("k", tmp_path / "target")
        assert list(tmp_path.glob("*target*")) == []


@pytest.mark.parametrize("key", ["../secret", "a/../../b", "/etc/passwd", "a//b", "", "."])
def test_keys_cannot_lead_out_of_the_folder(tmp_path: Path, key: str) -> None:
    storage = open_storage((tmp_path / "store").as_uri())
    with pytest.raises(StorageError):
        storage.put(key, file_of(tmp_path, 1), content_type=VIDEO)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        open_storage((tmp_path / "file" / "store").as_uri())
