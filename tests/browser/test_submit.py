"""A clip goes in by drag and drop, is watched without a reload, and is compared with its result."""

import base64
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.storage.interface import PART_BYTES
from tests.browser.conftest import SignIn
from tests.browser.service import Service
from tests.patience import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

DROP = """([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type: "video/mp4" }));
    const drop = document.getElementById("drop");
    for (const kind of ["dragenter", "dragover", "drop"]) {
        drop.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }
}"""


def drop(page: "Page", path: Path, name: str) -> None:
    page.evaluate(DROP, [name, base64.b64encode(path.read_bytes()).decode()])


def job_id_of(page: "Page") -> str:
    found = re.search(r"/jobs/(job_\w{26})$", page.url)
    assert found, page.url
    return found[1]


def test_from_a_dropped_clip_to_the_viewer(service: Service, sign_in: SignIn, clip: Path) -> None:
    from playwright.sync_api import expect

    page = sign_in()
    page.get_by_role("link", name="Submit").click()
    # Asked for before the file is there: it waits for it.
    page.get_by_role("button", name="Submit the job").click()
    expect(page.get_by_role("alert")).to_have_text("Choose a file first.")
    drop(page, clip, "bikes & <b>more</b>.mp4")
    expect(page.locator("#file-status")).to_have_text("All of it has come.")
    page.get_by_label("Size").select_option("2")
    page.get_by_label("Priority").fill("7")
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url("**/admin/jobs/job_*")
    job = service.job(job_id_of(page))
    assert (job.request.scale, job.request.priority, job.tenant) == (2, 7, "default")
    assert job.request.name == "bikes & <b>more</b>.mp4"
    expect(page.get_by_role("heading", level=1)).to_have_text("bikes & <b>more</b>.mp4")
    # Nothing that is put into the window survives a reload.
    page.evaluate("window.wasNotReloaded = true")
    seen = set()

    def progressed() -> bool:
        bar = page.locator("#live progress")
        if bar.count():
            seen.add(bar.first.get_attribute("value"))
        return len(seen) > 2 or service.job(job.id).state == "succeeded"

    wait_until(progressed, "no progress was shown")
    assert len(seen - {"0", "0.0"}) >= 1, seen
    page.locator("#viewer .viewer-body").wait_for()
    assert page.evaluate("window.wasNotReloaded") is True
    expect(page.locator("#live .state").first).to_contain_text("succeeded")
    assert service.job(job.id).state == "succeeded"


def test_what_is_refused_is_said_in_words(sign_in: SignIn, tmp_path: Path, clip: Path) -> None:
    from playwright.sync_api import expect

    page = sign_in()
    page.goto("/admin/submit")
    (tmp_path / "empty.mp4").touch()
    page.set_input_files("#file", tmp_path / "empty.mp4")
    expect(page.get_by_role("alert")).to_contain_text("empty.mp4 is empty")
    page.set_input_files("#file", clip)
    page.locator("#file-status", has_text="All of it has come.").wait_for()
    page.get_by_label("Size").select_option("exact")
    page.get_by_role("button", name="Submit the job").click()
    expect(page.get_by_role("alert").first).to_contain_text("Give both width and height")
    # What was chosen, and the file, are still there.
    expect(page.get_by_label("Size")).to_have_value("exact")
    page.get_by_label("Width in pixels").fill("640")
    page.get_by_label("Height in pixels").fill("360")
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url("**/admin/jobs/job_*")


def test_a_broken_upload_goes_on_where_it_stopped(
    service: Service, sign_in: SignIn, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    film = tmp_path / "long.mp4"
    film.write_bytes(os.urandom(4 * PART_BYTES + 5))
    page = sign_in()
    page.goto("/admin/submit")
    sent: list[str] = []
    held: list[int] = []

    def hold(route: object, request: "Request") -> None:
        number = int(request.url.partition("part=")[2].partition("&")[0])
        sent.append(str(number))
        if number > 2 and not held.count(0):
            held.append(number)
            return
        route.continue_()  # type: ignore[attr-defined]

    page.route("**/objects/**", hold)
    page.set_input_files("#file", film)
    wait_until(
        lambda: page.locator("#file-status").inner_text().startswith("3"), "two parts must come"
    )
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#file-status")).to_contain_text("Paused")
    expect(page.get_by_role("button", name="Go on")).to_be_focused()
    held.append(0)
    page.reload()
    expect(page.locator("#drop-note")).to_contain_text("long.mp4 was begun: 33.6 MB of 67.1 MB")
    sent.clear()
    page.set_input_files("#file", film)
    expect(page.locator("#file-status")).to_have_text("All of it has come.")
    assert sorted(sent) == ["3", "4", "5"]
    with service.database.reading() as rows:
        upload = rows.uploads.page("*").uploads[0]
    assert upload.state == "complete"
    stored = service.folder / "storage" / "objects" / upload.object_key
    assert stored.read_bytes() == film.read_bytes()


def test_another_file_of_the_same_name_begins_anew(
    service: Service, sign_in: SignIn, tmp_path: Path
) -> None:
    film = tmp_path / "twice.mp4"
    page = sign_in()
    ids = []
    for at in (1_000_000_000, 1_100_000_000):
        film.write_bytes(os.urandom(1000))
        os.utime(film, (at, at))
        page.goto("/admin/submit")
        page.set_input_files("#file", film)
        page.locator("#file-status", has_text="All of it has come.").wait_for()
        ids.append(page.url.partition("upload=")[2])
    assert len(set(ids)) == 2


def test_submitting_needs_no_mouse(sign_in: SignIn, clip: Path) -> None:
    from playwright.sync_api import expect

    page = sign_in()
    # The browser hands file choosers over only once it was told so, and nothing waits for that:
    # told here, it knows long before the key is pressed.
    page.on("filechooser", lambda _: None)
    page.goto("/admin/submit")
    page.locator("[name=tenant]").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#file")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(clip)
    page.locator("#file-status", has_text="All of it has come.").wait_for()
