"""The bundled sample is what its README says it is."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from examples import make_traffic, typists  # noqa: E402
from schemas.personas import read_personas  # noqa: E402
from schemas.turns import Turn, turn_id  # noqa: E402

EXAMPLES = ROOT / "examples"
LAST_USER = pl.col("messages").list.last().struct.field("content")


@pytest.fixture(scope="module")
def turns() -> pl.DataFrame:
    return pl.read_parquet(EXAMPLES / "traffic.parquet")


@pytest.fixture(scope="module")
def gold() -> pl.DataFrame:
    return pl.read_parquet(EXAMPLES / "traffic_gold.parquet")


@pytest.fixture(scope="module")
def made() -> tuple[pl.DataFrame, pl.DataFrame]:
    return make_traffic.generate(seed=7, turns=5000)


def shares(frame: pl.DataFrame, column: str) -> dict[str, float]:
    return {value: count / frame.height for value, count in frame[column].value_counts().iter_rows()}


def test_the_script_makes_the_committed_files(
    made: tuple[pl.DataFrame, pl.DataFrame], turns: pl.DataFrame, gold: pl.DataFrame
) -> None:
    assert_frame_equal(made[0].drop("quality"), turns)
    assert_frame_equal(made[1], gold)


def test_another_seed_gives_another_sample_and_any_number_of_turns() -> None:
    one, _ = make_traffic.generate(seed=1, turns=300)
    two, _ = make_traffic.generate(seed=2, turns=300)
    assert one.height == two.height == 300
    assert set(one["turn_id"]).isdisjoint(two["turn_id"])


def test_all_turns_are_valid(turns: pl.DataFrame) -> None:
    kept, failures = Turn.filter(turns)
    assert kept.height == turns.height == 5000, failures.counts()
    for row in turns.head(50).iter_rows(named=True):
        content = (row[k] for k in ("conversation_id", "turn_index", "persona_id", "messages", "response"))
        assert row["turn_id"] == turn_id(*content)


def test_turns_agree_with_their_conversation(turns: pl.DataFrame) -> None:
    ordered = turns.sort("conversation_id", "turn_index")
    conversation = pl.col("conversation_id")
    checked = ordered.select(
        index=pl.col("turn_index") == pl.int_range(pl.len()).over(conversation),
        time=(pl.col("timestamp").diff().over(conversation) > pl.duration()).fill_null(value=True),
        one=pl.struct("user_key", "persona_id", "locale", "surface", "model_version").n_unique().over(conversation)
        == 1,
        length=pl.col("messages").list.len() == 2 * pl.col("turn_index") + 2,
        before=(
            pl.col("messages").list.get(-2).struct.field("content") == pl.col("response").shift().over(conversation)
        )
        | (pl.col("turn_index") == 0),
        goes_on=(pl.col("turn_index") < pl.col("turn_index").max().over(conversation))
        == pl.col("continued").fill_null(False),
    )
    assert checked.select(pl.all().all()).row(0) == (True,) * 6
    assert 0.01 < turns["continued"].null_count() / turns.height < 0.05
    assert 1100 <= turns["conversation_id"].n_unique() <= 1450
    assert 380 <= turns["user_key"].n_unique() <= 580
    assert (
        turns.group_by("user_key").agg(pl.col("conversation_id").n_unique()).select(pl.last() > 1).to_series().mean()
        > 0.5
    )


def test_shares_of_locales_and_personas(turns: pl.DataFrame) -> None:
    for locale, (share, _) in make_traffic.LOCALES.items():
        assert shares(turns, "locale")[locale] == pytest.approx(share, abs=0.002)
    by_persona = shares(turns, "persona_id")
    assert sorted(by_persona.values())[-3:] == pytest.approx([0.05, 0.06, 0.15], abs=0.001)
    english = turns.filter(pl.col("locale").str.starts_with("en")).group_by("persona_id").len()
    assert english.height >= 42
    assert english["len"].min() >= 25


def test_better_replies_keep_people_talking(made: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    by_quality = made[0].group_by("quality").agg(pl.col("continued").mean(), (pl.col("thumb") == 1).mean().alias("up"))
    rate = {quality: (continued, up) for quality, continued, up in by_quality.iter_rows()}
    for better, worse in (("good", "plain"), ("plain", "poor")):
        assert rate[better][0] > rate[worse][0] + 0.1
        assert rate[better][1] > rate[worse][1] + 0.1
    assert 0.06 < made[0]["thumb"].is_not_null().mean() < 0.1
    good = made[0].group_by("model_version").agg((pl.col("quality") == "good").mean()).sort("model_version")["quality"]
    assert good.is_sorted()
    assert make_traffic.p_continue("good", 100, 1) > make_traffic.p_continue("good", 600, 1)


def test_gold_cuts_out_what_was_planted(turns: pl.DataFrame, gold: pl.DataFrame) -> None:
    shape = {
        "EMAIL": r"^[\w. ]+(@| at )[\w. ]*example( dot |\.)(com|org|net)$", "PHONE": r"^[+(\d][\d ()/.+-]{7,}$",
        "HANDLE": r"^@\w+$", "CARD": r"^[\d -]{15,19}$", "URL": r"^(https://|www\.)\S+$", "IP": r"^[\da-f.:]+$",
        "PERSON": r"^[^\d@]+$", "ADDRESS": r"^.{8,}$",
    }  # fmt: skip
    found = gold.join(turns, on=["conversation_id", "turn_index"], how="inner", validate="m:1")
    assert found.height == gold.height
    message = pl.when(pl.col("role") == "user").then(LAST_USER).otherwise("response")
    found = found.select("type", "locale", text=message.str.slice("start", pl.col("end") - pl.col("start")))
    known = make_traffic.read_world()
    for kind, locale, text in found.iter_rows():
        assert pl.Series([text]).str.contains(shape[kind])[0], (kind, text)
        local = known.material[locale[:2]]
        if kind == "ADDRESS":
            assert text in (known.values["streets"].get(locale) or local["streets"])
        if kind == "PERSON":
            names = [name.lower() for name in known.values["names"].get(locale) or local["names"]]
            assert any(text.lower() in (name, name.split()[0]) for name in names)
    assert set(found["type"]) == set(shape)
    assert 0.05 < gold.select("conversation_id", "turn_index").n_unique() / turns.height < 0.07
    assert 0.1 < (gold["role"] == "assistant").mean() < 0.4


def test_nothing_that_looks_personal_is_left_unmarked(turns: pl.DataFrame, gold: pl.DataFrame) -> None:
    marked = gold.filter(pl.col("role") == "user").select("conversation_id", "turn_index").unique()
    rest = turns.join(marked, on=["conversation_id", "turn_index"], how="anti").select(LAST_USER.alias("text"))["text"]
    assert not rest.str.contains(r"\w@\w|https?://|\d{3}[ -.]?\d{4}").any()


def luhn(number: str) -> bool:
    digits = [int(d) for d in reversed(number) if d.isdigit()]
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0


def test_cards_are_test_numbers() -> None:
    assert all(luhn(card) for card in make_traffic.read_world().values["cards"])
    assert not luhn("4242 4242 4242 4243")


def test_near_duplicates_are_there_and_whole_repeats_are_not(turns: pl.DataFrame) -> None:
    assert turns["turn_id"].n_unique() == turns.height
    plain = LAST_USER.str.to_lowercase().str.replace_all(r"[^\p{L}\d ]", "").alias("plain")
    alike = turns.select("conversation_id", "persona_id", "response", plain).filter(
        (pl.col("plain").str.len_chars() > 8) & (pl.len().over("persona_id", "plain", "response") > 1)
    )
    assert 0.02 < alike.height / turns.height < 0.08
    tools = turns.filter(pl.col("tool_calls").is_not_null())
    assert tools.height >= 10
    assert tools["tool_calls"].str.json_decode(pl.List(pl.Struct({"name": pl.String}))).list.len().min() == 1


def test_sample_is_small() -> None:
    files = [p for p in EXAMPLES.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert sum(p.stat().st_size for p in files) <= 3_000_000


def test_personas() -> None:
    personas = read_personas(EXAMPLES / "personas.yaml")
    assert len(personas) >= 60
    assert {p.locale for p in personas.values()} == set(make_traffic.LOCALES)
    assert len({p.system_prompt for p in personas.values()}) == len(personas)
    for persona in personas.values():
        assert 3 <= len(persona.traits) <= 5
        assert persona.allowed_names
        assert persona.description
        if persona.locale[:2] not in ("ja", "ko"):
            assert 20 <= len(persona.system_prompt.split()) <= 42, persona.persona_id
    voices = make_traffic.read_world().voices
    assert voices.keys() == personas.keys()
    assert all(len(voice["open"]) >= 2 and len(voice["close"]) >= 2 for voice in voices.values())


@given(
    seed=st.integers(0, 10_000),
    locale=st.sampled_from(sorted(make_traffic.LOCALES)),
    template=st.sampled_from([
        "hey its {person}, mail {email}. or call {phone}!", "{handle}", "I live at {address}, and you?",
        "look: {url} {ip} {card}... and {person} again. Okay.",
    ]),
)  # fmt: skip
def test_habits_leave_planted_values_alone(seed: int, locale: str, template: str) -> None:
    world, dice = WORLD, typists.Dice(f"test:{seed}")
    personas = [p for p in world.personas.values() if p.locale == locale]
    user = typists.draw_user(dice, "u-1", locale, personas, world.habits, world.capitals(locale[:2]))
    user = typists.spoken(user) if seed % 3 == 0 else user
    values = typists.draw_values(dice, world.values, world.material[locale[:2]], locale)
    text = typists.finish(typists.fill(template, values, lambda part: typists.touch(part, user, dice)), user, dice)
    text = typists.Text("oh by the way").then(text, "\n")
    wanted = typists.SLOT.findall(template)
    assert [(kind.lower(), text.text[start:end]) for start, end, kind in text.spans] == [(w, values[w]) for w in wanted]


WORLD = make_traffic.read_world()
