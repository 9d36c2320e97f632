"""Sending a file: in one piece, or in parts at the same time."""

import hashlib
import mimetypes
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from client.errors import AccessError, ClientError
from client.http import Connection, Json, is_temporary, pause
from client.models import Upload

OnProgress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, from one thread at a time."""

OnBegun = Callable[[Upload], None]
"""Called with the upload before its first byte is sent."""

_TRIES = 6


class _File:
    """A file on its way."""

    def __init__(
        self, connection: Connection, path: Path, document: Json, on_progress: OnProgress | None
    ) -> None:
        self._connection = connection
        self._path = path
        self._here = f"/v1/uploads/{document['id']}"
        self._document = document
        self._on_progress = on_progress
        self._done = 0
        self._lock = threading.Lock()

    def send(self, parallel: int) -> None:
        if self._document["request"] is not None:
            self._send(self._document["request"], 0, self._document["size_bytes"], self._again)
            return
        arrived = set(self._document.get("parts_arrived") or ())
        with ThreadPoolExecutor(parallel, "flashvsr-upload") as pool:
            # One page of links at a time: links expire, and a file may have thousands of parts.
            for page in self._pages():
                for part in page["parts"]:
                    if part["number"] in arrived:
                        self._count(part["size_bytes"])
                missing = [part for part in page["parts"] if part["number"] not in arrived]
                for _ in pool.map(self._send_part, missing):
                    pass

    def _pages(self) -> Iterator[Json]:
        after: int | None = 0
        while after is not None:
            page = self._connection.call("GET", f"{self._here}/parts", query={"after": after})
            found: Json = page.json()
            yield found
            after = found["next_after"]

    def _send_part(self, part: Json) -> None:
        def again() -> Json:
            query = {"after": part["number"] - 1, "limit": 1}
            page: Json = self._connection.call("GET", f"{self._here}/parts", query=query).json()
            request: Json = page["parts"][0]["request"]
            return request

        self._send(part["request"], part["offset_bytes"], part["size_bytes"], again)

    def _again(self) -> Json:
        request: Json = self._connection.call("GET", self._here).json()["request"]
        return request

    def _send(
        self, request: Json, offset: int, size_bytes: int, sign_again: Callable[[], Json]
    ) -> None:
        with self._path.open("rb") as file:
            file.seek(offset)
            body = file.read(size_bytes)
        if len(body) != size_bytes:
            raise ClientError(f"{self._path} became shorter while it was sent; send it again.")
        for failures in range(1, _TRIES + 1):
            try:
                self._connection.send(request, body)
                break
            except AccessError:
                if failures == _TRIES:
                    raise
                # The link expired while other parts were sent.
                request = sign_again()
            except ClientError as error:
                if failures == _TRIES or not is_temporary(error):
                    raise
                pause(failures)
        self._count(size_bytes)

    def _count(self, size_bytes: int) -> None:
        with self._lock:
            self._done += size_bytes
            if self._on_progress is not None:
                self._on_progress(self._done, self._document["size_bytes"])


def send_file(
    connection: Connection,
    path: Path,
    *,
    filename: str | None,
    content_type: str | None,
    verify: bool,
    parallel: int,
    on_progress: OnProgress | None,
    resume: str | None,
    on_begun: OnBegun | None,
) -> Upload:
    """Announce, send and complete. See `FlashVSRClient.upload`."""
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}.") from error
    if size_bytes == 0:
        raise ClientError(f"{path} is empty; there is nothing to send.")
    # Names of other times may hold bytes that are no UTF-8, which JSON cannot carry.
    shown = (filename or path.name).encode(errors="replace").decode()
    body = {
        "filename": shown,
        "size_bytes": size_bytes,
        "content_type": content_type
        or mimetypes.guess_type(path.name)[0]
        or "application/octet-stream",
    }
    if resume is None:
        document: Json = connection.call("POST", "/v1/uploads", json=body).json()
    else:
        document = connection.call("GET", f"/v1/uploads/{resume}").json()
        if document["size_bytes"] != size_bytes:
            raise ClientError(
                f"{path} has {size_bytes} bytes where {resume} has {document['size_bytes']}; send"
                " the file that was begun."
            )
        if document["state"] == "complete":
            return Upload.from_json(document)
    here = f"/v1/uploads/{document['id']}"
    try:
        if on_begun is not None:
            on_begun(Upload.from_json(document))
        _File(connection, path, document, on_progress).send(parallel)
        proof = {"sha256": sha256_of(path)} if verify else {}
        # Reading back takes the service a while.
        wait_s = size_bytes / 20e6 if verify else 60.0
        return Upload.from_json(
            connection.call("POST", f"{here}/complete", json=proof, wait_s=wait_s).json()
        )
    except BaseException:
        # Whoever knows its id can go on with it.
        if resume is None and on_begun is None:
            with suppress(ClientError):
                connection.call("DELETE", here)
        raise


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
