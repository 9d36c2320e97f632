"""People's own buckets on a server that checks signatures and conditions."""

from pathlib import Path
from typing import Any

import pytest

from jobs.errors import InputChangedError, OutputExistsError
from jobs.placement import Place
from jobs.storage.buckets import Buckets
from jobs.storage.interface import MIB
from tests.real_servers.objects import VIDEO, file_of
from tests.servers.radosgw import RadosGateway

pytestmark = pytest.mark.heavy

OWNER = {"flashvsr-job": "job_1"}
HARD_KEYS = ["a+b %25.mp4", "ünï 日本🎬.mp4", "x//y?#&=.mp4", "k" * 1020 + ".mp4"]


@pytest.fixture
def buckets(radosgw: RadosGateway, bucket: str) -> Buckets:
    return Buckets.of_url(radosgw.url(bucket))


@pytest.mark.parametrize("size", [3, 40 * MIB])
def test_a_result_is_written_once(
    radosgw: RadosGateway, buckets: Buckets, bucket: str, tmp_path: Path, size: int
) -> None:
    place, path = Place(bucket, "out/film.mp4"), file_of(tmp_path, size)
    write: dict[str, Any] = {"content_type": VIDEO, "owner": OWNER}
    uploads: list[str] = []
    first = buckets.put_new(place, path, on_multipart=uploads.append, **write)
    assert len(uploads) == (size > 16 * MIB)
    assert buckets.put_new(place, path, **write) == first
    with pytest.raises(OutputExistsError):
        buckets.put_new(place, path, content_type=VIDEO, owner={"flashvsr-job": "job_2"})
    found = buckets.head(place)
    assert found is not None
    assert (found.size_bytes, found.metadata["flashvsr-sha256"]) == (size, first.sha256)
    assert found.etag


def test_hard_keys_are_listed_read_and_compared(
    buckets: Buckets, bucket: str, radosgw: RadosGateway, tmp_path: Path
) -> None:
    client = radosgw.client()
    for key in HARD_KEYS:
        client.put_object(Bucket=bucket, Key=key, Body=b"film")
    listed = list(buckets.list(bucket, ""))
    assert sorted(found.place.key for found in listed) == sorted(HARD_KEYS)
    after = sorted(HARD_KEYS)[1]
    assert len(list(buckets.list(bucket, "", after))) == len(HARD_KEYS) - 2
    for found in listed:
        now = buckets.head(found.place)
        assert now is not None
        assert now.is_same(found)
        buckets.get(now, tmp_path / "target")
        client.put_object(Bucket=bucket, Key=found.place.key, Body=b"else")
        later = buckets.head(found.place)
        assert later is not None
        assert not later.is_same(now)
        with pytest.raises(InputChangedError):
            buckets.get(now, tmp_path / "target")


def test_half_an_upload_is_aborted(buckets: Buckets, bucket: str, radosgw: RadosGateway) -> None:
    client = radosgw.client()
    begun = client.create_multipart_upload(Bucket=bucket, Key="half")
    for _ in range(2):
        buckets.abort(Place(bucket, "half"), begun["UploadId"])
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_what_appears_after_the_last_look_stays(
    buckets: Buckets,
    bucket: str,
    radosgw: RadosGateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of one request, that is: this server ignores the condition on uploads in parts."""
    send = buckets._send

    def send_late(*arguments: Any) -> None:
        radosgw.client().put_object(Bucket=bucket, Key="film", Body=b"theirs")
        send(*arguments)

    monkeypatch.setattr(buckets, "_send", send_late)
    with pytest.raises(OutputExistsError):
        buckets.put_new(
            Place(bucket, "film"), file_of(tmp_path, 9), content_type=VIDEO, owner=OWNER
        )
    found = radosgw.client().get_object(Bucket=bucket, Key="film")
    assert found["Body"].read() == b"theirs"
