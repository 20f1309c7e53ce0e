"""The seal on what annotators may not see."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.seal import Seal
from schemas.problems import Problem

KNOWN = {"policy_a": "release-7", "first_shown": "b", "messages": [{"role": "user", "content": "\ud800 \x00 <b>"}]}


def test_opened_by_whoever_has_the_key_only(tmp_path: Path) -> None:
    sealed = Seal(tmp_path).close(KNOWN)
    assert "release" not in sealed
    assert Seal(tmp_path).open(sealed) == KNOWN
    key = tmp_path / "projects" / "seal.key"
    assert (key.stat().st_mode & 0o777, key.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [path.name for path in key.parent.iterdir()] == ["seal.key"]
    other = Seal(tmp_path / "other")
    with pytest.raises(Problem, match="no such file; it is needed to tell which reply is whose"):
        other.open(sealed)
    other.close({})
    with pytest.raises(Problem, match="pushed with another key"):
        other.open(sealed)
    for changed in (sealed[:20] + "A" * 20 + sealed[40:], sealed[:60], "", "\u00e9"):
        with pytest.raises(Problem, match="pushed with another key"):
            Seal(tmp_path).open(changed)


def test_a_damaged_key_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / "seal.key").write_text("nothing like it")
    with pytest.raises(Problem, match="holds no key; put it back from a backup"):
        Seal(tmp_path).close(KNOWN)


def test_two_that_begin_at_once_have_one_key(tmp_path: Path) -> None:
    one, two = Seal(tmp_path), Seal(tmp_path)
    one._make()
    two._make()
    assert two.open(one.close(KNOWN)) == one.open(two.close(KNOWN)) == KNOWN


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_nothing_is_changed(tmp_path_factory: pytest.TempPathFactory, known: dict[str, object]) -> None:
    seal = Seal(tmp_path_factory.getbasetemp())
    assert seal.open(seal.close(known)) == known
