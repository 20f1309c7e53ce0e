"""The explorer's charts, as Altair specifications, and the tables they are drawn from.

Colours are Okabe and Ito's (2008), which stay apart for the colour-blind; each also differs in lightness, and no chart
tells by colour alone: there is always a label, a shape or an order with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from apps.explorer_quotas import Answer, measured, shown
from apps.explorer_run import Report
from apps.explorer_words import reason_words
from schemas.curation_recipe import Quotas

if TYPE_CHECKING:
    import altair as alt

BLUE, SKY, ORANGE, PURPLE, GREY, INK = "#0072B2", "#56B4E9", "#E69F00", "#CC79A7", "#E4E4E4", "#1b1f24"
FATES = {"stays": BLUE, "goes": ORANGE, "set aside": PURPLE}
PLACES = {"came in": GREY, "reached the quotas": SKY, "chosen": BLUE}
REASONS = 8  # shown apart within a step
PASS = ": all go on"
TOP = 20  # values shown apart in a chart of shares


def waterfall_rows(report: Report) -> pl.DataFrame:
    """What came in and where it went, a row for each bar.

    Args:
        report: The run's report.

    Returns:
        `row` (from 0), `key` (of a pair of step and reason that has examples, else null), `stage`, `reason`, `label`,
        `fate`, `begin`, `end`, `count`, `text`. Reasons of a step stand in order of their counts; all but the
        `REASONS` largest are one row.
    """
    stages = report.stages
    came = stages[0].in_ if stages else 0
    rows: list[dict[str, Any]] = []

    def add(stage: str, reason: str | None, label: str, fate: str, end: int, count: int) -> None:
        share = f" ({_share(count, came)})" if came else ""
        sign = "" if fate == "stays" else "\u2212"
        begin = 0 if fate == "stays" else end - count
        rows.append(
            {
                "key": None if reason is None else f"{stage}\t{reason}",
                "stage": stage,
                "reason": reason,
                "label": label,
                "fate": fate,
                "begin": begin,
                "end": end,
                "count": count,
                "text": f"{sign}{count:,}{share}",
            }
        )

    add("came in", None, "came in", "stays", came, came)
    for stage in stages:
        name, level = stage.stage, stage.in_
        found = [(gone.reason, gone.count) for gone in report.dropped if gone.stage == name]
        found.sort(key=lambda pair: (-pair[1], pair[0]))
        unnamed = stage.dropped - sum(count for _, count in found)
        for reason, count in found[:REASONS]:
            add(name, reason, f"{name}: {reason_words(reason)}", "goes", level, count)
            level -= count
        rest = found[REASONS:]
        if left := sum(count for _, count in rest) + unnamed:
            add(name, None, f"{name}: {len(rest) or ''} other reasons".replace("  ", " "), "goes", level, left)
            level -= left
        if stage.quarantined:
            add(name, None, f"{name}: quarantined", "set aside", level, stage.quarantined)
        if not stage.dropped and not stage.quarantined:
            add(name, None, f"{name}{PASS}", "stays", level, level)
    kept = stages[-1].kept if stages else 0
    add("chosen", None, "chosen", "stays", kept, kept)
    return pl.DataFrame(
        rows,
        schema={
            "key": pl.String,
            "stage": pl.String,
            "reason": pl.String,
            "label": pl.String,
            "fate": pl.String,
            "begin": pl.Int64,
            "end": pl.Int64,
            "count": pl.Int64,
            "text": pl.String,
        },
    ).with_row_index("row")


def waterfall(rows: pl.DataFrame) -> alt.LayerChart:
    """Bars from top to bottom: what is there, what each step takes away. A click on a row picks its `key`."""
    import altair as alt

    came = max(1, *rows["end"].to_list())
    left = pl.col("begin") > 0.55 * came
    table = rows.with_columns(
        at=pl.when(left).then("begin").otherwise("end"),
        left=left,
        none=0,
        whole=came,
        through=pl.col("label").str.ends_with(PASS),
    )
    y = alt.Y("row:O", axis=_names(rows["label"].to_list()), sort=None)
    x = alt.X("begin:Q", title="turns", scale=alt.Scale(domain=[0, came], nice=False), axis=alt.Axis(format=",d"))
    pick = alt.selection_point(name="pick", fields=["key"], on="click", empty=False)
    base = alt.Chart(table)
    bars = base.mark_bar(stroke=INK, strokeWidth=0.5).encode(
        y=y,
        x=x,
        x2="end:Q",
        # Steps where nothing goes are there for completeness.
        opacity=alt.condition("datum.through", alt.value(0.35), alt.value(1)),
        color=alt.Color(
            "fate:N",
            scale=alt.Scale(domain=list(FATES), range=list(FATES.values())),
            legend=_legend(),
        ),
    )
    common: dict[str, Any] = {"baseline": "middle", "color": INK, "fontSize": 12}
    after = base.transform_filter("!datum.left").mark_text(align="left", dx=5, **common)
    before = base.transform_filter("datum.left").mark_text(align="right", dx=-5, **common)
    touch = (
        base.mark_bar(opacity=0.001, cursor="pointer")
        .encode(
            y=y,
            x2="whole:Q",
            x="none:Q",
            tooltip=[alt.Tooltip("label:N", title="step"), alt.Tooltip("text:N", title="turns")],
        )
        .add_params(pick)
    )
    texts = [layer.encode(y=y, x="at:Q", text="text:N") for layer in (after, before)]
    return _styled(alt.layer(bars, *texts, touch).properties(height=alt.Step(25)))


def share_rows(shares: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """Shares of one dimension, the `TOP` largest values by what came in and one row for all others.

    Returns:
        `row` (from 0), `label`, `others` (whether it is the row for all others), `place` (of `PLACES`), `count`,
        `share` (of that place's turns).
    """
    label = pl.coalesce("label", "value").alias("label")
    table = (
        shares.filter(pl.col("dimension") == dimension)
        .sort("came_in", "chosen", "value", descending=[True, True, False])
        .select(
            label, pl.col("came_in").alias("came in"), pl.col("reached_quotas").alias("reached the quotas"), "chosen"
        )
    )
    return _long(table)


def shares_chart(rows: pl.DataFrame, cap: float | None) -> alt.LayerChart:
    """Three bars a value: came in, reached the quotas, chosen; with the cap as a line."""
    return _bars(rows, PLACES, labelled="chosen", cap=cap, step=8 if rows["row"].n_unique() > 6 else 14)


def compare_rows(a: Answer, b: Answer, dimension: str, names: Mapping[str, str]) -> pl.DataFrame:
    """Shares of one dimension under two settings, as `share_rows` has them, with A and B for places."""
    kept = [
        answer.shares.filter(pl.col("dimension") == dimension).select("value", pl.col("kept").alias(name))
        for name, answer in (("A", a), ("B", b))
    ]
    both = kept[0].join(kept[1], on="value", how="full", coalesce=True).fill_null(0)
    both = both.sort(pl.col("A") + pl.col("B"), "value", descending=[True, False])
    return _long(both.select(pl.col("value").replace(dict(names)).alias("label"), "A", "B"))


def compare_chart(rows: pl.DataFrame) -> alt.LayerChart:
    """Two bars a value: A and B."""
    return _bars(rows, {"A": GREY, "B": BLUE}, labelled=None, cap=None, step=13)


def _long(table: pl.DataFrame) -> pl.DataFrame:
    """From `label` and a column of counts for each place, sorted, to a row for each bar."""
    places = table.columns[1:]
    sums = table.select(places).sum().row(0, named=True)
    rest = table[TOP:]
    table = table.with_columns(others=pl.lit(False))
    if rest.height > 1:
        last = rest.select(pl.lit(f"all others ({rest.height:,})").alias("label"), pl.col(places).sum(), others=True)
        table = pl.concat([table[:TOP], last])
    return (
        table.with_row_index("row")
        .unpivot(places, index=["row", "label", "others"], variable_name="place", value_name="count")
        .with_columns(share=pl.col("count") / pl.col("place").replace_strict(sums, return_dtype=pl.Float64).clip(1))
        .sort("row", maintain_order=True)
    )


def band_rows(answer: Answer, asked: Quotas) -> pl.DataFrame:
    """Each banded share against its floor and ceiling.

    Returns:
        `label`, `floor`, `ceiling`, `supply` (share before), `kept` (share after), `binds` (at its floor or ceiling).
    """
    bands = [(tag, "locale", tag, f"locale {tag}", band) for tag, band in asked.locales.items()]
    bands.append(("first turns", "first turn", "first turn", "first turns", asked.first_turns))
    known = answer.shares.filter(pl.col("dimension") == "difficulty", pl.col("value") != "unknown")
    if known.height:
        bands.append(("hard turns", "difficulty", "hard", "hard turns", asked.hard_turns))
    binding = {price.quota for price in answer.prices if price.binds}
    sums = answer.shares.group_by("dimension").agg(pl.col("supply", "kept").sum()).rows_by_key("dimension")
    rows = []
    for label, dimension, value, quota, band in bands:
        row = answer.shares.filter(pl.col("dimension") == dimension, pl.col("value") == value)
        supply, kept = (int(row[name].sum()) for name in ("supply", "kept"))
        all_supply, all_kept = sums[dimension][0] if dimension in sums else (0, 0)
        rows.append((label, band.min, band.max, supply / max(1, all_supply), kept / max(1, all_kept), quota in binding))
    schema = {"label": pl.String, "floor": pl.Float64, "ceiling": pl.Float64, "supply": pl.Float64, "kept": pl.Float64}
    return pl.DataFrame(rows, schema={**schema, "binds": pl.Boolean}, orient="row")


def band_chart(rows: pl.DataFrame) -> alt.LayerChart:
    """Bands as grey bars, the share before as a hollow diamond, the share now as a filled circle."""
    import altair as alt

    labels = [f"{label} (binds)" if binds else label for label, binds in rows.select("label", "binds").iter_rows()]
    table = rows.with_columns(
        text=pl.Series([measured(kept) for kept in rows["kept"]], dtype=pl.String)
    ).with_row_index("row")
    y = alt.Y("row:O", axis=_names(labels), sort=None)
    axis = alt.Axis(format=".0%", title="share of turns kept")
    base = alt.Chart(table).encode(y=y)
    marks = base.transform_fold(["supply", "kept"], as_=["which", "share"]).transform_calculate(
        which="datum.which == 'supply' ? 'before quotas' : 'kept'"
    )
    names = ["before quotas", "kept"]
    above = alt.Legend(title=None, orient="top")
    points = marks.mark_point(size=90, strokeWidth=2, opacity=1).encode(
        x="share:Q",
        shape=alt.Shape("which:N", scale=alt.Scale(domain=names, range=["diamond", "circle"]), legend=above),
        color=alt.Color("which:N", scale=alt.Scale(domain=names, range=[INK, BLUE]), legend=above),
        fill=alt.Fill("which:N", scale=alt.Scale(domain=names, range=["#ffffff", BLUE]), legend=above),
        tooltip=[alt.Tooltip("label:N", title="share"), "which:N", alt.Tooltip("share:Q", format=".2%")],
    )
    band = base.mark_bar(color="#dfe3e6", height=16).encode(
        x=alt.X("floor:Q", scale=alt.Scale(domain=[0, 1]), axis=axis), x2="ceiling:Q"
    )
    edges = [
        base.mark_tick(color="#6b7278", height=16, thickness=2).encode(x=f"{side}:Q") for side in ("floor", "ceiling")
    ]
    text = base.mark_text(dy=-13, fontSize=11, color=INK).encode(x="kept:Q", text="text:N")
    return _styled(alt.layer(band, *edges, points, text).properties(height=alt.Step(36)))


def _bars(
    rows: pl.DataFrame, colours: Mapping[str, str], labelled: str | None, cap: float | None, step: int
) -> alt.LayerChart:
    """Grouped bars; the row for all others has its shares in words, as its bars would dwarf the rest."""
    import altair as alt

    order = list(colours)
    table = rows.with_columns(text=pl.Series([measured(share) for share in rows["share"]], dtype=pl.String))
    bars = table.filter(~pl.col("others"))
    words = (
        table.filter("others")
        .group_by("row")
        .agg(text=pl.format("{} {}", "place", "text").str.join(", "), place=pl.col("place").last())
    )
    highest = max([*bars["share"].to_list(), cap or 0.0, 0.001])
    y = alt.Y(
        "row:O",
        axis=_names(rows.unique("row").sort("row")["label"].to_list()),
        sort=None,
        scale=alt.Scale(paddingInner=0.3),
    )
    x = alt.X(
        "share:Q",
        axis=alt.Axis(format=".1%" if highest < 0.05 else ".0%", title="share of turns", tickCount=8),
        scale=alt.Scale(domain=[0, highest * 1.12], nice=False),
    )
    offset = alt.YOffset("place:N", sort=order)
    base = alt.Chart(bars).encode(y=y, yOffset=offset, x=x)
    drawn = base.mark_bar(stroke=INK, strokeWidth=0.4).encode(
        color=alt.Color(
            "place:N", scale=alt.Scale(domain=order, range=list(colours.values())), sort=order, legend=_legend()
        ),
        tooltip=[
            alt.Tooltip("label:N", title="value"),
            alt.Tooltip("place:N", title="where"),
            alt.Tooltip("count:Q", title="turns", format=",d"),
            alt.Tooltip("share:Q", title="share", format=".2%"),
        ],
    )
    named = base.transform_filter(f"datum.place == '{labelled}'") if labelled else base
    look: dict[str, Any] = {"align": "left", "baseline": "middle", "dx": 4, "fontSize": 11}
    halo = named.mark_text(stroke="#ffffff", strokeWidth=3, **look).encode(text="text:N")
    texts = named.mark_text(color=INK, **look).encode(text="text:N")
    layers: list[Any] = [drawn]
    if cap is not None:
        at = alt.Chart(pl.DataFrame({"cap": [cap], "text": [f"cap {shown(cap)}"]}))
        layers.append(at.mark_rule(strokeDash=[6, 4], color=INK, strokeWidth=1.5).encode(x="cap:Q"))
        layers.append(
            at.mark_text(align="left", dx=4, dy=-6, y=0, color=INK, fontSize=11).encode(x="cap:Q", text="text:N")
        )
    layers += [halo, texts]
    if words.height:
        aside = alt.Chart(words.with_columns(at=pl.lit(0.0)))
        for ink in ({"stroke": "#ffffff", "strokeWidth": 4}, {"color": INK}):
            layers.append(aside.mark_text(**ink, **look).encode(y=y, yOffset=offset, x="at:Q", text="text:N"))
    size: Any = alt.Step(step, **{"for": "offset"})
    return _styled(alt.layer(*layers).properties(height=size))


def _legend() -> alt.Legend:
    import altair as alt

    return alt.Legend(title=None, orient="top", symbolStrokeWidth=0.5, symbolSize=140)


def _names(labels: Sequence[str]) -> alt.Axis:
    """An axis that shows labels for row numbers: two rows may be called the same."""
    import json

    import altair as alt

    # `<` is written as an escape, so that no label can end a script it is put into.
    written = json.dumps(list(labels)).replace("<", "\\u003c")
    return alt.Axis(
        title=None, labelExpr=f"{written}[datum.value]", labelLimit=250, ticks=False, domain=False, labelColor=INK
    )


def _styled(chart: Any) -> alt.LayerChart:
    axis: dict[str, Any] = {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titleColor": INK,
        "labelColor": INK,
    }
    # As SVG, bars and labels can be read by a screen reader.
    chart.usermeta = {"embedOptions": {"renderer": "svg"}}
    return chart.configure_axis(**axis).configure_legend(labelFontSize=12, labelColor=INK).configure_view(stroke=None)


def _share(count: int, of: int) -> str:
    share = count / of
    return "under 0.1 %" if 0 < share < 0.001 else f"{share * 100:.1f} %"
