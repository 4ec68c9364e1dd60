"""The HTML report in a real Chromium: what a person does with it, without one complaint on the console."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helmflow.ui import html
from tests.ui import reports

pytestmark = pytest.mark.browser
PLACES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium from the system, driven by Playwright; a visible skip where one of them is missing."""
    path = next((found for name in PLACES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no chromium: `python3 tasks.py browser` installs Debian's as root")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as driver:
        # Chromium's own sandbox does not work for root, which is who runs this in containers.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = driver.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The report of a run, opened from a file; every message on the console and every request is a failure."""
    file = tmp_path / "report.html"
    file.write_text(html.render(reports.plan(), reports.report(), reports.recorder()), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=request.param)
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: said.append(str(error)))
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    opened.wait_for_selector("html[data-ready=yes]")
    yield opened
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


def is_open(page: Any, selector: str) -> bool:
    return bool(page.eval_on_selector(selector, "one => one.open"))


def test_search_finds_opens_and_steps_through(page: Any, tmp_path: Path) -> None:
    page.keyboard.press("/")
    page.keyboard.type("registry.example/api:2")
    page.locator("#hits", has_text="1 found").wait_for()  # slow keys are searched for as they come
    assert is_open(page, "#r1")
    assert page.locator("details.release:visible").count() == 1
    page.keyboard.press("Enter")
    assert page.inner_text("#hits") == "1 of 1"
    assert page.locator("mark.now").first.is_visible()
    page.screenshot(path=str(tmp_path / "search.png"))
    page.keyboard.press("Escape")
    page.wait_for_selector("mark", state="detached")
    assert page.locator("details.release:visible").count() == 4
    page.fill("#search", "there is no such thing")
    page.locator("#hits", has_text="nothing found").wait_for()


def test_folds_open_and_close_together(page: Any) -> None:
    page.click("#expand")
    assert page.locator("details.object[open]").count() == page.locator("details.object").count() > 2
    page.click("#collapse")
    assert page.locator("details[open]").count() == 0
    page.keyboard.press("e")
    assert page.locator("details.release[open]").count() == 4


def test_a_box_of_the_graph_leads_to_its_release(page: Any, tmp_path: Path) -> None:
    page.click("#collapse")
    page.locator("svg a.node", has_text="apps/api").first.click()
    assert is_open(page, "#r1")
    assert page.evaluate("document.activeElement.closest('details').id") == "r1"
    assert page.url.endswith("#r1")
    picture = tmp_path / "followed.png"
    page.screenshot(path=str(picture))
    assert picture.stat().st_size > 10_000
    # The same with the keyboard alone.
    page.click("#collapse")
    page.locator("svg a.node", has_text="data/db").first.focus()
    assert page.locator("svg .edge.on").count() == 2
    page.keyboard.press("Enter")
    assert is_open(page, "#r0")


def test_filters_keys_and_theme(page: Any) -> None:
    page.click("button[data-filter=failed]")
    assert page.locator("details.release:visible").count() == 1
    page.click("button[data-filter=failed]")
    assert page.locator("details.release:visible").count() == 4
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('details').id") == "r1"
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("t")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_failed_releases_are_open_and_nothing_is_wider_than_a_phone(page: Any) -> None:
    assert is_open(page, "#r1")
    assert "panic: no database" in page.inner_text("#r1 .failure")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_hostile_texts_do_nothing(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "hostile.html"
    text = "</style></script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    file.write_text(html.render(*reports.hostile(text)), encoding="utf-8")
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    page.click("#expand")
    assert "owned" not in page.title().replace(text, "")
    assert page.evaluate("document.querySelectorAll('img, script').length") == 1
    assert said == []
    page.close()
