"""Translators behind one interface: sequence-to-sequence models, any language model, Apertium."""

from typing import TYPE_CHECKING, Any

from polylect.models.translators.base import Failure, Translator
from polylect.models.translators.opening import translator

if TYPE_CHECKING:
    from polylect.models.translators.apertium import Apertium
    from polylect.models.translators.kept import KeptTranslator
    from polylect.models.translators.llm import LlmTranslator
    from polylect.models.translators.seq2seq import Seq2SeqTranslator

__all__ = ["Apertium", "Failure", "KeptTranslator", "LlmTranslator", "Seq2SeqTranslator", "Translator", "translator"]

_LAZY = {"Apertium": "apertium", "KeptTranslator": "kept", "LlmTranslator": "llm", "Seq2SeqTranslator": "seq2seq"}


def __getattr__(name: str) -> Any:
    """Import a part of the package when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
