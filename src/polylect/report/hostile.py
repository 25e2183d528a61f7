"""Text that nobody has vetted: what models answer, and names that come with them."""

from __future__ import annotations

import unicodedata

__all__ = ["visible"]

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """Return `text` with control characters written out, so that no answer can hide or reorder what it says.

    Line feeds and tabs stay. The marks LRM, RLM and ALM stay too: correct right-to-left text uses them and they cannot
    turn other text around, which the embeddings, overrides and isolates of UAX #9 can.
    """
    return "".join(f"⟨U+{ord(c):04X}⟩" if _is_control(c) else c for c in text)


def _is_control(character: str) -> bool:
    if character in "\n\t":
        return False
    return character in _BIDI_CONTROLS or unicodedata.category(character) in {"Cc", "Cs"}
