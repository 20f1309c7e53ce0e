"""The stages that train the policy: SFT on the best of k, a DPO patch, RL on prompts the policy is unsure about.

Each set is put under the persona cap again at its door: annotators and thresholds discard rows, and shares move.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from curation.quotas import cap
from schemas.problems import Problem
from schemas.stage import Advance, Manifest, Rows
from training.dpo import train_dpo
from training.generation import Generation
from training.grpo import train_grpo
from training.prompts import TRAIN
from training.sft import train_sft


def _scored(generation: Generation) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Best and worst reply of each prompt that has two different ones; prompts of the training split."""
    directory = generation.directory / "score"
    prompts = pl.read_parquet(directory / "prompts.parquet")
    scored = pl.read_parquet(directory / "scored.parquet").filter(pl.col("response") != "")
    by_turn = (
        scored.sort("turn_id", "score", "sample_index", descending=[False, True, False])
        .group_by("turn_id", maintain_order=True)
        .agg(
            best=pl.col("response").first(),
            worst=pl.col("response").last(),
            best_score=pl.col("score").first(),
            worst_score=pl.col("score").last(),
            mean_score=pl.col("score").mean(),
        )
        .filter(pl.col("best") != pl.col("worst"))
    )
    return prompts.join(by_turn, on="turn_id").sort("turn_id"), scored


def _capped(generation: Generation, rows: pl.DataFrame, purpose: str, total: int) -> pl.DataFrame:
    recipe = generation.recipe
    share = recipe.curation.quotas.max_persona_share
    kept = cap(rows.select("turn_id", "persona_id"), share, recipe.seed, purpose, total=total)
    if kept.is_empty():
        raise Problem(
            f"{purpose}: {rows.height} rows of {rows['persona_id'].n_unique()} personas are too few to keep "
            f"each persona at or under {share:.0%}; raise score.prompts, or curation.quotas.max_persona_share."
        )
    return rows.filter(pl.col("turn_id").is_in(kept.implode())).sort("turn_id")


def _reply(column: str) -> pl.Expr:
    return pl.concat_list(pl.struct(role=pl.lit("assistant"), content=pl.col(column)))


def _largest_share(rows: pl.DataFrame) -> float:
    return round(float(rows["persona_id"].value_counts()["count"].max()) / rows.height, 4)  # type: ignore[arg-type]


def sft(generation: Generation, advance: Advance) -> Manifest:
    """Fine-tune the parent on the best of its own k replies."""
    recipe = generation.recipe
    settings = {"sft": recipe.sft.model_dump(mode="json"), "precision": recipe.precision}
    with generation.stage("sft", settings=settings, reads=["score"]) as stage:
        if stage.manifest:
            return stage.manifest
        pairs, scored = _scored(generation)
        gain = (pl.col("best_score") - pl.col("mean_score")) / float(scored["score"].std() or 1.0)  # type: ignore[arg-type]
        rows = _capped(generation, pairs.filter(gain >= recipe.sft.min_gain), "sft", recipe.sft.rows)
        export = rows.select("turn_id", "persona_id", messages=pl.col("messages").list.concat(_reply("best")))
        export.select("messages").write_ndjson(stage.directory / "rows.jsonl")
        figures = train_sft(
            generation.parent,
            export,
            settings=recipe.sft,
            out=stage.directory / "model",
            work=stage.work,
            precision=recipe.precision,
            seed=recipe.seed,
            advance=advance,
        )
        return _finish(stage, pairs.height, rows, figures)


def dpo(generation: Generation, advance: Advance) -> Manifest:
    """Patch the fine-tuned model: what people preferred, and best against worst of k."""
    recipe = generation.recipe
    settings = {"dpo": recipe.dpo.model_dump(mode="json"), "precision": recipe.precision}
    with generation.stage("dpo", settings=settings, reads=["sample", "annotate", "score", "sft"]) as stage:
        if stage.manifest:
            return stage.manifest
        columns = ["turn_id", "persona_id", "prompt", "chosen", "rejected"]
        split = pl.read_parquet(generation.directory / "sample" / "prompts.parquet", columns=["turn_id", "split"])
        preferred = (
            pl.read_parquet(generation.directory / "annotate" / "preferences.parquet")
            .join(split.filter(split=TRAIN), on="turn_id")
            .select(columns)
        )
        scored, _ = _scored(generation)
        ranked = scored.select(
            "turn_id", "persona_id", prompt="messages", chosen=_reply("best"), rejected=_reply("worst")
        )
        pairs = pl.concat([preferred, ranked.join(preferred, on="turn_id", how="anti")]).sort("turn_id")
        rows = _capped(generation, pairs, "dpo", recipe.dpo.pairs)
        rows.select("prompt", "chosen", "rejected").write_ndjson(stage.directory / "rows.jsonl")
        figures = train_dpo(
            str(generation.directory / "sft" / "model"),
            rows,
            settings=recipe.dpo,
            out=stage.directory / "model",
            work=stage.work,
            precision=recipe.precision,
            seed=recipe.seed,
            advance=advance,
        )
        figures["from_people"] = rows.join(preferred, on="turn_id", how="semi").height
        return _finish(stage, pairs.height, rows, figures)


def rl(generation: Generation, advance: Advance) -> Manifest:
    """GRPO against the judge, on the prompts whose replies it tells apart most."""
    recipe = generation.recipe
    settings = {"rl": recipe.rl.model_dump(mode="json"), "precision": recipe.precision}
    with generation.stage("rl", settings=settings, reads=["judge", "score", "dpo"]) as stage:
        if stage.manifest:
            return stage.manifest
        directory = generation.directory / "score"
        hard = pl.read_parquet(directory / "difficulty.parquet")
        spread = float(pl.read_parquet(directory / "scored.parquet")["score"].std() or 0.0)  # type: ignore[arg-type]
        above_noise = hard.filter(pl.col("variance").sqrt() >= recipe.rl.noise_floor * spread)
        hardest = above_noise.sort("rank", "turn_id", descending=[True, False]).head(2 * recipe.rl.prompts)
        prompts = pl.read_parquet(directory / "prompts.parquet").join(
            hardest.select("turn_id"), on="turn_id", how="semi"
        )
        rows = _capped(generation, prompts.rename({"messages": "prompt"}), "rl", recipe.rl.prompts)
        rows.select("prompt").write_ndjson(stage.directory / "rows.jsonl")
        figures = train_grpo(
            str(generation.directory / "dpo" / "model"),
            rows,
            generation.directory / "judge" / "model",
            settings=recipe.rl,
            out=stage.directory / "model",
            work=stage.work,
            precision=recipe.precision,
            seed=recipe.seed,
            advance=advance,
        )
        figures["below_noise_floor"] = hard.height - above_noise.height
        return _finish(stage, hard.height, rows, figures)


def _finish(stage: Any, came_in: int, rows: pl.DataFrame, figures: dict[str, Any]) -> Manifest:
    figures["largest_persona_share"] = _largest_share(rows)
    too_long = figures.get("too_long", 0)
    return stage.finish(
        Rows(in_=came_in, kept=rows.height - too_long, dropped=came_in - rows.height + too_long), figures
    )


def trained_model(generation: Generation) -> Path:
    """The model this generation came to."""
    return generation.directory / "rl" / "model"
