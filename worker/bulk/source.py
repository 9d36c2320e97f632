"""A batch's source, read into lines from where an earlier look at it ended.

A manifest is fetched whole before its first line is read, as everything is that comes over a
network; the position that is kept is a place in that file, or the last key of a listing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.batch import Batch, BatchLine, ManifestForm, split_prefix
from jobs.database import Database
from jobs.errors import (
    InputChangedError,
    InputGoneError,
    ObjectNotFoundError,
    RequestInvalidError,
    UploadNotFoundError,
)
from jobs.placement import Place
from jobs.storage import Storage
from worker.bulk.lines import LineMaker
from worker.bulk.manifest import Entry, form_of, read_entry, read_manifest

if TYPE_CHECKING:
    from jobs.storage.buckets import BucketObject, Buckets

LINES_AT_ONCE = 1000


@dataclass(frozen=True)
class Bite:
    """Some lines that were read, and where the next ones begin."""

    lines: list[BatchLine]
    position: Mapping[str, Any]


@dataclass(frozen=True)
class Where:
    """Where sources lie."""

    database: Database
    storage: Storage
    buckets: "Buckets | None"
    folder: Path
    """For manifests while they are read."""
    manifest_max_bytes: int

    @property
    def opened_buckets(self) -> "Buckets":
        """People's own buckets.

        Raises:
            RequestInvalidError: this service knows none.

        """
        if self.buckets is None:
            raise RequestInvalidError(
                "This service keeps its files in local folders and knows no S3 server; have"
                " FLASHVSR_BUCKETS_URL set."
            )
        return self.buckets


def read_on(
    batch: Batch, maker: LineMaker, where: Where, on_bytes: Callable[[int], None]
) -> Iterator[Bite]:
    """Give the rest of a batch's lines, in bites; the last position says `is_done`.

    Raises:
        RequestInvalidError: the source can never be read.
        InputGoneError: the manifest was removed.
        InputChangedError: it was overwritten since its first lines were read.
        StorageError: the server does not answer, or refuses.

    """
    position = batch.position or {}
    if batch.request.prefix is not None:
        return _of_prefix(batch, maker, where, position)
    if batch.request.objects is not None:
        return _of_objects(batch, maker, position)
    return _of_manifest(batch, maker, where, position, on_bytes)


def _of_prefix(
    batch: Batch, maker: LineMaker, where: Where, position: Mapping[str, Any]
) -> Iterator[Bite]:
    bucket, prefix = split_prefix(batch.request.prefix or "")
    number, after = position.get("number", 0), position.get("after", "")
    found = where.opened_buckets.list(bucket, prefix, after)
    while some := list(islice(found, LINES_AT_ONCE)):
        wanted = [each for each in some if _is_wanted(batch, each)]
        lines = [maker.of_object(number + i, each) for i, each in enumerate(wanted, 1)]
        number, after = number + len(lines), some[-1].place.key
        yield Bite(lines, {"number": number, "after": after})
    yield Bite([], {"number": number, "after": after, "is_done": True})


def _is_wanted(batch: Batch, found: "BucketObject") -> bool:
    key = found.place.key
    # What ends with a slash is a folder that some tool has drawn.
    is_folder = key.endswith("/")
    suffixes = batch.request.suffixes
    return not is_folder and (not suffixes or key.lower().endswith(suffixes))


def _of_objects(batch: Batch, maker: LineMaker, position: Mapping[str, Any]) -> Iterator[Bite]:
    urls = batch.request.objects or ()
    number = position.get("number", 0)
    while some := urls[number : number + LINES_AT_ONCE]:
        lines = [maker.of_entry(number + i, _entry_of(url)) for i, url in enumerate(some, 1)]
        number += len(lines)
        yield Bite(lines, {"number": number})
    yield Bite([], {"number": number, "is_done": True})


def _entry_of(url: str) -> Entry:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return Entry(bucket, key)


def _of_manifest(
    batch: Batch,
    maker: LineMaker,
    where: Where,
    position: Mapping[str, Any],
    on_bytes: Callable[[int], None],
) -> Iterator[Bite]:
    path = where.folder / f"{batch.id}.manifest"
    etag = position.get("etag", "")
    if not path.exists():
        etag = _fetch(batch, where, path, etag, on_bytes)
    form: ManifestForm = batch.request.manifest_form or form_of(path)
    lines: list[BatchLine] = []
    number, offset = position.get("number", 0), position.get("offset", 0)
    for found in read_manifest(path, offset, number):
        try:
            entry = read_entry(found, form)
            line = None if entry is None else maker.of_entry(found.number, entry)
        except RequestInvalidError as error:
            line = maker.refused(found.number, error)
        if line is not None:
            lines.append(line)
        number, offset = found.number, found.end
        if len(lines) == LINES_AT_ONCE:
            yield Bite(lines, {"number": number, "offset": offset, "etag": etag})
            lines = []
    yield Bite(lines, {"number": number, "offset": offset, "etag": etag, "is_done": True})
    path.unlink(missing_ok=True)


def _fetch(
    batch: Batch, where: Where, path: Path, etag: str, on_bytes: Callable[[int], None]
) -> str:
    """Fetch the manifest; return its ETag where it lies in somebody's bucket."""
    request = batch.request
    if request.upload_id is not None:
        try:
            with where.database.reading() as rows:
                upload = rows.uploads.get(batch.tenant, request.upload_id)
            _check_size(where, upload.size_bytes)
            where.storage.get(
                upload.object_key, path, size_bytes=upload.size_bytes, on_bytes=on_bytes
            )
        except (UploadNotFoundError, ObjectNotFoundError) as error:
            raise InputGoneError(
                f"The manifest {request.upload_id} was removed before it was read; upload it again."
            ) from error
        return ""
    place = Place.of_url(request.manifest_url or "")
    found = where.opened_buckets.head(place)
    if found is None:
        raise InputGoneError(f"There is no manifest at {place.url}.")
    _check_size(where, found.size_bytes)
    if etag and found.etag != etag:
        raise InputChangedError(
            f"The manifest {place.url} was overwritten while it was read; make a new batch of it."
        )
    where.opened_buckets.get(found, path, on_bytes=on_bytes)
    return found.etag


def _check_size(where: Where, size_bytes: int) -> None:
    if size_bytes > where.manifest_max_bytes:
        raise RequestInvalidError(
            f"The manifest has {size_bytes} bytes, beyond the limit of {where.manifest_max_bytes};"
            " split it, or have FLASHVSR_MANIFEST_MAX_BYTES raised."
        )
