"""Fetching a file: whole or not at all, resumed where it breaks off."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from client.errors import ClientError, DownloadDamagedError, UnreachableError
from client.http import Connection, is_temporary, pause

_TRIES = 6

OnProgress = Callable[[int, int], None]


def fetch_file(
    connection: Connection,
    address: str,
    path: Path,
    *,
    sha256: str | None,
    on_progress: OnProgress | None,
) -> None:
    """Download what `address` redirects to. See `FlashVSRClient.download`."""
    partial = path.with_name(f".{path.name}.partial-{token_hex(4)}")
    try:
        with partial.open("xb") as file:
            found = _receive(connection, address, file, on_progress)
        if sha256 is not None and found != sha256:
            raise DownloadDamagedError(f"{path.name} arrived damaged; download it again.")
        partial.replace(path)
    except OSError as error:
        raise ClientError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _receive(
    connection: Connection, address: str, file: BinaryIO, on_progress: OnProgress | None
) -> str:
    digest, done, failures = hashlib.sha256(), 0, 0
    while True:
        # A fresh link for every try: the last one may have expired meanwhile.
        link = connection.call("GET", address).headers["location"]
        before = done
        try:
            resumed = {"Range": f"bytes={done}-"} if done else {}
            with connection.stream(link, resumed, is_link=True) as answer:
                if done and answer.status_code != 206:
                    file.seek(0)
                    file.truncate()
                    digest, done = hashlib.sha256(), 0
                total = done + int(answer.headers.get("content-length", 0))
                for piece in answer.iter_bytes(1 << 20):
                    file.write(piece)
                    digest.update(piece)
                    done += len(piece)
                    if on_progress is not None:
                        on_progress(done, total)
                if done < total:
                    raise UnreachableError("The download broke off; try again.")
        except ClientError as error:
            # What moves forward is no failure.
            failures = 1 if done > before else failures + 1
            if failures == _TRIES or not is_temporary(error):
                raise
            pause(failures)
        else:
            return digest.hexdigest()
