"""What a reward model reads: a conversation with an answer, framed by the model's own template, as token ids."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from polylect.errors import DataError, ModelError

__all__ = ["Dialogue", "dialogue", "encode", "text_limit"]

_NO_LIMIT = 10**7
"""Tokenizers without a limit give 1e30 as their longest text."""


@dataclass(frozen=True)
class Dialogue:
    """Turns of (role, content) that end with the user's, and the `answer` to score."""

    turns: tuple[tuple[str, str], ...]
    answer: str


def dialogue(prompt: str, answer: str, messages: str | None = None) -> Dialogue:
    """Return the dialogue of a prompt's text and an answer; `messages` is the JSON of earlier turns, as in the tables.

    Raises:
        DataError: `messages` is no JSON list of [role, content].
    """
    try:
        before: Sequence[Any] = json.loads(messages) if messages else []
        turns = tuple((str(role), str(content)) for role, content in before)
    except (ValueError, TypeError) as error:
        raise DataError(f"messages {messages!r}: not a JSON list of [role, content] ({error}). Correct the row.") from error
    return Dialogue((*turns, ("user", prompt)), answer)


def encode(tokenizer: Any, dialogue: Dialogue, *, pairs: bool = False) -> list[int]:
    """Return the token ids of a conversation, with exactly the special tokens that the template writes.

    Args:
        tokenizer: of the reward model.
        dialogue: what to encode.
        pairs: whether a tokenizer without template may take prompt and answer as a pair of texts, the form of encoders.

    Raises:
        ModelError: the tokenizer has no chat template and `pairs` is off.
    """
    if tokenizer.chat_template is None:
        if not pairs:
            raise ModelError(
                f"{tokenizer.name_or_path}: the tokenizer has no chat template, so that a conversation cannot be framed as in "
                "the model's training. Put the template into chat_template.jinja in the model's folder."
            )
        question = "\n\n".join(content for _, content in dialogue.turns)
        return list(tokenizer(question, dialogue.answer)["input_ids"])
    messages = [{"role": role, "content": content} for role, content in (*dialogue.turns, ("assistant", dialogue.answer))]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    # The template has written the start token; the tokenizer would put a second one before it.
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def text_limit(model: Any, tokenizer: Any, wanted: int | None) -> int:
    """Return the longest text in tokens that model and tokenizer take, or `wanted` if that is shorter.

    Raises:
        ModelError: `wanted` is longer than the model's context.
    """
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or _NO_LIMIT
    most = min(context, tokenizer.model_max_length or _NO_LIMIT, _NO_LIMIT)
    if wanted is None:
        return int(most)
    if wanted > context:
        raise ModelError(f"max_length {wanted} is more than the {context} tokens that this reward model was made for.")
    return wanted
