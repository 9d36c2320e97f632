"""What the page that takes a file asks for, without a browser."""

import re
from typing import Any

import httpx2
import pytest

from jobs.storage.interface import PART_BYTES
from tests import web
from tests.admin.browser import Browser
from tests.admin.conftest import sign_in
from tests.api.conftest import MakeWorld
from tests.api.world import Tenant, World

FILM = {"tenant": "alice", "filename": "film.mp4", "size_bytes": "6", "content_type": ""}


def ask(browser: Browser, method: str, path: str, **fields: str) -> httpx2.Response:
    """Ask as the page's scripts do."""
    headers = {"Accept": "application/json"}
    if method == "POST":
        headers |= {"Origin": browser.origin, "X-CSRF-Token": browser.csrf}
    return browser.http.request(
        method, f"/admin/submit{path}", headers=headers, data=fields or None
    )


def announced(browser: Browser, **fields: str) -> dict[str, Any]:
    answer = ask(browser, "POST", "/uploads", **FILM | fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def send(world: World, request: dict[str, Any], body: bytes) -> None:
    url = httpx2.URL(world.url).join(request["url"])
    assert web.put(url, content=body, headers=request["headers"]).status_code == 200


def test_a_small_file_becomes_a_job(world: World, admin: Browser, alice: Tenant) -> None:
    upload = announced(admin)
    send(world, upload["request"], b"a film")
    assert ask(admin, "POST", f"/uploads/{upload['id']}/complete").json()["state"] == "complete"
    page = admin.get(f"/submit?upload={upload['id']}")
    assert "film.mp4" in page.text
    first = admin.send(
        page, "/submit", scale="exact", width_px="640", height_px="360", codec="hevc",
        bit_depth="10", priority="3", queue="a100", pipeline="full", color="wavelet",
    )  # fmt: skip
    assert first.status == 200
    found = re.search(r"job_\w{26}", str(first.answer.url))
    assert found
    job = world.job(found[0])
    request = job.request
    assert (job.tenant, request.name, request.upload_id) == ("alice", "film.mp4", upload["id"])
    assert (request.width_px, request.height_px, request.scale) == (640, 360, None)
    assert (request.codec, request.bit_depth, request.pipeline) == ("hevc", 10, "full")
    # The same page sent once more is the same job.
    again = admin.send(
        page, "/submit", scale="exact", width_px="640", height_px="360", codec="hevc",
        bit_depth="10", priority="3", queue="a100", pipeline="full", color="wavelet",
    )  # fmt: skip
    assert str(again.answer.url) == str(first.answer.url)
    assert [e.action for e in audit(world) if e.subject == job.id] == ["job.submitted"]


def audit(world: World) -> Any:
    with world.database.reading() as rows:
        return rows.audit_log.page("*", limit=100).entries


def test_only_missing_parts_are_asked_for(world: World, admin: Browser, alice: Tenant) -> None:
    body = bytes(PART_BYTES) + b"the rest"
    upload = announced(admin, size_bytes=str(len(body)))
    assert (upload["request"], upload["parts_arrived"]) == (None, [])
    here = f"/uploads/{upload['id']}"
    (part,) = ask(admin, "GET", f"{here}/parts?number=2&number=9999").json()["parts"]
    assert (part["number"], part["offset_bytes"], part["size_bytes"]) == (2, PART_BYTES, 8)
    send(world, part["request"], b"the rest")
    assert ask(admin, "GET", here).json()["parts_arrived"] == [2]
    page = admin.get(f"/submit?upload={upload['id']}")
    assert "Give the same file again" in page.text
    for bad in ("number=0", "", "&".join(f"number={n}" for n in range(1, 200))):
        assert ask(admin, "GET", f"{here}/parts?{bad}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tenant": "nobody"}, "no such tenant"),
        ({"size_bytes": "0"}, "must lie between"),
        ({"size_bytes": "many"}, "must be a whole number"),
        ({"filename": ""}, "the name of the file cannot be used"),
        ({"content_type": "no type"}, "the type of the file cannot be used"),
        ({"size_bytes": "3000"}, "at most 2000 bytes"),
    ],
)
def test_a_file_is_refused_in_words(
    make_embedded: MakeWorld, password_hash: str, fields: dict[str, str], words: str
) -> None:
    world = make_embedded(upload_max_bytes=2000)
    world.tenant("alice")
    with world.database.transaction() as rows:
        from jobs.api_key import OPERATOR

        rows.users.add(OPERATOR, "ada", "admin", password_hash)
    answer = ask(sign_in(world, "ada"), "POST", "/uploads", **FILM | fields)
    assert answer.status_code in (413, 422)
    assert words.lower() in answer.json()["detail"].lower()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scale": "exact", "width_px": "640"}, "both width and height"),
        ({"crf": "60", "codec": "h264"}, "crf 60"),
        ({"queue": "none"}, "no queue"),
        ({"tile_px": "100"}, "the side of tiles"),
        ({"priority": "1000"}, "the priority cannot be used"),
        ({"pipeline": "huge"}, "the pipeline cannot be used"),
        ({"upload_id": ""}, "Choose a file first"),
    ],
)
def test_a_job_is_refused_in_words_and_keeps_what_was_typed(
    embedded: World, embedded_admin: Browser, fields: dict[str, str], words: str
) -> None:
    upload_id = embedded.tenant("alice").upload()
    page = embedded_admin.get(f"/submit?upload={upload_id}")
    chosen = {"scale": "2", "queue": "a100", "name": "mine", **fields}
    refused = embedded_admin.send(page, "/submit", **chosen)
    assert refused.status == 422
    assert words.lower() in refused.text.lower()
    fields_of = {
        e.attributes.get("name"): e.attributes.get("value", "")
        for e in refused.elements
        if e.tag == "input"
    }
    assert fields_of["name"] == "mine"
    assert fields_of["upload_id"] == fields.get("upload_id", upload_id)


def test_scripts_hear_the_reason_too(embedded: World, embedded_admin: Browser) -> None:
    lost = ask(embedded_admin, "GET", "/uploads/upl_none")
    assert (lost.status_code, lost.headers["content-type"]) == (404, "application/json")
    assert "There is no upload" in lost.json()["detail"]
    signed_out = ask(Browser(embedded), "GET", "/uploads/upl_none")
    assert signed_out.status_code == 401
    assert "Sign in" in signed_out.json()["detail"]


def test_links_name_no_host_where_the_service_takes_the_bytes(
    embedded: World, embedded_admin: Browser
) -> None:
    embedded.tenant("alice")
    assert announced(embedded_admin)["request"]["url"].startswith("/objects/uploads/")


def test_the_policy_lets_the_page_send_to_the_store(world: World, admin: Browser) -> None:
    policy = admin.get("/submit").answer.headers["content-security-policy"]
    if world.is_local:
        assert f"connect-src 'self' {world.url}" in policy
    else:
        store = world.settings.storage.partition("endpoint=")[2].partition("&")[0]
        assert f"connect-src 'self' {store}" in policy
        assert f"media-src 'self' {store}" in policy
