"""The lines of a manifest that lies on this machine, read on from any of them."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from jobs.batch import ManifestForm
from jobs.errors import RequestInvalidError

LINE_MAX_BYTES = 32 * 1024
"""A key has at most 1,024 bytes, three times that when encoded; the rest is for parameters."""

_BOM = b"\xef\xbb\xbf"
_HEADER = [["bucket", "key"], ["bucket", "key", "versionid"]]


@dataclass(frozen=True)
class ManifestLine:
    """A line as it stands there."""

    number: int
    end: int
    """Where the next one begins, in bytes from the manifest's beginning."""
    text: bytes | None
    """None where it is too long to be one."""


@dataclass(frozen=True)
class Entry:
    """What a line names."""

    bucket: str
    key: str
    version: str | None = None
    etag: str | None = None
    output_url: str | None = None
    on_collision: str | None = None
    choices: Mapping[str, Any] | None = None


def read_manifest(path: Path, offset: int = 0, number: int = 0) -> Iterator[ManifestLine]:
    """Read lines behind the `number`-th, which ended at `offset`."""
    with path.open("rb") as file:
        file.seek(offset)
        while text := file.readline(LINE_MAX_BYTES + 1):
            number += 1
            offset += len(text)
            is_whole = text.endswith(b"\n") or len(text) <= LINE_MAX_BYTES
            rest = text
            while not rest.endswith(b"\n") and (rest := file.readline(LINE_MAX_BYTES)):
                offset += len(rest)
            yield ManifestLine(number, offset, text if is_whole else None)


def form_of(path: Path) -> ManifestForm:
    """Guess a manifest's form by its first line that is not empty."""
    for line in read_manifest(path):
        text = (line.text or b"").removeprefix(_BOM).strip()
        if text:
            return "jsonl" if text.startswith(b"{") else "csv"
    return "csv"


def read_entry(line: ManifestLine, form: ManifestForm) -> Entry | None:
    """Read a line; None where it is empty, or the names of the columns.

    Raises:
        RequestInvalidError: it is no line of this form.

    """
    if line.text is None:
        raise RequestInvalidError(f"The line has more than {LINE_MAX_BYTES} bytes.")
    try:
        text = line.text.removeprefix(_BOM).decode().strip("\r\n")
    except UnicodeDecodeError as error:
        raise RequestInvalidError("The line is no UTF-8; save the manifest as UTF-8.") from error
    if not text.strip():
        return None
    return _of_json(text) if form == "jsonl" else _of_csv(text, is_first=line.number == 1)


def _of_csv(text: str, *, is_first: bool) -> Entry | None:
    try:
        (columns,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise RequestInvalidError(f"The line is no CSV: {error}.") from error
    if is_first and [column.strip().lower() for column in columns] in _HEADER:
        return None
    if len(columns) not in (2, 3) or not columns[0] or not columns[1]:
        raise RequestInvalidError(
            f"The line has {len(columns)} columns; it must be bucket,key or bucket,key,version."
        )
    # As S3 Inventory writes keys and S3 Batch Operations reads them: a plus sign is a space.
    try:
        key = unquote_plus(columns[1], errors="strict")
    except UnicodeDecodeError as error:
        raise RequestInvalidError("The key is no UTF-8 when it is decoded.") from error
    version = _plain("version", columns[2]) if len(columns) == 3 else None
    return Entry(columns[0], key, version)


def _of_json(text: str) -> Entry:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise RequestInvalidError(f"The line is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise RequestInvalidError("The line is no JSON object.")
    own = ("url", "bucket", "key", "version_id", "etag", "output_url", "on_collision")
    texts: dict[str, str | None] = {}
    for name in own:
        value = found.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise RequestInvalidError(f"{name} must be a text.")
        texts[name] = value
    bucket, key = texts["bucket"], texts["key"]
    if texts["url"] is not None:
        bucket, _, key = texts["url"].removeprefix("s3://").partition("/")
        if not texts["url"].startswith("s3://") or texts["bucket"] or texts["key"]:
            raise RequestInvalidError("Give either url, as s3://bucket/key, or bucket and key.")
    if not bucket or not key:
        raise RequestInvalidError("The line names no object; give url, or bucket and key.")
    return Entry(
        bucket, key, _plain("version_id", texts["version_id"]),
        _plain("etag", (texts["etag"] or "").strip('"')),
        texts["output_url"], texts["on_collision"], found or None,
    )  # fmt: skip


def _plain(name: str, text: str | None) -> str | None:
    """Take what goes into a header as it is; empty is none."""
    if text and not re.fullmatch(r"[\x21-\x7e]{1,1024}", text):
        raise RequestInvalidError(f"{name} must be up to 1,024 letters of ASCII without spaces.")
    return text or None
