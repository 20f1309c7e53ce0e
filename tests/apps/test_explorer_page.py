"""The quota explorer as a curator meets it: the real page, in headless Chromium.

With EXPLORER_SCREENSHOTS=DIR the visits leave pictures of the page there.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from conftest import OFFLINE, ROOT
from invented_run import make_run

from schemas.reading import read_recipe

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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
HOSTILE = "![look](http://evil.example/a.png) <img src=http://evil.example/b.png onerror=alert(1)> :red[x] $x^2$"

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("CI"), reason="needs /usr/bin/chromium (Debian package chromium)"
)


@contextmanager
def serving(run: Path) -> Iterator[str]:
    """A server of its own for one run; its whole process group ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "apps" / "quota_explorer.py")]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{OFFLINE}"}
    # Started from elsewhere: the settings come from beside the app.
    server = subprocess.Popen(
        [*command, "--server.port", str(port), "--", "--run", run.name],
        cwd=run.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                    break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("the server did not start") from None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            said, _ = server.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            said, _ = server.communicate()
    assert b"Traceback" not in said, said.decode()
    assert b"0.0.0.0" not in said
    for text in (b"lighthouse", b"evil.example"):
        assert text not in said


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a profile of its own; afterwards, nothing but 127.0.0.1 was asked for and nothing broke."""
    opened, asked, broken = [], [], []

    def go(url: str, width: int = 1280, height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(45_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(url)
        page.get_by_role("heading", name="Quota explorer", level=1).wait_for()
        return page

    yield go
    for context in opened:
        context.close()
    assert not broken
    assert asked
    assert {
        re.sub(r"^(\w+://[^/:]*).*", r"\1", url, flags=re.S) for url in asked if not url.startswith(("data:", "blob:"))
    } <= {
        "http://127.0.0.1",
        "ws://127.0.0.1",
    }


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_run(tmp_path_factory.mktemp("runs") / "curate")
    path = made / "examples.parquet"
    hostile = pl.when(pl.col("stage") == "safety").then(pl.lit(HOSTILE)).otherwise("said")
    pl.read_parquet(path).with_columns(said=hostile).write_parquet(path)
    return made


@pytest.fixture(scope="session")
def url(run: Path) -> Iterator[str]:
    with serving(run) as address:
        yield address


def shot(page: Page, name: str, full: bool = False) -> None:
    if folder := os.environ.get("EXPLORER_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.mouse.move(1, 1)  # off whatever has a hint
        page.wait_for_timeout(700)
        if full:
            height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
            size = page.viewport_size
            page.set_viewport_size({"width": size["width"], "height": min(height, 2600)})
            page.wait_for_timeout(700)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
        if full:
            page.set_viewport_size(size)


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.get_by_role("tabpanel").get_by_role("heading", level=2).first.wait_for()


def kept(page: Page) -> int:
    return int(page.get_by_test_id("stMetricValue").first.inner_text().replace(",", ""))


def moved(page: Page, before: int) -> int:
    """The number of turns kept, once it is another."""
    page.wait_for_function(
        "before => document.querySelector('[data-testid=stMetricValue]').innerText.replaceAll(',', '') != before",
        arg=str(before),
    )
    return kept(page)


def test_a_curators_whole_visit(url: str, run: Path, visit: Callable[..., Page], tmp_path: Path) -> None:
    from playwright.sync_api import expect

    report = json.loads((run / "report.json").read_bytes())
    page = visit(url)

    # Where turns went: a click on a row of the waterfall shows its examples.
    chart = page.get_by_test_id("stVegaLiteChart").first
    chart.get_by_text("safety: threat above 0.9").first.wait_for()
    expect(page.get_by_text("Tell me how you won the lighthouse").first).to_be_visible()
    shot(page, "1-where")
    chart.locator("[aria-roledescription=bar][aria-label*='safety: threat above 0.9']").last.click(force=True)
    expect(page.get_by_role("combobox", name="Reason")).to_have_value(re.compile("safety: threat above 0.9"))
    expect(page.get_by_text("some may offend")).to_be_visible()
    expect(page.get_by_text(HOSTILE, exact=True).first).to_be_visible()  # as it is: no image, colour or formula
    shot(page, "1-where-clicked", full=True)

    # Shares before and after.
    tab(page, "Shares")
    page.get_by_test_id("stVegaLiteChart").get_by_text("Mira the baker").first.wait_for()
    shot(page, "2-shares", full=True)
    page.get_by_text("locale", exact=True).first.click()
    page.get_by_test_id("stVegaLiteChart").get_by_text("pt-BR").first.wait_for()

    # Quotas: keep as A, move a slider, read what it costs.
    tab(page, "Quotas")
    assert kept(page) == report["quotas"]["total"]
    page.get_by_role("button", name="Keep as A").click()
    page.get_by_text("Kept as A").wait_for()
    floor = page.get_by_role("slider", name=re.compile("pt-BR, floor and ceiling.*start"))
    before = kept(page)
    for _ in range(6):
        floor.press("ArrowRight")
    assert moved(page, before) < before
    expect(
        page.get_by_text(re.compile(r"pt-BR floor \(15 %\) costs [\d,]+ turns; one point less would let in"))
    ).to_be_visible()
    shot(page, "3-quotas", full=True)
    after = kept(page)

    # Compare.
    tab(page, "Compare")
    row = page.get_by_role("row").filter(has_text="turns kept")
    expect(row).to_contain_text(f"{before:,}")
    expect(row).to_contain_text(f"{after:,}")
    expect(page.get_by_role("row").filter(has_text="pt-BR").first).to_contain_text("at least 15 %")
    shot(page, "4-compare", full=True)

    # What cannot hold is relaxed, at the press of a button.
    tab(page, "Quotas")
    cap = page.get_by_role("slider", name="Persona cap")
    cap.press("Home")
    page.get_by_role("heading", name="These quotas cannot all hold").wait_for()
    expect(page.get_by_text(re.compile(r"persona: ceiling 0.1 % cannot hold"))).to_be_visible()
    relaxed = kept(page)
    shot(page, "5-relaxation", full=True)
    page.get_by_role("button", name="Use these values").click()
    page.get_by_role("heading", name="These quotas cannot all hold").wait_for(state="detached")
    assert kept(page) == relaxed
    in_force = page.get_by_role("slider", name="Persona cap").get_attribute("aria-valuetext")
    assert in_force != "0.1 %"

    # Save: the recipe loads and holds what the sliders said.
    tab(page, "Save as recipe")
    shot(page, "6-save", full=True)
    page.get_by_role("textbox", name="File name").fill("visit.yaml")
    page.get_by_role("button", name="Save the recipe").click()
    page.get_by_text("python -m curation run").wait_for()
    shot(page, "6-saved")
    quotas = read_recipe(run.parent / "visit.yaml").curation.quotas
    assert quotas.locales["pt-BR"].min == 0.15
    assert f"{quotas.max_persona_share * 100:g} %" == in_force
    page.get_by_role("button", name="Save the recipe").click()
    page.get_by_text("is there already, and was left as it is").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download it instead").click()
    download.value.save_as(tmp_path / "downloaded.yaml")
    assert read_recipe(tmp_path / "downloaded.yaml").curation.quotas == quotas


def settle(page: Page) -> None:
    """Wait until nothing has been computed for half a second: while it draws, Streamlit may drop the focus."""
    page.evaluate("window.busy = performance.now()")
    page.wait_for_function(
        """() => {
            if (!document.querySelector('[data-test-script-state=notRunning]')) window.busy = performance.now();
            return performance.now() - window.busy > 500;
        }""",
        polling=50,
    )


FOCUSED = "() => [document.activeElement].map(e => (e.getAttribute('aria-label') || e.innerText || '').trim())[0]"


def reach(page: Page, what: str, key: str = "Tab") -> None:
    """Press a key until what has the focus is called so."""
    for _ in range(80):
        page.keyboard.press(key)
        if page.evaluate(FOCUSED).startswith(what):
            return
    raise AssertionError(f"{key} does not reach {what}")


def walk(page: Page, name: str) -> None:
    """From a focused tab to the tab of that name, as a person does it: looking after each key."""
    while (at := page.evaluate(FOCUSED)) != name:
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"at => ({FOCUSED})() != at", arg=at)
        assert page.evaluate("document.activeElement.role") == "tab", "the focus is lost"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=name, level=2).wait_for()
    settle(page)


def test_by_keyboard_alone(url: str, run: Path, visit: Callable[..., Page]) -> None:
    page = visit(url)
    page.get_by_test_id("stVegaLiteChart").get_by_text("came in").first.wait_for()
    settle(page)
    reach(page, "Where turns went")
    walk(page, "Quotas")
    before = kept(page)
    reach(page, "Persona cap")
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    assert moved(page, before) < before
    settle(page)
    reach(page, "Quotas", "Shift+Tab")
    walk(page, "Save as recipe")
    reach(page, "File name")
    page.keyboard.press("Control+a")
    page.keyboard.type("keys.yaml")
    reach(page, "Save the recipe")
    page.keyboard.press("Enter")
    page.get_by_text("python -m curation run").wait_for()
    assert read_recipe(run.parent / "keys.yaml").curation.quotas.max_persona_share == 0.025


def test_on_a_narrow_screen_nothing_is_cut_off(url: str, visit: Callable[..., Page]) -> None:
    page = visit(url, width=420, height=800)
    for number, name in enumerate(("Where turns went", "Shares", "Quotas", "Compare", "Save as recipe"), 1):
        tab(page, name)
        page.wait_for_timeout(500)
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 420
        shot(page, f"narrow-{number}", full=True)


def test_a_missing_run_is_a_sentence(tmp_path: Path, visit: Callable[..., Page]) -> None:
    with serving(tmp_path / "nowhere") as address:
        page = visit(address)
        page.get_by_text("no such directory; expected that of a curated run").wait_for()
        assert page.get_by_test_id("stException").count() == 0
        shot(page, "missing")


def test_a_million_turns_answer(tmp_path: Path, visit: Callable[..., Page], capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "curate", turns=1_000_000, personas=3000)
    with serving(run) as address:
        page = visit(address)
        tab(page, "Quotas")
        page.get_by_role("slider", name="Persona cap").wait_for()
        floor = page.get_by_role("slider", name=re.compile("pt-BR, floor and ceiling.*start"))
        seconds = []
        for _ in range(4):
            settle(page)
            before, begin = kept(page), time.perf_counter()
            floor.press("ArrowRight")
            assert moved(page, before) < before
            seconds.append(time.perf_counter() - begin)
        cells = pl.read_parquet(run / "cells.parquet")
        with capsys.disabled():
            times = ", ".join(f"{second:.2f}" for second in seconds)
            print(f"\n{cells['supply'].sum():,} turns in {cells.height:,} cells: key to number in {times} s")
        shot(page, "million")
