"""Signed links on a server that checks signatures and expiry."""

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import (
    ObjectNotFoundError,
)
from jobs.storage import SignedRequest, Storage, open_storage
from jobs.storage.interface import PART_BYTES
from tests.jobs.http import send
from tests.real_servers.objects import KEY, MULTIPART_MIN_BYTES, VIDEO, file_of, keys, sha256_of
from tests.servers.radosgw import RadosGateway

pytestmark = pytest.mark.timeout(300)


def changed(request: SignedRequest, old: str, new: str) -> SignedRequest:
    assert old in request.url
    return SignedRequest(request.method, request.url.replace(old, new), request.headers)


class TestLinks:
    def put(self, storage: Storage, expires_s: float = 60) -> SignedRequest:
        return storage.sign_put(KEY, size_bytes=3, content_type=VIDEO, expires_s=expires_s)

    def test_one_piece(self, storage: Storage, tmp_path: Path) -> None:
        assert send(self.put(storage), b"abc").status == 200
        assert storage.get(KEY, tmp_path / "target", size_bytes=3).size_bytes == 3
        url = storage.sign_get(KEY, expires_s=60, filename="Ferien ü.mp4", content_type="video/x")
        answer = send(url)
        assert (answer.status, answer.body) == (200, b"abc")
        assert answer.headers["content-type"] == "video/x"
        assert "Ferien%20%C3%BC.mp4" in answer.headers["content-disposition"]

    @pytest.mark.parametrize("body", [b"", b"ab", b"abcd"])
    def test_another_size_than_signed_is_refused(self, storage: Storage, body: bytes) -> None:
        assert send(self.put(storage), body).status == 403
        assert storage.head(KEY) is None

    def test_a_body_of_unsaid_length_is_refused(self, storage: Storage) -> None:
        signed = self.put(storage)
        request = SignedRequest(
            "PUT", signed.url, {**signed.headers, "Transfer-Encoding": "chunked"}
        )
        assert send(request).status == 403
        assert storage.head(KEY) is None

    def test_another_type_than_signed_is_refused(self, storage: Storage) -> None:
        url = self.put(storage).url
        assert send(SignedRequest("PUT", url, {"Content-Type": "text/html"}), b"abc").status == 403
        assert send(SignedRequest("PUT", url), b"abc").status == 403
        assert storage.head(KEY) is None

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("X-Amz-Signature=", "X-Amz-Signature=0"),
            ("X-Amz-Expires=60", "X-Amz-Expires=600000"),
            ("/uploads/u/", "/uploads/other/"),
            ("us-east-1", "eu-west-1"),
            ("Credential=alice", "Credential=mallory"),
        ],
    )
    def test_what_was_tampered_with_is_refused(
        self, storage: Storage, radosgw: RadosGateway, bucket: str, old: str, new: str
    ) -> None:
        assert send(changed(self.put(storage), old, new), b"abc").status == 403
        assert keys(radosgw, bucket) == []

    def test_every_parameter_of_a_download_is_signed(
        self, storage: Storage, tmp_path: Path
    ) -> None:
        storage.put(KEY, file_of(tmp_path, 3), content_type=VIDEO)
        url = storage.sign_get(KEY, expires_s=60, filename="a.mp4", content_type=VIDEO)
        assert send(url).status == 200
        for old, new in (("a.mp4", "b.exe"), ("video%2Fmp4", "text%2Fhtml"), (KEY, KEY + "2")):
            assert old in url
            assert send(url.replace(old, new)).status == 403
        assert send(url.partition("?")[0]).status == 403, "without a signature"

    def test_another_bucket_s_key_is_refused(
        self, storage: Storage, radosgw: RadosGateway, bucket: str
    ) -> None:
        other = radosgw.new_bucket()
        radosgw.client().put_object(Bucket=other, Key=f"service/{KEY}", Body=b"of another bucket")
        moved = changed(self.put(storage), f"/{bucket}/", f"/{other}/")
        assert send(moved, b"abc").status == 403
        link = storage.sign_get(KEY, expires_s=60)
        assert send(link.replace(f"/{bucket}/", f"/{other}/")).status == 403
        found = radosgw.client().get_object(Bucket=other, Key=f"service/{KEY}")
        assert found["Body"].read() == b"of another bucket"

    def test_an_expired_link_is_refused(
        self, storage: Storage, radosgw: RadosGateway, bucket: str
    ) -> None:
        put, get = self.put(storage, expires_s=3), storage.sign_get(KEY, expires_s=3)
        assert send(put, b"abc").status == 200
        assert send(get).body == b"abc"
        time.sleep(4.1)
        assert send(put, b"xyz").status == 403
        assert send(get).status == 403
        assert send(storage.sign_get(KEY, expires_s=60)).body == b"abc"

    def test_a_link_does_one_thing(self, storage: Storage, tmp_path: Path) -> None:
        put = self.put(storage)
        assert send(put, b"abc").status == 200
        assert send(put.url).status == 403
        assert send(SignedRequest("DELETE", put.url)).status == 403
        get = storage.sign_get(KEY, expires_s=60)
        assert send(SignedRequest("PUT", get), b"xyz").status == 403
        assert send(get).body == b"abc"

    def test_links_of_the_public_address(
        self, radosgw: RadosGateway, bucket: str, tmp_path: Path
    ) -> None:
        """The service reaches the server by one name, its clients by another one."""
        public = f"http://localhost:{radosgw.port}"
        storage = open_storage(f"{radosgw.url(bucket)}&public_endpoint={public}")
        request = self.put(storage)
        assert request.url.startswith(public)
        assert send(request, b"abc").status == 200
        assert send(storage.sign_get(KEY, expires_s=60)).body == b"abc"
        elsewhere = changed(request, "//localhost", "//127.0.0.1")
        assert send(elsewhere, b"xyz").status == 403, "the name is signed too"

    def test_parts(self, storage: Storage, tmp_path: Path) -> None:
        body = os.urandom(2 * MULTIPART_MIN_BYTES + 10)
        multipart_id = storage.start_multipart(KEY, content_type=VIDEO)
        with pytest.raises(ObjectNotFoundError):
            storage.finish_multipart(KEY, multipart_id)
        for number in (3, 1, 2, 1):
            part = body[(number - 1) * MULTIPART_MIN_BYTES : number * MULTIPART_MIN_BYTES]
            request = storage.sign_part(
                KEY, multipart_id, number, size_bytes=len(part), expires_s=60
            )
            assert send(request, part[:-1]).status == 403, "another size than signed"
            other = changed(request, f"partNumber={number}", f"partNumber={number + 5}")
            assert send(other, part).status == 403
            assert send(request, part).status == 200
        assert storage.head(KEY) is None
        assert list(storage.list_unfinished("uploads/")) == [KEY]
        storage.finish_multipart(KEY, multipart_id)
        stored = storage.get(KEY, tmp_path / "target", size_bytes=len(body))
        assert stored.sha256 == hashlib.sha256(body).hexdigest()
        assert list(storage.list_unfinished("")) == []
        with pytest.raises(ObjectNotFoundError):
            storage.finish_multipart(KEY, multipart_id)
        assert send(request, part).status == 404, "too late"

    def test_an_upload_that_was_broken_off_takes_no_parts(self, storage: Storage) -> None:
        multipart_id = storage.start_multipart(KEY, content_type=VIDEO)
        request = storage.sign_part(KEY, multipart_id, 1, size_bytes=3, expires_s=60)
        assert send(request, b"abc").status == 200
        storage.abort_multipart(KEY, multipart_id)
        storage.abort_multipart(KEY, multipart_id)
        assert send(request, b"abc").status == 404
        with pytest.raises(ObjectNotFoundError):
            storage.finish_multipart(KEY, multipart_id)
        assert list(storage.list_unfinished("")) == []


def test_a_completion_that_tells_no_etag_is_enough(
    storage: Storage, bucket: str, radosgw: RadosGateway, tmp_path: Path
) -> None:
    """This server answers so; nothing that we hand out may rest upon it."""
    answers: list[dict[str, Any]] = []
    s3: Any = storage
    s3._client.meta.events.register(
        "after-call.s3.CompleteMultipartUpload", lambda parsed, **_: answers.append(parsed)
    )
    source = file_of(tmp_path, PART_BYTES + 1)
    stored = storage.put("a", source, content_type=VIDEO)
    multipart_id = storage.start_multipart("b", content_type=VIDEO)
    request = storage.sign_part("b", multipart_id, 1, size_bytes=3, expires_s=60)
    assert send(request, b"abc").status == 200
    storage.finish_multipart("b", multipart_id)
    assert [answer.get("ETag", "").strip('"') for answer in answers] == ["", ""]
    assert not any(name.startswith("Checksum") for answer in answers for name in answer)
    assert storage.get("a", tmp_path / "target", sha256=sha256_of(source)) == stored
    assert storage.get("b", tmp_path / "target", size_bytes=3).size_bytes == 3
