"""Texts and numbers inside tool calls: read from the JSON and put back into it, everything else left byte for byte.

The JSON is not taken apart into objects: its strings and numbers are changed where they stand, so that spaces, the
order of keys, keys that stand twice and long numbers come out as they went in. Keys are strings like any other. A
string that holds JSON itself, as `arguments` often does, is gone through in the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

Change = Callable[[str], str]

_LITERAL = re.compile(r'"(?P<string>(?:[^"\\]|\\.)*)"(?P<key>\s*:\s*)?|(?P<number>-?\d[\d.eE+-]*)')
_LONE = re.compile("[\ud800-\udfff]")
LONG_NUMBER = 6  # digits from which a number may be somebody's
DEEPEST = 3  # JSON in strings of JSON


def texts(calls: str) -> list[str]:
    """What there is to look at: strings, keys, and long numbers with the key they stand under."""
    seen: list[str] = []

    def look(text: str) -> str:
        seen.append(text)
        return text

    changed(calls, look)
    return seen


def changed(calls: str, change: Change, depth: int = 0) -> str:
    """Tool calls with their texts changed.

    Args:
        calls: JSON; what is not JSON is one text.
        change: Given each text of `texts`, returns it with personal data replaced.
        depth: How many strings of JSON this one stands in.
    """
    if not _is_json(calls):
        return change(calls)
    parts: list[str] = []
    at, key = 0, ""
    for match in _LITERAL.finditer(calls):
        new = match[0]
        if match["number"] is not None:
            new = _number(match[0], key, change)
        else:
            text = _LONE.sub("\ufffd", json.loads(f'"{match["string"]}"', strict=False))
            if match["key"] is None and text[:1] in ("{", "[") and depth < DEEPEST and _is_json(text):
                masked = changed(text, change, depth + 1)
            elif match["key"] is None and sum(map(str.isdigit, text)) >= LONG_NUMBER:
                masked = _under_key(text, key, change)
            else:
                masked = change(text)
            if masked != text:
                new = json.dumps(masked, ensure_ascii=calls.isascii()) + (match["key"] or "")
        key = text if match["key"] is not None else ""
        parts += [calls[at : match.start()], new]
        at = match.end()
    return "".join([*parts, calls[at:]])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _number(shown: str, key: str, change: Change) -> str:
    """A long number; where it is somebody's, a string stands in its place unless digits replace it."""
    if sum(map(str.isdigit, shown)) < LONG_NUMBER:
        return shown
    masked = _under_key(shown, key, change)
    if masked == shown:
        return shown
    return masked if re.fullmatch(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", masked) else json.dumps(masked)


def _under_key(text: str, key: str, change: Change) -> str:
    """A text with digits under its key: `phone: 491712345678` tells more than the digits do."""
    lead = f"{key}: "
    alone, under = change(text), change(lead + text)
    return under.removeprefix(lead) if under.startswith(lead) and under != lead + text else alone
