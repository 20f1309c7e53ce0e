"""What a cycle will read, write and roughly cost, before anything runs."""

from __future__ import annotations

from typing import NamedTuple

from rich.table import Table

from schemas.recipe import Decoding, Recipe
from schemas.stage import read_manifest
from training.generation import generations, home

# Measured with SmolLM2-135M on two cores with bfloat16 (docs/measured.md). Elsewhere, the seconds that an earlier
# generation took are shown instead.
SAMPLE_TOKENS_PER_SECOND = 200
READ_TOKENS_PER_SECOND = 1000
TRAIN_TOKENS_PER_SECOND = 200
SERVER_SECONDS = 8  # start and end of a rehearsal's annotation server
ANSWERS_PER_SECOND = 25
WAITS = "people: the cycle waits"


def plan_table(recipe: Recipe) -> Table:
    """One row a stage: reads, writes, work, and time measured before or estimated.

    Args:
        recipe: The recipe.
    """
    table = Table(title=f"{recipe.name}: {home(recipe)}")
    for column in ("stage", "reads", "writes", "work", "time"):
        table.add_column(column)
    begun = generations(home(recipe))
    for name, reads, writes, work, seconds in _stages(recipe):
        earlier = [m.seconds for path in begun if (m := read_manifest(path / name))]
        time = (
            f"{earlier[-1]:.0f} s (measured)" if earlier else f"~{seconds:.0f} s at 135M on 2 cores" if seconds else "-"
        )
        table.add_row(name, reads, writes, work, time)
    return table


class Planned(NamedTuple):
    """A stage that is to be run.

    Attributes:
        name: Its name.
        reads, writes: What, in words.
        work: How much.
        seconds: Roughly, with a 135M model on two cores; 0 where that says nothing.
    """

    name: str
    reads: str
    writes: str
    work: str
    seconds: float


def _stages(recipe: Recipe) -> list[Planned]:
    prompt = recipe.policy.max_prompt_tokens

    def sampling(replies: int, prompts: int, decoding: Decoding) -> float:
        return replies * decoding.max_new_tokens / SAMPLE_TOKENS_PER_SECOND + prompts * prompt / READ_TOKENS_PER_SECOND

    def training(sequences: float, tokens: int) -> float:
        return sequences * tokens / TRAIN_TOKENS_PER_SECOND

    s, k, e, r = recipe.sample, recipe.score, recipe.evaluation, recipe.rl
    train_pairs = round(s.prompts * (1 - s.held_out_share))
    replies = r.batch_size * r.steps
    people = recipe.annotation.annotators == "people"
    scoring = k.prompts * k.replies * (prompt + k.decoding.max_new_tokens) / READ_TOKENS_PER_SECOND
    votes = s.prompts * recipe.annotation.votes
    in_argilla = recipe.annotation.tool == "argilla"
    where = "in Argilla" if in_argilla else "in files"
    ab = {"none": "none", "people": WAITS, "simulated": f"{recipe.experiment.simulated_users} simulated users"}
    return [
        Planned(
            "curate", recipe.curation.input, "turns, dropped, quarantine, report.json", "every turn of the input", 0
        ),
        Planned(
            "sample",
            "curate",
            "prompts, candidates, tasks",
            f"{s.prompts} prompts x 2 replies",
            sampling(2 * s.prompts, s.prompts, s.decoding),
        ),
        Planned(
            "annotate",
            "sample",
            "comparisons, preferences",
            f"{votes} votes {where} by {WAITS if people else 'a rehearsal'}",
            SERVER_SECONDS + votes / ANSWERS_PER_SECOND if in_argilla and not people else 0,
        ),
        Planned(
            "judge",
            "annotate",
            "model",
            f"up to {train_pairs} pairs x {recipe.judge.epochs:g} epochs",
            training(2 * train_pairs * recipe.judge.epochs, recipe.judge.max_length),
        ),
        Planned(
            "score",
            "curate, judge",
            "scored, difficulty",
            f"{k.prompts} prompts x {k.replies} replies",
            sampling(k.replies * k.prompts, k.prompts, k.decoding) + scoring,
        ),
        Planned(
            "sft",
            "score",
            "rows.jsonl, model",
            f"up to {recipe.sft.rows} rows x {recipe.sft.epochs:g} epochs",
            training(recipe.sft.rows * recipe.sft.epochs, recipe.sft.max_length),
        ),
        Planned(
            "dpo",
            "annotate, score, sft",
            "rows.jsonl, model",
            f"up to {recipe.dpo.pairs} pairs x {recipe.dpo.epochs:g} epochs",
            1.4 * training(2 * recipe.dpo.pairs * recipe.dpo.epochs, recipe.dpo.max_length),
        ),
        Planned(
            "rl",
            "judge, score, dpo",
            "rows.jsonl, model",
            f"{r.steps} steps x {r.batch_size} replies",
            sampling(replies, replies, r.decoding) + 1.6 * training(replies, prompt + r.decoding.max_new_tokens),
        ),
        Planned(
            "evaluate",
            "curate, judge, rl",
            "parent, release",
            f"{e.prompts} prompts x {e.replies} replies x 2 models",
            2 * sampling(e.prompts * e.replies, e.prompts, e.decoding),
        ),
        Planned("experiment", "evaluate", "A/B result", ab[recipe.experiment.users], 0),
        Planned("release", "every manifest", "release.json, report.md, ledger.sqlite", "gates, verdict", 0),
    ]
