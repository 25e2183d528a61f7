"""Prompts by language, in the order in which the languages first come."""

from __future__ import annotations

from collections.abc import Iterable

from polylect.safety.prompts import SafetyPrompt

__all__ = ["by_language"]


def by_language(prompts: Iterable[SafetyPrompt]) -> dict[str, list[SafetyPrompt]]:
    """Return the prompts of each language."""
    found: dict[str, list[SafetyPrompt]] = {}
    for prompt in prompts:
        found.setdefault(prompt.language, []).append(prompt)
    return found
