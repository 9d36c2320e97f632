"""Objects on a real S3 server: in and out, over bad networks, and what it refuses."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import (
    ObjectDamagedError,
    ObjectNotFoundError,
    StorageDeniedError,
    StorageError,
    StorageFullError,
    StorageUnavailableError,
)
from jobs.placement import Place
from jobs.storage import Storage, open_storage
from jobs.storage.buckets import Buckets
from jobs.storage.interface import MIB, PART_BYTES
from tests.real_servers.objects import KEY, VIDEO, file_of, keys, sha256_of
from tests.servers.faulty_proxy import FaultyProxy
from tests.servers.radosgw import STRANGER, RadosGateway

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]


class TestObjects:
    @pytest.mark.parametrize("size_bytes", [0, 1, PART_BYTES, 2 * PART_BYTES + 1])
    def test_what_goes_in_comes_out(
        self, storage: Storage, tmp_path: Path, size_bytes: int
    ) -> None:
        source, target = file_of(tmp_path, size_bytes), tmp_path / "target"
        key = "results/j/1/out put+ü%#?.mp4"
        up: list[int] = []
        down: list[int] = []
        stored = storage.put(key, source, content_type=VIDEO, on_bytes=up.append)
        assert (stored.size_bytes, stored.sha256) == (size_bytes, sha256_of(source))
        facts = storage.head(key)
        assert facts is not None
        assert facts.size_bytes == size_bytes
        assert [found.key for found in storage.list("results/j/")] == [key]
        read = storage.get(
            key, target, size_bytes=size_bytes, sha256=stored.sha256, on_bytes=down.append
        )
        assert read == stored
        assert target.read_bytes() == source.read_bytes()
        assert sum(up) == sum(down) == size_bytes
        assert list(storage.list_unfinished("")) == []
        assert storage.delete(key) == 1
        assert storage.head(key) is None

    def test_what_is_not_there(self, storage: Storage, tmp_path: Path) -> None:
        assert storage.head("results/none") is None
        assert list(storage.list("results/none")) == []
        assert storage.delete("results/none") == 0
        with pytest.raises(ObjectNotFoundError):
            storage.get("results/none", tmp_path / "target")
        storage.abort_multipart(KEY, "nonsense")
        with pytest.raises(ObjectNotFoundError):
            storage.finish_multipart(KEY, "nonsense")

    @pytest.mark.parametrize("wrong", [{"size_bytes": 4}, {"sha256": "0" * 64}])
    def test_a_damaged_object_is_not_handed_out(
        self, storage: Storage, tmp_path: Path, wrong: dict[str, Any]
    ) -> None:
        storage.put(KEY, file_of(tmp_path, 5), content_type=VIDEO)
        with pytest.raises(ObjectDamagedError):
            storage.get(KEY, tmp_path / "target", **wrong)
        assert list(tmp_path.glob("*target*")) == []

    def test_more_than_one_page(
        self, storage: Storage, radosgw: RadosGateway, bucket: str, tmp_path: Path
    ) -> None:
        """A page has 1,000 entries, and removing goes on while entries vanish."""
        source = file_of(tmp_path, 3)
        names = [f"results/j/{number}/a" for number in range(1010)]
        storage.put("results/j2/a", source, content_type=VIDEO)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: storage.put(name, source, content_type=VIDEO), names))
            begun = pool.map(lambda name: storage.start_multipart(name, content_type=VIDEO), names)
            assert len(set(begun)) == 1010
        assert [facts.key for facts in storage.list("results/j/")] == sorted(names)
        assert sorted(storage.list_unfinished("results/j/")) == sorted(names)
        assert storage.delete("results/j/") == 1010
        assert keys(radosgw, bucket) == ["service/results/j2/a"]
        assert "Uploads" not in radosgw.client().list_multipart_uploads(Bucket=bucket)

    def test_a_body_that_was_damaged_on_the_way_is_not_kept(
        self, storage: Storage, radosgw: RadosGateway, bucket: str, tmp_path: Path
    ) -> None:
        def damage(request: Any, **_: object) -> None:
            request.body = b"abX"

        (tmp_path / "source").write_bytes(b"abc")
        s3: Any = storage
        # After it was signed with the md5 of the sound body, as the network would do it.
        s3._client.meta.events.register("before-send.s3.PutObject", damage)
        with pytest.raises(StorageError):
            storage.put(KEY, tmp_path / "source", content_type=VIDEO)
        assert keys(radosgw, bucket) == []


class TestNetwork:
    def test_a_cut_download_goes_on_where_it_was_cut(
        self, radosgw: RadosGateway, bucket: str, tmp_path: Path
    ) -> None:
        source = file_of(tmp_path, 8 * MIB)
        with FaultyProxy(radosgw.port) as network:
            storage = open_storage(radosgw.url(bucket, network.port))
            stored = storage.put("k", source, content_type=VIDEO)
            network.cut_after(5 * MIB)
            moved: list[int] = []
            assert storage.get("k", tmp_path / "target", on_bytes=moved.append) == stored
        assert sum(moved) == 8 * MIB, "nothing was read twice"
        assert (tmp_path / "target").read_bytes() == source.read_bytes()

    def test_a_cut_upload_is_repeated_inside(
        self, radosgw: RadosGateway, bucket: str, tmp_path: Path
    ) -> None:
        source = file_of(tmp_path, PART_BYTES + 2 * MIB)
        with FaultyProxy(radosgw.port) as network:
            storage = open_storage(radosgw.url(bucket, network.port))
            network.cut_after(PART_BYTES + MIB)
            stored = storage.put("k", source, content_type=VIDEO)
            assert storage.get("k", tmp_path / "target") == stored
        assert stored.sha256 == sha256_of(source)

    def test_an_upload_that_fails_leaves_no_object(
        self, radosgw: RadosGateway, bucket: str, tmp_path: Path
    ) -> None:
        with FaultyProxy(radosgw.port) as network:
            storage = open_storage(radosgw.url(bucket, network.port))
            network.refuse_after(PART_BYTES + MIB)
            with pytest.raises(StorageUnavailableError):
                storage.put("results/a", file_of(tmp_path, PART_BYTES * 2), content_type=VIDEO)
            assert keys(radosgw, bucket) == []
            network.allow()
            assert list(storage.list_unfinished("")) == ["results/a"]
            storage.delete("results/")
            assert list(storage.list_unfinished("")) == []

    def test_a_server_that_is_stopped_is_a_temporary_error(
        self, radosgw: RadosGateway, storage: Storage, tmp_path: Path
    ) -> None:
        source = file_of(tmp_path, 100)
        stored = storage.put("k", source, content_type=VIDEO)
        radosgw.stop()
        try:
            for call in (
                lambda: storage.put("k", source, content_type=VIDEO),
                lambda: storage.get("k", tmp_path / "target"),
                lambda: storage.head("k"),
                lambda: storage.delete("k"),
                lambda: list(storage.list("")),
                lambda: storage.start_multipart("k", content_type=VIDEO),
                storage.ping,
            ):
                with pytest.raises(StorageUnavailableError) as failure:
                    call()
                assert failure.value.is_temporary
        finally:
            radosgw.start()
        assert storage.get("k", tmp_path / "target") == stored


class TestRefusals:
    @pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    def test_wrong_credentials_are_a_permanent_error(
        self,
        radosgw: RadosGateway,
        bucket: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        wrong: str,
    ) -> None:
        monkeypatch.setenv(wrong, "nonsense")
        storage, source = open_storage(radosgw.url(bucket)), file_of(tmp_path, 3)
        for call in (
            lambda: storage.put("k", source, content_type=VIDEO),
            lambda: storage.get("k", tmp_path / "target"),
            lambda: storage.head("k"),
            lambda: storage.delete("k"),
            lambda: list(storage.list("")),
            lambda: storage.start_multipart("k", content_type=VIDEO),
            storage.ping,
        ):
            with pytest.raises(StorageDeniedError, match="credentials") as failure:
                call()
            assert not failure.value.is_temporary
        assert keys(radosgw, bucket) == []

    def test_a_stranger_s_bucket_is_a_permanent_error(
        self, radosgw: RadosGateway, radosgw_keys: None, tmp_path: Path
    ) -> None:
        theirs = radosgw.new_bucket(STRANGER)
        radosgw.client(STRANGER).put_object(Bucket=theirs, Key="film", Body=b"secret")
        buckets = Buckets.of_url(radosgw.url(theirs))
        with pytest.raises(StorageDeniedError):
            buckets.head(Place(theirs, "film"))
        with pytest.raises(StorageDeniedError):
            list(buckets.list(theirs, ""))
        with pytest.raises(StorageDeniedError):
            buckets.put_new(Place(theirs, "x"), file_of(tmp_path, 1), content_type=VIDEO, owner={})

    def test_a_bucket_that_does_not_exist_is_said(
        self, radosgw: RadosGateway, radosgw_keys: None, tmp_path: Path
    ) -> None:
        storage = open_storage(radosgw.url("no-such-bucket"))
        with pytest.raises(StorageDeniedError, match="does not exist"):
            storage.put("k", file_of(tmp_path, 1), content_type=VIDEO)
        with pytest.raises(StorageDeniedError, match="does not exist"):
            storage.ping()

    def test_a_full_bucket_is_a_temporary_error(
        self, radosgw: RadosGateway, bucket: str, storage: Storage, tmp_path: Path
    ) -> None:
        radosgw.limit(bucket, 10_000)
        storage.put("a", file_of(tmp_path, 1000), content_type=VIDEO)
        with pytest.raises(StorageFullError) as failure:
            storage.put("b", file_of(tmp_path, 20_000), content_type=VIDEO)
        assert failure.value.is_temporary
        assert keys(radosgw, bucket) == ["service/a"]
