"""Release: what a generation came to, on one record: artefacts, metrics, gates, A/B result, decision."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Decision = Literal["release", "hold", "reject"]


class Metric(BaseModel):
    """A measured figure with how sure it is.

    Attributes:
        name: What was measured.
        value: The estimate.
        n: How many independent units it rests on (prompts, users).
        low, high: Confidence interval, where one was computed.
        confidence: Its level, 0.95 unless said otherwise.
        unit: Unit or scale, in words.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    unit: str = ""


class Gate(BaseModel):
    """A bound that a release has to keep.

    Attributes:
        name: What is bounded.
        bound: The bound, in words and numbers.
        observed: The observed value.
        verdict: `pass`, or what a miss leads to.
        reason: One sentence.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    bound: str
    observed: float
    verdict: Literal["pass", "hold", "reject"]
    reason: str


class Release(BaseModel):
    """One line of the ledger.

    Attributes:
        version: Content hash of generation, model weights and gates.
        parent: Version or model this one was trained from.
        recipe: Name of the recipe.
        generation: Number of the turn of the flywheel, from 1.
        model: Where the weights are.
        artefacts: sha256 by stage.
        metrics: Every metric.
        gates: Every gate.
        experiment: A/B result, or None where none was run.
        simulated: Parts that were simulated; empty for a real release.
        embedded: Embedded stand-ins that took part.
        decision: `release`, `hold` or `reject`.
        reason: Why, in a sentence.
        decided_at: When, UTC.
    """

    model_config = ConfigDict(extra="forbid")

    version: str
    parent: str
    recipe: str
    generation: int
    model: str
    artefacts: dict[str, str]
    metrics: list[Metric]
    gates: list[Gate]
    experiment: dict[str, Any] | None
    simulated: list[str]
    embedded: list[str]
    decision: Decision
    reason: str
    decided_at: datetime
