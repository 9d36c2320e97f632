"""What operators do all day: sign in, filter, retry many, pause a queue, drain a worker."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from jobs.api_key import Actor
from jobs.job import Reason
from jobs.request import JobRequest
from tests.browser.conftest import SignIn
from tests.browser.service import PASSWORD, UNSERVED, Service
from tests.patience import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(1)</script>"


@pytest.fixture
def failed_jobs(service: Service) -> list[str]:
    """Three jobs that failed for the same reason, and are named hostilely."""
    ids = []
    for number in range(3):
        with service.database.transaction() as rows:
            rows.uploads.announce(
                Actor("test", "default"),
                upload_id := f"upl_{time.time_ns():026d}",
                filename=HOSTILE,
                content_type="video/mp4",
                size_bytes=1,
            )
            rows.uploads.complete("default", upload_id)
            request = JobRequest(upload_id=upload_id, queue=UNSERVED, name=f"{HOSTILE} {number}")
            rows.jobs.submit(Actor("test", "default"), request)
        with service.database.transaction() as rows:
            claim = rows.claims.claim("nobody", [UNSERVED])
            assert claim is not None
            reason = Reason("odd", f"{HOSTILE} broke.")
            rows.claims.fail(claim.lease, reason, is_retriable=False)
        ids.append(claim.job.id)
    return ids


def test_signing_in_and_out(
    service: Service, users: None, open_context: Callable[..., "BrowserContext"]
) -> None:
    from playwright.sync_api import expect

    context = open_context(base_url=service.url)
    page = context.new_page()
    page.goto("/admin/workers")
    assert page.url.endswith("/admin/login?next=%2Fworkers")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong; try again.")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/workers")
    (session,) = [c for c in context.cookies() if c.get("name") == "flashvsr_session"]
    assert session.get("httpOnly") is True
    assert session.get("sameSite") == "Lax"
    assert page.evaluate("document.cookie").find("session") == -1
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/admin/login")
    page.go_back()
    page.goto("/admin/jobs")
    assert "/admin/login" in page.url


def test_the_first_user_comes_by_the_printed_link(
    service: Service, users: None, open_context: Callable[..., "BrowserContext"]
) -> None:
    """Others were added meanwhile, so it works no more."""
    from playwright.sync_api import expect

    page = open_context().new_page()
    page.goto(service.first_link)
    expect(page.locator("main")).to_contain_text("used or has expired")


def test_filtering_and_retrying_all_that_match(
    service: Service, sign_in: SignIn, failed_jobs: list[str]
) -> None:
    from playwright.sync_api import expect

    page = sign_in()
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_label("State").select_option("failed")
    page.get_by_label("Error code").fill("odd")
    page.get_by_role("button", name="Filter").click()
    assert "state=failed" in page.url
    assert "error=odd" in page.url
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(3)
    # Names that would run, were they not text.
    expect(rows.first.get_by_role("link")).to_contain_text("<script>alert(1)</script>")
    page.get_by_role("button", name="Retry…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry 3 jobs?")
    page.get_by_role("button", name="Retry 3 jobs").click()
    expect(page.get_by_role("status").first).to_have_text("3 of 3 jobs were queued again.")
    assert {service.job(each).state for each in failed_jobs} == {"queued"}
    # Chosen one by one.
    page.goto(f"/admin/jobs?queue={UNSERVED}&state=queued")
    page.locator(f"input[type=checkbox][value={failed_jobs[0]}]").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel 1 job").click()
    page.wait_for_url("**/admin/jobs?**")
    states = [service.job(each).state for each in failed_jobs]
    assert sorted(states) == ["canceled", "queued", "queued"]


def test_hostile_names_run_nowhere(
    service: Service, sign_in: SignIn, failed_jobs: list[str]
) -> None:
    """A dialog or a refused script would fail this; see `open_context`."""
    page = sign_in()
    for path in ("", "jobs", f"jobs/{failed_jobs[0]}", "failures", "uploads", "audit"):
        page.goto(f"/admin/{path}", wait_until="networkidle")
        assert page.locator("img[src=x]").count() == 0, path
    assert page.evaluate("typeof window.alerted") == "undefined"


def test_a_queue_is_paused_and_resumed(service: Service, sign_in: SignIn) -> None:
    page = sign_in()
    page.goto("/admin/workers")

    def is_paused() -> bool:
        with service.database.reading() as rows:
            return any(q.paused_at is not None for q in rows.queues.list() if q.name == UNSERVED)

    row = page.get_by_role("row").filter(has_text=UNSERVED)
    row.get_by_role("button", name="Pause").click()
    wait_until(is_paused, "the queue must be paused")
    row.get_by_role("button", name="Resume").click()
    wait_until(lambda: not is_paused(), "the queue must be resumed")


def test_a_worker_is_drained_and_taken_back(service: Service, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    page = sign_in()
    page.goto("/admin/workers")
    row = page.get_by_role("row").filter(has_text=":0").first
    row.get_by_role("button", name="Drain").click()
    # The worker itself says so, in its own time; the page shows it without a reload.
    expect(row.locator(".state")).to_contain_text("drained")
    with service.database.reading() as rows:
        assert {worker.wanted for worker in rows.workers.list()} == {"drain"}
    row.get_by_role("button", name="Resume").click()
    expect(row.locator(".state")).to_contain_text("idle")


def test_a_reader_changes_nothing(
    service: Service, sign_in: SignIn, failed_jobs: list[str]
) -> None:
    from playwright.sync_api import expect

    page = sign_in("ron")
    page.goto(f"/admin/jobs/{failed_jobs[0]}")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    for path in ("submit", "keys", f"jobs/{failed_jobs[0]}/delete"):
        page.goto(f"/admin/{path}")
        expect(page.locator("main")).to_contain_text("ask")
        assert page.get_by_role("button", name="Delete the job").count() == 0
    # Nor by a request of a script's own, with the session's own token.
    page.goto("/admin/jobs")
    status = page.evaluate(
        """async (id) => {
            const csrf = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRF-Token"];
            const body = new URLSearchParams({ csrf });
            return (await fetch(`/admin/jobs/${id}/retry`, { method: "POST", body })).status;
        }""",
        failed_jobs[0],
    )
    assert status == 403
    assert service.job(failed_jobs[0]).state == "failed"
