"""Messages about objects, as their senders shape them, read into `ObjectEvent`s.

S3 and those that follow it send `Records`; EventBridge sends one event; SNS wraps either;
SeaweedFS's filer posts paths. S3, MinIO and RustFS encode keys as a form does, some with their
slashes; EventBridge, Ceph and SeaweedFS send them as they are.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

from jobs.errors import EventInvalidError
from jobs.object_events.event import EventKind, ObjectEvent

# SNS wraps once, and some relays wrap that again.
_WRAPPERS_MAX = 3
_KEY_MAX_BYTES = 1024

_PLAIN_KEY_SOURCES = {"ceph:s3"}
_CREATED = ("ObjectCreated:", "ObjectRestore:Completed")
_REMOVED = ("ObjectRemoved:", "LifecycleExpiration:", "ObjectLifecycle:Expiration:")
_BRIDGE_KINDS: Mapping[str, EventKind] = {
    "Object Created": "created",
    "Object Restore Completed": "created",
    "Object Deleted": "removed",
}
_FILER_KINDS: Mapping[str, EventKind] = {
    "create": "created",
    "update": "created",
    "rename": "created",
    "delete": "removed",
}
_FILER_ROOT = "/buckets/"

Json = Mapping[str, Any]


def read_message(body: str | bytes) -> Iterator[ObjectEvent]:
    """Read a message; what it tells that does not matter here, such as a test, gives no event.

    Raises:
        EventInvalidError: it is none of the shapes that are known, or a key is none; only after
            everything that can be read was given.

    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EventInvalidError(
            f"The message is no JSON ({error}); only S3 notifications belong here."
        ) from error
    for _ in range(_WRAPPERS_MAX):
        inner = _unwrapped(document)
        if inner is None:
            break
        document = inner
    if not isinstance(document, dict):
        raise _unknown("is no JSON object")
    # Some servers post an empty object to see whether anybody listens.
    if not document or document.get("Event") == "s3:TestEvent":
        return
    if isinstance(records := document.get("Records"), list):
        yield from _of_records(records)
    elif isinstance(document.get("detail"), dict):
        yield from _of_bridge(document)
    elif isinstance(document.get("event_type"), str):
        yield from _of_filer(document)
    else:
        raise _unknown(f"has none of their fields but {sorted(document)[:8]!a}")


def _unwrapped(document: object) -> object | None:
    """Take a message out of SNS's wrapping; None where there is none."""
    if not isinstance(document, dict) or not isinstance(inner := document.get("Message"), str):
        return None
    if document.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        raise EventInvalidError(
            "SNS asks for its subscription to be confirmed; visit its SubscribeURL, or subscribe"
            " an SQS queue instead."
        )
    try:
        found: object = json.loads(inner)
    except (ValueError, RecursionError) as error:
        raise EventInvalidError(f"The wrapped message is no JSON ({error}).") from error
    return found


def _of_records(records: list[object]) -> Iterator[ObjectEvent]:
    first_error: EventInvalidError | None = None
    for record in records:
        try:
            event = _of_record(record)
        except EventInvalidError as error:
            first_error = first_error or error
        else:
            if event is not None:
                yield event
    if first_error is not None:
        raise first_error


def _of_record(record: object) -> ObjectEvent | None:
    if not isinstance(record, dict):
        raise _unknown("has a record that is no JSON object")
    name = str(record.get("eventName", "")).removeprefix("s3:")
    kind: EventKind
    if name.startswith(_CREATED):
        kind = "created"
    elif name.startswith(_REMOVED):
        kind = "removed"
    else:
        return None
    inner = _part(record, "s3")
    found = _part(inner, "object")
    key = _text(found, "key")
    if record.get("eventSource") not in _PLAIN_KEY_SOURCES:
        key = _decoded(key)
    return _event(kind, _text(_part(inner, "bucket"), "name"), key, found, "eTag", "versionId")


def _of_bridge(document: Json) -> tuple[ObjectEvent, ...]:
    kind = _BRIDGE_KINDS.get(str(document.get("detail-type")))
    if kind is None:
        return ()
    detail = _part(document, "detail")
    found = _part(detail, "object")
    bucket = _text(_part(detail, "bucket"), "name")
    return (_event(kind, bucket, _text(found, "key"), found, "etag", "version-id"),)


def _of_filer(document: Json) -> tuple[ObjectEvent, ...]:
    kind = _FILER_KINDS.get(str(document["event_type"]))
    if kind is None:
        return ()
    path = _text(document, "key")
    message = document.get("message")
    entry = message.get("new_entry") if isinstance(message, dict) else None
    if isinstance(message, dict) and isinstance(entry, dict):
        if entry.get("is_directory"):
            return ()
        if document["event_type"] == "rename" and message.get("new_parent_path"):
            path = f"{message['new_parent_path']}/{entry.get('name', '')}"
    bucket, _, key = path.removeprefix(_FILER_ROOT).partition("/")
    if not path.startswith(_FILER_ROOT) or not key:
        return ()
    return (_event(kind, bucket, key, {}, "", ""),)


def _event(
    kind: EventKind, bucket: str, key: str, found: Json, etag: str, version_id: str
) -> ObjectEvent:
    _check_key(key)
    version = _optional(found, version_id)
    return ObjectEvent(
        kind=kind,
        bucket=bucket,
        key=key,
        # Buckets without versions have one that is called null.
        version_id=None if version == "null" else version,
        etag=(_optional(found, etag) or "").strip('"') or None,
        size_bytes=_size(found.get("size")),
        sequencer=_optional(found, "sequencer"),
    )


def _decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        raise EventInvalidError(f"The key {key[:200]!r} is not UTF-8 when decoded.") from error


def _check_key(key: str) -> None:
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise EventInvalidError(f"The key {key[:200]!r} is no text.") from error
    if not 0 < length <= _KEY_MAX_BYTES or "\0" in key:
        raise EventInvalidError(
            f"A key must have 1 to {_KEY_MAX_BYTES} bytes and no NUL; this one has {length}."
        )


def _part(document: Json, name: str) -> Json:
    found = document.get(name)
    if not isinstance(found, dict):
        raise _unknown(f"lacks {name!r}")
    return found


def _text(document: Json, name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str) or not found:
        raise _unknown(f"lacks {name!r}")
    return found


def _optional(document: Json, name: str) -> str | None:
    found = document.get(name)
    # A version or sequencer that no store would make must not reach the database.
    if not isinstance(found, str) or not (found.isascii() and found.isprintable()):
        return None
    return found if 0 < len(found) <= _KEY_MAX_BYTES else None


def _size(found: object) -> int | None:
    if isinstance(found, str) and found.isdecimal():
        found = int(found[:20])
    return found if isinstance(found, int) and 0 <= found < 2**63 else None


def _unknown(what: str) -> EventInvalidError:
    return EventInvalidError(f"The message {what}; only S3 notifications belong here.")
