"""Every route of the dashboard, tried by nobody, by a reader, and from another site."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount

from tests.admin.browser import Browser, Page
from tests.admin.conftest import add_user, sign_in
from tests.api.world import Tenant, World

OPEN = {"/login", "/first", "/static/{digest}/{name:path}"}
OWN = {"/logout", "/account/password"}
"""What everybody may do who is signed in."""


def routes(world: World) -> list[tuple[str, str]]:
    (mount,) = [route for route in world.app.routes if isinstance(route, Mount)]
    found = [
        (method, route.path)
        for route in _walk(mount.app.routes)  # type: ignore[attr-defined]
        for method in sorted(route.methods or ())
    ]
    assert len(found) > 40, "the walk has lost its way"
    return found


def _walk(found: Any) -> Iterator[APIRoute]:
    for route in found:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from _walk(route.original_router.routes)


def address(path: str) -> str:
    filled = re.sub(r"\{(digest|name|wanted|part|verb)(:path)?\}", _known, path)
    return re.sub(r"\{[^}]+\}", "unknown_0", filled)


def _known(found: re.Match[str]) -> str:
    return {"wanted": "drain", "part": "result", "verb": "pause"}.get(found[1], "x")


def test_nobody_sees_anything(embedded: World) -> None:
    nobody = Browser(embedded)
    for method, path in routes(embedded):
        if path in OPEN:
            continue
        answer = nobody.http.request(
            method, f"/admin{address(path)}", headers={"Origin": embedded.url}
        )
        assert answer.status_code == 303, f"{method} {path}"
        assert answer.headers["location"].startswith("/admin/login"), path
        part = nobody.http.get("/admin/overview/live", headers={"HX-Request": "true"})
        assert (part.status_code, part.headers["hx-redirect"]) == (401, "/admin/login")


def test_readers_change_nothing(world: World, reader: Browser, alice: Tenant) -> None:
    job = alice.submit()
    before = world.job(job["id"])
    csrf = reader.csrf
    for method, path in routes(world):
        if method != "POST" or path in OPEN | OWN:
            continue
        target = address(path).replace("unknown_0", job["id"] if "job_id" in path else "a100")
        answer = reader.post(target, {"csrf": csrf, "action": "cancel", "job_id": job["id"]})
        assert answer.status == 403, f"{path}: {answer.text}"
        assert "ask an administrator" in answer.text
    assert world.job(job["id"]) == before
    for path in ("/", "/jobs", f"/jobs/{job['id']}", "/workers", "/failures", "/audit"):
        page = reader.get(path)
        assert page.status == 200
        forms = {form.action for form in page.forms if form.method == "post"}
        assert forms == {"/admin/logout"}, path
    for path in ("/keys", "/jobs/bulk?action=cancel", f"/jobs/{job['id']}/delete"):
        assert reader.get(path).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "OWN", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "OWN", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_forms_of_other_sites_are_refused(
    embedded: World, password_hash: str, headers: dict[str, str]
) -> None:
    add_user(embedded, "ada", "admin", password_hash)
    admin = sign_in(embedded, "ada")
    sent = {k: v.replace("OWN", embedded.url) for k, v in headers.items()}
    answer = admin.http.post("/admin/queues/a100/pause", data={"csrf": admin.csrf}, headers=sent)
    assert answer.status_code == 403
    assert "another site" in Page(answer).text
    login = admin.http.post("/admin/login", data={"name": "ada", "password": "x"}, headers=sent)
    assert "another site" in Page(login).text
    assert not is_paused(embedded)


def is_paused(world: World) -> bool:
    with world.database.reading() as rows:
        return rows.queues.list()[0].paused_at is not None


def test_forms_need_their_own_session_s_token(embedded: World, password_hash: str) -> None:
    add_user(embedded, "ada", "admin", password_hash)
    admin, other = sign_in(embedded, "ada"), sign_in(embedded, "ada")
    for token in ("", "x", other.csrf):
        refused = admin.post("/queues/a100/pause", {"csrf": token})
        assert refused.status == 403
        assert "too old" in refused.text
        assert not is_paused(embedded)
    answer = admin.http.post(
        "/admin/queues/a100/pause",
        headers={"Origin": embedded.url, "X-CSRF-Token": admin.csrf},
    )
    assert answer.status_code == 303
    assert is_paused(embedded)


def test_bodies_that_are_no_forms_are_refused(embedded: World, password_hash: str) -> None:
    add_user(embedded, "ada", "admin", password_hash)
    admin = sign_in(embedded, "ada")
    csrf = {"X-CSRF-Token": admin.csrf, "Origin": embedded.url}
    bad: list[dict[str, Any]] = [
        {"json": {"a": 1}},
        {"content": b"a=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"data": {f"f{n}": "1" for n in range(501)}},
    ]
    for body in bad:
        headers = csrf | body.pop("headers", {})
        answer = admin.http.post("/admin/queues/a100/pause", headers=headers, **body)
        assert answer.status_code == 422, body
    large = admin.http.post("/admin/queues/a100/pause", headers=csrf, content=b"a" * 2_000_000)
    assert large.status_code == 413
    assert not is_paused(embedded)


def test_pages_carry_their_headers(embedded: World, password_hash: str) -> None:
    add_user(embedded, "ada", "admin", password_hash)
    answer = sign_in(embedded, "ada").get("/").answer
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_static_files_are_kept_by_content(embedded: World) -> None:
    page = Browser(embedded).get("/login")
    files = [
        e.attributes.get("src") or e.attributes.get("href", "")
        for e in page.elements
        if e.tag in ("script", "link")
    ]
    assert len(files) >= 5
    http = embedded.client()
    for file in files:
        answer = http.get(file)
        assert answer.status_code == 200, file
        assert "immutable" in answer.headers["cache-control"]
    assert http.get("/admin/static/0/base.css").headers["cache-control"] == "no-store"
    assert http.get("/admin/static/x/base.css/../../pages.py").status_code in (307, 404)
    assert http.get("/admin/static/0/..%2fpages.py").status_code == 404
