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
    """Return the token ids of a request: plain text where it is bare or has shots, else the conversation in the chat template.

    Raises:
        ModelError: the tokenizer has no chat template, or its template refuses the conversation or leaves out its last turn.
    """
    if request.bare:
        return list(tokenizer(request.text)["input_ids"])
    if request.shots:
        return list(tokenizer(few_shot_text(request))["input_ids"])
    if tokenizer.chat_template is None:
        raise ModelError(
            f"{tokenizer.name_or_path}: the tokenizer has no chat template, so a prompt cannot be framed. "
            "Give one in the recipe (model.chat_template) or ask with few-shot examples."
        )
    from jinja2 import TemplateError

    try:
        text = _judged(tokenizer, request) if request.reply else _framed(tokenizer, request.messages)
    except TemplateError as error:
        roles = ", ".join(role for role, _ in request.messages)
        raise ModelError(
            f"{tokenizer.name_or_path}: the chat template refuses the conversation of request {request.key!r}, whose roles are "
            f"{roles} ({error}). Leave out what it does not know (often the system message)."
        ) from error
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _framed(tokenizer: Any, turns: Sequence[tuple[str, str]], *, parts: bool = False) -> str:
    """Return a conversation in the chat template; with `parts` each content is a list of one part, as some templates want it."""
    messages = [{"role": role, "content": [{"type": "text", "text": said}] if parts else said} for role, said in turns]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _judged(tokenizer: Any, request: Request) -> str:
    """Return a conversation that ends with an assistant's turn, for a model that judges it (Llama Guard and its like).

    Templates exist that read contents as lists of parts and show nothing of plain ones, and others that drop a last turn of the
    assistant: a judge would then judge nothing and call it safe. What a template shows is tried with marks in place of the texts.

    Raises:
        ModelError: the template shows no such turn in either form.
    """
    marks = [(role, f"polylect{place}") for place, (role, _) in enumerate(request.messages)]
    for parts in (False, True):
        shown = _framed_or_nothing(tokenizer, marks, parts)
        if all(mark in shown for _, mark in marks[-2:]):
            return _framed(tokenizer, request.messages, parts=parts)
    raise ModelError(
        f"{tokenizer.name_or_path}: the chat template shows no answer of an assistant at the end of a conversation, so that this "
        "model cannot judge one. Take a model with a template of its own for judging, or give its prompt with a template."
    )


def _framed_or_nothing(tokenizer: Any, turns: Sequence[tuple[str, str]], parts: bool) -> str:
    from jinja2 import TemplateError

    try:
        return _framed(tokenizer, turns, parts=parts)
    except (TemplateError, TypeError):
        return ""


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
