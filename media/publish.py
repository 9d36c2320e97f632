"""Outputs appear whole or not at all: write beside the target, then rename over it."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

from media.errors import OutputFullError, OutputNotWritableError

FULL_DISK_ERRNOS = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class PartialOutput:
    """A hidden, unfinished file or folder beside the one it will become.

    Raises `OutputNotWritableError` at once where the target could not be written in the end.
    """

    def __init__(self, target: Path, source: Path, *, is_folder: bool = False) -> None:
        self.target = target
        self._is_folder = is_folder
        name = f".{target.name}.partial-{secrets.token_hex(4)}"
        self.path = target.with_name(name)
        _check_target(target, source, is_folder)
        try:
            if is_folder:
                self.path.mkdir()
            else:
                self.path.touch(exist_ok=False)
        except OSError as error:
            raise OutputNotWritableError(
                f"{target}: cannot write here ({error.strerror}); choose another output"
            ) from error

    def publish(self) -> None:
        """Flush to disk and rename; an existing file is replaced in one step."""
        try:
            for path in [*self.path.iterdir()] if self._is_folder else [self.path]:
                _sync(path)
            # An empty folder may be renamed over; _check_target refused any other.
            self.path.replace(self.target)
            _sync(self.target.absolute().parent)
        except OSError as error:
            if error.errno in FULL_DISK_ERRNOS:
                raise OutputFullError(
                    f"{self.target}: the disk is full; free some space"
                ) from error
            raise OutputNotWritableError(
                f"{self.target}: cannot be put in place ({error.strerror}); choose another output"
            ) from error

    def discard(self) -> None:
        """Remove what was written so far; more than once does no harm."""
        if self._is_folder:
            if self.path.exists():
                shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def _check_target(target: Path, source: Path, is_folder: bool) -> None:
    folder = target.absolute().parent
    if not folder.is_dir():
        raise OutputNotWritableError(f"{target}: the folder {folder} is missing; create it first")
    if target.exists() and source.exists() and target.samefile(source):
        raise OutputNotWritableError(f"{target}: this is the input itself; choose another output")
    if is_folder and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputNotWritableError(
            f"{target}: this exists and is not an empty folder; choose another output"
        )
    if not is_folder and target.exists() and not target.is_file():
        raise OutputNotWritableError(
            f"{target}: this exists and is not a file; choose another output"
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
