"""Hostile text in every field that anybody can fill is shown as text, and nothing else."""

import base64
import json
from typing import Any

import pytest

from jobs.api_key import OPERATOR, SCOPES, KeyLimits
from jobs.job import JobResult, Progress, Reason
from tests.admin.browser import Browser, Page
from tests.api.world import FILMS, Tenant, World

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}</textarea>&amp;"
PAGES = (
    "/", "/overview/live", "/overview/table", "/jobs", "/jobs?state=failed", "/workers",
    "/workers/live", "/failures", "/uploads", "/storage", "/keys", "/webhooks", "/audit",
    "/account",
)  # fmt: skip


def assert_harmless(page: Page, where: str) -> None:
    for element in page.elements:
        names = element.attributes.keys()
        assert not any(name.startswith("on") for name in names), f"{where}: {element}"
        assert "style" not in names, f"{where}: the policy forbids {element}"
        assert element.tag not in ("style", "iframe", "object", "embed", "textarea"), where
        if element.tag == "script":
            assert element.attributes["src"].startswith("/admin/static/"), where
            assert not element.text.strip(), where
        if element.tag == "img":
            assert element.attributes["src"] != "x", where
        for name in ("href", "action", "src"):
            target = element.attributes.get(name, "/")
            assert target.startswith(("/", "#")), f"{where}: {target}"


@pytest.fixture
def hostile(world: World, alice: Tenant) -> dict[str, str]:
    """A farm in which everything is called by a hostile name."""
    upload_id = alice.upload(filename=HOSTILE)
    with world.database.transaction() as rows:
        rows.api_keys.create(OPERATOR, "alice", HOSTILE, SCOPES, FILMS)
        facts = dict.fromkeys(("gpu", "problem", "pipeline", "host"), HOSTILE)
        rows.workers.register("w1", ["a100"], {**facts, "gpu_busy": 0.5})
    hook = f"http://127.0.0.1:9/{HOSTILE.replace(' ', '')}"
    jobs = {}
    for state in ("failed", "succeeded", "running", "queued"):
        job = alice.submit(name=HOSTILE, priority=5, webhook_url=hook)
        jobs[state] = job["id"]
        if state == "queued":
            break
        lease = world.claim()
        with world.database.transaction() as rows:
            rows.claims.record_input(lease, {"codec": HOSTILE, HOSTILE: [HOSTILE]})
            rows.claims.heartbeat(lease, Progress(HOSTILE, 5.0, frames_per_s=2.0))
            if state == "failed":
                rows.claims.fail(lease, Reason("odd", HOSTILE), is_retriable=False)
            elif state == "succeeded":
                result = JobResult("results/x", 1, HOSTILE, facts={HOSTILE: HOSTILE})
                rows.claims.succeed(lease, result, {HOSTILE: 1.0, "b": 2.0})
    with world.database.transaction() as rows:
        delivery = rows.outbox.take("webhook")[0]
        rows.outbox.undelivered(delivery, HOSTILE)
        rows.samples.take()
    return {**jobs, "upload": upload_id}


def test_hostile_text_is_shown_as_text(
    world: World, admin: Browser, hostile: dict[str, str]
) -> None:
    jobs = [f"/jobs/{hostile[state]}" for state in ("failed", "succeeded", "running", "queued")]
    paths = [*PAGES, *jobs, *(f"{job}/live" for job in jobs), f"{jobs[3]}/cancel"]
    paths += [f"{jobs[0]}/delete", f"/uploads/{hostile['upload']}/delete"]
    paths += ["/submit", f"/submit?upload={hostile['upload']}"]
    shown = 0
    for path in paths:
        page = admin.get(path)
        # 286 tells htmx to ask no more.
        assert page.status in (200, 286), f"{path}: {page.text}"
        assert_harmless(page, path)
        shown += "<script>alert(1)</script>" in page.text
    assert shown >= 14, "the hostile text is there, as text"


@pytest.mark.parametrize(
    "path",
    [
        "/jobs?text={0}",
        "/jobs?error={0}&pattern={0}&batch={0}&queue={0}&tenant={0}",
        "/jobs?state={0}",
        "/jobs?from={0}",
        "/jobs/{0}",
        "/jobs/bulk?action=retry&text={0}",
        "/audit?subject={0}&action={0}",
        "/uploads?tenant={0}",
        "/uploads?cursor={0}",
        "/login?next={0}",
        "/workers/stop/{0}",
        "/submit?upload={0}",
        "/{0}",
    ],
)
def test_hostile_addresses_are_shown_as_text(
    embedded: World, embedded_admin: Browser, path: str
) -> None:
    for text in (HOSTILE, "javascript:alert(1)", "a\x00b", "é" * 300):
        params: dict[str, Any] = {}
        bare, _, query = path.partition("?")
        for pair in filter(None, query.split("&")):
            name, _, value = pair.partition("=")
            params[name] = value.format(text)
        if "{0}" in bare:
            bare = bare.format("x" if "\x00" in text else text.replace("?", ""))
        answer = embedded_admin.http.get(f"/admin{bare}", params=params, follow_redirects=True)
        page = Page(answer)
        assert page.status in (200, 403, 404, 409, 422), f"{path} {page.text}"
        assert_harmless(page, path)


def test_a_forged_notice_is_text_too(embedded_admin: Browser) -> None:
    packed = base64.urlsafe_b64encode(json.dumps([HOSTILE, HOSTILE]).encode()).decode()
    embedded_admin.http.cookies.set("flashvsr_notice", packed, domain="127.0.0.1")
    page = embedded_admin.get("/")
    assert_harmless(page, "notice")
    assert "<script>alert(1)</script>" in page.text


def test_empty_pages_say_what_to_do_next(embedded_admin: Browser) -> None:
    for path, words in {
        "/": "python -m worker",
        "/jobs": "flashvsr submit",
        "/jobs?text=zzz": "show all jobs",
        "/workers": "python -m worker",
        "/failures": "No job has failed",
        "/uploads": "flashvsr submit",
        "/keys": "Make one below",
        "/webhooks": "webhook_url",
        "/audit?action=nothing": "Take a filter away",
    }.items():
        assert words in embedded_admin.get(path).text, path


def test_nothing_secret_is_in_any_page(
    world: World, admin: Browser, alice: Tenant, hostile: dict[str, str]
) -> None:
    token = admin.http.cookies["flashvsr_session"]
    for path in PAGES:
        body = admin.get(path).answer.text
        assert alice.secret not in body, path
        assert token not in body, path
        assert "whsec_" not in body, path
        assert "$argon2" not in body, path


def test_limits_of_a_key_are_shown(embedded: World, embedded_admin: Browser) -> None:
    embedded.tenant("alice", KeyLimits(requests_per_minute=60))
    assert "requests per minute: 60" in embedded_admin.get("/keys").text


def test_plots_and_tables_tell_the_same(
    world: World, admin: Browser, hostile: dict[str, str]
) -> None:
    charts = {c["name"]: c for c in admin.http.get("/admin/overview/plots").json()["charts"]}
    assert {figure.attributes["data-chart"] for figure in admin.get("/").elements
            if "data-chart" in figure.attributes} == charts.keys()  # fmt: skip
    (line,) = charts["throughput"]["lines"]
    assert line["values"][-1] == 2.0
    assert len(line["values"]) == len(charts["throughput"]["at"]) == 60
    (busy,) = charts["gpu"]["lines"]
    assert (busy["label"], busy["values"][-1]) == ("w1", 0.5)
    assert "w1 50.0 % 50.0 % 50.0 %" in admin.get("/overview/table").text
