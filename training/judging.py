"""Train the judge, then sample again and score: best of k, worst of k, difficulty."""

from __future__ import annotations

import polars as pl

from rewards.difficulty import difficulty
from rewards.judge import load_judge, score_candidates
from rewards.judge_training import train_judge
from rewards.models import load_policy, load_tokenizer
from rewards.sampling import sample_replies
from schemas.problems import Problem
from schemas.stage import Advance, Manifest, Rows, read_manifest
from training.generation import Generation
from training.prompts import HELD_OUT, TRAIN, draw


def judge(generation: Generation, advance: Advance) -> Manifest:
    """Train the pointwise judge on the preferences of conversations that are not held out."""
    recipe = generation.recipe
    with generation.stage(
        "judge", settings=recipe.judge.model_dump(mode="json"), reads=["sample", "annotate"]
    ) as stage:
        if stage.manifest:
            return stage.manifest
        preferences = pl.read_parquet(generation.directory / "annotate" / "preferences.parquet")
        split = pl.read_parquet(generation.directory / "sample" / "prompts.parquet", columns=["turn_id", "split"])
        preferences = preferences.join(split, on="turn_id").sort("turn_id")
        train, held_out = preferences.filter(split=TRAIN), preferences.filter(split=HELD_OUT)
        if train.is_empty():
            raise Problem(
                "judge: annotators agreed on no pair that may be trained on; annotate more, or lower min_agreement."
            )
        annotated = read_manifest(generation.directory / "annotate")
        figures = train_judge(
            generation.parent,
            train,
            held_out,
            settings=recipe.judge,
            out=stage.directory / "model",
            work=stage.work,
            name=f"{recipe.name}-{generation.number:03d}",
            trained_on=dict(annotated.outputs) if annotated else {},
            precision=recipe.precision,
            seed=recipe.seed,
            advance=advance,
        )
        figures["held_out_pairs"] = held_out.height
        rows = Rows(in_=preferences.height, kept=preferences.height - figures["too_long"], dropped=figures["too_long"])
        return stage.finish(rows, figures)


def score(generation: Generation, advance: Advance) -> Manifest:
    """K replies of the parent to each of some prompts, scored by the judge; difficulty by variance."""
    recipe = generation.recipe
    with generation.stage("score", settings=recipe.score.model_dump(mode="json"), reads=["curate", "judge"]) as stage:
        if stage.manifest:
            return stage.manifest
        drawn = draw(generation, "score", recipe.score.prompts, split=TRAIN)
        candidates = sample_replies(
            load_policy(generation.parent, recipe.precision),
            load_tokenizer(generation.parent),
            drawn.prompts,
            policy="parent",
            replies=recipe.score.replies,
            decoding=recipe.score.decoding,
            seed=recipe.seed,
            work=stage.work,
            advance=advance,
        )
        opened = load_judge(generation.directory / "judge" / "model", recipe.precision)
        scored = score_candidates(opened, candidates, drawn.prompts, advance)
        strata = drawn.prompts.select("turn_id", stratum=pl.col("locale"))
        hard = difficulty(scored, strata)
        drawn.prompts.write_parquet(stage.directory / "prompts.parquet")
        scored.write_parquet(stage.directory / "scored.parquet")
        hard.write_parquet(stage.directory / "difficulty.parquet")
        spread = scored["score"].std()
        figures = {
            "prompts": drawn.prompts.height,
            "replies": scored.height,
            "judge_version": opened.version,
            "score_mean": round(float(scored["score"].mean()), 4),  # type: ignore[arg-type]
            "score_std": round(float(spread or 0.0), 4),  # type: ignore[arg-type]
            "difficulty_median": round(float(hard["difficulty"].median()), 5),  # type: ignore[arg-type]
        }
        return stage.finish(Rows(in_=drawn.prompts.height, kept=drawn.prompts.height), figures)
