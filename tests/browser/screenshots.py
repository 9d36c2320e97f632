"""Pictures of every page, light and dark, for the documentation.

    python -m tests.browser.screenshots docs/dashboard/

The farm in them is made up, and its one film was enlarged by ffmpeg.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from migrations import migrate
from tests.browser.conftest import CHROMIUM
from tests.browser.tour import open_tour

WIDTH_PX = 1280
HIGHEST_PX = 1500
DESKTOP = {"width": WIDTH_PX, "height": 900}
PHONE = {"width": 390, "height": 844}
ON_A_PHONE = ("overview", "jobs", "job", "submit", "workers")
_QUALITY = 82


def main() -> int:
    """Write the pictures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        empty = Path(made, "empty.db")
        migrate(f"sqlite:///{empty}")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with open_tour(Path(made), empty) as tour:
            for theme in ("light", "dark"):
                for suffix, viewport in (("", DESKTOP), ("phone", PHONE)):
                    context = browser.new_context(
                        viewport=viewport,  # type: ignore[arg-type]
                        color_scheme=theme,
                        locale="en-GB",
                        timezone_id="Europe/Berlin",
                    )
                    tour.beat()
                    context.add_cookies([tour.cookie])  # type: ignore[list-item]
                    page = context.new_page()
                    for name, path in tour.pages.items():
                        if suffix and name not in ON_A_PHONE:
                            continue
                        page.goto(f"{tour.url}{path}", wait_until="networkidle")
                        file = "-".join(filter(None, (name, suffix, theme)))
                        take(page, folder / f"{file}.webp")
                    context.close()
            context = browser.new_context(viewport={"width": WIDTH_PX, "height": 600})
            page = context.new_page()
            page.goto(f"{tour.url}/admin/login")
            take(page, folder / "login-light.webp")
        browser.close()
    return 0


def take(page: Page, path: Path) -> None:
    """Write one picture, not higher than anybody wants to scroll."""
    if page.locator("#viewer .viewer-body:not([hidden])").count():
        page.locator(".seek").evaluate("each => { each.closest('#viewer').films.seek(1.5) }")
        page.wait_for_timeout(500)
    with Image.open(io.BytesIO(page.screenshot(full_page=True))) as whole:
        picture = whole.crop((0, 0, whole.width, min(whole.height, HIGHEST_PX)))
    picture.save(path, quality=_QUALITY, method=6)


if __name__ == "__main__":
    sys.exit(main())
