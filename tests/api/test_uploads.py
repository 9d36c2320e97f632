"""Files on their way in: what the links take, and what completion verifies."""

import hashlib

import httpx2
import pytest

from jobs.api_key import KeyLimits
from jobs.errors import UploadNotFoundError
from jobs.storage.interface import PART_BYTES
from tests import web
from tests.api.conftest import MakeWorld
from tests.api.world import Tenant, World

FILM = b"a film in one piece"


def announce(tenant: Tenant, **fields: object) -> httpx2.Response:
    body = {"filename": "film.mp4", "size_bytes": len(FILM), **fields}
    return tenant.http.post("/v1/uploads", json=body)


def test_a_small_file_is_sent_with_one_request(world: World, alice: Tenant) -> None:
    upload = announce(alice, content_type="video/mp4").json()
    assert (upload["state"], upload["part_count"]) == ("pending", None)
    request = upload["request"]
    sent = web.request(request["method"], request["url"], content=FILM, headers=request["headers"])
    assert sent.status_code == 200
    proof = {"sha256": hashlib.sha256(FILM).hexdigest()}
    done = alice.http.post(upload["links"]["complete"], json=proof)
    assert (done.status_code, done.json()["state"]) == (200, "complete")
    with world.database.reading() as rows:
        row = rows.uploads.get("alice", upload["id"])
    assert row.completed_at is not None
    facts = world.storage.head(row.object_key)
    assert facts is not None
    assert facts.size_bytes == len(FILM)
    assert alice.http.post(upload["links"]["complete"]).status_code == 200, "twice is as once"


def test_a_large_file_is_sent_in_parts(world: World, alice: Tenant) -> None:
    body = bytes(PART_BYTES) + b"and a little more"
    upload = announce(alice, size_bytes=len(body)).json()
    assert (upload["part_count"], upload["request"]) == (2, None)
    first = alice.http.get(upload["links"]["parts"], params={"limit": 1}).json()
    rest = alice.http.get(upload["links"]["parts"], params={"after": first["next_after"]}).json()
    assert rest["next_after"] is None
    assert upload["parts_arrived"] == []
    for part in reversed([*first["parts"], *rest["parts"]]):
        piece = body[part["offset_bytes"] :][: part["size_bytes"]]
        sent = web.put(part["request"]["url"], content=piece, headers=part["request"]["headers"])
        assert sent.status_code == 200, sent.text
        known = alice.http.get(upload["links"]["self"]).json()
        assert known["parts_arrived"] == list(range(part["number"], 3))
    proof = {"sha256": hashlib.sha256(body).hexdigest()}
    done = alice.http.post(upload["links"]["complete"], json=proof)
    assert done.status_code == 200, done.text
    again = alice.http.get(f"/v1/uploads/{upload['id']}/parts")
    assert (again.status_code, again.json()["code"]) == (409, "upload_state_conflict")
    assert [*world.storage.list_unfinished("uploads/")] == []


def test_nothing_sent_cannot_be_completed(alice: Tenant) -> None:
    for fields in ({}, {"multipart": True}):
        upload = announce(alice, **fields).json()
        answer = alice.http.post(upload["links"]["complete"])
        assert (answer.status_code, answer.json()["code"]) == (409, "upload_incomplete")


def test_a_wrong_size_is_refused_and_removed(world: World, alice: Tenant) -> None:
    upload = announce(alice).json()
    request = upload["request"]
    sent = web.put(request["url"], content=FILM[:-3], headers=request["headers"])
    if world.is_local:
        assert (sent.status_code, sent.json()["code"]) == (422, "object_damaged")
    answer = alice.http.post(upload["links"]["complete"])
    # The S3 server of the tests checks no signed length, so completion finds it.
    expected = (409, "upload_incomplete") if world.is_local else (422, "object_damaged")
    assert (answer.status_code, answer.json()["code"]) == expected
    assert world.storage.head(f"uploads/{upload['id']}/source") is None
    assert alice.http.get(upload["links"]["self"]).json()["state"] == "pending"


def test_a_wrong_sha256_is_refused_and_removed(world: World, alice: Tenant) -> None:
    upload = announce(alice).json()
    request = upload["request"]
    web.put(request["url"], content=FILM, headers=request["headers"])
    answer = alice.http.post(upload["links"]["complete"], json={"sha256": "0" * 64})
    assert (answer.status_code, answer.json()["code"]) == (422, "object_damaged")
    assert world.storage.head(f"uploads/{upload['id']}/source") is None
    body = {"upload_id": upload["id"]}
    assert alice.http.post("/v1/jobs", json=body).json()["code"] == "upload_state_conflict"


def test_a_size_beyond_the_limits_is_refused(world: World) -> None:
    carol = world.tenant("carol", KeyLimits(upload_bytes=10))
    answer = announce(carol)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    assert "10 bytes" in answer.json()["detail"]
    dave = world.tenant("dave", KeyLimits())
    assert announce(dave, size_bytes=2**45).status_code == 413


def test_a_sha256_of_a_huge_upload_is_not_verified(make_embedded: MakeWorld) -> None:
    world = make_embedded(sha256_max_bytes=3)
    alice = world.tenant("alice")
    upload_id = alice.upload(FILM)
    answer = alice.http.post(f"/v1/uploads/{upload_id}/complete", json={"sha256": "0" * 64})
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")


def test_an_upload_can_be_broken_off(world: World, alice: Tenant) -> None:
    upload = announce(alice, multipart=True).json()
    assert alice.http.delete(upload["links"]["self"]).status_code == 204
    assert alice.http.get(upload["links"]["self"]).status_code == 404
    with world.database.transaction() as rows:
        with pytest.raises(UploadNotFoundError):
            rows.uploads.get("alice", upload["id"])
        (removal,) = rows.outbox.take("removal")
    assert removal.payload["prefix"] == f"uploads/{upload['id']}/"


def test_an_upload_that_a_job_needs_stays(alice: Tenant) -> None:
    upload_id = alice.upload()
    job = alice.http.post("/v1/jobs", json={"upload_id": upload_id}).json()
    answer = alice.http.delete(f"/v1/uploads/{upload_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_state_conflict")
    alice.http.post(job["links"]["cancel"])
    assert alice.http.delete(f"/v1/uploads/{upload_id}").status_code == 204
    answer = alice.http.post(f"/v1/jobs/{job['id']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "input_gone")


def test_a_file_in_one_piece_has_no_parts(alice: Tenant) -> None:
    upload = announce(alice).json()
    answer = alice.http.get(f"{upload['links']['self']}/parts")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_not_multipart")
