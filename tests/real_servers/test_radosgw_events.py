"""Events that a real S3 server sends by itself, from the object that is dropped to the job."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from jobs.api_key import KeyLimits
from tests.api.world import World as Api
from tests.api.world import settings_of
from tests.patience import wait_until
from tests.servers.postgres import PostgresServer
from tests.servers.radosgw import CREDENTIALS, REGION, RadosGateway

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

KEYS = ["in/a b.mp4", "in/a+b.mp4", "in/100%25.mp4", "in/ä/映 画.mp4", "in/&=#.mp4"]


@pytest.fixture
def api(
    tmp_path: Path,
    postgres: PostgresServer,
    postgres_template: str,
    radosgw: RadosGateway,
    bucket: str,
) -> Iterator[Api]:
    url = postgres.url(postgres.new_database(postgres_template))
    found = Api(settings_of(tmp_path, url, radosgw.url(bucket)))
    yield found
    found.close()


def test_ceph_posts_and_the_key_is_the_one_in_the_bucket(
    api: Api, radosgw: RadosGateway, bucket: str
) -> None:
    prefixes = (f"s3://{bucket}/",)
    alice = api.tenant("alice", KeyLimits(input_prefixes=prefixes, output_prefixes=prefixes))
    watch = alice.http.post("/v1/watches", json={"prefix": f"s3://{bucket}/in/"}).json()
    client = radosgw.client()
    tell(radosgw, client, bucket, f"http://events:{watch['secret']}@{urlsplit(api.url).netloc}")
    for number, key in enumerate(KEYS):
        client.put_object(Bucket=bucket, Key=key, Body=str(number).encode())
    # Twice the same content, and a multipart upload, whose answer has no ETag.
    client.put_object(Bucket=bucket, Key=KEYS[0], Body=b"0")
    in_parts(client, bucket, "in/parts.mp4")
    client.put_object(Bucket=bucket, Key="in/empty.mp4", Body=b"")

    def jobs() -> list[str]:
        found = alice.http.get("/v1/jobs", params={"limit": 100}).json()["jobs"]
        return sorted(job["request"]["input_url"] for job in found)

    expected = sorted(f"s3://{bucket}/{key}" for key in [*KEYS, "in/parts.mp4"])
    wait_until(lambda: jobs() == expected, lambda: str(jobs()))
    events = alice.http.get(watch["links"]["events"], params={"limit": 100}).json()["events"]
    assert {event["source"] for event in events} == {"webhook"}
    refused = [event["key"] for event in events if event["state"] == "refused"]
    assert refused == ["in/empty.mp4"]
    assert all(event["sequencer"] for event in events if event["state"] == "submitted")
    client.delete_object(Bucket=bucket, Key=KEYS[1])
    wait_until(lambda: alice.http.get(watch["links"]["self"]).json()["counts"]["gone"] == 1)


def tell(radosgw: RadosGateway, client: Any, bucket: str, address: str) -> None:
    """Have the server post what happens to a bucket's objects."""
    sns = boto3.client(
        "sns",
        endpoint_url=radosgw.endpoint(),
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )

    def pretend_tls(request: Any, **_: object) -> None:
        request.headers["X-Forwarded-Proto"] = "https"

    sns.meta.events.register("before-sign.sns.CreateTopic", pretend_tls)
    attributes = {"push-endpoint": f"{address}/v1/events/s3"}
    topic = sns.create_topic(Name=f"topic-{bucket}", Attributes=attributes)["TopicArn"]
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    configuration = {"Id": "watch", "TopicArn": topic, "Events": events}
    client.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"TopicConfigurations": [configuration]}
    )


def in_parts(client: Any, bucket: str, key: str) -> None:
    where = {"Bucket": bucket, "Key": key}
    upload = {**where, "UploadId": client.create_multipart_upload(**where)["UploadId"]}
    body = bytes(5 << 20)
    parts = [
        {"PartNumber": n, "ETag": client.upload_part(**upload, PartNumber=n, Body=body)["ETag"]}
        for n in (1, 2)
    ]
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
