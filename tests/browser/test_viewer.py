"""The before/after viewer: the line, the clock of both films, and films that do not play."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.api_key import Actor
from jobs.identifiers import new_id
from jobs.job import JobResult
from jobs.object_keys import upload_key
from jobs.request import JobRequest
from tests import clips
from tests.browser.conftest import SignIn
from tests.browser.service import VIEWED, Service
from tests.patience import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

AddJob = Callable[..., str]


@pytest.fixture
def add_job(service: Service, tmp_path: Path) -> AddJob:
    """Add a job that has succeeded with these files; nothing else ever takes its queue's jobs."""

    def add(before: Path | None, after: Path, preview: Path | None = None, rate: str = "25") -> str:
        actor = Actor("test", "default")
        storage = service.storage
        upload_id = new_id("upl")
        with service.database.transaction() as rows:
            rows.uploads.announce(
                actor, upload_id, filename="film", content_type="video/mp4", size_bytes=1
            )
            rows.uploads.complete("default", upload_id)
            job = rows.jobs.submit(actor, JobRequest(upload_id=upload_id, queue=VIEWED)).job
        if before is not None:
            storage.put(upload_key(upload_id), before, content_type="video/mp4")
        with service.database.transaction() as rows:
            claim = rows.claims.claim("nobody", [VIEWED])
            assert claim is not None
        made: dict[str, Any] = {}
        for name, path in (("result", after), ("preview", preview)):
            if path is not None:
                key = f"{claim.lease.object_prefix}{name}.mp4"
                made[name] = storage.put(key, path, content_type="video/mp4")
        with service.database.transaction() as rows:
            facts = {"average_rate": rate}
            result = JobResult(
                made["result"].key, made["result"].size_bytes, made["result"].sha256,
                preview_key=made["preview"].key if preview else None, facts=facts,
            )  # fmt: skip
            rows.claims.succeed(claim.lease, result)
            if before is None:
                rows.uploads.delete(actor, upload_id)
        return job.id

    return add


@pytest.fixture(scope="module")
def enlarged(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same frames, twice as large."""
    path = tmp_path_factory.mktemp("enlarged") / "large.mp4"
    clips.ffmpeg("-i", clip, "-vf", "scale=640:360", *clips.X264_FAST, path)
    return path


def open_viewer(page: "Page", job_id: str) -> "Locator":
    page.goto(f"/admin/jobs/{job_id}")
    page.locator("#viewer[data-kind]").wait_for()
    return page.locator("#viewer")


def films(viewer: "Locator") -> dict[str, Any]:
    found: dict[str, Any] = viewer.evaluate(
        """each => ({ drift: each.films.drift, at: each.films.at, frame: each.films.frame,
            playing: each.films.films.map(film => !film.paused), duration: each.films.duration,
            sizes: each.films.films.map(film => film.videoWidth) })"""
    )
    return found


def colour_at(page: "Page", x: float, y: float) -> tuple[int, ...]:
    """What is really drawn at a point of the picture, 0 to 1."""
    import io

    from PIL import Image

    body = page.locator(".stage").screenshot()
    with Image.open(io.BytesIO(body)) as picture:
        point = (int(picture.width * x), int(picture.height * y))
        found = picture.convert("RGB").getpixel(point)
    assert isinstance(found, tuple)
    return tuple(int(value) for value in found)


def plain_film(path: Path, colour: str, size: str) -> Path:
    clips.ffmpeg(
        "-f", "lavfi", "-i", f"color={colour}:size={size}:rate=25,trim=end_frame=50",
        *clips.X264_FAST, "-pix_fmt", "yuv420p", path,
    )  # fmt: skip
    return path


def is_red(colour: tuple[int, ...]) -> bool:
    return colour[0] > 180 and colour[2] < 80


def is_blue(colour: tuple[int, ...]) -> bool:
    return colour[2] > 180 and colour[0] < 80


def test_the_line_divides_the_picture(sign_in: SignIn, add_job: AddJob, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    red = plain_film(tmp_path / "red.mp4", "red", "160x90")
    blue = plain_film(tmp_path / "blue.mp4", "blue", "640x360")
    page = sign_in()
    viewer = open_viewer(page, add_job(red, blue))
    # The input on the left and the result on the right, at the same size.
    assert is_red(colour_at(page, 0.35, 0.7))
    assert is_blue(colour_at(page, 0.65, 0.7))
    split = viewer.get_by_label("How much of the picture shows the input")
    split.focus()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    expect(split).to_have_attribute("aria-valuetext", "30 % input, 70 % result")
    assert is_blue(colour_at(page, 0.35, 0.7))
    box = viewer.locator(".stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 3, steps=4)
    page.mouse.up()
    expect(split).to_have_value("80")
    assert is_red(colour_at(page, 0.65, 0.7))


def test_both_films_keep_one_time(
    sign_in: SignIn, add_job: AddJob, clip: Path, enlarged: Path
) -> None:
    page = sign_in()
    viewer = open_viewer(page, add_job(clip, enlarged))
    assert films(viewer)["sizes"] == [640, 320]
    viewer.get_by_role("button", name="Play").click()
    wait_until(lambda: bool(films(viewer)["at"] > 0.3), "the films must play")
    # Someone else's seeking, or a slow decoder: the second film is brought back.
    viewer.evaluate("each => { each.films.other.currentTime = 0 }")
    wait_until(lambda: abs(films(viewer)["drift"]) < 0.06, "the films must come together again")
    wait_until(lambda: not any(films(viewer)["playing"]), "the films must end")
    stage = viewer.locator(".stage")
    viewer.evaluate("each => each.films.seek(1)")
    stage.focus()
    frame = films(viewer)["frame"]
    for key, moved in ((".", 1), (".", 2), (",", 1), ("ArrowRight", 1)):
        page.keyboard.press(key)
        wait_until(lambda moved=moved: films(viewer)["frame"] == frame + moved, f"{key}")  # type: ignore[misc]
    wait_until(lambda: abs(films(viewer)["drift"]) < 0.001, "standing, both show the same frame")
    page.keyboard.press("Space")
    wait_until(lambda: all(films(viewer)["playing"]), "space plays")
    page.keyboard.press("Space")
    wait_until(lambda: not any(films(viewer)["playing"]), "space stops")


def test_zoom_and_pan(sign_in: SignIn, add_job: AddJob, clip: Path, enlarged: Path) -> None:
    from playwright.sync_api import expect

    page = sign_in()
    viewer = open_viewer(page, add_job(clip, enlarged))
    stage, zoom = viewer.locator(".stage"), viewer.locator(".zoom")
    stage.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(zoom).to_have_text("400 %")
    pan = "each => parseFloat(each.style.getPropertyValue('--pan-x'))"
    before = stage.evaluate(pan)
    page.keyboard.press("ArrowRight")
    assert stage.evaluate(pan) == before - 60
    # Never past the edge.
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    width = stage.evaluate("each => each.clientWidth")
    assert stage.evaluate(pan) == pytest.approx(-3 * width, abs=2)
    page.keyboard.press("0")
    expect(zoom).to_have_text("100 %")
    stage.dblclick()
    expect(zoom).to_have_text("400 %")
    viewer.get_by_role("button", name="Fit").click()
    expect(zoom).to_have_text("100 %")


def test_what_does_not_play_is_shown_by_the_preview(
    sign_in: SignIn, add_job: AddJob, clip: Path, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    hevc = tmp_path / "hevc.mp4"
    clips.ffmpeg("-i", clip, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                 "log-level=error", "-tag:v", "hvc1", hevc)  # fmt: skip
    halves = tmp_path / "halves.mp4"
    red = plain_film(tmp_path / "red.mp4", "red", "160x90")
    blue = plain_film(tmp_path / "blue.mp4", "blue", "160x90")
    clips.ffmpeg("-i", red, "-i", blue, "-filter_complex", "hstack", *clips.X264_FAST, halves)
    page = sign_in()
    viewer = open_viewer(page, add_job(clip, hevc, halves))
    expect(viewer.get_by_role("status").first).to_contain_text("cannot play the result")
    expect(viewer.get_by_role("status").first).to_contain_text("preview")
    assert is_red(colour_at(page, 0.25, 0.7))
    assert is_blue(colour_at(page, 0.75, 0.7))
    shape = viewer.locator(".stage").bounding_box()
    assert shape is not None
    assert shape["width"] / shape["height"] == pytest.approx(16 / 9, abs=0.02)
    viewer.get_by_role("button", name="Play").click()
    wait_until(lambda: bool(films(viewer)["at"] > 0.2), "the preview must play")
    # Without a preview there is at least the reason.
    viewer = open_viewer(page, add_job(clip, hevc))
    expect(viewer.get_by_role("status").first).to_contain_text("Download it to play it")
    expect(viewer.locator(".viewer-body")).to_be_hidden()


def test_a_removed_input_is_said(sign_in: SignIn, add_job: AddJob, clip: Path) -> None:
    from playwright.sync_api import expect

    page = sign_in()
    viewer = open_viewer(page, add_job(None, clip))
    note = viewer.get_by_role("status").first
    expect(note).to_have_text("The input is not there any more, so this is the result alone.")
    viewer.get_by_role("button", name="Play").click()
    wait_until(lambda: bool(films(viewer)["at"] > 0.2), "the result must play")


def test_the_line_moves_by_touch(
    sign_in: SignIn, add_job: AddJob, clip: Path, enlarged: Path
) -> None:
    from playwright.sync_api import expect

    page = sign_in(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    viewer = open_viewer(page, add_job(clip, enlarged))
    stage = viewer.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    expect(viewer.locator("#split")).to_have_value("25")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
