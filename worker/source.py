"""A job's input: an upload of ours, or an object in somebody's own bucket.

An object is looked at before its first byte is read, so that what can never work costs nothing; and
once more before the result is published, so that no result is of an object that is another by then.
"""

import re
from pathlib import Path
from typing import Protocol

from jobs.errors import InputChangedError, InputGoneError, ObjectNotFoundError, RequestInvalidError
from jobs.job import Job
from jobs.placement import Place
from jobs.storage import Storage
from jobs.storage.interface import OnBytes
from media.errors import NotAVideoError, TooLargeError
from worker.tools import Tools


class Source(Protocol):
    """An input that was found."""

    def download(self, path: Path, on_bytes: OnBytes) -> None:
        """Read it into a file.

        Raises:
            InputGoneError: it was removed.
            InputChangedError: it was overwritten.

        """

    def check_unchanged(self) -> None:
        """Make sure that it was not overwritten since it was found; removed is no other object.

        Raises:
            InputChangedError: it was.

        """


def find_source(job: Job, tools: Tools) -> Source:
    """Find a job's input.

    Raises:
        InputGoneError: it was removed.
        InputChangedError: it is not the object any more that was asked for.
        NotAVideoError: it is empty.
        TooLargeError: it is larger than this worker takes.

    """
    if job.request.upload_id is None:
        return _ObjectSource(job, tools)
    return _UploadSource(job, tools, job.request.upload_id)


def readable_name(name: str | None) -> str:
    """Name a file as its owner does, so that sentences about it mean something to them."""
    # A file system takes 255 bytes, and a letter up to four.
    return re.sub(r"[^\w .()+-]", "_", name or "").strip(" .")[:60] or "input"


class _UploadSource:
    def __init__(self, job: Job, tools: Tools, upload_id: str) -> None:
        self._job_id, self._storage = job.id, tools.storage
        with tools.database.reading() as rows:
            self._upload = rows.uploads.get(job.tenant, upload_id)

    def download(self, path: Path, on_bytes: OnBytes) -> None:
        storage: Storage = self._storage
        upload = self._upload
        try:
            storage.get(upload.object_key, path, size_bytes=upload.size_bytes, on_bytes=on_bytes)
        except ObjectNotFoundError as error:
            raise InputGoneError(
                f"The input of {self._job_id} was removed; upload it again and submit a new job."
            ) from error

    def check_unchanged(self) -> None:
        """Do nothing: an upload never changes."""


class _ObjectSource:
    def __init__(self, job: Job, tools: Tools) -> None:
        if tools.buckets is None:
            raise RequestInvalidError(
                "This service keeps its files in local folders and knows no S3 server; upload the"
                " file instead, or have FLASHVSR_BUCKETS_URL set."
            )
        request = job.request
        self._buckets = tools.buckets
        self._place = Place.of_url(request.input_url or "")
        self._version = request.input_version
        found = self._buckets.head(self._place, self._version)
        if found is None:
            raise InputGoneError(f"{self._place.url} was removed before it was read.")
        self._found = found
        if request.input_etag and found.etag and request.input_etag != found.etag:
            raise InputChangedError(
                f"{self._place.url} was overwritten since it was asked for; submit it again."
            )
        if found.size_bytes == 0:
            raise NotAVideoError(f"{self._place.url} is empty; there is no video in it.")
        most = tools.settings.max_input_bytes
        if found.size_bytes > most:
            raise TooLargeError(
                f"{self._place.url} has {found.size_bytes} bytes, beyond the limit of {most}; cut"
                " the video into parts."
            )

    def download(self, path: Path, on_bytes: OnBytes) -> None:
        try:
            self._buckets.get(self._found, path, version_id=self._version, on_bytes=on_bytes)
        except ObjectNotFoundError as error:
            raise InputGoneError(f"{self._place.url} was removed while it was read.") from error

    def check_unchanged(self) -> None:
        if self._version is not None:
            return
        found = self._buckets.head(self._place)
        if found is not None and not found.is_same(self._found):
            raise InputChangedError(
                f"{self._place.url} was overwritten while it was enlarged; the result was thrown"
                " away, submit it again."
            )
