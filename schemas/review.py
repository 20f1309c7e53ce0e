"""Turns that curation leaves to people, and what they decide."""

from __future__ import annotations

import dataframely as dy

from schemas.turns import LOCALE_PATTERN

DECISIONS = ("keep", "remove", "unsure")


class SafetyCase(dy.Schema):
    """A turn in the grey band of the safety scorer: kept, and to be looked at by people.

    Attributes:
        turn_id: The turn.
        label: Which of the scorer's labels brought it here; the highest of those that did.
        score: Its score, from 0 to 1.
        side: Whose message it was, `user` or `reply`; the user's where both score alike.
        locale: Of the turn.
    """

    turn_id = dy.String(primary_key=True, regex=r"^[0-9a-f]{32}$")
    label = dy.String(min_length=1)
    score = dy.Float64(min=0.0, max=1.0)
    side = dy.String(check=lambda side: side.is_in(["user", "reply"]))
    locale = dy.String(regex=LOCALE_PATTERN)


class SafetyDecision(dy.Schema):
    """What one annotator decided about a turn in the grey band.

    Attributes:
        turn_id, label, score, side, locale: As in the case.
        persona_id: The character of the turn.
        decision: `keep`, `remove` or `unsure`.
        harms: Which kinds of harm the annotator saw; empty where none.
        annotator: Pseudonym; begins with `simulated:` for a rehearsal.
        seconds: Time the annotator took; null where it is not known.
        timestamp: When it was submitted, UTC.
    """

    turn_id = dy.String(primary_key=True, regex=r"^[0-9a-f]{32}$")
    annotator = dy.String(primary_key=True, min_length=1)
    persona_id = dy.String(min_length=1)
    locale = dy.String(regex=LOCALE_PATTERN)
    label = dy.String(min_length=1)
    score = dy.Float64(min=0.0, max=1.0)
    side = dy.String(check=lambda side: side.is_in(["user", "reply"]))
    decision = dy.String(check=lambda decision: decision.is_in(DECISIONS))
    harms = dy.List(dy.String())
    seconds = dy.Float64(nullable=True, min=0.0)
    timestamp = dy.Datetime(time_zone="UTC", time_unit="us")
