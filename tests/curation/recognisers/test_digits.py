"""Runs of digits, their stretches, and words as a first check."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curation.recognisers.digits import has_digit, pieces, plain, runs
from curation.recognisers.letters import ascii_words


def test_runs_and_what_is_none() -> None:
    text = "a 12345, b +49 (0)171-2345678, c 090-1234-5678です, v1.2.3 and 10,000,000.50"
    assert [run.shown for run in runs(text)] == ["+49 (0)171-2345678", "090-1234-5678"]
    assert runs("https://example.com/2020/123456789/x") == ()
    assert runs("no digits") == ()
    assert runs("０９０-１２３４-５６７８")[0].digits == "09012345678"
    assert has_digit("٣")
    assert not has_digit("three")


def test_stretches_of_whole_groups() -> None:
    run = runs("4242 4242 4242 4242 12 27")[0]
    assert [piece.digits for piece in pieces(run, 16, 16)] == ["4242424242424242", "4242424242421227"]
    alone = runs("1 2 3 4 5 6 7 8")[0]
    assert [piece.digits for piece in pieces(alone, 6, 8)] == ["12345678"]


@given(st.text("0123456789 -.", max_size=60))
def test_pieces_are_what_they_say(text: str) -> None:
    for run in runs(text):
        assert text[run.start : run.end] == run.shown
        for piece in pieces(run, 6, 10):
            assert 6 <= len(piece.digits) <= 10
            assert plain(text[piece.start : piece.end]) == piece.digits


def test_words_without_their_marks() -> None:
    assert ascii_words("IG:lena_x99, it's ok") == {"ig", "lena", "x", "it", "s", "ok"}
