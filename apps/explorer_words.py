"""What the explorer calls things, and a hint for each word that a newcomer may not know."""

from __future__ import annotations

import re

HINTS = {
    "turn": "One reply of a character, with the conversation before it. Everything here is counted in turns.",
    "persona": "A character that people chat with.",
    "locale": "Language and region of a conversation: pt-BR is Portuguese as in Brazil.",
    "first turn": "The first reply in a conversation. Without a limit, short openings crowd out real conversations.",
    "difficulty": (
        "A turn is hard where the model's replies differ most in quality, by the judge's scores: the hardest third of "
        "each persona and locale. Unknown until the judge has scored replies."
    ),
    "cluster": "A topic: turns whose texts are alike, titled by the words that set them apart.",
    "language": "The language that was recognised in the text, whatever the locale says.",
    "model": "Which version of the chat model wrote the reply.",
    "quota": "A limit on a share of what is kept. All quotas hold at once, and exactly.",
    "floor": "At least this share of the turns kept.",
    "ceiling": "At most this share of the turns kept.",
    "persona cap": "No persona has more than this share of the turns kept, so that none drowns the others.",
    "total": "Keep at most this many turns. Without it, as many are kept as the other quotas allow.",
    "binds": "A quota binds where it keeps turns out. One that does not bind costs nothing.",
    "costs": "How many more turns would be kept without this quota, with all others. Costs do not add up.",
    "one point": "A percentage point: from 12 % to 13 % is one. What it lets in is solved for, not estimated.",
    "expected discards": (
        "Share that annotators are expected to throw away later. Every quota is held with a margin, so that it still "
        "holds when that much is gone."
    ),
    "weight": ("What a turn counts for when turns compete: with hard turns at 2, one of them is worth two others."),
    "soft quota": (
        "A quota that may give way where holding it is too dear: at this price in turns for each percentage point."
    ),
    "relaxation": "The smallest change of the quotas with which they can all hold.",
    "quarantined": "Could not be read as a conversation. Kept aside byte for byte; only the run's owner can read it.",
    "scrubbed": "Names, addresses and other personal data were replaced by placeholders such as <PERSON_3f2a9c>.",
    "recipe": "The file of all settings that a run is made from.",
    "seed": "A number that fixes every random choice: the same recipe and seed choose the same turns.",
    "reached the quotas": "What was left after all other steps; the quotas choose among these turns.",
    "A and B": "Two choices of quotas side by side. A is what you kept; B is what the sliders say now.",
}

STEPS = {
    "came in": "Every turn in the logs.",
    "read": "The logs are read, one record at a time. Broken ones are quarantined.",
    "validate": "Turns that are in the logs twice are settled.",
    "window": "Turns that are too old, or by a model version that no longer counts, go.",
    "scrub": "Personal data is replaced by placeholders. No turn goes here.",
    "safety": "Turns that are too toxic or unsafe to learn from go.",
    "language": "Turns in languages that the recipe does not keep go.",
    "embed": "Each text becomes a list of numbers, so that texts can be compared. No turn goes here.",
    "duplicates": "Of turns that say exactly the same, one stays.",
    "cluster": "Turns are sorted into topics. No turn goes here.",
    "near-duplicates": "Of turns that say nearly the same, one stays.",
    "quotas": "The largest choice of turns in which every share holds.",
    "chosen": "What the model learns from.",
}

DIMENSIONS = ("persona", "locale", "first turn", "difficulty", "cluster", "language", "model")

_MARKS = re.compile(r"[\\`*_\[\]~$:<>&@|]|(?<=www)\.|^[#+\-=]|(?<=^\d)[.)]")


def plain(text: object) -> str:
    """A text so that Markdown shows it as it is: no link, image, colour or formula can come out of it."""
    return _MARKS.sub(r"\\\g<0>", re.sub(r"\s+", " ", str(text)).strip())


def reason_words(reason: str) -> str:
    """A reason of the quotas step as people would say it; others as they are."""
    body = reason.removeprefix("quota: ")
    if body == reason:
        return reason
    if found := re.fullmatch(r"(?:locale )?(.+) above (.+ %)", body):
        name = "each persona" if found[1] == "persona" else found[1]
        return f"{name} at most {found[2]}"
    if found := re.fullmatch(r"(?:locale )?(.+) below (.+ %)", body):
        return f"room for {found[1]}, at least {found[2]}"
    return {"total": "the total is reached"}.get(body, body)


def glossary() -> list[tuple[str, str]]:
    """Every word with its hint, then every step, in order of use."""
    return [*HINTS.items(), *((f"step: {name}", hint) for name, hint in STEPS.items())]
