"""What stores send, in the shapes that they send it."""

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from jobs.errors import EventInvalidError
from jobs.object_events import ObjectEvent, order_of, read_message

KEYS = {
    "plain": "in/film.mp4",
    "spaces": "in/my film.mp4",
    "plus": "in/a+b.mp4",
    "percent": "in/100%25.mp4",
    "unicode": "in/фильм é 映画.mp4",
    "longest": "in/" + "ä" * 509 + ".mp",
    "odd": "in/&=?#;,'\".mp4",
    "slashes": "in//a//b/",
}


def read(body: str | bytes) -> tuple[ObjectEvent, ...]:
    return tuple(read_message(body))


def record(key: str, **changes: Any) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "c",
            "bucket": {"name": "films", "arn": "arn:aws:s3:::films"},
            "object": {
                "key": key,
                "size": 5,
                "eTag": "abc",
                "versionId": "v1",
                "sequencer": "0055AED6DCD90281E5",
            },
        },
        **changes,
    }


def sent(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def bridge(key: str, kind: str = "Object Created") -> dict[str, Any]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2021-11-12T00:00:00Z",
        "region": "ca-central-1",
        "resources": ["arn:aws:s3:::films"],
        "detail": {
            "version": "0",
            "bucket": {"name": "films"},
            "object": {"key": key, "size": 5, "etag": "abc", "version-id": "v1", "sequencer": "0A"},
            "request-id": "N4N7GDK58NMKJ12R",
            "reason": "PutObject",
        },
    }


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_keys_come_out_as_they_are_in_the_bucket(key: str) -> None:
    as_s3 = read(sent(record(quote_plus(key, safe="/"))))
    as_minio = read(sent(record(quote_plus(key), eventSource="minio:s3")))
    as_path = read(sent(record(quote(key))))
    as_ceph = read(sent(record(key, eventSource="ceph:s3")))
    as_bridge = read(json.dumps(bridge(key)))
    as_filer = read(json.dumps({"key": f"/buckets/films/{key}", "event_type": "create"}))
    for (event,) in (as_s3, as_minio, as_path, as_ceph, as_bridge, as_filer):
        assert (event.kind, event.bucket, event.key) == ("created", "films", key)


def test_a_record_tells_version_etag_size_and_sequencer() -> None:
    assert read(sent(record("a.mp4"))) == (
        ObjectEvent("created", "films", "a.mp4", "v1", "abc", 5, "0055AED6DCD90281E5"),
    )
    assert read(json.dumps(bridge("a.mp4"))) == (
        ObjectEvent("created", "films", "a.mp4", "v1", "abc", 5, "0A"),
    )


def test_several_records_in_one_message() -> None:
    events = read(sent(*(record(f"{n}.mp4") for n in range(3))))
    assert [event.key for event in events] == ["0.mp4", "1.mp4", "2.mp4"]


@pytest.mark.parametrize("depth", [1, 2])
def test_sns_wraps_it(depth: int) -> None:
    body = sent(record("a+b.mp4"))
    for _ in range(depth):
        body = json.dumps({"Type": "Notification", "TopicArn": "arn:x", "Message": body})
    assert read(body)[0].key == "a b.mp4"


def test_a_test_event_is_nothing() -> None:
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "films"}
    assert read(json.dumps(test)) == ()
    assert read("{}") == ()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ObjectCreated:Put", "created"),
        ("s3:ObjectCreated:CompleteMultipartUpload", "created"),
        ("ObjectCreated:Copy", "created"),
        ("ObjectRestore:Completed", "created"),
        ("ObjectRemoved:Delete", "removed"),
        ("s3:ObjectRemoved:DeleteMarkerCreated", "removed"),
        ("LifecycleExpiration:Delete", "removed"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert [event.kind for event in read(sent(record("a", eventName=name)))] == [kind]


@pytest.mark.parametrize("name", ["ObjectTagging:Put", "ObjectRestore:Post", "", "Replication:X"])
def test_what_is_not_about_content_is_nothing(name: str) -> None:
    assert read(sent(record("a", eventName=name))) == ()
    assert read(json.dumps(bridge("a", kind="Object Tags Added"))) == ()


def test_removals_of_the_bridge_and_the_filer() -> None:
    assert read(json.dumps(bridge("a", kind="Object Deleted")))[0].kind == "removed"
    removed = {"key": "/buckets/films/in/a.mp4", "event_type": "delete", "message": {}}
    assert read(json.dumps(removed)) == (ObjectEvent("removed", "films", "in/a.mp4"),)


def test_the_filer_tells_of_folders_and_new_names_too() -> None:
    entry = {"name": "b.mp4", "is_directory": False}
    message = {"new_entry": entry, "new_parent_path": "/buckets/films/out"}
    renamed = {"key": "/buckets/films/in/a.mp4", "event_type": "rename", "message": message}
    assert read(json.dumps(renamed))[0].key == "out/b.mp4"
    folder = {"new_entry": {"name": "in", "is_directory": True}}
    made = {"key": "/buckets/films/in", "event_type": "create", "message": folder}
    assert read(json.dumps(made)) == ()
    elsewhere = {"key": "/topics/x", "event_type": "create"}
    assert read(json.dumps(elsewhere)) == ()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[]",
        "null",
        '{"a": 1}',
        '{"Records": [1]}',
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
        '{"Message": "not JSON"}',
        '{"Type": "SubscriptionConfirmation", "Message": "You have chosen", "SubscribeURL": "x"}',
        '{"detail": {}, "detail-type": "Object Created"}',
        '{"event_type": "create"}',
        "[" * 100_000,
        sent(record("%FF%FE")),
        sent(record("a%00b")),
        sent(record("x" * 1025)),
        sent(record("\ud800", eventSource="ceph:s3")),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(body: str) -> None:
    with pytest.raises(EventInvalidError) as caught:
        read(body)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert len(sentence) < 1000
    assert "\0" not in sentence


def test_one_bad_record_does_not_hide_the_others() -> None:
    found = read_message(sent(record("a"), record("%FF"), record("b")))
    assert (next(found).key, next(found).key) == ("a", "b")
    with pytest.raises(EventInvalidError, match="not UTF-8"):
        next(found)


def test_a_version_called_null_is_none() -> None:
    plain = record("a")
    plain["s3"]["object"] |= {"versionId": "null", "eTag": '"abc"', "sequencer": "", "size": "7"}
    assert read(sent(plain)) == (ObjectEvent("created", "films", "a", None, "abc", 7),)


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E5", "same"),
        ("0055AED6DCD90281E5", "0055aed6dcd90281e5", "same"),
        ("0A", "0A00", "same"),
        ("0B", "0AFFFF", "newer"),
        ("0AFFFF", "0B", "older"),
        ("1", "0F", "newer"),
        ("0A", "0A01", "older"),
        (None, "0A", "unknown"),
        ("0A", None, "unknown"),
        ("Happy Sequencer", "0A", "unknown"),
    ],
)
def test_sequencers_are_padded_on_the_right(one: str | None, other: str | None, order: str) -> None:
    assert order_of(one, other) == order
