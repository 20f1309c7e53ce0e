"""The last stages: the release against its parent on held-out prompts, the A/B test, the verdict."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rewards.judge import load_judge, score_candidates
from rewards.models import EMBEDDED, load_policy, load_tokenizer, weights_version
from rewards.sampling import sample_replies
from rewards.statistics import win_rate
from rewards.style import style_shares
from schemas.problems import Problem
from schemas.release import Gate, Metric, Release
from schemas.stage import Advance, Manifest, Rows, read_manifest, write_json
from training import gates, ledger, rehearsal
from training.generation import Generation, Waiting
from training.improving import trained_model
from training.prompts import HELD_OUT, draw
from training.report import STAGES_BEFORE_RELEASE, write_report

TOXIC_FROM = 0.8


def evaluate(generation: Generation, advance: Advance) -> Manifest:
    """Replies of release and parent to held-out prompts: win rate, style marks, toxicity, gates."""
    from curation.safety import load_scorer

    recipe = generation.recipe
    with generation.stage(
        "evaluate", settings=recipe.evaluation.model_dump(mode="json"), reads=["curate", "judge", "rl"]
    ) as stage:
        if stage.manifest:
            return stage.manifest
        settings = recipe.evaluation
        drawn = draw(generation, "evaluate", settings.prompts, split=HELD_OUT)
        replies = {}
        for policy, model in (("parent", generation.parent), ("release", str(trained_model(generation)))):
            replies[policy] = sample_replies(
                load_policy(model, recipe.precision),
                load_tokenizer(model),
                drawn.prompts,
                policy=policy,
                replies=settings.replies,
                decoding=settings.decoding,
                seed=recipe.seed,
                work=stage.work,
                advance=advance,
            )
        judge = load_judge(generation.directory / "judge" / "model", recipe.precision)
        scored = {policy: score_candidates(judge, frame, drawn.prompts, advance) for policy, frame in replies.items()}
        matrix = {p: frame["score"].to_numpy().reshape(-1, settings.replies) for p, frame in scored.items()}
        won = win_rate(matrix["release"], matrix["parent"], seed=recipe.seed, resamples=settings.bootstrap)
        style = {policy: style_shares(frame["response"]) for policy, frame in scored.items()}
        scorer = load_scorer(recipe.curation.safety)
        toxic = {
            policy: float(
                np.mean(np.max(list(scorer.score(frame["response"].to_list()).values()), axis=0) > TOXIC_FROM)
            )
            for policy, frame in scored.items()
        }
        trained = read_manifest(generation.directory / "judge")
        measured = trained.figures["accuracy"] if trained else None
        accuracy = Metric.model_validate(measured) if measured else None
        found = gates.gates(
            won, accuracy, style["release"], style["parent"], toxic["release"], toxic["parent"], settings
        )
        drawn.prompts.write_parquet(stage.directory / "prompts.parquet")
        for policy, frame in scored.items():
            frame.write_parquet(stage.directory / f"{policy}.parquet")
        low, high = won.difference.low or 0.0, won.difference.high or 0.0
        figures = {
            "metrics": [metric.model_dump() for metric in (won.rate, won.difference)],
            "differs": low > 0 or high < 0,
            "style": style,
            "toxic": toxic,
            "toxicity_scorer": scorer.name,
            "gates": [gate.model_dump() for gate in found],
        }
        return stage.finish(Rows(in_=drawn.prompts.height, kept=drawn.prompts.height), figures)


def experiment(generation: Generation, advance: Advance) -> Manifest:
    """The A/B test: by people, rehearsed, or none.

    Raises:
        Waiting: The A/B test is running with people.
        Problem: The result is not as it should be.
    """
    settings = generation.recipe.experiment
    with generation.stage("experiment", settings=settings.model_dump(mode="json"), reads=["evaluate"]) as stage:
        if stage.manifest:
            return stage.manifest
        if settings.users == "none":
            return stage.finish(figures={"users": "none", "verdict": None})
        if settings.users == "people":
            result = _people(generation.directory / "experiment-result.json", trained_model(generation))
            return stage.finish(figures={"users": "people", **result})
        directory = generation.directory / "evaluate"
        ab = rehearsal.ab_test(
            pl.read_parquet(directory / "release.parquet"),
            pl.read_parquet(directory / "parent.parquet"),
            pl.read_parquet(directory / "prompts.parquet", columns=["turn_id", "messages"]),
            users=settings.simulated_users,
            seed=generation.recipe.seed,
        )
        advance(ab.users, ab.users, "simulated users")
        metrics = [ab.breadth.model_dump(), ab.depth.model_dump()]
        return stage.finish(figures={"users": "simulated", "n": ab.users, "metrics": metrics, "verdict": ab.verdict})


def _people(path: Path, model: Path) -> dict[str, Any]:
    """The result of a real A/B test, from a file that the team writes."""
    if not path.is_file():
        raise Waiting(
            f"experiment: serve {model} beside its parent and write the result to {path}: "
            '{"metrics": [{"name": "breadth", "value": .., "n": .., "low": .., "high": ..}, {"name": "depth", ..}]}. '
            "Then resume."
        )
    try:
        metrics = {m["name"]: Metric.model_validate(m) for m in json.loads(path.read_text(encoding="utf-8"))["metrics"]}
        breadth = metrics["breadth"]
        if breadth.low is None or breadth.high is None:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise Problem(
            f"{path}: expected a JSON object with metrics: breadth and depth, each with name, value, n, low, high."
        ) from None
    outcome = "better" if breadth.low > 0 else "worse" if breadth.high < 0 else "inconclusive"
    return {"n": breadth.n, "metrics": [m.model_dump() for m in metrics.values()], "verdict": outcome}


def release(generation: Generation, advance: Advance) -> Manifest:
    """The verdict: one record, one line in the ledger, a report."""
    recipe = generation.recipe
    with generation.stage("release", settings={"name": recipe.name}, reads=["rl", "evaluate", "experiment"]) as stage:
        if stage.manifest:
            return stage.manifest
        manifests = {name: read_manifest(generation.directory / name) for name in STAGES_BEFORE_RELEASE}
        figures = {name: manifest.figures for name, manifest in manifests.items() if manifest}
        found = [Gate.model_validate(gate) for gate in figures["evaluate"]["gates"]]
        ab = figures["experiment"]
        decision, reason = gates.verdict(found, ab["verdict"])
        metrics = [Metric.model_validate(m) for m in [*figures["evaluate"]["metrics"], *ab.get("metrics", [])]]
        if figures["judge"]["accuracy"]:
            metrics.insert(0, Metric.model_validate(figures["judge"]["accuracy"]))
        weights = weights_version(trained_model(generation))
        simulated = ["annotators"] if figures["annotate"]["simulated"] else []
        simulated += ["users"] if ab["users"] == "simulated" else []
        embedded = list(figures["curate"].get("embedded", []))
        embedded += figures["annotate"].get("embedded", [])
        embedded += [EMBEDDED] if recipe.policy.model == EMBEDDED else []
        record = Release(
            version=hashlib.sha256(f"{recipe.name}\x1f{generation.number}\x1f{weights}".encode()).hexdigest()[:12],
            parent=generation.parent,
            recipe=recipe.name,
            generation=generation.number,
            model=str(trained_model(generation)),
            artefacts={name: m.fingerprint for name, m in manifests.items() if m},
            metrics=metrics,
            gates=found,
            experiment=ab,
            simulated=simulated,
            embedded=embedded,
            decision=decision,
            reason=reason,
            decided_at=datetime.now(UTC),
        )
        ledger.record(generation.ledger, record)
        written = next(r for r in ledger.releases(generation.ledger, recipe.name) if r.version == record.version)
        write_json(stage.directory / "release.json", written.model_dump(mode="json"))
        write_report(stage.directory / "report.md", generation.directory, written)
        advance(1, 1, "verdict")
        return stage.finish(figures={"decision": decision, "reason": reason, "version": record.version})
