"""A farm's way: bytes go from the browser to S3 and back, past the service, across origins."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.api_key import OPERATOR
from jobs.storage.interface import PART_BYTES
from tests.api.world import World, settings_of
from tests.browser.test_submit import job_id_of
from tests.servers.s3 import S3Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext


@pytest.fixture
def world(tmp_path: Path, sqlite_template: Path, s3: S3Server) -> Iterator[World]:
    path = tmp_path / "flashvsr.db"
    shutil.copyfile(sqlite_template, path)
    found = World(settings_of(tmp_path, f"sqlite:///{path}", s3.url(s3.new_bucket())))
    yield found
    found.close()


def test_bytes_go_past_the_service(
    world: World,
    s3: S3Server,
    clip: Path,
    open_context: Callable[..., "BrowserContext"],
    tmp_path: Path,
) -> None:
    with world.database.transaction() as rows:
        rows.users.add(OPERATOR, "ada", "admin", "x")
        begun = rows.logins.begin("ada", "127.0.0.1")
    assert begun is not None
    context = open_context(base_url=world.url)
    cookie = {"name": "flashvsr_session", "value": begun[1], "url": world.url}
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    sent: list[str] = []
    page.on("request", lambda made: sent.append(made.url) if made.method == "PUT" else None)
    # A film that is followed by nothing for long enough to be sent in two parts.
    film = tmp_path / "long.mp4"
    film.write_bytes(clip.read_bytes() + bytes(PART_BYTES))
    page.goto("/admin/submit")
    page.set_input_files("#file", film)
    page.locator("#file-status", has_text="All of it has come.").wait_for()
    assert len(sent) == 2
    assert all(url.startswith(s3.endpoint()) for url in sent)
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url("**/admin/jobs/job_*")
    job_id = job_id_of(page)
    lease = world.claim()
    assert lease.job_id == job_id
    world.succeed(lease, tmp_path, clip.read_bytes())
    # Polled, the page finds out by itself, and plays both films from the other origin.
    page.locator("#viewer[data-kind=films]").wait_for()
    sources = page.locator("#viewer video").evaluate_all("all => all.map(each => each.duration)")
    assert [round(each) for each in sources] == [2, 2]
