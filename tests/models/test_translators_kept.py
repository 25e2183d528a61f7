"""Translations that are kept: a stopped translator goes on, and failures are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from polylect.errors import ModelError
from polylect.models.translators import Failure, KeptTranslator
from polylect.models.translators.base import Translated


class Shouting:
    """A translator that shouts; a question fails, and it may break down in its second call."""

    name = "shouting"
    licence: str | None = "CC0-1.0"
    may_train: bool | None = True

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks, self.fingerprint, self.closed = breaks, "shouting-1", False
        self.asked: list[tuple[str, str, str]] = []

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Shout."""
        if self.breaks and self.asked:
            raise ModelError("hoarse")
        self.asked += [(text, source, target) for text in texts]
        return [Failure("a question") if text.endswith("?") else text.upper() for text in texts]

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_what_was_translated_is_not_translated_again(tmp_path: Path) -> None:
    """Texts come back in order, blank ones as they are, one text once; directions are kept apart."""
    inner = Shouting()
    kept = KeptTranslator(inner, tmp_path / "t.sqlite")
    assert kept.translate(["a", " ", "b", "a"], "en", "de") == ["A", " ", "B", "A"]
    assert len(inner.asked) == 2
    again = Shouting()
    other = KeptTranslator(again, tmp_path / "t.sqlite")
    assert other.translate(["b", "c"], "en", "de") == ["B", "C"]
    assert [text for text, *_ in again.asked] == ["c"]
    assert other.translate(["b"], "de", "en") == ["B"]
    assert again.asked[-1] == ("b", "de", "en")
    assert (other.name, other.fingerprint, other.licence) == ("shouting", "shouting-1", "CC0-1.0")
    other.close()
    assert again.closed


def test_a_stopped_translator_loses_the_batch_in_hand_alone(tmp_path: Path) -> None:
    """Broken in its second batch of 32, it begins there the next time."""
    texts = [f"text {number:03}" for number in range(80)]
    with pytest.raises(ModelError, match="hoarse"):
        KeptTranslator(Shouting(breaks=True), tmp_path / "t.sqlite").translate(texts, "en", "de")
    again = Shouting()
    assert KeptTranslator(again, tmp_path / "t.sqlite").translate(texts, "en", "de") == [text.upper() for text in texts]
    assert len(again.asked) == 48


def test_failures_are_tried_again(tmp_path: Path) -> None:
    """A text that failed is a failure with its reason, and the next call asks it once more."""
    inner = Shouting()
    kept = KeptTranslator(inner, tmp_path / "t.sqlite")
    assert kept.translate(["a?"], "en", "de") == [Failure("a question")]
    assert kept.translate(["a?"], "en", "de") == [Failure("a question")]
    assert len(inner.asked) == 2
