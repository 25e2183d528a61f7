"""From a request to the token ids that a local model reads, and the tokens that end its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polylect.errors import ModelError
from polylect.models.requests import Request

__all__ = ["common_prefix", "end_tokens", "few_shot_text", "prompt_ids"]


def few_shot_text(request: Request) -> str:
    """Return the plain text of a few-shot prompt: question and answer on a line each, a blank line between examples.

    Used for base models, which know no chat template; the answer ends at the line break.
    """
    blocks: list[str] = []
    for role, content in request.messages:
        if role == "assistant" and blocks:
            blocks[-1] += f"\n{content}"
        else:
            blocks.append(content)
    return "\n\n".join(blocks) + "\n"


def prompt_ids(tokenizer: Any, request: Request) -> list[int]:
    """Return the token ids of a request: plain text where it has shots, else the conversation in the chat template.

    Raises:
        ModelError: the tokenizer has no chat template, or its template refuses the conversation.
    """
    if request.shots:
        return list(tokenizer(few_shot_text(request))["input_ids"])
    if tokenizer.chat_template is None:
        raise ModelError(
            f"{tokenizer.name_or_path}: the tokenizer has no chat template, so a prompt cannot be framed. "
            "Give one in the recipe (model.chat_template) or ask with few-shot examples."
        )
    from jinja2 import TemplateError

    messages = [{"role": role, "content": content} for role, content in request.messages]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:
        roles = ", ".join(role for role, _ in request.messages)
        raise ModelError(
            f"{tokenizer.name_or_path}: the chat template refuses the conversation of request {request.key!r}, whose roles are "
            f"{roles} ({error}). Leave out what it does not know (often the system message)."
        ) from error
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def end_tokens(tokenizer: Any, generation_config: Any) -> set[int]:
    """Return the ids that end an answer.

    They are the end tokens of the generation configuration, that of the tokenizer, and the special token that the chat template
    puts right after what the assistant says (`<end_of_turn>`, `<|im_end|>`, ...): fine-tuned checkpoints often end their
    turns with it although their configuration names only the base model's end token.
    """
    configured = generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return {token for token in [*ids, tokenizer.eos_token_id, _end_of_turn(tokenizer)] if token is not None}


def _end_of_turn(tokenizer: Any) -> int | None:
    if tokenizer.chat_template is None:
        return None
    from jinja2 import TemplateError

    said = "polylect"
    try:
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": said}]
        text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    except TemplateError:
        return None  # A template of another kind of conversation; a prompt that it refuses is an error of its own.
    after = text.rpartition(said)[2]
    special = {content: token for token, content in _special_tokens(tokenizer).items()}
    found = max((content for content in special if after.startswith(content)), key=len, default=None)
    return None if found is None else special[found]


def _special_tokens(tokenizer: Any) -> dict[int, str]:
    """Return the added tokens by id, but for those that are plain white space."""
    return {token: str(added) for token, added in tokenizer.added_tokens_decoder.items() if str(added).strip()}


def common_prefix(sequences: Sequence[list[int]]) -> int:
    """Return the number of ids that all `sequences` begin with."""
    first, last = min(sequences), max(sequences)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
