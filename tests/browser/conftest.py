"""A real Chromium before a real service; skipped where there is none, but never in CI."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import clips
from tests.browser.service import Service
from tests.patience import PATIENCE_S
from tests.servers.process import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page

CHROMIUM = "/usr/bin/chromium"

SignIn = Callable[..., "Page"]


# Not longer than these tests: Playwright keeps an event loop running, in which others cannot run
# one of their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator["Browser"]:
    if importlib.util.find_spec("playwright") is None:
        missing("playwright", "pip install -e '.[dev]'")
    if shutil.which(CHROMIUM) is None:
        missing("Chromium", "apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        # Its sandbox needs rights that containers do not give.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests, whose first user came by the link that it printed."""
    started = Service.start(tmp_path_factory.mktemp("service"))
    yield started
    started.close()


@pytest.fixture(scope="package")
def users(service: Service) -> None:
    """Ada acts, ron looks."""
    service.add_user("ada")
    service.add_user("ron", "reader")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds that a browser plays."""
    return clips.plain(tmp_path_factory.mktemp("clips") / "bikes.mp4", "320x180", frames=50)


@pytest.fixture
def open_context(chromium: "Browser") -> Iterator[Callable[..., "BrowserContext"]]:
    """Open browsers that know nothing of one another; a script's error fails the test."""
    opened: list[BrowserContext] = []
    errors: list[str] = []

    def refuse(dialog: "Dialog") -> None:
        errors.append(dialog.message)
        dialog.dismiss()

    def note(said: "ConsoleMessage") -> None:
        if said.type == "error" and "Content Security" in said.text:
            errors.append(said.text)

    def open_one(**options: object) -> "BrowserContext":
        chosen = {"viewport": {"width": 1280, "height": 900}, **options}
        context = chromium.new_context(**chosen)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_S * 1000)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("dialog", refuse)
        context.on("console", note)
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        context.close()
    assert errors == []


@pytest.fixture
def sign_in(open_context: Callable[..., "BrowserContext"], service: Service, users: None) -> SignIn:
    """Sign in as `ada` or as `ron`, without the form, which has a test of its own."""

    def open_signed_in(name: str = "ada", **options: object) -> "Page":
        context = open_context(base_url=service.url, **options)
        with service.database.transaction() as rows:
            begun = rows.logins.begin(name, "127.0.0.1")
        assert begun is not None
        cookie = {"name": "flashvsr_session", "value": begun[1], "url": service.url}
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.goto("/admin/")
        return page

    return open_signed_in
