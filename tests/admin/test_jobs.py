"""Jobs through the dashboard: found, paged, changed one by one and all that match."""

import re
import time
from pathlib import Path

import pytest

from api.admin.routes import bulk
from jobs.job import Reason
from tests.admin.browser import Browser, Page
from tests.api.world import Tenant, World


def fail(world: World, message: str = "It broke.", code: str = "broken") -> str:
    lease = world.claim()
    with world.database.transaction() as rows:
        rows.claims.fail(lease, Reason(code, message), is_retriable=False)
    return lease.job_id


def listed(page: Page) -> list[str]:
    found = [re.search(r"/jobs/(job_\w{26})$", link) for link in page.links()]
    return [match[1] for match in found if match]


def states(world: World) -> dict[str, int]:
    with world.database.reading() as rows:
        return {state: count for state, count in rows.job_lists.totals().items() if count}


def actions(world: World) -> list[str]:
    with world.database.reading() as rows:
        return [entry.action for entry in rows.audit_log.page("*", limit=500).entries]


def test_filters_are_kept_in_the_address(
    world: World, admin: Browser, alice: Tenant, bob: Tenant
) -> None:
    ids = {name: alice.submit(name=name)["id"] for name in ("Reel 7.mp4", "reel 8.mp4", "100%.mp4")}
    ids["bob"] = bob.submit(name="other.mp4", pipeline="full")["id"]
    ids["failed"] = alice.submit(name="bad.mp4", priority=9)["id"]
    assert fail(world) == ids["failed"]
    cases = {
        "text=reel": ["reel 8.mp4", "Reel 7.mp4"],
        "text=%25": ["100%.mp4"],
        f"text={ids['bob']}": ["bob"],
        "tenant=bob": ["bob"],
        "pipeline=full": ["bob"],
        "state=failed": ["failed"],
        "state=failed&state=canceled": ["failed"],
        "state=queued&tenant=alice": ["100%.mp4", "reel 8.mp4", "Reel 7.mp4"],
        "error=broken": ["failed"],
        "error=broken&pattern=It+broke.": ["failed"],
        "error=broken&pattern=other": [],
        "queue=a100&tenant=bob": ["bob"],
        "batch=bat_none": [],
        "from=2020-01-01T00:00&tenant=bob": ["bob"],
        "before=2020-01-01T00:00:00%2B00:00": [],
    }
    for query, names in cases.items():
        assert listed(admin.get(f"/jobs?{query}")) == [ids[name] for name in names], query


def test_pages_by_key_show_every_job_once(
    world: World, admin: Browser, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.admin.routes.jobs.PAGE", 3)
    wanted = [alice.submit(name=f"{n}.mp4")["id"] for n in range(8)]
    page, seen = admin.get("/jobs?tenant=alice"), []
    while True:
        seen += listed(page)
        following = page.links("next")
        if not following:
            break
        assert "tenant=alice" in following[0]
        alice.submit(name="newer.mp4")
        page = admin.get(following[0].removeprefix("/admin"))
    assert seen == wanted[::-1]


def test_one_job_is_canceled_retried_prioritised_and_deleted(
    world: World, admin: Browser, alice: Tenant
) -> None:
    job_id = alice.submit(name="film.mp4")["id"]
    here = f"/jobs/{job_id}"
    admin.press(here, "/priority", priority="7")
    assert world.job(job_id).request.priority == 7
    refused = admin.post(f"{here}/priority", {"csrf": admin.csrf, "priority": "101"})
    assert (refused.status, world.job(job_id).request.priority) == (422, 7)
    admin.press(f"{here}/cancel", "/cancel")
    assert world.job(job_id).state == "canceled"
    again = admin.post(f"{here}/cancel", {"csrf": admin.csrf})
    assert (again.status, "cannot be canceled" in again.text) == (409, True)
    admin.press(here, "/retry")
    assert world.job(job_id).state == "queued"
    lease = world.claim()
    asked = admin.press(f"{here}/cancel", "/cancel")
    assert "stop between two chunks" in asked.text
    assert world.job(job_id).is_cancel_requested
    with world.database.transaction() as rows:
        rows.claims.cancel(lease)
    assert "deleted" in admin.press(f"{here}/delete", "/delete").text
    assert admin.get(here).status == 404
    mine = [a for a in actions(world) if a.startswith("job.")]
    assert mine == ["job.deleted", "job.canceled", "job.retried", "job.canceled",
                    "job.prioritised", "job.submitted"]  # fmt: skip


def test_a_job_s_page_tells_everything(
    world: World, admin: Browser, alice: Tenant, tmp_path: Path
) -> None:
    job_id = alice.submit(name="film.mp4")["id"]
    lease = world.claim()
    with world.database.transaction() as rows:
        rows.claims.record_input(lease, {"width_px": 320, "codec": "h264"})
    world.report(lease, 42.0)
    running = admin.get(f"/jobs/{job_id}")
    assert "42 %, upscaling" in running.text
    live, rest = [e.attributes for e in running.elements if "hx-get" in e.attributes]
    assert live["hx-get"] == f"/admin/jobs/{job_id}/live"
    assert rest["hx-trigger"] == "job-changed from:body"
    phase = running.form_value("seen")
    same = admin.get(f"/jobs/{job_id}/live?seen={phase}")
    assert (same.status, "hx-trigger" in same.answer.headers) == (200, False)
    world.succeed(lease, tmp_path)
    last = admin.get(f"/jobs/{job_id}/live?seen={phase}")
    # Draws what there is, has the rest of the page look again, and is not asked any more.
    assert (last.status, last.answer.headers["hx-trigger"]) == (286, "job-changed")
    ended = admin.get(f"/jobs/{job_id}")
    assert "width px" in ended.text
    assert not [e for e in ended.elements if "hx-get" in e.attributes], "nothing more will come"
    answer = admin.http.get(f"/admin/jobs/{job_id}/files/result", follow_redirects=True)
    assert answer.content == b"a larger film"
    assert "film_upscaled.mp4" in answer.headers["content-disposition"]


def test_all_that_match_are_canceled_and_only_those_that_were_counted(
    world: World, admin: Browser, alice: Tenant, bob: Tenant
) -> None:
    for n in range(4):
        alice.submit(name=f"{n}.mp4", webhook_url="https://example.org/hook")
    other = bob.submit()["id"]
    running = world.claim().job_id
    asked = admin.get("/jobs/bulk?action=cancel&tenant=alice")
    assert "Cancel 4 jobs?" in asked.text
    late = alice.submit(name="late.mp4")["id"]
    done = admin.send(asked, "/jobs/bulk")
    assert "4 of 4 jobs were canceled." in done.text
    assert str(done.answer.url).endswith("/admin/jobs?tenant=alice")
    if world.job(running).tenant == "alice":
        assert world.job(running).is_cancel_requested
    assert world.job(other).state in ("queued", "running")
    assert world.job(late).state == "queued"
    assert actions(world).count("job.canceled") == 4
    with world.database.transaction() as rows:
        told = {delivery.job_id for delivery in rows.outbox.take("webhook")}
    assert len(told) == 3, "all but the one that runs have ended"


def test_what_fails_after_the_question_is_not_retried(
    world: World, admin: Browser, alice: Tenant
) -> None:
    for n in range(3):
        alice.submit(name=f"{n}.mp4")
    failed = {fail(world), fail(world)}
    asked = admin.get("/jobs/bulk?action=retry&state=failed&error=broken")
    assert "Retry 2 jobs?" in asked.text
    time.sleep(0.01)
    late = fail(world)
    done = admin.send(asked, "/jobs/bulk")
    assert "2 of 2 jobs were queued again." in done.text
    assert world.job(late).state == "failed"
    assert {world.job(job_id).state for job_id in failed} == {"queued"}
    again = admin.send(asked, "/jobs/bulk")
    assert "0 of 2 jobs were queued again; the others had changed" in again.text


def test_chosen_jobs_alone(world: World, admin: Browser, alice: Tenant) -> None:
    ids = [alice.submit(name=f"{n}.mp4")["id"] for n in range(3)]
    asked = admin.get(f"/jobs/bulk?action=prioritise&id={ids[0]}&id={ids[2]}")
    assert "Change the priority of 2 jobs?" in asked.text
    admin.send(asked, "/jobs/bulk", priority="-5")
    assert [world.job(job_id).request.priority for job_id in ids] == [-5, 0, -5]
    assert world.claim().job_id == ids[1]


def test_a_long_action_goes_on_page_by_page(
    world: World, admin: Browser, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_BUDGET_S", 0.0)
    monkeypatch.setattr(bulk, "_CHUNK", 2)
    for n in range(5):
        alice.submit(name=f"{n}.mp4")
    page = admin.press("/jobs/bulk?action=cancel&state=queued", "/jobs/bulk")
    assert "2 of 5 jobs so far" in page.text
    assert states(world) == {"queued": 3, "canceled": 2}
    page = admin.send(page, "/jobs/bulk")
    assert "4 of 5 jobs so far" in page.text
    page = admin.send(page, "/jobs/bulk")
    assert "5 of 5 jobs were canceled." in page.text
    assert states(world) == {"canceled": 5}


def test_failures_stand_together_and_one_is_tried_first(
    world: World, admin: Browser, alice: Tenant
) -> None:
    for n in range(3):
        alice.submit(name=f"reel {n}.mp4")
    for _ in range(3):
        lease = world.claim()
        name = world.job(lease.job_id).request.name
        with world.database.transaction() as rows:
            reason = Reason("not_a_video", f"{name}: this is not a video; copy it again")
            rows.claims.fail(lease, reason, is_retriable=False)
    alice.submit(name="x.mp4")
    fail(world, "Out of memory at 17 GB.", "out_of_memory")
    page = admin.get("/failures")
    counts = [e.text for e in page.elements if e.tag == "a" and "pattern=" in e.attributes["href"]]
    assert counts == ["3", "Retry all…", "1", "Retry all…"]
    (group,) = [link for link in page.links() if "bulk" in link and "not_a_video" in link]
    assert "Retry 3 jobs?" in admin.get(group.removeprefix("/admin")).text
    one = admin.send(page, "/failures/retry")
    assert "see whether it succeeds" in one.text.lower()
    assert states(world) == {"failed": 3, "queued": 1}
    rest = admin.press(group.removeprefix("/admin"), "/jobs/bulk")
    assert "2 of 2 jobs were queued again." in rest.text
    assert states(world) == {"failed": 1, "queued": 3}
