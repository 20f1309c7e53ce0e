"""Single values of a record: checked, and turned into what a turn holds.

Everything here answers with the value or raises `Misfit`, naming the field and what was expected, never the value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from curation.readers.records import Misfit, absent

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2200, 1, 1, tzinfo=UTC)


def needed(record: Mapping[str, Any], key: str) -> Any:
    """Value of a key that has to be there."""
    if key not in record:
        raise Misfit(absent("key", key, record))
    return record[key]


def text(value: Any, field: str) -> str:
    """Text that can be written anywhere: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise Misfit(f"{field}: expected text, found {type(value).__name__}.")
    if "\0" in value:
        raise Misfit(f"{field}: holds a NUL character, which no text holds.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Misfit(
            f"{field}: holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no character."
        ) from None
    return value


def name(value: Any, field: str) -> str | None:
    """Text, a whole number as text, or None where there is nothing."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value, field)


def whole_number(value: Any, field: str, least: int, most: int) -> int:
    """A whole number between two bounds; 3.0 is one, True is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not least <= value <= most:
        raise Misfit(f"{field}: expected a whole number from {least} to {most}, found {_kind(value)}.")
    if value != int(value):
        raise Misfit(f"{field}: expected a whole number from {least} to {most}, found a fraction.")
    return int(value)


def truth(value: Any, field: str) -> bool | None:
    """True, False or None."""
    if value is None or isinstance(value, bool):
        return value
    raise Misfit(f"{field}: expected true, false or null, found {_kind(value)}.")


def thumb(value: Any, field: str) -> int | None:
    """1, -1 (`Turn`'s rule sees to it) or None."""
    return None if value is None else whole_number(value, field, -128, 127)


def moment(value: Any, field: str) -> datetime:
    """A time in UTC, from ISO 8601 text (without offset: UTC), seconds since 1970, or a datetime."""
    expected = "expected ISO 8601 such as 2026-11-02T08:30:00Z, or seconds (not milliseconds) since 1970"
    try:
        if isinstance(value, str):
            when = datetime.fromisoformat(value.strip())
        elif isinstance(value, datetime):
            when = value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            when = EPOCH + timedelta(seconds=value)
        else:
            raise Misfit(f"{field}: {expected}; found {type(value).__name__}.")
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Misfit(f"{field}: {expected}; this is no such time.") from None
    if not EPOCH <= when <= LAST:
        raise Misfit(f"{field}: {expected}; this is not between 1970 and 2200.")
    return when


def tool_calls(value: Any, field: str) -> str | None:
    """JSON of what the character called, or None; lists and objects become JSON."""
    if value is None or value == "" or value == []:
        return None
    try:
        if isinstance(value, list | dict):
            return text(json.dumps(value, ensure_ascii=False, allow_nan=False, default=str), field)
        json.loads(text(value, field))
    except (ValueError, RecursionError):
        raise Misfit(f"{field}: expected JSON or null; this is not JSON, or nested too deeply.") from None
    return str(value)


def _kind(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number outside" if value == value else "NaN"
    return type(value).__name__
