"""The quota explorer: what came in, where it went, and what each quota costs, for a curator who does not code.

    streamlit run apps/quota_explorer.py -- --run DIR

Everything is read from the directory of a finished curation; nothing in it is changed. The answer to a moved slider is
solved over cells, not over turns.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from apps import explorer_charts as charts
from apps import explorer_panel
from apps.explorer_quotas import Answer, floors_fit, measured, shown
from apps.explorer_recipe import FILE_NAME, knows_logs, recipe_text, run_command, save_recipe
from apps.explorer_run import Run, open_run
from apps.explorer_words import DIMENSIONS, HINTS, STEPS, glossary, plain
from schemas.curation_recipe import Band, Quotas
from schemas.problems import Problem

if TYPE_CHECKING:
    import pandas as pd

TABS = ("Where turns went", "Shares", "Quotas", "Compare", "Save as recipe")
LONGEST_TEXT = 1500
STYLE = """
<style>
.block-container { padding-top: 2.2rem; max-width: 1200px; }
.st-key-answer { background: #fff; padding: 0.4rem 0 0.2rem; border-bottom: 1px solid #c9ced3; }
div:has(> .st-key-answer) { position: sticky; top: 0; z-index: 90; background: #fff; }
@media (max-width: 640px) {
  .st-key-numbers { gap: 0.4rem 1rem !important; }
  .st-key-numbers [data-testid="stMetricValue"] { font-size: 1.2rem; }
}
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
[data-testid="stElementContainer"]:has(.unseen) { position: absolute; }
.st-key-examples [data-testid="stText"] { white-space: pre-wrap; overflow-wrap: anywhere; }
*:focus-visible { outline: 3px solid #0062a3 !important; outline-offset: 2px; }
</style>
"""


@st.cache_resource(show_spinner="Opening the run", max_entries=2)
def _opened(directory: str, stamp: int) -> Run:
    return open_run(Path(directory))


def main() -> None:
    """Draw the page."""
    st.set_page_config("Quota explorer", layout="wide", initial_sidebar_state="collapsed")
    st.html(STYLE)
    st.title("Quota explorer")
    try:
        directory = _asked_for(sys.argv[1:])
        manifest = directory / "manifest.json"
        st.session_state["stamp"] = manifest.stat().st_mtime_ns if manifest.is_file() else 0
        _page(_opened(str(directory), st.session_state["stamp"]))
    except Problem as problem:
        for sentence in problem.sentences:
            st.error(plain(sentence))
    except Exception as error:
        # The place, not the message: a message may quote what is in the data.
        frames = traceback.extract_tb(error.__traceback__)
        place = next(
            (f"{Path(f.filename).name}, line {f.lineno}" for f in reversed(frames) if "apps" in f.filename), ""
        )
        st.error(
            plain(f"The explorer came to a stop: {type(error).__name__} in {place}. Reload the page, and report it.")
        )


def _asked_for(arguments: list[str]) -> Path:
    how = "expected: streamlit run apps/quota_explorer.py -- --run DIR"
    if not arguments:
        raise Problem(f"No run was given; {how}. Or `make explorer`, which opens the newest run.")
    if len(arguments) == 1 and arguments[0].startswith("--run="):
        return Path(arguments[0].removeprefix("--run="))
    if len(arguments) != 2 or arguments[0] != "--run":
        raise Problem(f"{' '.join(arguments)}: not understood; {how}.")
    return Path(arguments[1])


def _page(run: Run) -> None:
    when = datetime.fromtimestamp(st.session_state["stamp"] / 1e9, UTC)
    st.caption(
        f"Run {plain(run.report.name)}, seed {run.report.seed}, finished {when:%Y-%m-%d %H:%M} UTC, "
        f"in {plain(run.directory)}",
        help=f"Seed: {HINTS['seed']}",
    )
    if not run.chosen and not run.cells.height:
        st.warning("No turn reached the quotas in this run; where they went is shown below.")
    where, shares, quotas, compare, save = st.tabs(TABS, key="tab", on_change="rerun")
    with where:
        if where.open:
            _where(run)
    with shares:
        if shares.open:
            _shares(run)
    with quotas:  # drawn always: sliders that are not drawn forget where they stand
        asked, found = explorer_panel.draw(run, charted=bool(quotas.open))
    with compare:
        if compare.open:
            _compare(run, asked, found)
    with save:
        if save.open:
            _save(run, asked, found)
    with st.expander("Words used here"):
        st.markdown("\n\n".join(f"**{plain(word)}**: {plain(hint)}" for word, hint in glossary()))


def _where(run: Run) -> None:
    st.header("Where turns went", help=HINTS["turn"])
    rows = charts.waterfall_rows(run.report)
    came, kept = int(rows["count"][0]), int(rows["count"][-1])
    st.markdown(
        f"**{came:,}** turns came in and **{kept:,}** were chosen. "
        "Click on a row, or choose a reason below, to see examples."
    )
    st.altair_chart(
        charts.waterfall(rows),
        key="waterfall",
        on_select=_picked,
        selection_mode="pick",
        alt=f"Turns by step: {came:,} came in, {kept:,} were chosen. The table below has the numbers.",
    )
    with st.expander("As a table"):
        st.table(
            rows.select(
                step="stage",
                what=pl.col("label").map_elements(plain, return_dtype=pl.String),
                turns=pl.col("text"),
                meaning=pl.col("stage").replace_strict(STEPS, default=""),
            ).to_pandas(),
            hide_index=True,
        )
    st.subheader("Examples", help=HINTS["scrubbed"])
    dropped = rows.filter(pl.col("key").is_not_null())
    if not dropped.height:
        st.info("No turn was dropped in this run.")
        return
    labels = dict(dropped.select("key", pl.col("label") + " " + pl.col("text")).iter_rows())
    if st.session_state.get("reason") not in labels:  # to begin with, what takes most turns
        st.session_state["reason"] = dropped.sort("count", descending=True)["key"][0]
    key = st.selectbox(
        "Reason",
        list(labels),
        key="reason",
        format_func=labels.__getitem__,
        help="Which turns to show. Examples are drawn by chance, at most 20 for each reason.",
    )
    if key:
        _examples(run, *key.split("\t", 1))


def _picked() -> None:
    """A click on the waterfall chooses the reason below it."""
    points = st.session_state["waterfall"]["selection"].get("pick") or []
    if points and points[0].get("key"):
        st.session_state["reason"] = points[0]["key"]


def _examples(run: Run, stage: str, reason: str) -> None:
    found = run.examples.filter(pl.col("stage") == stage, pl.col("reason") == reason)
    st.caption(
        f"{plain(STEPS.get(stage, ''))} These texts were written by users and models; some may offend. "
        "Personal data was scrubbed before it was stored here, but no scrubber finds everything: do not pass them on."
    )
    if not found.height:
        st.info("The run kept no examples for this reason.")
        return
    begin = 0
    if found.height > 5:
        pages = range(0, found.height, 5)
        begin = st.radio(
            "Examples",
            pages,
            format_func=lambda b: f"{b + 1} to {min(b + 5, found.height)}",
            horizontal=True,
            key=f"page-{stage}-{reason}",
        )
    with st.container(key="examples"):
        for row in found[begin : begin + 5].iter_rows(named=True):
            with st.container(border=True, gap="xsmall"):
                same = f" \u00b7 like turn {plain(row['duplicate_of'])}" if row["duplicate_of"] else ""
                st.markdown(
                    f"Turn {plain(row['turn_id'])} \u00b7 persona {plain(row['persona_id'])} \u00b7 "
                    f"{plain(row['locale'])}{same}"
                )
                for who, text in (("User", row["said"]), ("Reply", row["response"])):
                    with st.container(gap=None):
                        if text is None:
                            st.caption(f"{who}: not kept, as this turn went before its personal data was scrubbed.")
                        else:
                            st.caption(who)
                            st.text(text[:LONGEST_TEXT] + (" \u2026" if len(text) > LONGEST_TEXT else ""))


def _shares(run: Run) -> None:
    st.header("Shares before and after", help="How the turns are made up: as they came in, and as they were chosen.")
    there = set(run.shares["dimension"].to_list())
    options = [name for name in DIMENSIONS if name in there]
    if not options:
        st.info("This run has no shares.")
        return
    dimension = st.radio("Shares by", options, horizontal=True, key="dimension", help="What to split the turns by.")
    st.caption(plain(HINTS[dimension]))
    rows = charts.share_rows(run.shares, dimension)
    cap = run.report.recipe.quotas.max_persona_share if dimension == "persona" else None
    st.altair_chart(
        charts.shares_chart(rows, cap),
        alt=f"Shares by {dimension}: came in, reached the quotas, chosen. The same numbers are in the table below.",
    )
    st.caption(
        "Each group has three bars, from top to bottom: came in, reached the quotas, chosen. The number is that of "
        "what was chosen." + (f" The dashed line is the persona cap of {shown(cap)}." if cap else "")
    )
    with st.expander("As a table"):
        st.table(_share_table(rows, dimension, charts.PLACES), hide_index=True)


def _compare(run: Run, asked: Quotas, found: Answer) -> None:
    st.header("Compare A and B", help=HINTS["A and B"])
    if "a" not in st.session_state:
        st.info("Nothing is kept as A yet. In Quotas, press \u201cKeep as A\u201d, move sliders, and come back.")
        return
    kept: Quotas = st.session_state["a"]
    a = explorer_panel.ask(run, kept, costs=False)
    st.markdown("**A** is what you kept, **B** is what the sliders in Quotas say now.")
    st.table(_compare_table(kept, a, asked, found), hide_index=True)
    names = run.persona_names()
    for dimension in ("locale", "first turn", "difficulty", "persona"):
        st.subheader(f"Shares by {dimension}", help=HINTS[dimension])
        rows = charts.compare_rows(a, found, dimension, names if dimension == "persona" else {})
        st.altair_chart(
            charts.compare_chart(rows), alt=f"Shares by {dimension} under A (upper bars) and B (lower bars)."
        )
        with st.expander("As a table"):
            st.table(_share_table(rows, dimension, ("A", "B")), hide_index=True)


def _compare_table(asked_a: Quotas, a: Answer, asked_b: Quotas, b: Answer) -> pd.DataFrame:
    import pandas as pd

    def band(given: Band | None) -> str:
        if given is None or given == Band():
            return "free"
        if given.min == 0 or given.max == 1:
            return f"at most {shown(given.max)}" if given.min == 0 else f"at least {shown(given.min)}"
        return f"{shown(given.min)} to {shown(given.max)}"

    def others(quotas: Quotas) -> str:
        weights = quotas.weights.model_dump(exclude_defaults=True)
        return ", ".join([*(["weights"] if weights else []), *(["soft quotas"] if quotas.soft else [])]) or "none"

    both = (asked_a, asked_b)
    rows = [
        ("turns kept", f"{a.total:,}", f"{b.total:,}"),
        ("largest persona", measured(a.largest_share), measured(b.largest_share)),
        ("all quotas hold", "no" if a.relaxations else "yes", "no" if b.relaxations else "yes"),
        ("limit on the total", *(f"{q.total:,}" if q.total else "none" for q in both)),
        ("persona cap", *(shown(q.max_persona_share) for q in both)),
        ("first turns", *(band(q.first_turns) for q in both)),
        ("hard turns", *(band(q.hard_turns) for q in both)),
        *(
            (plain(tag), *(band(q.locales.get(tag)) for q in both))
            for tag in sorted({*asked_a.locales, *asked_b.locales})
        ),
        ("expected discards", *(shown(q.expected_discards) for q in both)),
        ("weights and soft quotas", *(others(q) for q in both)),
    ]
    last = [f"{b.total - a.total:+,}", *("" if row[1] == row[2] else "differs" for row in rows[1:])]
    return pd.DataFrame(
        [(*row, word) for row, word in zip(rows, last, strict=True)], columns=["what", "A", "B", "difference"]
    )


def _share_table(rows: pl.DataFrame, dimension: str, places: Iterable[str]) -> pd.DataFrame:
    wide = rows.pivot("place", index=["row", "label"], values=["count", "share"])
    table: pd.DataFrame = wide.select(
        pl.col("label").map_elements(plain, return_dtype=pl.String).alias(dimension),
        *[
            pl.format(
                "{} ({})",
                pl.col(f"count_{place}").map_elements(lambda count: f"{count:,}", return_dtype=pl.String),
                pl.col(f"share_{place}").map_elements(measured, return_dtype=pl.String),
            ).alias(place)
            for place in places
        ],
    ).to_pandas()
    return table


def _save(run: Run, asked: Quotas, found: Answer) -> None:
    st.header("Save as recipe", help=HINTS["recipe"])
    if not floors_fit(asked):
        st.warning(
            "The locales' floors add up to more than 100 %: no recipe may ask for that. Lower one in Quotas first."
        )
        return
    if found.relaxations:
        st.warning(
            "These quotas cannot all hold; a run would relax them. In Quotas, \u201cUse these values\u201d settles it."
        )
    try:
        text = recipe_text(run, asked, datetime.now(UTC))
    except Problem as problem:
        st.error(plain(problem))
        return
    folder = run.directory.resolve().parent
    with st.form("save", border=False):
        name = st.text_input("File name", f"{run.report.name}-quotas.yaml", help="Ends in .yaml. Enter saves.").strip()
        st.caption(f"Saved in {plain(folder)}, next to the run.")
        replace = st.checkbox("Replace a file of that name", help="Otherwise a file that is there stays as it is.")
        if st.form_submit_button("Save the recipe", type="primary"):
            try:
                path = save_recipe(folder, name, text, replace=replace)
                st.success(f"Saved {plain(path)}")
                st.markdown(
                    "To curate with it:"
                    if knows_logs(run)
                    else "To curate with it, with the path of the logs for LOGS:"
                )
                st.code(run_command(run, path), language=None, wrap_lines=True)
            except Problem as problem:
                st.error(plain(problem))
    file_name = name if FILE_NAME.fullmatch(name) else "quotas.yaml"
    st.download_button("Download it instead", text, file_name, "application/yaml", on_click="ignore")
    st.subheader("What will be in it")
    st.code(text, language="yaml", wrap_lines=True)


main()
