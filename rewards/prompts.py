"""Messages to tokens: persona and last message stay, the oldest in between goes first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Message = dict[str, str]


def fit(tokenizer: Any, messages: Sequence[Message], max_tokens: int) -> list[Message] | None:
    """The messages that fit.

    Args:
        tokenizer: With a chat template.
        messages: Persona first, user last.
        max_tokens: Of the rendered prompt, with the opening of the reply.

    Returns:
        The messages, oldest dropped as needed (never beginning with a reply); None where the first and the last alone
        are too long.
    """
    first, rest = list(messages[:1]), list(messages[1:])
    while rest:
        if len(prompt_ids(tokenizer, first + rest)) <= max_tokens:
            return first + rest
        rest = rest[1:]
        while rest and rest[0]["role"] == "assistant":
            rest = rest[1:]
    return None


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of a prompt that asks for a reply."""
    return tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=True, return_dict=False)


def dialogue_ids(tokenizer: Any, messages: Sequence[Message], response: str) -> list[int]:
    """Token ids of a prompt with its reply: what a judge reads, rendered as TRL's RewardTrainer renders it."""
    whole = [*messages, {"role": "assistant", "content": response}]
    return tokenizer.apply_chat_template(whole, tokenize=True, return_dict=False)
