"""The explorer's Quotas tab: a slider for every quota, and at once what is kept, what binds and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import streamlit as st

from apps import explorer_charts as charts
from apps.explorer_quotas import (
    WHOLE,
    Answer,
    answer,
    cost_words,
    make_quotas,
    measured,
    percent_of,
    shown,
)
from apps.explorer_run import Run
from apps.explorer_words import HINTS, plain
from schemas.curation_recipe import Band, Quotas, Weights

if TYPE_CHECKING:
    import pandas as pd

QUICK = 10_000  # cells up to which costs are solved for along with the total

Pair = tuple[float, float]


@st.cache_data(show_spinner=False, max_entries=64)
def _solved(run: str, stamp: int, written: str, costs: bool, _cells: pl.DataFrame, _quotas: Quotas) -> Answer:
    return answer(_cells, _quotas, costs)


def ask(run: Run, quotas: Quotas, *, costs: bool = True) -> Answer:
    """The answer to a choice of quotas; solved once for each.

    Args:
        run: The run whose cells are chosen from.
        quotas: What is asked for.
        costs: With what each quota costs.
    """
    return _solved(str(run.directory), st.session_state["stamp"], repr(quotas), costs, run.cells, quotas)


def draw(run: Run, *, charted: bool) -> tuple[Quotas, Answer]:
    """Draw the tab.

    Args:
        run: The run.
        charted: Whether the tab is open, so that its charts are seen.

    Returns:
        What the sliders ask for, and the answer.
    """
    st.header("Quotas", help=HINTS["quota"])
    top = st.container(key="answer")
    left, right = st.columns([5, 6], gap="large")
    with left:
        st.subheader("Settings", help="Move a slider with the mouse, or with the arrow keys once it has the focus.")
        above = st.container()
        asked = _sliders(run)
        with above:
            _buttons(run, asked)
    # The number first; what each quota costs takes longer, and follows it.
    found = ask(run, asked, costs=run.cells.height <= QUICK)
    with top:
        _headline(run, found)
    if not charted:
        return asked, found
    with right:
        _sentences(found)
        costs = st.container()
        _standing(found)
        if run.cells.height > QUICK:
            found = ask(run, asked)
        with costs:
            _prices(found)
    return asked, found


def start(quotas: Quotas) -> None:
    """Put all sliders to these quotas: new widgets, so that none remembers where it was."""
    st.session_state["start"] = quotas
    st.session_state["version"] = st.session_state.get("version", 0) + 1
    st.session_state["locales"] = sorted(quotas.locales)


def _sliders(run: Run) -> Quotas:
    if "start" not in st.session_state:
        start(run.report.recipe.quotas)
    begun: Quotas = st.session_state["start"]
    version, supply = st.session_state["version"], int(run.cells["supply"].sum())

    limited = st.toggle("Limit the total", value=begun.total is not None, key=f"limited-{version}", help=HINTS["total"])
    highest = max(supply, begun.total or 1, 2)
    step = max(1, 10 ** (len(str(supply)) - 3))
    total = st.slider(
        "Total turns",
        min(step, begun.total or step, highest - 1),
        highest,
        begun.total or highest,
        step,
        key=f"total-{version}",
        format="localized",
        disabled=not limited,
        help=HINTS["total"],
    )
    cap = percent_of(begun.max_persona_share)
    persona = st.slider(
        "Persona cap",
        min(0.1, cap),
        max(10.0, cap),
        cap,
        0.1,
        key=f"persona-{version}",
        format="%.4g %%",
        help=HINTS["persona cap"],
    )
    first = _band("First turns", "first", begun.first_turns, HINTS["first turn"])
    unknown = not (run.cells["hard"] != "unknown").any()
    hard = _band("Hard turns", "hard", begun.hard_turns, HINTS["difficulty"], disabled=unknown)
    if unknown:
        st.caption("Hard turns cannot be set: difficulty is unknown in this run, as no judge has scored replies yet.")
    gone = percent_of(begun.expected_discards)
    discards = st.slider(
        "Expected discards",
        0.0,
        max(50.0, gone),
        gone,
        0.5,
        key=f"discards-{version}",
        format="%.4g %%",
        help=HINTS["expected discards"],
    )

    st.subheader("Locales", help=HINTS["locale"])
    locales = {
        tag: _band(tag, f"locale-{tag}", begun.locales.get(tag, Band()), HINTS["locale"])
        for tag in st.session_state["locales"]
    }
    free = sorted({*run.cells["locale"].unique().to_list(), *st.session_state["locales"]} - set(locales))
    if free:
        key = f"add-{version}-{len(free)}"
        st.selectbox(
            "Add a locale",
            free,
            index=None,
            key=key,
            placeholder="Choose",
            on_change=_add,
            args=(key,),
            help="A locale that is not listed, or stands at 0 % to 100 %, is free: it has no floor and no ceiling.",
        )
    names = [*([] if unknown else ["hard turns"]), "first turns", *(f"locale {tag}" for tag in locales)]
    weights = _weights(names, begun.weights)
    soft = _soft(names, begun.soft, supply)
    return make_quotas(
        total=total if limited else None,
        persona=persona,
        locales=locales,
        first=first,
        hard=hard,
        discards=discards,
        weights=weights,
        soft=soft,
    )


def _add(key: str) -> None:
    if st.session_state[key]:
        st.session_state["locales"] = sorted([*st.session_state["locales"], st.session_state[key]])


def _band(label: str, name: str, band: Band, hint: str, *, disabled: bool = False) -> Pair:
    pair: Pair = st.slider(
        f"{plain(label)}, floor and ceiling",
        *WHOLE,
        (percent_of(band.min), percent_of(band.max)),
        0.5,
        key=f"{name}-{st.session_state['version']}",
        format="%.4g %%",
        disabled=disabled,
        help=f"{hint} Floor: {HINTS['floor']} Ceiling: {HINTS['ceiling']}",
    )
    return pair


def _weights(names: list[str], begun: Weights) -> dict[str, float]:
    """A slider for the weight of each kind of turn; weights of locales that are not listed stay as they are."""
    given = {
        "first turns": begun.first_turns,
        "hard turns": begun.hard_turns,
        **{f"locale {tag}": weight for tag, weight in begun.locales.items()},
    }
    with st.expander("Weights"):
        st.caption(plain(HINTS["weight"]))
        moved = {
            name: st.slider(
                f"Weight of {plain(_short(name))}",
                min(0.1, given.get(name, 1.0)),
                max(5.0, given.get(name, 1.0)),
                given.get(name, 1.0),
                0.1,
                key=f"weight-{name}-{st.session_state['version']}",
                help=HINTS["weight"],
            )
            for name in names
        }
    return {**given, **moved}


def _soft(names: list[str], begun: dict[str, float], supply: int) -> dict[str, float]:
    """A slider for the price at which each band gives way."""
    highest = float(max(10, 10 ** (len(str(supply)) - 1)))
    with st.expander("Soft quotas"):
        st.caption(plain(HINTS["soft quota"]))
        return {
            name: st.slider(
                f"{plain(_short(name))} gives way at",
                0.0,
                max(highest, begun.get(name, 0.0)),
                begun.get(name, 0.0),
                highest / 100,
                key=f"soft-{name}-{st.session_state['version']}",
                format="%d turns a point",
                help=f"{HINTS['soft quota']} 0: never.",
            )
            for name in names
        }


def _short(name: str) -> str:
    return name.removeprefix("locale ")


def _headline(run: Run, found: Answer) -> None:
    bind = sum(price.binds for price in found.prices)
    st.html(f'<div role="status" class="unseen">{found.total:,} turns kept; quotas that bind: {bind}</div>')
    with st.container(horizontal=True, gap="medium", key="numbers"):
        change = found.total - run.chosen
        st.metric(
            "Turns kept",
            f"{found.total:,}",
            f"{change:+,} against the run" if change else "as in the run",
            delta_color="off",
            delta_arrow="auto" if change else "off",
            width="content",
            help=f"{HINTS['turn']} The small number is the change against what the run chose.",
        )
        largest = plain(run.persona_names().get(found.largest or "", found.largest or "none"))
        st.metric(
            "Largest persona",
            measured(found.largest_share),
            largest,
            delta_color="off",
            delta_arrow="off",
            width="content",
            help=HINTS["persona cap"],
        )
        st.metric(
            "Quotas that bind",
            f"{bind}",
            "cannot all hold" if found.relaxations else "all hold",
            delta_color="off",
            delta_arrow="off",
            width="content",
            help=HINTS["binds"],
        )


def _buttons(run: Run, asked: Quotas) -> None:
    with st.container(horizontal=True, gap="small"):
        if st.button("Keep as A", help=HINTS["A and B"]):
            st.session_state["a"] = asked
            st.toast("Kept as A. Move sliders, then open Compare.")
        st.button(
            "Back to the run's quotas",
            on_click=start,
            args=(run.report.recipe.quotas,),
            help="Puts every slider back to what the run was made with.",
        )


def _sentences(found: Answer) -> None:
    """What cannot hold, and what gave way."""
    if found.relaxations:
        with st.container(border=True, key="relaxation"):
            st.subheader("These quotas cannot all hold", help=HINTS["relaxation"])
            st.markdown("\n".join(f"- {plain(sentence)}" for sentence in found.relaxations))
            st.markdown("All numbers here are those of the relaxed values.")
            st.button(
                "Use these values",
                type="primary",
                on_click=start,
                args=(found.relaxed,),
                help="Puts the sliders to the smallest change with which all quotas hold.",
            )
    if found.gave_way:
        with st.container(border=True, key="gave-way"):
            st.subheader("Soft quotas that gave way", help=HINTS["soft quota"])
            st.markdown("\n".join(f"- {plain(sentence)}" for sentence in found.gave_way))


def _prices(found: Answer) -> None:
    st.subheader("What binds, and what it costs", help=f"{HINTS['binds']} {HINTS['costs']} {HINTS['one point']}")
    unit = "turns" if found.relaxed.weights == Weights() else "weighted turns"
    lines = []
    for price in found.prices:
        if price.binds:
            at = f" ({shown(price.asked)})" if price.asked is not None else ""
            lines.append(f"- **{plain(price.title)}**{at} {plain(cost_words(price, unit))}.")
    st.markdown("\n".join(lines) or "No quota binds: every turn that reached the quotas is kept.")
    free = [plain(price.title) for price in found.prices if not price.binds]
    if free:
        st.caption(f"Not binding, so they cost nothing: {', '.join(free)}.")


def _standing(found: Answer) -> None:
    st.subheader("Where each share stands", help="The grey bar runs from floor to ceiling.")
    rows = charts.band_rows(found, found.relaxed)
    st.altair_chart(
        charts.band_chart(rows),
        alt="Each share against its floor and ceiling, before the quotas and as kept. The table below has the numbers.",
    )
    with st.expander("As a table"):
        st.table(_table(rows), hide_index=True)


def _table(rows: pl.DataFrame) -> pd.DataFrame:
    titles = {"floor": "floor", "ceiling": "ceiling", "supply": "before quotas", "kept": "kept"}
    table: pd.DataFrame = rows.select(
        share=pl.col("label").map_elements(plain, return_dtype=pl.String),
        **{title: pl.col(name).map_elements(measured, return_dtype=pl.String) for name, title in titles.items()},
        binds=pl.when("binds").then(pl.lit("binds")).otherwise(pl.lit("")),
    ).to_pandas()
    return table
