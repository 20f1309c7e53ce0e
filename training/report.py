"""The report of a generation, from its manifests alone: what came in, what was kept, and what it came to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas.release import Metric, Release
from schemas.stage import Manifest, read_manifest

STAGES_BEFORE_RELEASE = (
    "curate", "sample", "annotate", "judge", "score", "sft", "dpo", "rl", "evaluate", "experiment",
)  # fmt: skip


def write_report(path: Path, directory: Path, release: Release) -> None:
    """Write the report as Markdown."""
    path.write_text("\n".join(lines(directory, release)) + "\n", encoding="utf-8")


def lines(directory: Path, release: Release) -> list[str]:
    """The report's lines.

    Args:
        directory: The generation.
        release: Its verdict.
    """
    done = {name: read_manifest(directory / name) for name in STAGES_BEFORE_RELEASE}
    found = {name: manifest for name, manifest in done.items() if manifest}
    figures = {name: manifest.figures for name, manifest in found.items()}
    curated = json.loads((directory / "curate" / "report.json").read_text(encoding="utf-8"))
    out = [f"# {release.recipe}, generation {release.generation}: {release.decision}", "", f"{release.reason}.", ""]
    if release.simulated:
        out += [
            f"**A rehearsal: simulated {' and '.join(release.simulated)} took part. No evidence about people.**",
            "",
        ]
    if release.embedded:
        out += [f"Embedded parts stood in: {', '.join(release.embedded)}.", ""]
    out += _rows(found) + _curation(curated) + _judge(figures) + _trainers(figures)
    out += _evaluation(figures["evaluate"]) + _experiment(figures["experiment"]) + _gates(release) + _where(directory)
    return out


def _table(head: list[str], rows: list[list[Any]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(map(str, r)) + " |" for r in rows),
        "",
    ]


def interval(metric: Metric | dict[str, Any]) -> str:
    """A metric in words: value, interval, n."""
    m = metric if isinstance(metric, Metric) else Metric.model_validate(metric)
    if m.low is None or m.high is None:
        return f"{m.value:.3f} (n = {m.n})"
    return f"{m.value:.3f} [{m.low:.3f}, {m.high:.3f}] ({m.confidence:.0%}, n = {m.n})"


def _rows(found: dict[str, Manifest]) -> list[str]:
    rows = [
        [name, m.rows.in_, m.rows.kept, m.rows.dropped, m.rows.quarantined, f"{m.seconds:.0f}"]
        for name, m in found.items()
        if m.rows
    ]
    note = "At every stage in = kept + dropped + quarantined; it was checked."
    return ["## Rows", "", *_table(["stage", "in", "kept", "dropped", "quarantined", "seconds"], rows), note, ""]


def _curation(report: dict[str, Any]) -> list[str]:
    places = ("in", "kept", "dropped", "quarantined")
    out = ["## Curation", ""]
    out += _table(["step", *places], [[step["stage"], *(step[place] for place in places)] for step in report["stages"]])
    out += _table(
        ["step", "dropped because", "turns"], [[row["stage"], row["reason"], row["count"]] for row in report["dropped"]]
    )
    masked = ", ".join(f"{kind} {count}" for kind, count in report["pii"].items())
    safety, quotas = report["safety"], report["quotas"]
    out += [
        f"Personal data masked: {masked or 'none'}.",
        f"Safety scorer: {safety['scorer']}; {safety['review_band']} kept turns are in the band for people to look at.",
        f"Quotas: {quotas['total']} turns chosen of at most {quotas['bound']:.1f} (proven), gap {quotas['gap']}; "
        f"largest persona share {quotas['largest_persona_share']:.2%}.",
        "",
    ]
    notes = [*quotas["relaxations"], *report["problems"]]
    return [*out, *(f"- {sentence}" for sentence in notes), ""] if notes else out


def _judge(figures: dict[str, Any]) -> list[str]:
    judge, annotate = figures["judge"], figures["annotate"]
    agreement = annotate["pairwise_agreement"]
    out = ["## Judge", ""]
    out.append(
        f"{annotate['comparisons']} comparisons by {len(annotate['annotators'])} annotators"
        + (f", pairwise agreement {agreement:.2f}." if agreement is not None else ".")
    )
    if judge["accuracy"]:
        out.append(
            f"Accuracy on held-out pairs: {interval(judge['accuracy'])}; calibration error "
            f"{judge['calibration_error']:.3f}; length and style marks alone explain "
            f"{judge['style_explains']:.0%} of its scores."
        )
    else:
        out.append("No held-out pair was agreed on, so the judge's accuracy is unknown.")
    return [*out, ""]


def _trainers(figures: dict[str, Any]) -> list[str]:
    shown = {"judge": "pairs", "sft": "rows", "dpo": "pairs", "rl": "prompts"}
    rows = []
    for name, unit in shown.items():
        trained = figures[name]["training"]
        rest = ", ".join(f"{key} {value:g}" for key, value in trained.items() if key in _SHOWN)
        loss = f"{trained.get('first_loss', float('nan')):.3f} -> {trained.get('loss', float('nan')):.3f}"
        rows.append([name, f"{figures[name][unit]} {unit}", trained.get("steps", 0), loss, rest])
    return ["## Trainers", "", *_table(["stage", "data", "steps", "loss", "last quarter's means"], rows)]


_SHOWN = {
    "accuracy", "mean_token_accuracy", "rewards/accuracies", "rewards/margins", "reward", "reward_std", "kl",
    "clip_ratio/region_mean", "completions/mean_length", "frac_reward_zero_std",
}  # fmt: skip


def _evaluation(figures: dict[str, Any]) -> list[str]:
    rate, difference = figures["metrics"]
    out = ["## Release against parent, on held-out conversations", ""]
    out.append(f"Win rate under the judge: {interval(rate)}; band up to the ceiling below.")
    out.append(f"Difference of mean scores: {interval(difference)}.")
    if not figures["differs"]:
        out.append("**The interval includes zero: in the judge's eyes the release does not differ from its parent.**")
    else:
        out.append("The interval excludes zero.")
    style = figures["style"]
    rows = [[mark, f"{style['parent'][mark]:.3f}", f"{style['release'][mark]:.3f}"] for mark in style["parent"]]
    rows.append(
        [
            f"toxic ({figures['toxicity_scorer']})",
            f"{figures['toxic']['parent']:.3f}",
            f"{figures['toxic']['release']:.3f}",
        ]
    )
    return [*out, "", *_table(["mark (share of replies; words: mean)", "parent", "release"], rows)]


def _experiment(figures: dict[str, Any]) -> list[str]:
    if figures["users"] == "none":
        return ["## A/B test", "", "None was run.", ""]
    who = "simulated users (a rehearsal)" if figures["users"] == "simulated" else "users"
    out = ["## A/B test", "", f"{figures['n']} {who}: {figures['verdict']}."]
    out += [f"- {m['name']}: {interval(m)}, {m['unit']}" for m in figures["metrics"]]
    return [*out, ""]


def _gates(release: Release) -> list[str]:
    rows = [[g.name, g.bound, f"{g.observed:.3f}", g.verdict, g.reason] for g in release.gates]
    return ["## Gates", "", *_table(["gate", "bound", "observed", "verdict", "reason"], rows)]


def _where(directory: Path) -> list[str]:
    listed = [
        ("model", "rl/model"),
        ("judge", "judge/model"),
        ("curated turns", "curate/turns"),
        ("this report", "release/report.md"),
    ]
    rows = [[name, directory / place] for name, place in listed] + [["ledger", directory.parent / "ledger.sqlite"]]
    return ["## Where everything is", "", *_table(["what", "where"], rows)]
