"""How a conversation is shown in Argilla, and how it is had back.

The character's system prompt stands in a text field, the rest in a chat field. Argilla's chat takes no empty message,
none of more than 20,000 characters and no more than 500 of them, so what does not fit is shown in pieces or in part;
and where what is shown no longer says all, the messages themselves travel along unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.personas import Persona

Message = Mapping[str, str]
LONGEST, MOST = 20_000, 500  # characters a message, messages a chat
EMPTY = "(an empty message)"


def conversation(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages after the leading system prompt, as the chat field takes them."""
    shown = []
    for message in messages[1:] if _led(messages) else messages:
        content = message["content"] or EMPTY
        for start in range(0, len(content), LONGEST):
            shown.append({"role": message["role"], "content": content[start : start + LONGEST]})
    return shown[-MOST:]


def persona(messages: Sequence[Message]) -> str:
    """The character's system prompt."""
    return messages[0]["content"] if _led(messages) else ""


def read_back(fields: Mapping[str, Any]) -> list[dict[str, str]]:
    """The messages, as the fields say they were."""
    rest = [{"role": message["role"], "content": message["content"]} for message in fields["conversation"]]
    return [{"role": "system", "content": fields["persona"]}, *rest]


def unshown(messages: Sequence[Message], fields: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """The messages, where the fields do not say them all."""
    exact = [{"role": message["role"], "content": message["content"]} for message in messages]
    return None if read_back(fields) == exact else exact


def common_fields(row: Mapping[str, Any], character: Persona | None) -> dict[str, Any]:
    """The fields of every project: who the character is, and the conversation."""
    fields: dict[str, Any] = {"persona": persona(row["messages"]), "conversation": conversation(row["messages"])}
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
