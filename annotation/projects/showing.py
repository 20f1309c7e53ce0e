"""How a conversation is shown in Argilla, and how it is had back.

The character's system prompt stands in a text field, the rest in a chat field. Argilla's chat takes no empty message,
none of more than 20,000 characters and no more than 500 of them, so what does not fit is shown in pieces or in part;
and where what is shown no longer says all, the messages themselves travel along unseen.

Argilla's pages take text for HTML, Markdown or not: a tag in a message would become an element. So a record's fields
hold `<` and `&` as character references, which the pages show as the signs they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.personas import Persona

Message = Mapping[str, str]
LONGEST, MOST = 20_000, 500  # characters a message, messages a chat
LONGEST_ROLE = 20
EMPTY = "(an empty message)"
_OTHERS = ("user", "system", "tool")  # roles that stay as they are; whoever else speaks is the character
_MARKUP = re.compile(r"<|&(?=[#A-Za-z0-9])")  # an ampersand before anything else begins no reference
_REFERENCE = re.compile(r"&(lt|amp);")
_LONGER = len("&amp;")  # times that a text may become as long


def conversation(messages: Sequence[Message], name: str = "") -> list[dict[str, str]]:
    """Messages after the leading system prompt, as the chat field takes them.

    Args:
        messages: All of them.
        name: Of the character, which is shown in place of its role.
    """
    shown = []
    for message in messages[1:] if _led(messages) else messages:
        content = message["content"] or EMPTY
        step = LONGEST // _LONGER if _MARKUP.search(content) else LONGEST
        speaker = name[:LONGEST_ROLE].strip() if message["role"] == "assistant" else ""
        role = speaker or message["role"]
        for start in range(0, len(content), step):
            shown.append({"role": role, "content": content[start : start + step]})
    return shown[-MOST:]


def as_shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with their texts as Argilla's pages want them, to be shown as they are."""
    return {name: _each(lambda text: _MARKUP.sub(_reference, text), value) for name, value in fields.items()}


def as_written(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a record with their texts as they were: undoes `as_shown`."""
    return {name: _each(lambda text: _REFERENCE.sub(_sign, text), value) for name, value in fields.items()}


def _each(change: Callable[[str], str], value: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [{**message, "content": change(message["content"])} for message in value]
    return value


def _reference(found: re.Match[str]) -> str:
    return "&lt;" if found[0] == "<" else "&amp;"


def _sign(found: re.Match[str]) -> str:
    return "<" if found[1] == "lt" else "&"


def persona(messages: Sequence[Message]) -> str:
    """The character's system prompt."""
    return messages[0]["content"] if _led(messages) else ""


def read_back(fields: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages, as the fields say they were."""
    rest = [
        {"role": message["role"] if message["role"] in _OTHERS else "assistant", "content": message["content"]}
        for message in fields["conversation"]
    ]
    return [{"role": "system", "content": fields["persona"]}, *rest]


def unshown(messages: Sequence[Message], fields: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """The messages, where the fields do not say them all."""
    exact = [{"role": message["role"], "content": message["content"]} for message in messages]
    return None if read_back(fields) == exact else exact


def common_fields(row: Mapping[str, Any], character: Persona | None) -> dict[str, Any]:
    """The fields of every project: who the character is, and the conversation."""
    name = character.name if character else ""
    fields: dict[str, Any] = {"persona": persona(row["messages"]), "conversation": conversation(row["messages"], name)}
    traits = numbered(character)
    if traits:
        fields["traits"] = traits
    return fields


def numbered(character: Persona | None) -> str:
    """A character's traits, a line each, numbered as the labels are."""
    lines = [f"{number}. {trait}" for number, trait in enumerate(character.traits if character else (), start=1)]
    return "\n".join([character.name, *lines]) if character and lines else ""


def _led(messages: Sequence[Message]) -> bool:
    return bool(messages) and messages[0]["role"] == "system"
