"""The run report's page: stands alone, says the counts, holds no message, escapes everything, stays small."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests_curation_report import NASTY, report

from curation.explorer_files import EXAMPLE, SHARES
from curation.report_page import percent, price_words, quota_words, write_page

VOID = {"meta", "br", "img", "link"}


SHARE_ROWS = [
    ("persona", "p0", "Mira", 500, 490, 18),
    ("persona", "p1", "Bo", 497, 500, 582),
    ("locale", "pt-BR", "pt-BR", 100, 99, 60),
    ("locale", "en-US", "en-US", 897, 891, 540),
    ("cluster", "0", "ships, fog", 400, 400, 300),
    ("cluster", "", "gone before this was known", 7, 0, 0),
]


def written(directory: Path, told: dict[str, Any], shares: Any = SHARE_ROWS, examples: Any = ()) -> str:
    (directory / "report.json").write_text(json.dumps(told))
    pl.DataFrame(shares, schema=SHARES, orient="row").write_parquet(directory / "shares.parquet")
    pl.DataFrame(examples, schema=EXAMPLE, orient="row").write_parquet(directory / "examples.parquet")
    write_page(directory)
    return (directory / "report.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """What a browser would see: the text, the tags in use, whether all of them close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def test_the_page_says_what_was_kept_and_why_the_rest_went(tmp_path: Path) -> None:
    example = ("safety", "toxicity above 0.95", "ab" * 16, "p0", "en-US", "secretword", "otherword", None)
    page = written(tmp_path, report(), examples=[example])
    text = " ".join(Reader(page).text.split())
    for said in (
        "Of 1,000 rows that came in, 600 were chosen (60.0 %).",
        "1,000 in = 600 chosen + 397 dropped + 3 quarantined",
        "Most of what went, 390, went at quotas for “quota: persona above 3 %”",
        "The floor of ja-JP went from 9 % to 4 %.",
        "names: spaCy en_core_web_md",
        "the file is empty",
        "PERSON 30 75.0 %",
        "kept 990 99.3 % dropped 7 0.7 %",
        "For people to look at 21",
        "ab" * 16,
        "no choice that keeps these quotas can have more than 601, which is proven. The choice is 1 short of that.",
        "each at most 3.0 % of what was chosen",
        "Mira 50.2 % 500 3.0 % 18",
        "pt-BR at least 8.0 % 10.0 % 100 10.0 % 60",
        "ships, fog 98.3 % 400",
        "3 quarantined",
    ):
        assert said in text, said
    assert "secretword" not in page
    assert "otherword" not in page


def test_the_page_stands_alone_and_is_well_formed(tmp_path: Path) -> None:
    page = written(tmp_path, report())
    read = Reader(page)
    assert not read.open
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in read.tags}
    assert not re.findall(r"https?:|url\(|@import|src=", page)
    tags = [tag for tag, _ in read.tags]
    assert tags.count("table") == tags.count("caption") > 5
    assert tags.count("h1") == 1
    assert all(attrs.get("aria-hidden") == "true" for tag, attrs in read.tags if tag == "svg")
    targets = {attrs.get("id") for _, attrs in read.tags}
    assert all(attrs["href"][1:] in targets for tag, attrs in read.tags if tag == "a")


def test_what_comes_from_outside_is_escaped(tmp_path: Path) -> None:
    told = report(name=NASTY, embedded=[NASTY], problems=[NASTY], pii={NASTY: 1}, languages={NASTY: 2})
    told["dropped"][0]["reason"] = NASTY
    told["quotas"]["relaxations"] = [NASTY]
    told["quotas"]["prices"][1]["quota"] = f"locale {NASTY}"
    told["safety"]["scorer"] = NASTY
    told["stages"][1]["stage"] = NASTY
    told["recipe"] = {"input": NASTY}
    shares = [(dimension, f"{value}{NASTY}", NASTY, *counts) for dimension, value, _, *counts in SHARE_ROWS]
    page = written(tmp_path, told, shares, [("safety", NASTY, NASTY, "p", "en-US", None, None, None)])
    read = Reader(page)
    assert not read.open
    assert not {"script", "img"} & {tag for tag, _ in read.tags}
    assert page.count("<script") == 0


def test_the_page_stays_small_whatever_there_is(tmp_path: Path) -> None:
    names = [f"Persona with quite a long name, number {n} of many" * 5 for n in range(3000)]
    shares = [
        (dimension, str(n), name, 100 + n, 90 + n, 50)
        for dimension in ("persona", "locale", "cluster", "language", "model")
        for n, name in enumerate(names)
    ]
    told = report(
        dropped=[{"stage": "quotas", "reason": f"quota: locale {n}", "count": n + 1} for n in range(2000)],
        languages={str(n): n for n in range(300)},
        pii={str(n): n for n in range(300)},
        problems=[f"file {n}: the file is empty" for n in range(5000)],
    )
    examples = [
        ("quotas", f"quota: locale {n}", f"{n * 20 + k:032x}", "p", "en-US", None, None, None)
        for n in range(2000)
        for k in range(20)
    ]
    page = written(tmp_path, told, shares, examples)
    assert len(page.encode()) < 300_000
    assert "And 1,985 rarer reasons" in page
    assert "And 4980 more" in page


def test_an_empty_run_has_a_page(tmp_path: Path) -> None:
    told = report(
        rows={"in": 0, "kept": 0, "dropped": 0, "quarantined": 0},
        stages=[{"stage": "read", "in": 0, "kept": 0, "dropped": 0, "quarantined": 0}],
        dropped=[],
        pii={},
        languages={},
        clusters=0,
        quotas={"total": 0, "bound": 0.0, "gap": 0, "largest_persona_share": 0.0, "prices": [], "relaxations": []},
        embedded=[],
        problems=[],
    )
    text = Reader(written(tmp_path, told, [])).text
    assert "Of 0 rows" in text
    assert "No row was dropped" in text


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (0.0001, "<0.1 %"), (0.031, "3.1 %"), (0.99999, ">99.9 %"), (1, "100 %")],
)
def test_shares_are_said_so_that_something_is_not_nothing(share: float, said: str) -> None:
    assert percent(share) == said


def test_settings_name_no_folder(tmp_path: Path) -> None:
    settings = {"personas": "/home/maria/cast.yaml", "scrub": {"recognisers": ["/home/maria/own.yaml"]}, "count": 3}
    page = written(tmp_path, report(recipe=settings))
    assert "maria" not in page
    assert "…/cast.yaml" in page
    assert "…/own.yaml" in page


def test_the_three_answers_of_the_safety_step_are_told_where_they_were_counted(tmp_path: Path) -> None:
    told = report(safety={"scorer": "words", "review_band": 21, "answers": {"keep": 960, "review": 30, "drop": 7}})
    text = " ".join(Reader(written(tmp_path, told)).text.split())
    assert "kept 960 96.3 % kept, and for people 30 3.0 % dropped 7 0.7 %" in text


def test_margins_weights_and_soft_quotas_are_said(tmp_path: Path) -> None:
    cap = {"quota": "persona", "side": "max", "asked": 0.03, "share": 0.0294, "reached": 0.0293}
    told = report()
    told["quotas"] |= {
        "value": 733.0,
        "bound": 733.5,
        "gap": 0,
        "gave_way": ["first turns went to 47 %."],
        "prices": [
            {**cap, "price": 20.0, "gain": 15.0, "cost": 40.0},
            {**cap, "price": 1.0, "gain": None, "cost": None},
        ],
    }
    text = " ".join(Reader(written(tmp_path, told)).text.split())
    assert "600 turns were chosen, which count for 733 by their weights" in text
    assert "Each persona at most 3 % (held at 2.94 %, with a margin for discards)" in text
    assert "would let in about 15 turns more" in text
    assert "first turns went to 47 %." in text


def test_prices_are_said_in_turns() -> None:
    cap, floor, total = report()["quotas"]["prices"]
    assert quota_words(cap) == "Each persona at most 3 %"
    assert price_words(cap) == (
        "Costs 390 turns: so many more could stay without it. "
        "One percentage point more would let in about 12 turns more."
    )
    assert quota_words(floor) == "pt-BR at least 8 %"
    assert price_words(floor) == "Has room to spare: it costs nothing."
    assert price_words(total) == "Costs 5 turns: so many more could stay without it."
