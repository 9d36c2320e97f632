"""Every page under axe, in both themes and on a phone, and what axe cannot see."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.tour import Tour, open_tour

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

OpenContext = Callable[..., "BrowserContext"]

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
RUN = """async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations.map(({ id, impact, nodes }) =>
        ({ id, impact, where: nodes.map((node) => node.target.join(" ")).slice(0, 5) }));
}"""


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Tour]:
    with open_tour(tmp_path_factory.mktemp("tour"), sqlite_template) as opened:
        yield opened


@pytest.fixture(scope="session")
def axe() -> str:
    spec = find_spec("axe_playwright_python")
    assert spec is not None, "axe comes with the dev extra"
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "axe.min.js").read_text()


def open_page(open_context: OpenContext, tour: Tour, **options: object) -> "Page":
    context = open_context(base_url=tour.url, **options)
    context.add_cookies([tour.cookie])  # type: ignore[list-item]
    return context.new_page()


def faults(page: "Page", axe: str) -> list[dict[str, Any]]:
    """What is serious or worse. The script is put in from outside, which the policy lets."""
    page.evaluate(axe)
    found: list[dict[str, Any]] = page.evaluate(RUN)
    return [each for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize(
    ("theme", "viewport"),
    [
        ("light", DESKTOP),
        ("dark", PHONE),
        pytest.param("dark", DESKTOP, marks=pytest.mark.heavy),
        pytest.param("light", PHONE, marks=pytest.mark.heavy),
    ],
)
def test_no_page_has_a_serious_fault(
    open_context: OpenContext, tour: Tour, axe: str, theme: str, viewport: dict[str, int]
) -> None:
    tour.beat()
    page = open_page(open_context, tour, color_scheme=theme, viewport=viewport)
    bad, wide = {}, []
    for name, path in tour.pages.items():
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        if found := faults(page, axe):
            bad[name] = found
        if page.evaluate("document.documentElement.scrollWidth") > viewport["width"]:
            wide.append(name)
    page.context.clear_cookies()
    for path in ("/admin/login", "/admin/nothing"):
        page.goto(path)
        if found := faults(page, axe):
            bad[path] = found
    assert bad == {}
    assert wide == [], "pages that scroll sideways"


def test_everything_is_reached_by_keyboard(open_context: OpenContext, tour: Tour) -> None:
    page = open_page(open_context, tour)
    page.goto(tour.pages["jobs"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.name || document.activeElement.tagName"))
        style = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(style) != "none", page.evaluate("document.activeElement.outerHTML")
    assert {"text", "state", "queue", "id", "A"} <= seen


def test_the_theme_is_chosen_and_kept(open_context: OpenContext, tour: Tour) -> None:
    page = open_page(open_context, tour, color_scheme="light")
    page.goto(tour.pages["overview"])
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_times_are_in_the_zone_of_whoever_looks(open_context: OpenContext, tour: Tour) -> None:
    shown = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        page = open_page(open_context, tour, timezone_id=zone, locale="en-GB")
        page.goto(tour.pages["job"])
        time = page.locator("#rest time").first
        shown.append(time.get_attribute("title"))
        assert time.inner_text().endswith("ago")
    assert shown[0] != shown[1]


def test_plots_are_drawn_and_told_in_figures(open_context: OpenContext, tour: Tour) -> None:
    from playwright.sync_api import expect

    page = open_page(open_context, tour)
    page.goto(tour.pages["overview"])
    expect(page.locator("[data-chart=throughput] canvas")).to_be_visible()
    expect(page.locator("[data-chart=throughput] tbody")).to_contain_text("fps")


def test_pages_work_without_scripts(open_context: OpenContext, tour: Tour) -> None:
    page = open_page(open_context, tour, java_script_enabled=False)
    page.goto(tour.pages["jobs"])
    page.get_by_label("State").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    assert page.locator("tbody tr").count() > 3
    page.get_by_role("button", name="Retry…").click()
    assert page.get_by_role("heading", level=1).inner_text().startswith("Retry")
    page.goto(tour.pages["submit"])
    assert page.locator(".drop noscript p").is_visible()
