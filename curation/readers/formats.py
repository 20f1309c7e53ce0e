"""What each format is taken to mean: records to turns.

A conversation gives one turn for each first written reply after a user's message: its `messages` are all that came
before, its `turn_index` counts from 0. What holds for every conversation:

- Messages of one role in a row become one, joined by a newline. A greeting of the character is history, not a turn.
- Replies that only call a tool (no text) are waited out: the turn's response is the text that follows, with the calls
  in `tool_calls`. What tools answered stays in the history.
- `continued` is true where the user wrote again. At the end it is false for `wildchat` and `lmsys`, which are logs of
  whole sessions, and null for the others, where the end of the record may not be the end of the chat.
- No `persona_id`: a hash of the system prompt stands for it. No system prompt: the persona's own; if the personas file
  does not hold it, `NEUTRAL_PROMPT`, told in the batch's problems. Neither of them: persona `neutral`, same prompt.
- No locale: the persona's, else the recipe's. No time: 1970-01-01 UTC; one second more with each turn.
- No conversation id: a hash of the messages. No user: the conversation id stands for one.
- `surface` and `model_version` are `unknown` unless told. `source` is `user`, and `legacy` for `hh-rlhf` and
  `persona-chat`, where crowd workers and a model played the user.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from curation.readers import fields
from curation.readers.records import Layout, Misfit
from schemas.personas import Persona
from schemas.turns import ROLES, turn_id

NEUTRAL_PROMPT = "You are a friendly conversation partner. Reply in the language you are written to."
NEUTRAL_PERSONA = "neutral"
SPEAKERS = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "developer": "system"}
SPEAKERS |= {"observation": "tool", "function": "tool", "function_call": "tool", "function_response": "tool"}
SPEAKERS |= {role: role for role in ROLES}
# Names of languages as lmsys and wildchat write them; others take the recipe's locale.
LANGUAGES = {
    "English": "en", "Chinese": "zh", "Russian": "ru", "Portuguese": "pt", "Spanish": "es", "German": "de",
    "French": "fr", "Italian": "it", "Japanese": "ja", "Korean": "ko", "Arabic": "ar", "Turkish": "tr", "Dutch": "nl",
    "Polish": "pl", "Ukrainian": "uk", "Vietnamese": "vi", "Persian": "fa", "Indonesian": "id", "Czech": "cs",
    "Hungarian": "hu", "Swedish": "sv", "Danish": "da", "Finnish": "fi", "Greek": "el", "Hebrew": "he", "Hindi": "hi",
    "Thai": "th", "Romanian": "ro", "Catalan": "ca", "Bulgarian": "bg", "Norwegian": "no",
}  # fmt: skip


@dataclass
class Defaults:
    """What logs do not say themselves.

    Attributes:
        personas: Characters by `persona_id`.
        locale: Locale of logs that name none, nor a persona with one.
    """

    personas: Mapping[str, Persona]
    locale: str
    _unknown: set[str] = field(default_factory=set)
    _told: int = 0

    def system_prompt(self, persona_id: str) -> str:
        """The persona's, or the neutral one."""
        if persona_id in self.personas:
            return self.personas[persona_id].system_prompt
        if persona_id != NEUTRAL_PERSONA:
            self._unknown.add(persona_id)
        return NEUTRAL_PROMPT

    def locale_of(self, persona_id: str) -> str:
        """The persona's, or the recipe's."""
        return self.personas[persona_id].locale if persona_id in self.personas else self.locale

    def unknown_personas(self) -> list[str]:
        """A sentence where personas came up since the last call that nobody knows; none where none did."""
        if len(self._unknown) == self._told:
            return []
        self._told = len(self._unknown)
        names = f"{self._told} so far, such as {min(self._unknown)[:40]!r}"
        sentence = "The log names personas that the personas file does not hold, without system prompts"
        return [f"{sentence} ({names}); the neutral prompt stands in for theirs."]


class Message(NamedTuple):
    """A message of a log, checked."""

    role: str
    content: str
    timestamp: datetime | None = None
    thumb: int | None = None
    tool_calls: str | None = None


@dataclass
class Conversation:
    """A record of any of the conversation formats; None stands for what the log does not say."""

    messages: list[Message]
    conversation_id: str | None = None
    persona_id: str | None = None
    locale: str | None = None
    timestamp: datetime | None = None
    user_key: str | None = None
    surface: str | None = None
    source: str | None = None
    model_version: str | None = None
    continued: bool | None = None
    """Of the last turn."""

    def turns(self, defaults: Defaults) -> Iterator[dict[str, Any]]:
        """Its turns, as rows of `schemas.turns.Turn`."""
        messages = _merged([m for m in self.messages if m.content.strip() or m.role != "system"])
        prompted = bool(messages) and messages[0].role == "system"
        persona = self.persona_id or (f"prompt-{_hash(messages[0].content)}" if prompted else NEUTRAL_PERSONA)
        if not prompted:
            messages.insert(0, Message("system", defaults.system_prompt(persona)))
        conversation = self.conversation_id or f"log-{_hash([(m.role, m.content) for m in messages])}"
        last_user = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
        history: list[dict[str, str]] = []
        index, prompt, calls = 0, 0, list[str]()
        for place, message in enumerate(messages):
            only_calls = bool(message.tool_calls) and not message.content.strip()
            calls += [message.tool_calls] if message.tool_calls else []
            if message.role == "assistant" and prompt and not only_calls:
                yield {
                    "turn_id": turn_id(conversation, index, persona, history[:prompt], message.content),
                    "conversation_id": conversation,
                    "turn_index": index,
                    "timestamp": message.timestamp or (self.timestamp or fields.EPOCH) + timedelta(seconds=index),
                    "user_key": self.user_key or conversation,
                    "persona_id": persona,
                    "locale": self.locale or defaults.locale_of(persona),
                    "surface": self.surface or "unknown",
                    "source": self.source or "user",
                    "model_version": self.model_version or "unknown",
                    "messages": history[:prompt],
                    "response": message.content,
                    "tool_calls": _joined_calls(calls),
                    "continued": True if last_user > place else self.continued,
                    "thumb": message.thumb,
                }
                index, prompt = index + 1, 0
            if history and history[-1]["role"] == message.role:  # a reply without text stood between
                history[-1] = {"role": message.role, "content": f"{history[-1]['content']}\n{message.content}"}
            elif not only_calls:
                history.append({"role": message.role, "content": message.content})
            if message.role == "user":
                prompt, calls = len(history), []


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Messages with those of one role in a row made one."""
    merged = []
    for role, group in groupby(messages, key=lambda message: message.role):
        parts = list(group)
        merged.append(
            Message(
                role,
                parts[0].content if len(parts) == 1 else "\n".join(p.content for p in parts if p.content.strip()),
                next((part.timestamp for part in parts if part.timestamp), None),
                next((part.thumb for part in parts if part.thumb is not None), None),
                _joined_calls([part.tool_calls for part in parts if part.tool_calls]),
            )
        )
    return merged


def _joined_calls(calls: Sequence[str]) -> str | None:
    """JSON of all calls: one alone as it is, several as one list."""
    if len(calls) < 2:
        return calls[0] if calls else None
    lists = [made if isinstance(made, list) else [made] for made in map(json.loads, calls)]
    return json.dumps([call for made in lists for call in made], ensure_ascii=False)


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, ensure_ascii=False).encode(), digest_size=8).hexdigest()


def _messages(value: Any, key: str, role_key: str = "role", content_key: str = "content") -> list[Message]:
    """Messages of a log, each a mapping with who and what."""
    if not isinstance(value, list):
        raise Misfit(f"{key}: expected a list of messages, found {type(value).__name__}.")
    messages = []
    for number, item in enumerate(value, start=1):
        at = f"{key}, message {number}"
        if not isinstance(item, dict):
            raise Misfit(f"{at}: expected an object with {role_key} and {content_key}, found {type(item).__name__}.")
        said = item.get(role_key)
        role = SPEAKERS.get(said.strip().lower()) if isinstance(said, str) else None
        if role is None:
            raise Misfit(f"{at}: expected {role_key} to be one of {', '.join(sorted(SPEAKERS))}.")
        calls = fields.tool_calls(item.get("tool_calls"), f"{at}, tool_calls")
        content = item.get(content_key)
        if isinstance(content, list) and all(isinstance(p, dict) and p.get("type") == "text" for p in content):
            content = "\n".join(fields.text(part.get("text"), f"{at}, {content_key}") for part in content)
        when, thumb = item.get("timestamp"), fields.thumb(item.get("thumb"), f"{at}, thumb")
        messages.append(
            Message(
                role,
                "" if content is None and calls else fields.text(content, f"{at}, {content_key}"),
                None if when is None else fields.moment(when, f"{at}, timestamp"),
                thumb,
                calls,
            )
        )
    return messages


def _named(record: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: fields.name(record.get(key), key) for key in keys}


def _time(record: Mapping[str, Any]) -> datetime | None:
    return None if record.get("timestamp") is None else fields.moment(record["timestamp"], "timestamp")


METADATA = ("conversation_id", "persona_id", "locale", "user_key", "surface", "source", "model_version")


def from_messages(record: dict[str, Any], defaults: Defaults) -> Iterator[dict[str, Any]]:
    """OpenAI's chat format, `{"messages": [{"role", "content"}]}`, with `METADATA` and `timestamp` beside it if known.

    A message may have its own `timestamp`, `thumb` and `tool_calls`.
    """
    messages = _messages(fields.needed(record, "messages"), "messages")
    return Conversation(messages, timestamp=_time(record), **_named(record, *METADATA)).turns(defaults)


def from_sharegpt(record: dict[str, Any], defaults: Defaults) -> Iterator[dict[str, Any]]:
    """ShareGPT, `{"id", "conversations": [{"from", "value"}]}`; a `system` beside the conversation comes first."""
    messages = _messages(fields.needed(record, "conversations"), "conversations", "from", "value")
    if system := fields.name(record.get("system"), "system"):
        messages.insert(0, Message("system", system))
    return Conversation(messages, fields.name(record.get("id"), "id"), **_named(record, "persona_id")).turns(defaults)


def from_wildchat(record: dict[str, Any], defaults: Defaults) -> Iterator[dict[str, Any]]:
    """WildChat (allenai/WildChat-1M): replies carry their own time, users are known by a hashed address."""
    return Conversation(
        _messages(fields.needed(record, "conversation"), "conversation"),
        conversation_id=fields.name(record.get("conversation_hash"), "conversation_hash"),
        locale=LANGUAGES.get(fields.name(record.get("language"), "language") or ""),
        timestamp=_time(record),
        user_key=fields.name(record.get("hashed_ip"), "hashed_ip"),
        model_version=fields.name(record.get("model"), "model"),
        continued=False,
    ).turns(defaults)


def from_lmsys(record: dict[str, Any], defaults: Defaults) -> Iterator[dict[str, Any]]:
    """LMSYS-Chat-1M (lmsys/lmsys-chat-1m): no times, no users."""
    return Conversation(
        _messages(fields.needed(record, "conversation"), "conversation"),
        conversation_id=fields.name(record.get("conversation_id"), "conversation_id"),
        locale=LANGUAGES.get(fields.name(record.get("language"), "language") or ""),
        model_version=fields.name(record.get("model"), "model"),
        continued=False,
    ).turns(defaults)


def from_hh_rlhf(record: dict[str, Any], defaults: Defaults) -> Iterator[dict[str, Any]]:
    """Anthropic's HH-RLHF: the chosen dialogue, `Human:` and `Assistant:` after blank lines; the other is not read."""
    start, *parts = re.split(r"\n\n(Human|Assistant):", fields.text(fields.needed(record, "chosen"), "chosen"))
    if start.strip() or not parts:
        raise Misfit("chosen: expected it to begin with two newlines and 'Human:'.")
    roles = {"Human": "user", "Assistant": "assistant"}
    messages = [Message(roles[who], said.strip()) for who, said in zip(parts[::2], parts[1::2], strict=True)]
    return Conversation(messages, source="legacy").turns(defaults)


PERSONA_CHAT = ("user 1 personas", "user 2 personas", "Best Generated Conversation")


def from_persona_chat(record: dict[str, Any], defaults: Defaults) -> Iterator[dict[str, Any]]:
    """Synthetic-Persona-Chat: user 2 is the character, its persona lines make the system prompt; user 1 is the user.

    A line without a speaker goes on with the one before; asterisks around lines and rules of them are left out.
    """
    facts = [
        line.strip() for line in fields.text(record[PERSONA_CHAT[1]], PERSONA_CHAT[1]).splitlines() if line.strip()
    ]
    if not facts:
        raise Misfit(f"{PERSONA_CHAT[1]}: expected lines about the character, found none.")
    prompt = "Stay in character in this chat. You are someone of whom this is true:\n" + "\n".join(
        f"- {f}" for f in facts
    )
    messages = [Message("system", prompt)]
    for line in fields.text(record[PERSONA_CHAT[2]], PERSONA_CHAT[2]).splitlines():
        said = re.match(r"[*\s]*User ([12])[*\s]*:[*\s]*(.*?)[*\s]*$", line)
        if said:
            messages.append(Message("user" if said[1] == "1" else "assistant", said[2]))
        elif re.search(r"\w", line):
            if len(messages) == 1:
                raise Misfit(f"{PERSONA_CHAT[2]}: expected it to begin with 'User 1:' or 'User 2:'.")
            messages[-1] = messages[-1]._replace(content=f"{messages[-1].content}\n{line.strip()}".strip())
    return Conversation(messages, persona_id=f"persona-{_hash(facts)}", source="legacy").turns(defaults)


def from_turns(record: dict[str, Any], defaults: Defaults) -> Iterator[dict[str, Any]]:
    """Our own rows. `turn_id` is computed if absent; absent otherwise: `TURN_DEFAULTS`, and the persona's locale."""
    conversation = fields.text(fields.needed(record, "conversation_id"), "conversation_id")
    index = fields.whole_number(fields.needed(record, "turn_index"), "turn_index", 0, 2**31 - 1)
    timestamp = fields.moment(fields.needed(record, "timestamp"), "timestamp")
    user = fields.text(fields.needed(record, "user_key"), "user_key")
    persona = fields.text(fields.needed(record, "persona_id"), "persona_id")
    messages = [
        {"role": message.role, "content": message.content}
        for message in _messages(fields.needed(record, "messages"), "messages")
    ]
    response = fields.text(fields.needed(record, "response"), "response")
    if not messages or messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": defaults.system_prompt(persona)})
    row = {
        "turn_id": fields.name(record.get("turn_id"), "turn_id")
        or turn_id(conversation, index, persona, messages, response),
        "conversation_id": conversation,
        "turn_index": index,
        "timestamp": timestamp,
        "user_key": user,
        "persona_id": persona,
        "locale": fields.name(record.get("locale"), "locale") or defaults.locale_of(persona),
        **{key: fields.name(record.get(key), key) or default for key, default in TURN_DEFAULTS.items()},
        "messages": messages,
        "response": response,
        "tool_calls": fields.tool_calls(record.get("tool_calls"), "tool_calls"),
        "continued": fields.truth(record.get("continued"), "continued"),
        "thumb": fields.thumb(record.get("thumb"), "thumb"),
    }
    return iter([row])


TURN_DEFAULTS = {"surface": "unknown", "source": "user", "model_version": "unknown"}
TURN_COLUMNS = ("conversation_id", "turn_index", "timestamp", "user_key", "persona_id", "messages", "response")
TURN_OPTIONAL = ("turn_id", "locale", *TURN_DEFAULTS, "tool_calls", "continued", "thumb")
CONVERSATION = ("conversation",)

FORMATS = {
    "turns": Layout((".parquet", ".jsonl"), TURN_COLUMNS, TURN_OPTIONAL, from_turns),
    "messages": Layout((".jsonl", ".json", ".parquet"), ("messages",), (*METADATA, "timestamp"), from_messages),
    "sharegpt": Layout((".json", ".jsonl"), ("conversations",), ("id", "system", "persona_id"), from_sharegpt),
    "wildchat": Layout(
        (".parquet", ".jsonl", ".json"),
        CONVERSATION,
        ("conversation_hash", "model", "timestamp", "language", "hashed_ip"),
        from_wildchat,
        datasets=True,
    ),
    "lmsys": Layout(
        (".parquet", ".jsonl", ".json"),
        CONVERSATION,
        ("conversation_id", "model", "language"),
        from_lmsys,
        datasets=True,
    ),
    "hh-rlhf": Layout((".jsonl",), ("chosen",), (), from_hh_rlhf),
    "persona-chat": Layout((".csv",), PERSONA_CHAT, (), from_persona_chat),
}
