"""Turns that curation leaves to people."""

from __future__ import annotations

import dataframely as dy

from schemas.turns import LOCALE_PATTERN


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
