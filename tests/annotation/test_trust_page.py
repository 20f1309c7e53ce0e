"""The trust report as people meet it: the page in headless Chromium.

With TRUST_SCREENSHOTS=DIR the visits leave pictures of the page there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from invented_answers import Person, everything

from annotation.report import measure
from annotation.report_page import page as made

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "<img src=http://evil.example/a.png onerror=alert(1)>\"'&{{ 7 * 7 }}"
PEOPLE = [
    Person("amelie", 0.85),
    Person("bogdan", 0.8, side=0.9),
    Person("chiara", 0.9, late=0.5),
    Person("dmitri", 0.75, seconds=2.2),
    Person("gwen", 0.95),
    Person("hiro", 0.7),
    Person(HOSTILE, 0.8),
    Person("an-annotator-with-a-name-that-goes-on-and-on-without-an-end-to-it", 0.55),
]

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("CI"), reason="needs /usr/bin/chromium (Debian package chromium)"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("pulled")
    everything(directory, PEOPLE, 400)
    file = directory / "report.html"
    file.write_text(made(measure(directory), f"week 47 {HOSTILE}"), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def visit(address: str) -> Iterator[Callable[..., Page]]:
    """Opens the page; afterwards, nothing else was asked for and nothing broke."""
    from playwright.sync_api import sync_playwright

    asked, broken = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)

        def go(width: int = 1200, scheme: str = "light") -> Page:
            page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
            page.set_default_timeout(45_000)
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: broken.append(message.text))
            page.on("pageerror", lambda error: broken.append(str(error)))
            page.on("dialog", lambda dialog: broken.append(dialog.message))
            page.goto(address)
            return page

        yield go
        browser.close()
    assert set(asked) == {address}
    assert not broken


def shot(page: Page, name: str) -> None:
    if directory := os.environ.get("TRUST_SCREENSHOTS"):
        Path(directory).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(directory) / f"trust-{name}.png", full_page=True)


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (400, "light")])
def test_everything_is_told_in_text_and_fits(visit, width, scheme):
    page = visit(width, scheme)
    shot(page, f"{width}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_role("heading", level=2).all_inner_texts() == [
        "Pairwise ranking",
        "Persona violations",
        "Image turns",
        "Grey band of safety",
        "Policies",
        "How to read this",
    ]
    row = page.locator("#pairwise ~ section table.people tr", has_text="bogdan").first
    assert "is drawn to the reply shown first" in row.inner_text()
    for shares in row.locator(".told").all_inner_texts():
        assert "%" in shares, "what a bar shows stands beside it"
    tall = page.evaluate("Math.max(...[...document.querySelectorAll('caption, th, td')].map(e => e.clientHeight))")
    assert tall < 320, "nothing is squeezed into a column of letters"


def test_names_are_text(visit):
    page = visit()
    assert page.locator("img, script").count() == 0
    assert page.get_by_text(HOSTILE[:40]).count() >= 3
    assert "week 47 <img" in page.locator("h1").inner_text()


def test_by_keyboard(visit):
    page = visit()
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        tag = page.evaluate("document.activeElement.tagName")
        reached.append(tag)
        assert tag == "BODY" or page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if tag == "SUMMARY":
            break
    assert reached.count("A") == 6, "a link to each part"
    assert not page.locator("details table").first.is_visible()
    page.keyboard.press("Enter")
    page.locator("details table").first.wait_for()
    assert page.locator("details tbody tr").first.locator("code").count() == 1
    shot(page, "votes")


def test_pictures_have_words(visit):
    page = visit()
    for picture in page.locator("svg").all():
        hidden = picture.get_attribute("aria-hidden") == "true"
        assert hidden or picture.get_attribute("aria-label").startswith("From ")
