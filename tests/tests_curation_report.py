"""A `report.json` with something in each of its parts, and a text that tries to be more than text."""

from __future__ import annotations

from typing import Any

NASTY = '<script>alert("x")</script><img src=http://evil.example/x>&"\''


def report(**other: Any) -> dict[str, Any]:
    def step(name: str, came: int, kept: int, quarantined: int = 0) -> dict[str, Any]:
        went = came - kept - quarantined
        return {"stage": name, "in": came, "kept": kept, "dropped": went, "quarantined": quarantined}

    return {
        "name": "demo",
        "seed": 20,
        "rows": {"in": 1000, "kept": 600, "dropped": 397, "quarantined": 3},
        "stages": [
            step("read", 1000, 997, 3),
            step("scrub", 997, 997),
            step("safety", 997, 990),
            step("quotas", 990, 600),
        ],
        "dropped": [
            {"stage": "safety", "reason": "toxicity above 0.95", "count": 7},
            {"stage": "quotas", "reason": "quota: persona above 3 %", "count": 390},
        ],
        "pii": {"PERSON": 30, "EMAIL_ADDRESS": 10},
        "safety": {"scorer": "words", "embedded": True, "review_band": 21},
        "languages": {"en": 800, "und": 190},
        "clusters": 2,
        "near_duplicates": 0,
        "quotas": {
            "total": 600,
            "bound": 601.4,
            "gap": 1,
            "largest_persona_share": 0.03,
            "prices": [
                {"quota": "persona", "side": "max", "share": 0.03, "price": 12.2, "cost": 389.6},
                {"quota": "locale pt-BR", "side": "min", "share": 0.08, "price": 0.0, "cost": 0.0},
                {"quota": "total", "side": "max", "share": None, "price": 1.0, "cost": 5.0},
            ],
            "relaxations": ["The floor of ja-JP went from 9 % to 4 %."],
        },
        "embedded": ["names: spaCy en_core_web_md"],
        "problems": ["logs.jsonl: the file is empty; it adds no turns."],
        "recipe": {"quotas": {"max_persona_share": 0.03}},
        **other,
    }
