"""What people and judges say of replies: candidates, comparisons, preferences, answers, rewrites, image reviews."""

from __future__ import annotations

import dataframely as dy
import polars as pl

from schemas.turns import LOCALE_PATTERN

PROJECTS = ("pairwise", "violation", "image", "grey")
PREFERENCES = ("a", "b", "tie")


class Candidate(dy.Schema):
    """One sampled reply.

    Attributes:
        turn_id: Turn whose messages were the prompt.
        policy: Name of the model that wrote it.
        sample_index: 0, 1, ... among the samples for this turn.
        response: The reply.
        logprob: Sum of the log probabilities of the reply's tokens under the policy, in nats.
    """

    turn_id = dy.String(primary_key=True)
    policy = dy.String(primary_key=True)
    sample_index = dy.Int32(primary_key=True, min=0)
    response = dy.String()
    logprob = dy.Float64(max=0.0)


class ScoredCandidate(Candidate):
    """A candidate with the score of one judge.

    Attributes:
        judge: Name of the judge.
        judge_version: Hash of the judge's weights; scores compare within one version only.
        score: Reward, higher is better, no unit.
    """

    judge = dy.String(min_length=1)
    judge_version = dy.String(min_length=1)
    score = dy.Float64()


class AnnotationTask(dy.Schema):
    """Two replies to rank, as an annotator sees them.

    Attributes:
        task_id: Content hash of the pair.
        turn_id: Turn whose messages both replies answer.
        persona_id: The character, for shares at export.
        messages: The prompt, persona first, user last.
        response_a, response_b: The replies, in an order drawn from the task's hash.
        policy_a, policy_b: Which model wrote each; the annotator is not shown this.
    """

    task_id = dy.String(primary_key=True)
    turn_id = dy.String(min_length=1)
    persona_id = dy.String(min_length=1)
    messages = dy.List(dy.Struct({"role": dy.String(), "content": dy.String()}), min_length=2)
    response_a = dy.String()
    response_b = dy.String()
    policy_a = dy.String(min_length=1)
    policy_b = dy.String(min_length=1)


class Comparison(dy.Schema):
    """One annotator's judgement of two replies.

    Attributes:
        comparison_id: Content hash of task and annotator.
        turn_id, messages, response_a, response_b, policy_a, policy_b: As in the task.
        preference: `a`, `b` or `tie`.
        strength: 0 (tie) to 3 (much better).
        reasons: Short labels the annotator ticked.
        annotator: Pseudonym; begins with `simulated:` for a rehearsal.
        seconds: Time the annotator took; null where it is not known.
        timestamp: When, UTC.
    """

    comparison_id = dy.String(primary_key=True)
    task_id = dy.String(min_length=1)
    turn_id = dy.String(min_length=1)
    persona_id = dy.String(min_length=1)
    messages = dy.List(dy.Struct({"role": dy.String(), "content": dy.String()}), min_length=2)
    response_a = dy.String()
    response_b = dy.String()
    policy_a = dy.String()
    policy_b = dy.String()
    preference = dy.String(check=lambda preference: preference.is_in(PREFERENCES))
    strength = dy.Int8(min=0, max=3)
    reasons = dy.List(dy.String())
    annotator = dy.String(min_length=1)
    seconds = dy.Float64(nullable=True, min=0.0)
    timestamp = dy.Datetime(time_zone="UTC", time_unit="us")

    @dy.rule()
    def tie_has_no_strength(cls) -> pl.Expr:
        return (pl.col("preference") == "tie") == (pl.col("strength") == 0)


class Preference(dy.Schema):
    """What several annotators agree on: TRL's conversational preference format plus how sure they were.

    Attributes:
        turn_id: Turn both replies answer.
        prompt: Messages up to and with the user's last.
        chosen, rejected: One assistant message each.
        margin: Mean signed strength towards `chosen`, 0 to 3.
        agreement: Share of the votes that went to `chosen`, 0.5 to 1 (ties count half).
        annotators: How many voted.
        simulated: Whether any vote came from a rehearsal.
    """

    turn_id = dy.String(primary_key=True)
    persona_id = dy.String(min_length=1)
    prompt = dy.List(dy.Struct({"role": dy.String(), "content": dy.String()}), min_length=2)
    chosen = dy.List(dy.Struct({"role": dy.String(), "content": dy.String()}), min_length=1, max_length=1)
    rejected = dy.List(dy.Struct({"role": dy.String(), "content": dy.String()}), min_length=1, max_length=1)
    margin = dy.Float64(min=0.0, max=3.0)
    agreement = dy.Float64(min=0.5, max=1.0)
    annotators = dy.Int32(min=1)
    simulated = dy.Bool()


class Answer(dy.Schema):
    """One annotator's answer to one question about one record, whatever the project: what agreement is measured on.

    Attributes:
        project: Which annotation project asked, one of `PROJECTS`.
        record_id: Ours: the task's id in `pairwise`, the turn's elsewhere.
        turn_id, persona_id: The turn that was looked at, and its character.
        locale: Of the turn; `und` where it is not known.
        question: Name of the question.
        value: The answer; JSON where it is a list. A ranking of two replies is `a`, `b` or `tie`.
        annotator: Pseudonym; begins with `simulated:` for a rehearsal.
        seconds: Time the annotator took for the record, all questions together; null where it is not known.
        timestamp: When it was submitted, UTC.
        gold: What was expected, as in `value`; null where nothing was.
        first_shown: Which of two replies stood first, `a` or `b`; null where there are not two.
    """

    project = dy.String(primary_key=True, check=lambda project: project.is_in(PROJECTS))
    record_id = dy.String(primary_key=True, min_length=1)
    question = dy.String(primary_key=True, min_length=1)
    annotator = dy.String(primary_key=True, min_length=1)
    turn_id = dy.String(min_length=1)
    persona_id = dy.String(min_length=1)
    locale = dy.String(regex=LOCALE_PATTERN)
    value = dy.String()
    seconds = dy.Float64(nullable=True, min=0.0)
    timestamp = dy.Datetime(time_zone="UTC", time_unit="us")
    gold = dy.String(nullable=True)
    first_shown = dy.String(nullable=True, check=lambda side: side.is_in(["a", "b"]))


class Rewrite(dy.Schema):
    """A reply that broke character, and how it should have been.

    Attributes:
        turn_id, messages, response: The turn as it was.
        violations: Which traits or rules the reply broke.
        severity: 0 (none) to 3 (grave).
        rewrite: The reply as the annotator would have it; feeds SFT as target and DPO as chosen.
        annotator: Pseudonym; begins with `simulated:` for a rehearsal.
    """

    turn_id = dy.String(primary_key=True)
    annotator = dy.String(primary_key=True)
    persona_id = dy.String(min_length=1)
    messages = dy.List(dy.Struct({"role": dy.String(), "content": dy.String()}), min_length=2)
    response = dy.String()
    violations = dy.List(dy.String())
    severity = dy.Int8(min=0, max=3)
    rewrite = dy.String(min_length=1)


class ImageReview(dy.Schema):
    """Whether an image was wanted in a turn, and whether its prompt was any good.

    Attributes:
        turn_id: The turn.
        wanted: `asked for`, `helpful` or `unwanted`.
        prompt_good: Whether the image prompt fits the scene; null where no image was made.
        annotator: Pseudonym.
        agreed: Whether the reviewers of this turn agree; null with one reviewer.
    """

    turn_id = dy.String(primary_key=True)
    annotator = dy.String(primary_key=True)
    wanted = dy.String(check=lambda wanted: wanted.is_in(["asked for", "helpful", "unwanted"]))
    prompt_good = dy.Bool(nullable=True)
    agreed = dy.Bool(nullable=True)
