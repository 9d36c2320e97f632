"""Watched prefixes over REST, and events that stores post; with a real S3 server."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx2
import pytest

from jobs.api_key import KeyLimits
from tests import web
from tests.api.world import Tenant, World, settings_of
from tests.servers.postgres import PostgresServer
from tests.servers.s3 import REGION, S3Server

COMMON = "common-secret-of-all-watches"


@dataclass
class Bucket:
    """A service that watches, a tenant, and a bucket."""

    world: World
    alice: Tenant
    name: str
    client: Any

    def add(self, prefix: str = "in/", **more: Any) -> dict[str, Any]:
        body = {"prefix": f"s3://{self.name}/{prefix}", **more}
        answer = self.alice.http.post("/v1/watches", json=body)
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"/v1/watches/{answer.json()['id']}"
        watch: dict[str, Any] = answer.json()
        return watch

    def post(
        self, key: str, headers: dict[str, str], auth: tuple[str, str] | None = None
    ) -> httpx2.Response:
        record = {
            "eventSource": "minio:s3",
            "eventName": "s3:ObjectCreated:Put",
            "s3": {"bucket": {"name": self.name}, "object": {"key": key, "sequencer": "0A"}},
        }
        body = {"EventName": "s3:ObjectCreated:Put", "Records": [record]}
        return web.post(f"{self.world.url}/v1/events/s3", json=body, headers=headers, auth=auth)


@pytest.fixture
def bucket(
    tmp_path: Path, postgres: PostgresServer, postgres_template: str, s3: S3Server
) -> Iterator[Bucket]:
    name, client = f"posted-{token_hex(6)}", s3.client()
    client.create_bucket(Bucket=name)
    settings = settings_of(
        tmp_path,
        postgres.url(postgres.new_database(postgres_template)),
        (tmp_path / "store").as_uri(),
        buckets_url=f"s3://?endpoint={s3.endpoint()}&region={REGION}",
        events_secret=COMMON,
    )
    world = World(settings)
    prefixes = (f"s3://{name}/",)
    limits = KeyLimits(input_prefixes=prefixes, output_prefixes=prefixes)
    yield Bucket(world, world.tenant("alice", limits), name, client)
    world.close()


def test_a_watch_from_its_beginning_to_its_end(bucket: Bucket) -> None:
    http = bucket.alice.http
    made = bucket.add(suffixes=[".MP4"], parameters={"scale": 2}, name="inbox")
    assert made["secret"].startswith("fves_")
    url = made["links"]["self"]
    shown = http.get(url).json()
    assert "secret" not in shown
    assert shown["suffixes"] == [".mp4"]
    assert shown["output"] == {
        "template": "enlarged/{path}/{stem}_x{scale}.{container}",
        "on_collision": "skip",
    }
    assert shown["counts"] == {
        "submitted": 0, "refused": 0, "ignored": 0, "gone": 0, "jobs": {},
    }  # fmt: skip
    bucket.client.put_object(Bucket=bucket.name, Key="in/a b.mp4", Body=b"a film")
    posted = bucket.post("in%2Fa+b.mp4", {"X-FlashVSR-Event-Secret": made["secret"]})
    assert (posted.status_code, posted.json()) == (200, {"events": 1, "submitted": 1})
    shown = http.get(url).json()
    assert shown["counts"]["jobs"] == {"queued": 1}
    assert shown["last_event"]["key"] == "in/a b.mp4"
    assert shown["last_event"]["source"] == "webhook"
    (job,) = http.get("/v1/jobs").json()["jobs"]
    assert job["request"]["output_url"] == f"s3://{bucket.name}/enlarged/a b_x2.mp4"
    assert shown["last_event"]["job_id"] == job["id"]
    (listed,) = http.get("/v1/watches").json()["watches"]
    assert listed["last_event"] == shown["last_event"]
    again = bucket.post("in%2Fa+b.mp4", {"X-FlashVSR-Event-Secret": made["secret"]})
    assert again.json() == {"events": 1, "submitted": 0}
    events = http.get(shown["links"]["events"], params={"state": "submitted"}).json()["events"]
    assert [event["received"] for event in events] == [2]
    assert http.get(shown["links"]["events"], params={"state": "refused"}).json()["events"] == []
    assert http.post(shown["links"]["pause"]).json()["is_paused"]
    assert not http.post(f"{url}/resume").json()["is_paused"]
    assert http.post(shown["links"]["list"]).status_code == 202
    assert http.delete(url).status_code == 204
    assert http.get(url).json()["code"] == "watch_not_found"
    assert len(http.get("/v1/jobs").json()["jobs"]) == 1


def test_a_secret_comes_in_three_ways(bucket: Bucket) -> None:
    secret = bucket.add()["secret"]
    bucket.client.put_object(Bucket=bucket.name, Key="in/a.mp4", Body=b"a film")
    basic = base64.b64encode(f"anybody:{secret}".encode()).decode()
    for headers in (
        {"X-FlashVSR-Event-Secret": secret},
        {"Authorization": f"Bearer {secret}"},
        {"Authorization": secret},
        {"Authorization": f"Basic {basic}"},
        {"X-FlashVSR-Event-Secret": COMMON},
    ):
        assert bucket.post("in/a.mp4", headers).status_code == 200, headers


def test_without_the_secret_nothing_is_taken(bucket: Bucket) -> None:
    bucket.add()
    bucket.client.put_object(Bucket=bucket.name, Key="in/a.mp4", Body=b"a film")
    for headers in (
        {},
        {"X-FlashVSR-Event-Secret": "fves_wrong"},
        {"X-FlashVSR-Event-Secret": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic é"},
        {"Authorization": f"Bearer {bucket.alice.secret}"},
    ):
        encoded = {name: text.encode() for name, text in headers.items()}
        answer = bucket.post("in/a.mp4", encoded)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (401, "event_secret_invalid")
    assert bucket.alice.http.get("/v1/jobs").json()["jobs"] == []


def test_a_watchs_secret_is_for_that_watch_alone(bucket: Bucket) -> None:
    one = bucket.add("one/", output={"template": "out/1/{stem}.mp4"})
    bucket.add("two/", output={"template": "out/2/{stem}.mp4"})
    bucket.client.put_object(Bucket=bucket.name, Key="two/a.mp4", Body=b"a film")
    posted = bucket.post("two/a.mp4", {"X-FlashVSR-Event-Secret": one["secret"]})
    assert posted.json() == {"events": 1, "submitted": 0}
    assert bucket.post("two/a.mp4", {"X-FlashVSR-Event-Secret": COMMON}).json()["submitted"] == 1


def test_what_is_posted_must_be_an_event(bucket: Bucket) -> None:
    headers = {"X-FlashVSR-Event-Secret": bucket.add()["secret"]}
    address = f"{bucket.world.url}/v1/events/s3"
    for body in (b"", b"{", b"[1]", b'{"a": 1}', b"\xff"):
        answer = web.post(address, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "event_invalid"), body
    test = json.dumps({"Event": "s3:TestEvent"}).encode()
    assert web.post(address, content=test, headers=headers).json()["events"] == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"output": {"template": "in/{stem}.mp4"}}, 409, "watch_loop"),
        ({"output": {"template": "{prefix}/{stem}_x4.mp4"}}, 409, "watch_loop"),
        ({"output": {"template": "out/{what}.mp4"}}, 422, "request_invalid"),
        ({"output": {"template": "s3://of-others/{stem}.mp4"}}, 422, "request_invalid"),
        ({"prefix": "s3://of-others/in/"}, 422, "request_invalid"),
        ({"prefix": "films"}, 422, "fields_invalid"),
        ({"parameters": {"scale": 5}}, 422, "fields_invalid"),
        ({"parameters": {"codec": "av1", "crf": 99}}, 422, "fields_invalid"),
        ({"parameters": {"scale": 2, "width_px": 64, "height_px": 64}}, 422, "request_invalid"),
        ({"suffixes": ["/"]}, 422, "fields_invalid"),
        ({"webhook_url": "ftp://x"}, 422, "fields_invalid"),
    ],
)
def test_what_cannot_be_watched(
    bucket: Bucket, body: dict[str, Any], status: int, code: str
) -> None:
    asked = {"prefix": f"s3://{bucket.name}/in/", **body}
    answer = bucket.alice.http.post("/v1/watches", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert bucket.alice.http.get("/v1/watches").json()["watches"] == []


def test_a_service_without_buckets_says_what_to_set(embedded: World) -> None:
    alice = embedded.tenant("alice")
    answer = alice.http.post("/v1/watches", json={"prefix": "s3://films/in/"})
    assert answer.status_code == 422
    assert "FLASHVSR_BUCKETS_URL" in answer.json()["detail"]
