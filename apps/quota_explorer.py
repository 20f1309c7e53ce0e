"""The quota explorer: what came in, where it went, and what each quota costs, for a curator who does not code.

    streamlit run apps/quota_explorer.py -- --run DIR

Everything is read from the directory of a finished curation; nothing in it is changed. The answer to a moved slider is
solved over cells, not over turns.
"""

from __future__ import annotations

import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import streamlit as st

from apps import explorer_charts as charts
from apps.explorer_quotas import (
    WHOLE,
    Answer,
    answer,
    cost_words,
    floors_fit,
    make_quotas,
    percent_of,
    shown,
)
from apps.explorer_recipe import FILE_NAME, recipe_text, run_command, save_recipe
from apps.explorer_run import Run, open_run
from apps.explorer_words import DIMENSIONS, HINTS, STEPS, glossary, plain, reason_words
from schemas.problems import Problem
from schemas.recipe import Band, Quotas

TABS = ("Where turns went", "Shares", "Quotas", "Compare", "Save as recipe")
LONGEST_TEXT = 1500
STYLE = """
<style>
.block-container { padding-top: 2.2rem; max-width: 1200px; }
.st-key-answer { position: sticky; top: 0; z-index: 90; background: #fff; padding: 0.4rem 0 0.2rem;
  border-bottom: 1px solid #c9ced3; }
.st-key-examples pre, .st-key-examples [data-testid="stText"] { white-space: pre-wrap; overflow-wrap: anywhere; }
*:focus-visible { outline: 3px solid #0062a3 !important; outline-offset: 2px; }
</style>
"""


@st.cache_resource(show_spinner="Opening the run", max_entries=2)
def _opened(directory: str, stamp: int) -> Run:
    return open_run(Path(directory))


@st.cache_data(show_spinner=False, max_entries=500)
def _answer(run: str, stamp: int, written: str, _cells: pl.DataFrame, _quotas: Quotas) -> Answer:
    return answer(_cells, _quotas)


def _ask(run: Run, quotas: Quotas) -> Answer:
    stamp = st.session_state["stamp"]
    return _answer(str(run.directory), stamp, repr(quotas), run.cells, quotas)


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
        f"Run {plain(run.name)}, seed {run.seed}, finished {when:%Y-%m-%d %H:%M} UTC, in {plain(run.directory)}",
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
        asked, found = _quotas(run, charted=bool(quotas.open))
    with compare:
        if compare.open:
            _compare(asked, found)
    with save:
        if save.open:
            _save(run, asked, found)
    with st.expander("Words used here"):
        for word, hint in glossary():
            st.markdown(f"**{plain(word)}**: {plain(hint)}")


def _where(run: Run) -> None:
    st.header("Where turns went", help=HINTS["turn"])
    rows = charts.waterfall_rows(run.report)
    came, kept = int(rows["count"][0]), int(rows["count"][-1])
    st.markdown(
        f"**{came:,}** turns came in and **{kept:,}** were chosen. Click on a row, or choose a reason below, to see examples."
    )
    st.altair_chart(
        charts.waterfall(rows),
        key="waterfall",
        on_select=_picked,
        selection_mode="pick",
        alt=f"Waterfall of turns by step: {came:,} came in, {kept:,} were chosen. The same numbers are in the table below.",
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
    options = rows.filter(pl.col("key").is_not_null())["key"].to_list()
    if not options:
        st.info("No turn was dropped in this run.")
        return
    labels = dict(
        rows.filter(pl.col("key").is_not_null()).select("key", label=pl.col("label") + " " + pl.col("text")).iter_rows()
    )
    key = st.selectbox(
        "Reason", options, key="reason", format_func=lambda key: labels.get(key, key),
        help="Which turns to show. Examples are drawn by chance, at most 20 for each reason.",
    )  # fmt: skip
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
            key="page",
        )
    with st.container(key="examples"):
        for row in found[begin : begin + 5].iter_rows(named=True):
            with st.container(border=True):
                same = f" \u00b7 like turn {plain(row['duplicate_of'])}" if row["duplicate_of"] else ""
                st.markdown(
                    f"Turn {plain(row['turn_id'])} \u00b7 persona {plain(row['persona_id'])} \u00b7 "
                    f"{plain(row['locale'])}{same}"
                )
                for who, text in (("User", row["said"]), ("Reply", row["response"])):
                    if text is None:
                        st.caption(f"{who}: not kept, as this turn went before its personal data was scrubbed.")
                    else:
                        st.caption(f"{who}:")
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
    cap = run.settings.quotas.max_persona_share if dimension == "persona" else None
    st.altair_chart(
        charts.shares_chart(rows, cap),
        alt=f"Shares by {dimension}: came in, reached the quotas, chosen. The same numbers are in the table below.",
    )
    st.caption(
        "Each group has three bars, from top to bottom: came in, reached the quotas, chosen. The number is the share of "
        "what was chosen." + (f" The dashed line is the persona cap of {shown(cap)}." if cap else "")
    )
    with st.expander("As a table"):
        wide = rows.pivot("place", index=["row", "label"], values=["count", "share"])
        table = wide.select(
            pl.col("label").map_elements(plain, return_dtype=pl.String).alias(dimension),
            *[
                pl.format("{} ({} %)", pl.col(f"count_{place}"), (pl.col(f"share_{place}") * 100).round(2)).alias(place)
                for place in charts.PLACES
            ],
        )
        st.table(table.to_pandas(), hide_index=True)


def _start(quotas: Quotas) -> None:
    """Put all sliders to these quotas: new widgets, so that none remembers."""
    st.session_state["start"] = quotas
    st.session_state["version"] = st.session_state.get("version", 0) + 1
    st.session_state["locales"] = sorted(quotas.locales)


def _percent(band: Band) -> tuple[float, float]:
    return percent_of(band.min), percent_of(band.max)


def _sliders(run: Run) -> Quotas:
    if "start" not in st.session_state:
        _start(run.settings.quotas)
    start: Quotas = st.session_state["start"]
    version, supply = st.session_state["version"], int(run.cells["supply"].sum())

    limited = st.toggle("Limit the total", value=start.total is not None, key=f"limited-{version}", help=HINTS["total"])
    step = max(1, 10 ** (len(str(supply)) - 3))
    highest = max(supply, start.total or 1, 2)
    total = st.slider(
        "Total turns", 1, highest, start.total or highest, step, key=f"total-{version}", disabled=not limited,
        help=HINTS["total"],
    )  # fmt: skip
    cap = percent_of(start.max_persona_share)
    persona = st.slider(
        "Persona cap (%)", 0.1, max(10.0, cap), cap, 0.1, key=f"persona-{version}", format="%.4g %%",
        help=HINTS["persona cap"],
    )  # fmt: skip

    def band(
        label: str, name: str, value: tuple[float, float], hint: str, disabled: bool = False
    ) -> tuple[float, float]:
        return st.slider(
            f"{label}: floor and ceiling (%)", 0.0, 100.0, value, 0.5, key=f"{name}-{version}", format="%.4g %%",
            help=hint, disabled=disabled,
        )  # fmt: skip

    limits = f"Floor: {HINTS['floor']} Ceiling: {HINTS['ceiling']}"
    first = band("First turns", "first", _percent(start.first_turns), f"{HINTS['first turn']} {limits}")
    unknown = not (run.cells["hard"] != "unknown").any()
    hard = band("Hard turns", "hard", _percent(start.hard_turns), f"{HINTS['difficulty']} {limits}", disabled=unknown)
    if unknown:
        st.caption("Hard turns cannot be set: difficulty is unknown in this run, as no judge has scored replies yet.")

    st.subheader("Locales", help=HINTS["locale"])
    locales = {}
    for tag in st.session_state["locales"]:
        value = _percent(start.locales[tag]) if tag in start.locales else WHOLE
        locales[tag] = band(plain(tag), f"locale-{tag}", value, f"{HINTS['locale']} {limits}")
    free = sorted(set(run.cells["locale"].unique().to_list()) - set(locales))
    if free:
        chosen = st.selectbox("Add a locale", free, index=None, key=f"add-{version}-{len(free)}", placeholder="Choose",
            help="A locale that is not listed is free: it has no floor and no ceiling.")  # fmt: skip
        if chosen:
            st.session_state["locales"] = sorted([*locales, chosen])
            st.rerun()
    return make_quotas(
        base=start, total=total if limited else None, persona=persona, locales=locales, first=first, hard=hard
    )


def _quotas(run: Run, *, charted: bool) -> tuple[Quotas, Answer]:
    st.header("Quotas", help=HINTS["quota"])
    top = st.container(key="answer")
    left, right = st.columns([5, 6], gap="large")
    with left:
        st.subheader("Settings", help="Move a slider with the mouse, or with the arrow keys once it has the focus.")
        asked = _sliders(run)
    found = _ask(run, asked)
    with top:
        _headline(run, asked, found)
    with right:
        if found.relaxations:
            _relaxations(found)
        _prices(found)
        if charted:
            st.subheader("Where each share stands", help="The grey bar runs from floor to ceiling.")
            st.altair_chart(
                charts.band_chart(charts.band_rows(found, found.relaxed)),
                alt="Each share against its floor and ceiling, before the quotas and as kept. The table below says the same.",
            )
            with st.expander("As a table"):
                st.table(_band_table(found), hide_index=True)
    return asked, found


def _headline(run: Run, asked: Quotas, found: Answer) -> None:
    kept, person, binding, buttons = st.columns([3, 3, 2, 3])
    change = found.total - run.chosen
    kept.metric("Turns kept", f"{found.total:,}", f"{change:+,} against the run", delta_color="off",
        delta_arrow="auto" if change else "off",
        help=f"{HINTS['turn']} The small number is the change against what the run chose.")  # fmt: skip
    person.metric("Largest persona", shown(found.largest_share), plain(found.largest or "none"), delta_color="off",
        delta_arrow="off", help=HINTS["persona cap"])  # fmt: skip
    bind = [price for price in found.prices if price.binds]
    binding.metric("Quotas that bind", f"{len(bind)}", "cannot all hold" if found.relaxations else "all hold",
        delta_color="off", delta_arrow="off", help=HINTS["binds"])  # fmt: skip
    with buttons:
        if st.button("Keep as A", help=HINTS["A and B"], width="stretch"):
            st.session_state["a"] = (asked, found)
            st.toast("Kept as A. Move sliders, then open Compare.")
        st.button("Back to the run's quotas", on_click=_start, args=(run.settings.quotas,), width="stretch",
            help="Puts every slider back to what the run was made with.")  # fmt: skip


def _relaxations(found: Answer) -> None:
    with st.container(border=True, key="relaxation"):
        st.subheader("These quotas cannot all hold", help=HINTS["relaxation"])
        for sentence in found.relaxations:
            st.markdown(f"- {plain(sentence)}")
        st.markdown("The numbers on this page are those of the relaxed values.")
        st.button("Use these values", type="primary", on_click=_start, args=(found.relaxed,),
            help="Puts the sliders to the smallest change with which all quotas hold.")  # fmt: skip


def _prices(found: Answer) -> None:
    st.subheader("What binds, and what it costs", help=f"{HINTS['binds']} {HINTS['costs']} {HINTS['one point']}")
    bind = [price for price in found.prices if price.binds]
    for price in bind:
        at = f" ({shown(price.share)})" if price.share is not None else ""
        st.markdown(f"- **{plain(price.title)}**{at} {plain(cost_words(price))}.")
    free = [plain(price.title) for price in found.prices if not price.binds]
    if free:
        st.caption(f"Not binding, so free of charge: {', '.join(free)}.")


def _band_table(found: Answer):  # type: ignore[no-untyped-def]
    table = charts.band_rows(found, found.relaxed)
    percent = [
        pl.col(name).map_elements(shown, return_dtype=pl.String).alias(title)
        for name, title in (("floor", "floor"), ("ceiling", "ceiling"), ("supply", "before quotas"), ("kept", "kept"))
    ]
    what = pl.col("label").map_elements(plain, return_dtype=pl.String).alias("share")
    binds = pl.when("binds").then(pl.lit("binds")).otherwise(pl.lit("")).alias("binds")
    return table.select(what, *percent, binds).to_pandas()


def _compare(asked: Quotas, found: Answer) -> None:
    st.header("Compare A and B", help=HINTS["A and B"])
    if "a" not in st.session_state:
        st.info("Nothing is kept as A yet. In Quotas, press \u201cKeep as A\u201d, move sliders, and come back.")
        return
    kept, a = st.session_state["a"]
    st.table(_compare_table(kept, a, asked, found), hide_index=True)
    for dimension in ("locale", "first turn", "difficulty", "persona"):
        rows = charts.compare_rows(a, found, dimension)
        st.subheader(f"Shares by {dimension}", help=HINTS[dimension])
        st.altair_chart(
            charts.compare_chart(rows), alt=f"Shares by {dimension} under A (upper bars) and B (lower bars)."
        )


def _compare_table(asked_a: Quotas, a: Answer, asked_b: Quotas, b: Answer):  # type: ignore[no-untyped-def]
    import pandas as pd

    def band(given: Band | None) -> str:
        return "free" if given is None else f"{shown(given.min)} to {shown(given.max)}"

    rows = [
        ("turns kept", f"{a.total:,}", f"{b.total:,}", f"{b.total - a.total:+,}"),
        ("largest persona", shown(a.largest_share), shown(b.largest_share), ""),
        ("all quotas hold", "no" if a.relaxations else "yes", "no" if b.relaxations else "yes", ""),
        ("total", *(f"{q.total:,}" if q.total else "no limit" for q in (asked_a, asked_b)), ""),
        ("persona cap", shown(asked_a.max_persona_share), shown(asked_b.max_persona_share), ""),
        ("first turns", band(asked_a.first_turns), band(asked_b.first_turns), ""),
        ("hard turns", band(asked_a.hard_turns), band(asked_b.hard_turns), ""),
    ]
    for tag in sorted({*asked_a.locales, *asked_b.locales}):
        rows.append((plain(tag), band(asked_a.locales.get(tag)), band(asked_b.locales.get(tag)), ""))
    changed = [(*row[:3], row[3] or ("" if row[1] == row[2] else "differs")) for row in rows]
    return pd.DataFrame(changed, columns=["what", "A", "B", "difference"])


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
    text = recipe_text(run, asked, datetime.now(UTC))
    folder = run.directory.resolve().parent
    with st.form("save", border=False):
        name = st.text_input("File name", f"{run.name}-quotas.yaml", help="Ends in .yaml. Enter saves.")
        st.caption(f"Saved in {plain(folder)}, next to the run.")
        replace = st.checkbox("Replace a file of that name", help="Otherwise a file that is there stays as it is.")
        if st.form_submit_button("Save the recipe", type="primary"):
            try:
                save_recipe(folder / name.strip(), text, replace=replace)
                st.success(f"Saved {plain(folder / name.strip())}")
                st.markdown("To curate with it:")
                st.code(run_command(run, folder / name.strip()), language=None, wrap_lines=True)
            except Problem as problem:
                st.error(plain(problem))
    file_name = name.strip() if FILE_NAME.fullmatch(name.strip()) else "quotas.yaml"
    st.download_button("Download it instead", text, file_name, "application/yaml", on_click="ignore")
    st.subheader("What will be in it")
    st.code(text, language="yaml", wrap_lines=True)


main()
