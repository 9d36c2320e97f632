"""Buckets that are not this service's own: people's videos, and the results beside them.

Nothing there is ever overwritten, listed beyond what was asked for, or removed. Every request names
the object whole; who may do what is decided before, in `jobs.permission`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlsplit

from jobs.errors import (
    InputChangedError,
    NotImplementedByStoreError,
    ObjectDamagedError,
    ObjectNotFoundError,
    OutputExistsError,
    PreconditionFailedError,
    SettingsError,
    StorageError,
)
from jobs.placement import Place
from jobs.storage.interface import OnBytes, Stored, check, part_size
from jobs.storage.s3_client import open_client, read_options
from jobs.storage.s3_errors import translated
from jobs.storage.s3_transfer import receive, send_parts, send_whole


@dataclass(frozen=True)
class BucketObject:
    """An object as its server describes it."""

    place: Place
    size_bytes: int
    modified_at: datetime
    """By the server's clock; listings of some servers know it more exactly than heads do."""
    etag: str = ""
    """Without quotes; empty where the server gives none."""
    version_id: str | None = None
    """None where the bucket keeps no versions, and in listings."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def is_same(self, other: "BucketObject") -> bool:
        """Tell whether this is still the object that it was, or one with the same content."""
        if self.etag and other.etag:
            return (self.etag, self.size_bytes) == (other.etag, other.size_bytes)
        return (self.modified_at, self.size_bytes) == (other.modified_at, other.size_bytes)


class Buckets:
    """All buckets of one server, with one set of credentials. Safe to share between threads."""

    def __init__(
        self,
        endpoint: str | None = None,
        region: str | None = None,
        style: str = "auto",
        public_endpoint: str | None = None,
    ) -> None:
        """Prepare requests; none is made yet. See `S3Storage`."""
        self._client: Any = open_client(endpoint, region, style)
        self._signer: Any = self._client
        if public_endpoint is not None:
            self._signer = open_client(public_endpoint, region, style)

    @classmethod
    def of_url(cls, url: str) -> "Buckets":
        """Open the server of `s3://?endpoint=…&region=…&style=…`; a bucket in it plays no part.

        Raises:
            SettingsError: the URL is of another kind.

        """
        if urlsplit(url).scheme != "s3":
            raise SettingsError(
                "FLASHVSR_BUCKETS_URL must look like s3://?endpoint=URL&region=NAME&style=path."
            )
        return cls(**read_options("FLASHVSR_BUCKETS_URL", url))

    def head(self, place: Place, version_id: str | None = None) -> BucketObject | None:
        """Describe an object; None where there is none."""
        version = {"VersionId": version_id} if version_id else {}
        try:
            with translated(place.url):
                answer = self._client.head_object(**_at(place), **version)
        except ObjectNotFoundError:
            return None
        return BucketObject(
            place,
            answer["ContentLength"],
            answer["LastModified"],
            answer.get("ETag", "").strip('"'),
            answer.get("VersionId"),
            answer.get("Metadata", {}),
        )

    def get(
        self,
        found: BucketObject,
        path: Path,
        *,
        version_id: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Stored:
        """Read just the object that `head` found into a file, which appears whole or not at all.

        Raises:
            ObjectNotFoundError: it was removed meanwhile.
            InputChangedError: it was overwritten meanwhile.
            ObjectDamagedError: it has another size than its head said.

        """
        at = _at(found.place)
        if version_id:
            at["VersionId"] = version_id
        elif found.etag:
            at["IfMatch"] = f'"{found.etag}"'
        partial = path.with_name(f".{path.name}.partial-{token_hex(4)}")
        try:
            with partial.open("xb") as file:
                stored = Stored(found.place.url, *receive(self._client, at, file, on_bytes))
            check(stored, size_bytes=found.size_bytes, sha256=None)
            partial.replace(path)
        except PreconditionFailedError as error:
            raise InputChangedError(
                f"{found.place.url} was overwritten before it was read; submit it again."
            ) from error
        finally:
            partial.unlink(missing_ok=True)
        return stored

    def put_new(
        self,
        place: Place,
        path: Path,
        *,
        content_type: str,
        owner: Mapping[str, str],
        on_bytes: OnBytes | None = None,
        on_multipart: Callable[[str], None] | None = None,
    ) -> Stored:
        """Write a file where nothing lies yet; the object is there whole or not at all.

        Servers that know `If-None-Match` refuse an object that appears meanwhile. Others are asked
        before; between that and the end of the upload somebody else may still write there.

        Args:
            place: where.
            path: of the file.
            content_type: of the object.
            owner: kept with it, in ASCII. An object with the same entries counts as this one, so
                that a write whose answer was lost can be repeated.
            on_bytes: see `OnBytes`.
            on_multipart: called with the id of an upload in parts before its first part, for
                whoever aborts it should this process die.

        Raises:
            OutputExistsError: something lies there.
            ObjectDamagedError: the object ended up with another size than the file has.

        """
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        found = self.head(place)
        if found is None:
            kept = {"ContentType": content_type, "Metadata": {**owner, "flashvsr-sha256": sha256}}
            try:
                self._send(place, path, kept, on_bytes, on_multipart)
            except (PreconditionFailedError, ObjectNotFoundError):
                # Somebody was quicker; or it was this upload, and its first answer was lost.
                found = self.head(place)
                if found is None:
                    raise
        found = found or self.head(place)
        if found is None or not is_of(found, owner):
            raise OutputExistsError(f"Something lies at {place.url} already; it was left as it is.")
        if found.size_bytes != size_bytes:
            raise ObjectDamagedError(
                f"{place.url} has {found.size_bytes} bytes of {size_bytes}; remove it and retry."
            )
        return Stored(place.url, size_bytes, found.metadata.get("flashvsr-sha256", sha256))

    def _send(
        self,
        place: Place,
        path: Path,
        kept: Mapping[str, Any],
        on_bytes: OnBytes | None,
        on_multipart: Callable[[str], None] | None,
    ) -> None:
        only_new = {"IfNoneMatch": "*"}
        step_bytes = part_size(path.stat().st_size)
        with path.open("rb") as file:
            if path.stat().st_size <= step_bytes:
                try:
                    with translated(place.url):
                        send_whole(self._client, _at(place), file, on_bytes, **kept, **only_new)
                except NotImplementedByStoreError:
                    file.seek(0)
                    with translated(place.url):
                        send_whole(self._client, _at(place), file, on_bytes, **kept)
                return
            with translated(place.url):
                begun = self._client.create_multipart_upload(**_at(place), **kept)
            upload = {**_at(place), "UploadId": begun["UploadId"]}
            try:
                if on_multipart is not None:
                    on_multipart(begun["UploadId"])
                with translated(place.url):
                    send_parts(self._client, upload, file, step_bytes, on_bytes, **only_new)
            except BaseException:
                with suppress(StorageError):
                    self.abort(place, begun["UploadId"])
                raise

    def abort(self, place: Place, multipart_id: str) -> None:
        """Forget an upload in parts; one that does not exist is no error."""
        with suppress(ObjectNotFoundError), translated(place.url):
            self._client.abort_multipart_upload(**_at(place), UploadId=multipart_id)

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[BucketObject]:
        """Describe all objects whose key begins with a prefix and comes after another key."""
        start = {"StartAfter": after} if after else {}
        with translated(f"s3://{bucket}/{prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, **start
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    yield BucketObject(
                        Place(bucket, found["Key"]),
                        found["Size"],
                        found["LastModified"],
                        found.get("ETag", "").strip('"'),
                    )

    def sign_get(self, place: Place, *, expires_s: float, filename: str, content_type: str) -> str:
        """Make a link that downloads an object under a name of its own."""
        answer = {
            "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(filename)}",
            "ResponseContentType": content_type,
        }
        with translated(place.url):
            url: str = self._signer.generate_presigned_url(
                "get_object", Params={**_at(place), **answer}, ExpiresIn=int(expires_s)
            )
        return url


def is_of(found: BucketObject, owner: Mapping[str, str]) -> bool:
    """Tell whether an object was written by `put_new` for this owner."""
    return all(found.metadata.get(name) == value for name, value in owner.items())


def _at(place: Place) -> dict[str, str]:
    return {"Bucket": place.bucket, "Key": place.key}
