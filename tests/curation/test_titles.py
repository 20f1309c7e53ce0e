"""Titles of clusters: readable, distinct, in any batches, and nothing in them that points at a person."""

from __future__ import annotations

import numpy as np
import polars as pl

from curation import titles

BREAD = "the bread in the oven is made of rye flour"
SAILS = "the storm tore the sails of the old ship"
GERMAN = "der Zug hat wieder Verspätung und ich stehe am Bahnsteig"
JAPANESE = "昨日は猫と散歩に行きました。猫がかわいい。"


def batch(cluster: int, text: str, conversations: int = 8, repeats: int = 1) -> pl.DataFrame:
    rows = [(cluster, f"{cluster} {n}", text) for n in range(conversations) for _ in range(repeats)]
    return pl.DataFrame(rows, schema={"cluster": pl.Int32, "conversation": pl.String, "text": pl.String}, orient="row")


def named(*frames: pl.DataFrame, batches: int = 1) -> dict[int, str]:
    whole = pl.concat(frames)
    part = whole["conversation"].hash(1) % batches
    return titles.titles(whole.filter(part == n).get_columns() for n in range(batches))


def test_terms_set_clusters_apart_in_their_own_languages() -> None:
    found = named(*[batch(n, text) for n, text in enumerate((BREAD, SAILS, GERMAN, JAPANESE))])
    assert any(word in found[0] for word in ("bread", "oven", "rye", "flour"))
    assert any(word in found[1] for word in ("storm", "sails", "ship"))
    assert any(word in found[2] for word in ("zug", "verspätung", "bahnsteig"))
    assert any(word in found[3] for word in ("昨日", "散歩"))
    words = {word for title in found.values() for word in title.replace(",", "").split()}
    assert not words & {"the", "of", "in", "is", "der", "und", "ich", "hat", "した", "ました"}


def test_nothing_private_and_nothing_rare() -> None:
    private = "call <PERSON_3f2a9c> or <PERSON> at 555-0199, write jo@example.com or @jo_99, see www.example.com"
    rare = batch(0, "Xanthippe likes bread", conversations=titles.LEAST - 1, repeats=50)
    found = named(batch(0, f"{BREAD}. {private}"), rare.with_columns(conversation="rare " + pl.col("conversation")))
    assert "bread" in found[0]
    for piece in ("person", "jo", "example", "555", "0199", "www", "xanthippe"):
        assert piece not in found[0]


def test_batches_and_order_change_nothing() -> None:
    frames = [batch(n, text, 9) for n, text in enumerate((BREAD, SAILS, GERMAN, JAPANESE))]
    expected = named(*frames)
    whole = pl.concat(frames)
    order = np.random.default_rng(0).permutation(whole.height)
    assert named(whole[order], batches=3) == expected


def test_titles_are_distinct_and_every_cluster_has_one() -> None:
    found = named(batch(0, BREAD), batch(1, BREAD), batch(2, BREAD), batch(3, "7", 9))
    assert len(set(found.values())) == 4
    assert found[3] == "cluster 3"
    assert titles.titles([]) == {}
