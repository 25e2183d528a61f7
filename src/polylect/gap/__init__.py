"""The language gap: what each language costs, who is covered, how far behind."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polylect.gap.card_writing import write_card
    from polylect.gap.cards import Card, read_card
    from polylect.gap.corpus import Corpus, load
    from polylect.gap.coverage import gap_coverage
    from polylect.gap.document import read_document, write_document
    from polylect.gap.performance import gap_performance
    from polylect.gap.survey import gap_survey
    from polylect.gap.tokenizers import Tokenizer, open_tokenizer
    from polylect.gap.tokens import gap_tokenizer

__all__ = [
    "Card",
    "Corpus",
    "Tokenizer",
    "gap_coverage",
    "gap_performance",
    "gap_survey",
    "gap_tokenizer",
    "load",
    "open_tokenizer",
    "read_card",
    "read_document",
    "write_card",
    "write_document",
]

_LAZY = {
    "Card": "cards",
    "Corpus": "corpus",
    "Tokenizer": "tokenizers",
    "gap_coverage": "coverage",
    "gap_performance": "performance",
    "gap_survey": "survey",
    "gap_tokenizer": "tokens",
    "load": "corpus",
    "open_tokenizer": "tokenizers",
    "read_card": "cards",
    "read_document": "document",
    "write_card": "card_writing",
    "write_document": "document",
}


def __getattr__(name: str) -> Any:
    """Import a part of the package when it is first asked for: the command line stays fast."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
