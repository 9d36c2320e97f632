"""Objects in a bucket of S3, or of a server that speaks its protocol.

Nothing here trusts an ETag or a checksum that the server returns, because compatible servers leave
them out: sizes are compared, and sha256 is computed on this side.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlsplit

from jobs.errors import (
    ObjectDamagedError,
    ObjectNotFoundError,
    SettingsError,
    StorageDeniedError,
    StorageError,
)
from jobs.storage.interface import (
    ObjectFacts,
    OnBytes,
    SignedRequest,
    Storage,
    Stored,
    check,
    part_size,
)
from jobs.storage.s3_client import open_client, read_options
from jobs.storage.s3_errors import translated
from jobs.storage.s3_transfer import receive, send_parts, send_whole


class S3Storage(Storage):
    """A bucket, or what lies in it under a prefix."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str | None = None,
        public_endpoint: str | None = None,
        region: str | None = None,
        style: str = "auto",
    ) -> None:
        """Prepare requests; none is made yet.

        Args:
            bucket: must exist.
            prefix: begins all keys; without slashes at its ends.
            endpoint: of the server; None is Amazon's.
            public_endpoint: what links name, where clients reach the server by another address.
            region: of the bucket.
            style: `path`, `virtual` (the bucket as a host name), or `auto`: path for an endpoint.

        """
        self._bucket = bucket
        self._root = f"{prefix}/" if prefix else ""
        self._client: Any = open_client(endpoint, region, style)
        self._signer: Any = self._client
        if public_endpoint is not None:
            self._signer = open_client(public_endpoint, region, style)

    @classmethod
    def of_url(cls, url: str) -> "S3Storage":
        """Open `s3://bucket/prefix?endpoint=…&public_endpoint=…&region=…&style=…`.

        Raises:
            SettingsError: an option is unknown, or there is no bucket.

        """
        parts, options = urlsplit(url), read_options("STORAGE_URL", url)
        if not parts.netloc:
            raise SettingsError(
                "STORAGE_URL names no bucket; it must look like s3://bucket/prefix."
            )
        return cls(parts.netloc, parts.path.strip("/"), **options)

    def put(
        self, key: str, path: Path, *, content_type: str, on_bytes: OnBytes | None = None
    ) -> Stored:
        """See `Storage.put`."""
        size_bytes = path.stat().st_size
        step_bytes = part_size(size_bytes)
        with path.open("rb") as file, translated(key):
            if size_bytes <= step_bytes:
                sent = send_whole(
                    self._client, self._at(key), file, on_bytes, ContentType=content_type
                )
            else:
                multipart_id = self.start_multipart(key, content_type=content_type)
                try:
                    upload = {**self._at(key), "UploadId": multipart_id}
                    sent = send_parts(self._client, upload, file, step_bytes, on_bytes)
                except BaseException:
                    # The sweep finds what cannot be aborted now.
                    with suppress(StorageError):
                        self.abort_multipart(key, multipart_id)
                    raise
        stored = Stored(key, *sent)
        facts = self.head(key)
        if facts is None or facts.size_bytes != size_bytes or stored.size_bytes != size_bytes:
            with translated(key):
                self._client.delete_object(**self._at(key))
            raise ObjectDamagedError(
                f"{key} arrived with {facts.size_bytes if facts else 0} bytes of {size_bytes};"
                " upload it again."
            )
        return stored

    def get(
        self,
        key: str,
        path: Path,
        *,
        size_bytes: int | None = None,
        sha256: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Stored:
        """See `Storage.get`; what breaks off is resumed where it broke."""
        partial = path.with_name(f".{path.name}.partial-{token_hex(4)}")
        try:
            with translated(key), partial.open("xb") as file:
                stored = Stored(key, *receive(self._client, self._at(key), file, on_bytes))
            check(stored, size_bytes=size_bytes, sha256=sha256)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return stored

    def head(self, key: str) -> ObjectFacts | None:
        """See `Storage.head`."""
        try:
            with translated(key):
                answer = self._client.head_object(**self._at(key))
        except ObjectNotFoundError:
            return None
        return ObjectFacts(key, answer["ContentLength"], answer["LastModified"])

    def list(self, prefix: str) -> Iterator[ObjectFacts]:
        """See `Storage.list`."""
        for found in self._pages("list_objects_v2", prefix, "Contents"):
            yield ObjectFacts(self._key(found["Key"]), found["Size"], found["LastModified"])

    def list_unfinished(self, prefix: str) -> Iterator[str]:
        """See `Storage.list_unfinished`."""
        for found in self._pages("list_multipart_uploads", prefix, "Uploads"):
            yield self._key(found["Key"])

    def delete(self, prefix: str) -> int:
        """See `Storage.delete`."""
        assert prefix, "an empty prefix is everything"
        for found in self._pages("list_multipart_uploads", prefix, "Uploads"):
            self.abort_multipart(self._key(found["Key"]), found["UploadId"])
        count = 0
        for facts in self.list(prefix):
            # One by one: deleting many at once needs a checksum that servers disagree about.
            with translated(facts.key):
                self._client.delete_object(**self._at(facts.key))
            count += 1
        return count

    def sign_get(
        self,
        key: str,
        *,
        expires_s: float,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """See `Storage.sign_get`."""
        answer = {}
        if filename is not None:
            answer["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(filename)}"
        if content_type is not None:
            answer["ResponseContentType"] = content_type
        return self._sign("get_object", key, expires_s, **answer)

    def sign_put(
        self, key: str, *, size_bytes: int, content_type: str, expires_s: float
    ) -> SignedRequest:
        """See `Storage.sign_put`; the signature covers length and type."""
        url = self._sign(
            "put_object", key, expires_s, ContentLength=size_bytes, ContentType=content_type
        )
        return SignedRequest("PUT", url, {"Content-Type": content_type})

    def start_multipart(self, key: str, *, content_type: str) -> str:
        """See `Storage.start_multipart`."""
        with translated(key):
            answer = self._client.create_multipart_upload(**self._at(key), ContentType=content_type)
        multipart_id: str = answer["UploadId"]
        return multipart_id

    def sign_part(
        self, key: str, multipart_id: str, number: int, *, size_bytes: int, expires_s: float
    ) -> SignedRequest:
        """See `Storage.sign_part`."""
        part = {"UploadId": multipart_id, "PartNumber": number, "ContentLength": size_bytes}
        return SignedRequest("PUT", self._sign("upload_part", key, expires_s, **part))

    def parts_arrived(self, key: str, multipart_id: str) -> Mapping[int, int]:
        """See `Storage.parts_arrived`."""
        with translated(key):
            return {part["PartNumber"]: part["Size"] for part in self._parts(key, multipart_id)}

    def _parts(self, key: str, multipart_id: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_parts").paginate(
            **self._at(key), UploadId=multipart_id
        )
        for page in pages:
            yield from page.get("Parts", ())

    def finish_multipart(self, key: str, multipart_id: str) -> None:
        """See `Storage.finish_multipart`."""
        upload = {**self._at(key), "UploadId": multipart_id}
        with translated(key):
            parts = [
                {"PartNumber": part["PartNumber"], "ETag": part["ETag"]}
                for part in self._parts(key, multipart_id)
            ]
            if not parts:
                raise ObjectNotFoundError(
                    f"Nothing was uploaded for {key}; begin the upload again."
                )
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    def abort_multipart(self, key: str, multipart_id: str) -> None:
        """See `Storage.abort_multipart`."""
        with suppress(ObjectNotFoundError), translated(key):
            self._client.abort_multipart_upload(**self._at(key), UploadId=multipart_id)

    def ping(self) -> None:
        """See `Storage.ping`."""
        try:
            with translated(f"the bucket {self._bucket}"):
                self._client.head_bucket(Bucket=self._bucket)
        except ObjectNotFoundError as error:
            # An answer to HEAD has no body that could name the bucket as what is missing.
            raise StorageDeniedError(
                f"The bucket {self._bucket} does not exist; create it."
            ) from error

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._root + key}

    def _key(self, full_key: str) -> str:
        return full_key.removeprefix(self._root)

    def _pages(self, operation: str, prefix: str, field: str) -> Iterator[dict[str, Any]]:
        with translated(prefix):
            pages = self._client.get_paginator(operation).paginate(
                Bucket=self._bucket, Prefix=self._root + prefix
            )
            for page in pages:
                yield from page.get(field, ())

    def _sign(self, operation: str, key: str, expires_s: float, **parameters: object) -> str:
        with translated(key):
            url: str = self._signer.generate_presigned_url(
                operation, Params={**self._at(key), **parameters}, ExpiresIn=int(expires_s)
            )
        return url
