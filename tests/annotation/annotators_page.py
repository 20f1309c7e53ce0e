"""Argilla's pages as an annotator uses them, in headless Chromium, and the conversations they show.

With ANNOTATION_SCREENSHOTS=DIR a visit leaves pictures of the pages there.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import annotation_material
import polars as pl

from schemas.stage import open_stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

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
PATIENCE = 60_000  # milliseconds that a page may take on a busy machine
LOCALE = "en-US"
WORD = "marmalade"


def turns() -> pl.DataFrame:
    """Eight turns of one locale, the first three with an image; one message of the last holds `WORD`."""
    rows = annotation_material.turns(400).filter(locale=LOCALE).unique("response", maintain_order=True)
    image = pl.col("tool_calls").is_not_null()
    june = pl.col("persona_id") == "june"
    rows = pl.concat(
        [rows.filter(image & june).head(1), rows.filter(image & ~june).head(2), rows.filter(~image).head(5)]
    )
    said = [list(messages) for messages in rows["messages"]]
    said[-1] = [*said[-1][:-1], {**said[-1][-1], "content": f"No {WORD} today. {said[-1][-1]['content']}"}]
    return rows.with_columns(
        messages=pl.Series(said, dtype=rows.schema["messages"]),
        turn_index=pl.int_range(pl.len(), dtype=pl.Int32) % 3,
        cluster_id=pl.int_range(pl.len(), dtype=pl.Int32),
        difficulty=pl.int_range(1, pl.len() + 1) / 10,
    )


def stages(directory: Path, rows: pl.DataFrame) -> None:
    """Finished stages of these turns: `curate`, every turn of which is a safety case, and `sample` with a task each."""
    spare = annotation_material.turns(400).filter(locale=LOCALE).unique("response", maintain_order=True)
    other = spare.join(rows, on="response", how="anti", maintain_order="left")["response"].tail(rows.height)
    a_is_new = pl.int_range(pl.len()) % 2 == 0
    tasks = rows.select(
        "turn_id", "persona_id", "messages",
        task_id=pl.col("turn_id").str.reverse(),
        response_a=pl.when(a_is_new).then(other).otherwise("response"),
        response_b=pl.when(a_is_new).then("response").otherwise(other),
        policy_a=pl.when(a_is_new).then(pl.lit("newly-trained")).otherwise(pl.lit("long-served")),
        policy_b=pl.when(a_is_new).then(pl.lit("long-served")).otherwise(pl.lit("newly-trained")),
    )  # fmt: skip
    with open_stage(directory / "curate", "curate", settings={}, inputs={}, seed=0) as stage:
        cases = rows.select("turn_id", "locale", label=pl.lit("threat"), score=pl.lit(0.5625), side=pl.lit("reply"))
        for kind, table in {"turns": rows, "review": cases}.items():
            (directory / "curate" / kind).mkdir()
            table.write_parquet(directory / "curate" / kind / "part-00000.parquet")
        stage.finish()
    with open_stage(directory / "sample", "sample", settings={}, inputs={}, seed=0) as stage:
        tasks.write_parquet(directory / "sample" / "tasks.parquet")
        rows.select("turn_id", "locale").write_parquet(directory / "sample" / "prompts.parquet")
        stage.finish()
    angles = [step * math.pi / 20 for step in range(rows.height)]  # the nearer two rows, the more alike
    vectors = pl.Series([[math.cos(angle), math.sin(angle)] for angle in angles], dtype=pl.List(pl.Float32))
    rows.select("turn_id", vector=vectors).write_parquet(directory / "vectors.parquet")


class Visit:
    """A browser in which somebody is signed in.

    Attributes:
        page: Playwright's.
        asked: Addresses that were asked for.
        broken: Errors of the page, and what its security policy had to stop.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.asked: list[str] = []
        self.broken: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.on("dialog", lambda dialog: self.broken.append(f"dialog: {dialog.message}"))
        page.on("console", lambda said: self.broken.append(said.text) if "Security Policy" in said.text else None)

    def sign_in(self, name: str, password: str) -> None:
        self.page.goto(self.url)
        self.page.wait_for_url(re.compile("/sign-in"))
        self.shot("sign-in")
        self.page.locator("input[type=text], input:not([type])").first.fill(name)
        self.page.locator("input[type=password]").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_text("Your datasets").wait_for()

    def open(self, dataset: str) -> None:
        """Open a dataset from the list, once its first record is there."""
        self.page.goto(self.url)
        self.page.get_by_text(dataset, exact=True).click()
        self.record.wait_for()

    @property
    def record(self) -> Locator:
        """The record that is shown."""
        return self.page.locator(".record__content").first

    def field(self, title: str) -> Locator:
        """The text of a field."""
        box = self.page.locator(".text_field_component").filter(has=self.page.get_by_text(title, exact=True))
        return box.locator(".content-area > div").first

    def total(self, number: int) -> None:
        """Wait until the page tells of so many records."""
        from playwright.sync_api import expect

        expect(self.page.get_by_label("Total Records")).to_have_text(f"of {number}", timeout=PATIENCE)

    def rank(self, slots: dict[str, int]) -> None:
        """Drag replies into their places, one after the other."""
        from playwright.sync_api import expect

        for name, place in slots.items():
            slot = self.page.locator(".draggable__slot-box").nth(place - 1)
            card = self.page.locator(f"#{name} .draggable__rank-card--unranked")
            card.scroll_into_view_if_needed()
            from_, to = card.bounding_box(), slot.bounding_box()
            self.page.mouse.move(from_["x"] + from_["width"] / 2, from_["y"] + from_["height"] / 2)
            self.page.mouse.down()
            # To the slot's lower edge, in steps: over a card that lies there already, the new one goes beside it.
            self.page.mouse.move(to["x"] + to["width"] / 2, to["y"] + to["height"] - 4, steps=10)
            self.page.mouse.up()
            expect(slot.locator(f"#{name}")).to_be_visible(timeout=PATIENCE)

    def choose(self, question: str, *labels: str) -> None:
        """Click labels of a question."""
        asked = self.page.get_by_label(f"Question: {question}", exact=True)
        for label in labels:
            asked.locator("label.label-text", has_text=re.compile(rf"^\s*\d+\s*{re.escape(label)}\s*$")).click()

    def box(self, question: str) -> Locator:
        """The text box of a question."""
        return self.page.get_by_label(f"Question: {question}", exact=True).locator("[contenteditable=true]")

    def write(self, question: str, text: str) -> None:
        """Put a text in place of what the box holds."""
        self.box(question).click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def filter_by(self, title: str, value: str) -> None:
        """Keep to the records that have this value of a metadata property."""
        self.page.locator("button.filter-button__button", has_text="Filters").click()
        self.page.locator("button.filter-button__button", has_text="Metadata").click()
        self.page.locator(".category__item", has_text=title).click()
        self.page.locator(".labels-selector__item", has_text=value).locator(".checkbox__container").click()

    def sort_by(self, title: str) -> None:
        """Sort by a metadata property, the lowest first."""
        self.page.locator("button.filter-button__button", has_text="Sort").click()
        with self.page.expect_response(lambda told: "/records/search?" in told.url):
            self.page.locator(".sort-categories__item", has_text=title).click()

    def turn_round(self) -> None:
        """Sort the other way round."""
        self.page.locator(".sort-selector-item__direction").click()

    def search(self, words: str) -> None:
        """Search in all fields."""
        self.page.locator(".search-area__icon").first.click()
        self.page.get_by_placeholder("Introduce a query").fill(words)
        self.page.keyboard.press("Enter")

    def finish(self, button: str = "Submit") -> None:
        """Submit, discard or save, once the server has it."""
        with self.page.expect_response(lambda told: "/responses" in told.url) as told:
            self.page.locator("form button", has_text=button).click()
        assert told.value.ok

    def next(self, title: str, button: str = "Submit") -> None:
        """Be done with a record, and wait for another one: a field of this title reads otherwise."""
        from playwright.sync_api import expect

        before = self.field(title).text_content()
        self.finish(button)
        expect(self.field(title)).not_to_have_text(before, timeout=PATIENCE)

    def shot(self, name: str, height: int | None = None) -> None:
        if folder := os.environ.get("ANNOTATION_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            size = self.page.viewport_size
            if height:
                self.page.set_viewport_size({"width": size["width"], "height": height})
            self.page.mouse.move(1, 1)
            self.page.wait_for_timeout(700)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))
            if height:
                self.page.set_viewport_size(size)

    def look_back(self) -> None:
        """See that nothing but the server was asked for, and nothing on the page broke."""
        outside = [asked for asked in self.asked if not asked.startswith((f"{self.url}/", "data:", "blob:"))]
        assert not outside
        assert not self.broken


@contextmanager
def visiting(browser: Browser, url: str, name: str, password: str) -> Iterator[Visit]:
    """A visit of somebody who has signed in."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, locale="en-US")
    try:
        visit = Visit(context.new_page(), url)
        visit.sign_in(name, password)
        yield visit
    finally:
        context.close()
