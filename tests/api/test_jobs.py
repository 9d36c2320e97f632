"""Jobs over HTTP, against the rows."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.api_key import KeyLimits
from jobs.errors import BrokerUnavailableError
from jobs.queue import Bell
from tests.api.world import FILMS, Tenant, World

JSON = "application/json"


def test_a_job_is_accepted_and_waits(world: World, alice: Tenant) -> None:
    upload_id = alice.upload(filename="<script>alert(1)</script>.mp4")
    answer = alice.http.post(
        "/v1/jobs", json={"upload_id": upload_id, "scale": 2, "crf": 20, "priority": 5}
    )
    assert answer.status_code == 202
    shown = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{shown['id']}"
    row = world.job(shown["id"])
    assert (row.tenant, row.state, row.request.upload_id) == ("alice", "queued", upload_id)
    assert (row.request.scale, row.request.crf, row.request.priority) == (2, 20, 5)
    assert shown["request"]["name"] == "<script>alert(1)</script>.mp4", "names are data"
    read = alice.http.get(answer.headers["location"])
    assert read.json()["queue_position"] == 1
    assert read.headers["content-type"] == "application/json"
    assert read.headers["x-content-type-options"] == "nosniff"


NEVER: list[tuple[dict[str, object], str]] = [
    ({"input_url": "s3://other/a.mp4"}, "request_invalid"),
    ({"input_url": "s3://films/../other/a.mp4"}, "fields_invalid"),
    ({"input_url": "file:///etc/passwd"}, "fields_invalid"),
    ({"input_url": "s3://[films/a"}, "request_invalid"),
    ({"input_url": None}, "request_invalid"),
    ({"upload_id": "upl_" + "0" * 26}, "request_invalid"),
    ({"scale": 5}, "fields_invalid"),
    ({"scale": "4"}, "fields_invalid"),
    ({"scale": 4, "width_px": 640, "height_px": 480}, "request_invalid"),
    ({"width_px": 640}, "request_invalid"),
    ({"crf": 60}, "encoding_not_supported"),
    ({"codec": "mpeg2"}, "fields_invalid"),
    ({"priority": 101}, "fields_invalid"),
    ({"webhook_url": "http://[::1"}, "fields_invalid"),
    ({"webhook_url": "javascript:alert(1)"}, "fields_invalid"),
    ({"name": "a\u0000b"}, "fields_invalid"),
    ({"name": "\ud800"}, "fields_invalid"),
    ({"surprise": 1}, "fields_invalid"),
    ({"seed": 2**64}, "fields_invalid"),
]


def test_what_can_never_work_is_refused(embedded: World, subtests: pytest.Subtests) -> None:
    alice = embedded.tenant("alice")
    for choices, code in NEVER:
        with subtests.test(str(choices)):
            # Written out here, because a lone surrogate can be sent by others than this client.
            body = json.dumps({"input_url": "s3://films/a.mp4", **choices}).encode()
            answer = alice.http.post("/v1/jobs", content=body, headers={"Content-Type": JSON})
            assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    with embedded.database.reading() as rows:
        assert rows.job_lists.page("alice").jobs == ()


def test_an_unknown_queue_is_named(embedded: World) -> None:
    answer = embedded.tenant("alice").http.post(
        "/v1/jobs", json={"input_url": "s3://films/a.mp4", "queue": "h200"}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "queue_not_found")
    assert "a100" in answer.json()["detail"]


def test_the_same_idempotency_key_gives_the_same_job(world: World, alice: Tenant) -> None:
    body = {"input_url": "s3://films/a.mp4"}
    once = {"Idempotency-Key": "once"}
    first = alice.http.post("/v1/jobs", json=body, headers=once)
    second = alice.http.post("/v1/jobs", json=body, headers=once)
    assert first.status_code == second.status_code == 202
    assert first.json()["id"] == second.json()["id"]
    other = alice.http.post("/v1/jobs", json={**body, "seed": 1}, headers=once)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    with world.database.reading() as rows:
        assert len(rows.job_lists.page("alice").jobs) == 1


def test_an_unchanged_job_is_not_sent_again(world: World, alice: Tenant) -> None:
    job = alice.submit()
    here = job["links"]["self"]
    etag = alice.http.get(here).headers["etag"]
    same = alice.http.get(here, headers={"If-None-Match": etag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    lease = world.claim()
    changed = alice.http.get(here, headers={"If-None-Match": f'"x", {etag}'})
    assert (changed.status_code, changed.json()["state"]) == (200, "running")
    world.report(lease, 40)
    assert alice.http.get(here).json()["progress"]["percent"] == 40


def test_a_long_poll_wakes_at_the_change(world: World, alice: Tenant) -> None:
    here = alice.submit()["links"]["self"]
    etag = alice.http.get(here).headers["etag"]
    threading.Timer(0.5, world.claim).start()
    started = time.monotonic()
    answer = alice.http.get(here, params={"wait": 20}, headers={"If-None-Match": etag})
    assert answer.json()["state"] == "running"
    assert 0.4 < time.monotonic() - started < 15


def test_a_long_poll_ends_after_its_time(embedded: World) -> None:
    alice = embedded.tenant("alice")
    here = alice.submit()["links"]["self"]
    etag = alice.http.get(here).headers["etag"]
    started = time.monotonic()
    answer = alice.http.get(here, params={"wait": 0.5}, headers={"If-None-Match": etag})
    assert answer.status_code == 304
    assert 0.4 < time.monotonic() - started < 15
    alice.http.post(f"{here}/cancel")
    answer = alice.http.get(here, params={"wait": 20})
    assert answer.json()["state"] == "canceled", "an ended job is not waited for"


def test_too_many_waiting_clients_are_told_to_ask_without(embedded: World) -> None:
    alice = embedded.tenant("alice")
    here = alice.submit()["links"]["self"]
    embedded.app.state.watchers.count = embedded.settings.watchers_max
    answer = alice.http.get(here, params={"wait": 1})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert alice.http.get(f"{here}/events").status_code == 503
    assert alice.http.get(here).status_code == 200


def test_lists_are_filtered(world: World, alice: Tenant) -> None:
    first = alice.submit(pipeline="full")
    world.claim()
    second = alice.submit()

    def ids(**query: str | list[str]) -> list[str]:
        answer = alice.http.get("/v1/jobs", params=query)
        assert answer.status_code == 200, answer.text
        return [job["id"] for job in answer.json()["jobs"]]

    assert ids() == [second["id"], first["id"]]
    assert ids(state="running") == [first["id"]]
    assert ids(state=["running", "queued"]) == [second["id"], first["id"]]
    assert ids(pipeline="full") == [first["id"]]
    assert ids(queue="elsewhere") == []
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert ids(created_from=later) == []
    assert len(ids(created_before=later)) == 2


def test_pages_stay_as_they_are_while_jobs_come_in(world: World, alice: Tenant) -> None:
    jobs = [alice.submit()["id"] for _ in range(5)]
    page = alice.http.get("/v1/jobs", params={"limit": 2}).json()
    seen = [job["id"] for job in page["jobs"]]
    while page["next_cursor"]:
        alice.submit()
        page = alice.http.get("/v1/jobs", params={"limit": 2, "cursor": page["next_cursor"]}).json()
        seen += [job["id"] for job in page["jobs"]]
    assert seen == jobs[::-1]


SENSELESS: list[dict[str, str | int]] = [
    {"cursor": "nonsense"},
    {"cursor": "MjAyNi0wMS0wMVQwMDowMDowMCswMDowMCAA"},  # ends in a NUL
    {"cursor": "MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMCBq"},  # before the year 1
    {"created_from": "0001-01-01T00:00:00+14:00"},
    {"created_from": "2026-01-01T00:00:00"},
    {"state": "lost"},
    {"limit": 0},
    {"queue": "\x00"},
]


def test_queries_that_make_no_sense_are_refused(alice: Tenant, subtests: pytest.Subtests) -> None:
    for query in SENSELESS:
        with subtests.test(str(query)):
            answer = alice.http.get("/v1/jobs", params=query)
            assert answer.status_code == 422, answer.text


def test_a_job_is_canceled_retried_and_deleted(world: World, alice: Tenant) -> None:
    here = alice.submit()["links"]["self"]
    canceled = alice.http.post(f"{here}/cancel")
    assert (canceled.status_code, canceled.json()["state"]) == (202, "canceled")
    assert alice.http.post(f"{here}/cancel").json()["code"] == "state_conflict"
    assert alice.http.post(f"{here}/retry").json()["state"] == "queued"
    world.claim()
    assert alice.http.delete(here).status_code == 409
    assert alice.http.post(f"{here}/cancel").json()["is_cancel_requested"] is True
    (attempt,) = alice.http.get(f"{here}/attempts").json()
    assert (attempt["number"], attempt["outcome"]) == (1, "running")
    other = alice.submit()["links"]["self"]
    assert alice.http.delete(other).status_code == 204
    assert alice.http.get(other).status_code == 404


def test_a_result_is_fetched_by_a_link(world: World, alice: Tenant, tmp_path: Path) -> None:
    here = alice.submit(name="../täst: 1.mkv")["links"]["self"]
    early = alice.http.get(f"{here}/result")
    assert (early.status_code, early.json()["code"]) == (409, "result_not_ready")
    world.succeed(world.claim(), tmp_path)
    links = alice.http.get(here).json()["links"]
    for part, body in (("result", b"a larger film"), ("poster", b"poster.jpg")):
        answer = alice.http.get(links[part])
        assert (answer.status_code, answer.content) == (307, b"")
        fetched = world.client().get(answer.headers["location"])
        assert (fetched.status_code, fetched.content) == (200, body)
    disposition = (
        world.client()
        .get(alice.http.get(links["result"]).headers["location"])
        .headers["content-disposition"]
        .lower()
    )
    assert disposition == "attachment; filename*=utf-8''_t%c3%a4st_%201_upscaled.mp4"
    with world.database.transaction() as rows:
        from sqlalchemy import text

        rows.jobs._session.execute(text("UPDATE jobs SET state = 'expired'"))
    late = alice.http.get(f"{here}/result")
    assert (late.status_code, late.json()["code"]) == (410, "result_expired")


class DeadBell(Bell):
    """A broker that is gone."""

    rings = 0

    def ring(self, queue: str) -> None:
        self.rings += 1
        raise BrokerUnavailableError("redis://secret@broker is gone")

    def close(self) -> None:
        pass


def test_a_dead_broker_fails_no_submission(world: World, alice: Tenant) -> None:
    world.services.bell = bell = DeadBell()
    jobs = [alice.submit() for _ in range(3)]
    assert {world.job(job["id"]).state for job in jobs} == {"queued"}
    assert bell.rings == 1, "it is left alone for a while"
    assert alice.http.get("/readyz").json()["broker"] == "failing"
    time.sleep(1.1)
    with world.database.transaction() as rows:
        assert len(rows.outbox.take("bell")) == 3, "the outbox still owes them"


def test_the_limit_of_requests_holds(world: World) -> None:
    carol = world.tenant("carol", KeyLimits(requests_per_minute=2))
    answers = [carol.http.get("/v1/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=2;w=60'
    assert answers[2].json()["code"] == "rate_limited"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    assert answers[2].headers["ratelimit"].startswith('"default";r=0;t=')


def test_the_limits_of_jobs_hold(world: World) -> None:
    limits = KeyLimits(queued_jobs=1, pixels=10_000, input_prefixes=FILMS.input_prefixes)
    carol = world.tenant("carol", limits)
    body: dict[str, object] = {"input_url": "s3://films/a.mp4"}
    large = carol.http.post("/v1/jobs", json={**body, "width_px": 200, "height_px": 51})
    assert (large.status_code, large.json()["code"]) == (422, "limit_exceeded")
    job = carol.submit(width_px=200, height_px=50)
    assert world.job(job["id"]).limits.pixels == 10_000, "the worker holds the rest"
    full = carol.http.post("/v1/jobs", json=body)
    assert (full.status_code, full.json()["code"]) == (429, "too_many_queued")
    assert full.headers["retry-after"] == "30"
