"""Objects in a folder, for a service on one machine.

Links to them are signed with a secret that lies in the folder too, so that every process that can
see the objects can sign, and are served by the API (`links.py`).
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from urllib.parse import unquote, urlsplit

from jobs.errors import (
    ObjectNotFoundError,
    SettingsError,
    StorageError,
)
from jobs.storage.files import (
    chunks_of,
    copy,
    exactly,
    files_below,
    move,
    remove_empty_folders,
    translated,
)
from jobs.storage.interface import ObjectFacts, OnBytes, SignedRequest, Storage, Stored, check
from jobs.storage.links import Grant, LinkSigner

_PARTS = ".parts"
_PARTIAL = ".partial"
_SIGNING_FILE = ".link-secret"


class LocalStorage(Storage):
    """A folder whose files are the objects; their paths are the keys."""

    def __init__(self, folder: Path, public_url: str) -> None:
        """Open a folder, and make it where there is none.

        Raises:
            StorageDeniedError: it cannot be made or read.

        """
        self._objects = folder / "objects"
        self._parts = folder / _PARTS
        self._partial = folder / _PARTIAL
        with translated(folder):
            for needed in (self._objects, self._parts, self._partial):
                needed.mkdir(parents=True, exist_ok=True)
            self.links = LinkSigner(_secret_of(folder), public_url)

    @classmethod
    def of_url(cls, url: str, public_url: str) -> "LocalStorage":
        """Open `file:///folder`.

        Raises:
            SettingsError: the folder is not absolute.

        """
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or parts.path in ("", "/"):
            raise SettingsError(f"STORAGE_URL {url} must name a folder: file:///path/to/folder.")
        return cls(Path(unquote(parts.path)), public_url)

    def path_of(self, key: str) -> Path:
        """Return the file behind a key, which may not exist.

        Raises:
            StorageError: the key would lead out of the folder.

        """
        if any(step in ("", ".", "..") for step in key.split("/")) or "\0" in key:
            raise StorageError(f"{key!r} cannot be a key; it must be like a relative path.")
        return self._objects / key

    def put(
        self, key: str, path: Path, *, content_type: str, on_bytes: OnBytes | None = None
    ) -> Stored:
        """See `Storage.put`; the content type follows from the name here."""
        return self._write(key, chunks_of(path), on_bytes)

    def _write(self, key: str, chunks: Iterable[bytes], on_bytes: OnBytes | None = None) -> Stored:
        target, partial = self.path_of(key), self._partial / token_hex(16)
        try:
            with translated(key):
                with partial.open("xb") as file:
                    size_bytes, sha256 = copy(chunks, file, on_bytes)
                    file.flush()
                    os.fsync(file.fileno())
                move(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        return Stored(key, size_bytes, sha256)

    def get(
        self,
        key: str,
        path: Path,
        *,
        size_bytes: int | None = None,
        sha256: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> Stored:
        """See `Storage.get`."""
        partial = path.with_name(f".{path.name}.partial-{token_hex(4)}")
        try:
            with translated(key):
                with partial.open("xb") as file:
                    stored = Stored(key, *copy(chunks_of(self.path_of(key)), file, on_bytes))
                check(stored, size_bytes=size_bytes, sha256=sha256)
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return stored

    def head(self, key: str) -> ObjectFacts | None:
        """See `Storage.head`."""
        path = self.path_of(key)
        try:
            with translated(key):
                return _facts(key, path) if path.is_file() else None
        except ObjectNotFoundError:
            # Removed between the two looks.
            return None

    def list(self, prefix: str) -> Iterator[ObjectFacts]:
        """See `Storage.list`."""
        # Only the folder that the prefix leads into, not the whole tree.
        start = self._objects / prefix.rpartition("/")[0]
        with translated(prefix):
            paths = files_below(start)
        for path in paths:
            key = path.relative_to(self._objects).as_posix()
            if key.startswith(prefix) and (facts := self.head(key)):
                yield facts

    def list_unfinished(self, prefix: str) -> Iterator[str]:
        """See `Storage.list_unfinished`."""
        for _, key in self._unfinished(prefix):
            yield key

    def delete(self, prefix: str) -> int:
        """See `Storage.delete`."""
        count = 0
        with translated(prefix):
            for facts in self.list(prefix):
                path = self.path_of(facts.key)
                path.unlink(missing_ok=True)
                count += 1
                remove_empty_folders(path.parent, self._objects)
            for folder, _ in self._unfinished(prefix):
                shutil.rmtree(folder, ignore_errors=True)
        return count

    def _unfinished(self, prefix: str) -> Iterator[tuple[Path, str]]:
        """Yield the folder and the key of every upload that was begun."""
        for note in sorted(self._parts.glob("*/key")):
            try:
                key = note.read_text()
            except FileNotFoundError:
                # Finished or given up meanwhile.
                continue
            if key.startswith(prefix):
                yield note.parent, key

    def sign_get(
        self,
        key: str,
        *,
        expires_s: float,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """See `Storage.sign_get`."""
        grant = Grant("GET", key, filename=filename, content_type=content_type)
        return self.links.sign(grant, expires_s)

    def sign_put(
        self, key: str, *, size_bytes: int, content_type: str, expires_s: float
    ) -> SignedRequest:
        """See `Storage.sign_put`."""
        grant = Grant("PUT", key, size_bytes=size_bytes, content_type=content_type)
        return SignedRequest(
            "PUT", self.links.sign(grant, expires_s), {"Content-Type": content_type}
        )

    def start_multipart(self, key: str, *, content_type: str) -> str:
        """See `Storage.start_multipart`."""
        self.path_of(key)
        multipart_id = token_hex(16)
        with translated(key):
            folder = self._parts / multipart_id
            folder.mkdir()
            (folder / "key").write_text(key)
        return multipart_id

    def sign_part(
        self, key: str, multipart_id: str, number: int, *, size_bytes: int, expires_s: float
    ) -> SignedRequest:
        """See `Storage.sign_part`."""
        grant = Grant("PUT", key, size_bytes=size_bytes, multipart_id=multipart_id, part=number)
        return SignedRequest("PUT", self.links.sign(grant, expires_s))

    def parts_arrived(self, key: str, multipart_id: str) -> Mapping[int, int]:
        """See `Storage.parts_arrived`."""
        folder = self._parts / multipart_id
        with translated(key):
            if (folder / "key").read_text() != key:
                raise ObjectNotFoundError(f"There is no upload of {key}; begin a new one.")
            parts = sorted(folder.glob("[0-9]*"))
            return {int(part.name): part.stat().st_size for part in parts}

    def receive(self, grant: Grant, chunks: Iterable[bytes]) -> None:
        """Take the body of a request that a link granted; nothing is kept of a wrong one.

        Raises:
            ObjectDamagedError: it is longer or shorter than was signed.
            ObjectNotFoundError: the upload in parts was finished or aborted.

        """
        assert grant.method == "PUT"
        assert grant.size_bytes is not None
        exact = exactly(grant.size_bytes, chunks, grant.key)
        if grant.multipart_id is None:
            self._write(grant.key, exact)
            return
        partial = self._partial / token_hex(16)
        try:
            with translated(grant.key):
                with partial.open("xb") as file:
                    copy(exact, file, None)
                partial.replace(self._parts / grant.multipart_id / f"{grant.part:05d}")
        finally:
            partial.unlink(missing_ok=True)

    def finish_multipart(self, key: str, multipart_id: str) -> None:
        """See `Storage.finish_multipart`."""
        folder = self._parts / multipart_id
        parts = sorted(folder.glob("[0-9]*"))
        if not parts or (folder / "key").read_text() != key:
            raise ObjectNotFoundError(f"Nothing was uploaded for {key}; begin the upload again.")
        self._write(key, chunks_of(*parts))
        shutil.rmtree(folder, ignore_errors=True)

    def abort_multipart(self, key: str, multipart_id: str) -> None:
        """See `Storage.abort_multipart`."""
        shutil.rmtree(self._parts / multipart_id, ignore_errors=True)

    def ping(self) -> None:
        """See `Storage.ping`."""
        with translated("the object folder"):
            next(self._objects.iterdir(), None)


def _secret_of(folder: Path) -> bytes:
    path = folder / _SIGNING_FILE
    if not path.exists():
        made = folder / f"{_SIGNING_FILE}.{token_hex(4)}"
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token_hex(32))
        try:
            # Fails where another process was faster; then its secret is taken.
            path.hardlink_to(made)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return bytes.fromhex(path.read_text())


def _facts(key: str, path: Path) -> ObjectFacts:
    status = path.stat()
    return ObjectFacts(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
