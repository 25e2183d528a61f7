"""What a detector is: rules that read an answer without asking a model, and say in which languages they can."""

from __future__ import annotations

from typing import Protocol

from polylect.safety.outcomes import Outcome

__all__ = ["Detector"]


class Detector(Protocol):
    """Anything that tells the outcome of an answer in the languages that it declares, and abstains in all others."""

    @property
    def name(self) -> str:
        """What tables call it; another name for other rules."""

    @property
    def languages(self) -> frozenset[str]:
        """Canonical tags of the languages whose answers it tells apart."""

    def judge(self, prompt: str, answer: str, language: str) -> tuple[Outcome | None, str | None]:
        """Return the outcome with what it rests on, or (None, why it abstains).

        Reasons are few and stable, so that they can be counted.

        Raises:
            LanguageError: `language` names no known language.
        """
