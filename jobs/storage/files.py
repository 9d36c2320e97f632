"""Files under the local storage: copied, moved and removed so that half of one is never seen."""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobs.errors import (
    ObjectDamagedError,
    ObjectNotFoundError,
    StorageDeniedError,
    StorageFullError,
    StorageUnavailableError,
)
from jobs.storage.interface import MIB, OnBytes


def copy(chunks: Iterable[bytes], file: BinaryIO, on_bytes: OnBytes | None) -> tuple[int, str]:
    """Write chunks to a file; return how many bytes and their sha256."""
    digest, size_bytes = hashlib.sha256(), 0
    for chunk in chunks:
        file.write(chunk)
        digest.update(chunk)
        size_bytes += len(chunk)
        if on_bytes is not None:
            on_bytes(len(chunk))
    return size_bytes, digest.hexdigest()


def exactly(size_bytes: int, chunks: Iterable[bytes], key: str) -> Iterator[bytes]:
    """Pass chunks on, as long as there are no more and in the end no less than so many bytes.

    Raises:
        ObjectDamagedError: there are.

    """
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > size_bytes:
            break
        yield chunk
    if seen != size_bytes:
        raise ObjectDamagedError(
            f"The upload of {key} must have {size_bytes} bytes, as its link says; send it again."
        )


def chunks_of(*paths: Path) -> Iterator[bytes]:
    """Read files one after the other."""
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(MIB):
                yield chunk


def move(source: Path, target: Path) -> None:
    """Put a file in its place in one step, making the folders above it."""
    # A removal may take away the empty folder between the two steps.
    for _ in range(10):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            source.replace(target)
        except FileNotFoundError:
            continue
        return
    raise FileNotFoundError(target)


def files_below(folder: Path) -> list[Path]:
    """Return all files of a tree, sorted; what is removed meanwhile is left out."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    walk = os.walk(folder, onerror=refuse)
    return sorted(Path(base, name) for base, _, names in walk for name in names)


def remove_empty_folders(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, up to the first that holds something or is the root."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


@contextmanager
def translated(subject: object) -> Iterator[None]:
    """Raise what the file system refuses inside as an error of the storage."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectNotFoundError(f"There is no object {subject}; it may be removed.") from error
    except PermissionError as error:
        raise StorageDeniedError(
            f"{error.filename} cannot be used; give this user the right to it."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                f"The disk is full, so that {subject} was not written; make room."
            ) from error
        raise StorageUnavailableError(f"{subject} could not be reached: {error}.") from error
