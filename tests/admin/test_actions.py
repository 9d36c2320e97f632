"""What operators do to workers, queues, keys, webhooks and uploads, asserted on rows."""

import pytest

from jobs.errors import KeyInvalidError, UploadNotFoundError
from tests.admin.browser import Browser
from tests.api.world import Tenant, World


def wanted(world: World) -> str:
    with world.database.reading() as rows:
        (worker,) = rows.workers.list()
    return worker.wanted


def test_workers_drain_resume_and_stop(world: World, admin: Browser) -> None:
    with world.database.transaction() as rows:
        rows.workers.register("gpu-7:0/a", ["a100"], {"gpu": "A100", "gpu_memory_bytes": 80})
    page = admin.press("/workers", "/workers/drain/gpu-7%3A0/a")
    assert "takes no more" in page.text
    assert wanted(world) == "drain"
    admin.press("/workers", "/workers/resume/gpu-7%3A0/a")
    assert wanted(world) == "run"
    asked = admin.get("/workers/stop/gpu-7:0/a")
    assert wanted(world) == "run", "asking does nothing"
    admin.send(asked, "/workers/stop/gpu-7:0/a")
    assert wanted(world) == "stop"
    assert admin.post("/workers/drain/nobody", {"csrf": admin.csrf}).status == 404


def test_a_paused_queue_gives_nothing(world: World, admin: Browser, alice: Tenant) -> None:
    alice.submit()
    admin.press("/workers", "/queues/a100/pause")
    with world.database.transaction() as rows:
        assert rows.claims.claim("w1", ["a100"]) is None
    assert "paused while 1 jobs wait" in admin.get("/").text
    admin.press("/workers", "/queues/a100/resume")
    assert world.claim().job_id
    with world.database.reading() as rows:
        entries = rows.audit_log.page("*", subject="a100").entries
    assert [(e.action, e.actor) for e in entries] == [
        ("queue.resumed", "user:ada"),
        ("queue.paused", "user:ada"),
    ]


def test_a_key_is_shown_once_and_revoked(world: World, admin: Browser) -> None:
    page = admin.press(
        "/keys", "/keys", name="night run", tenant="studio", requests_per_minute="60",
        upload_gb="5", input_prefixes="s3://films/ s3://more/a/",
    )  # fmt: skip
    secrets = [e.text for e in page.elements if e.attributes.get("class") == "secret"]
    assert [secret[:5] for secret in secrets] == ["fvsr_", "whsec"]
    with world.database.reading() as rows:
        key = rows.api_keys.authenticate(secrets[0])
    assert (key.tenant, key.name, key.limits.upload_bytes) == ("studio", "night run", 5 * 10**9)
    assert key.scopes == {"jobs:read", "jobs:write", "uploads:write"}
    assert key.limits.input_prefixes == ("s3://films/", "s3://more/a/")
    assert secrets[0] not in admin.get("/keys").answer.text
    admin.press(f"/keys/{key.id}/revoke", "/revoke")
    with pytest.raises(KeyInvalidError), world.database.reading() as rows:
        rows.api_keys.authenticate(secrets[0])
    with world.database.reading() as rows:
        history = [e.action for e in rows.audit_log.page("*", subject=key.id).entries]
    assert history == ["api_key.revoked", "api_key.created"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tenant": "no spaces please"}, "no name of a tenant"),
        ({"input_prefixes": "films"}, "it must look like s3://bucket/"),
        ({"requests_per_minute": "0"}, "must lie between"),
        ({"requests_per_minute": "many"}, "whole number"),
        ({"name": ""}, "Give the key a name"),
    ],
)
def test_a_wrong_key_is_explained_and_nothing_typed_is_lost(
    embedded: World, embedded_admin: Browser, fields: dict[str, str], words: str
) -> None:
    typed = {"name": "night run", "tenant": "studio", "duration_s": "77"} | fields
    page = embedded_admin.press("/keys", "/keys", **typed)
    assert page.status == 422
    assert words in page.text
    assert ("duration_s", "77") in page.form("/keys").fields
    with embedded.database.reading() as rows:
        assert rows.api_keys.list("*") == []


def test_webhooks_are_sent_again(world: World, admin: Browser, alice: Tenant) -> None:
    world.database.policy = type(world.database.policy)(webhook_tries=1)
    for n in range(3):
        job = alice.submit(name=f"{n}", webhook_url="https://example.org/hook")
        alice.http.post(f"/v1/jobs/{job['id']}/cancel")
    with world.database.transaction() as rows:
        first, second, third = rows.outbox.take("webhook")
        rows.outbox.delivered(first)
        rows.outbox.undelivered(second, "HTTP 500")
        rows.outbox.undelivered(third, "HTTP 500")
    assert "2 webhooks could not be delivered" in admin.get("/").text
    assert "HTTP 500" in admin.get("/webhooks?status=dead").text
    admin.press("/webhooks?status=delivered", f"/webhooks/{first.id}/replay")
    refused = admin.post(f"/webhooks/{first.id}/replay", {"csrf": admin.csrf})
    assert (refused.status, "waits to be sent already" in refused.text) == (409, True)
    page = admin.press("/webhooks/dead/replay", "/webhooks/dead/replay-all")
    assert "2 of 2 webhooks will be sent again" in page.text
    with world.database.transaction() as rows:
        again = rows.outbox.take("webhook")
    assert {delivery.id for delivery in again} == {first.id, second.id, third.id}
    assert all(delivery.tries == 0 for delivery in again)


def test_uploads_are_listed_and_deleted(world: World, admin: Browser, alice: Tenant) -> None:
    upload_id = alice.upload(filename="film é.mp4")
    page = admin.get("/uploads?tenant=alice")
    assert "film é.mp4" in page.text
    assert "film é.mp4" not in admin.get("/uploads?tenant=bob").text
    admin.press(f"/uploads/{upload_id}/delete", "/delete")
    with pytest.raises(UploadNotFoundError), world.database.reading() as rows:
        rows.uploads.get("*", upload_id)


def test_storage_adds_up(world: World, admin: Browser, alice: Tenant, tmp_path: object) -> None:
    alice.upload(b"x" * 1500)
    page = admin.get("/storage")
    assert "1.5 KB" in page.text
    assert "7 d after the job has succeeded" in page.text
