"""Answers to verifiable prompts, as completions."""

from __future__ import annotations

from polylect.records import Completion, Prompt

__all__ = ["answer"]


def answer(asked: Prompt, text: str, error: str | None = None) -> Completion:
    """Return a model's answer to a prompt."""
    return Completion(
        prompt_id=asked.id,
        item=asked.item,
        language=asked.language,
        model="m",
        sample=0,
        text=text,
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        status="failed" if error else "ok",
        reason=error,
    )
