"""Translators by one line of text: `apertium`, `nllb:MODEL`, `madlad:MODEL`, `seq2seq:MODEL`, `llm:SPEC`."""

from __future__ import annotations

from typing import Any

from polylect.errors import ModelError, nearest
from polylect.models.translators.base import Translator

__all__ = ["translator"]

_SEQ2SEQ = ("nllb", "madlad", "m2m", "seq2seq")
_FORMS = "apertium, nllb:MODEL, madlad:MODEL, m2m:MODEL, seq2seq:MODEL or llm:SPEC (docs/translators.md)"


def translator(spec: str, **settings: Any) -> Translator:
    """Open the translator that a spec names.

    Args:
        spec: `apertium`; `nllb:`, `madlad:`, `m2m:` or `seq2seq:` with a folder or a name on the Hugging Face hub; `llm:` with
            the spec of a model (see `polylect.models.spec`), such as `llm:served:http://127.0.0.1:8000/v1#name`.
        settings: of `Apertium`, `Seq2SeqTranslator` or `LlmTranslator`.

    Raises:
        ModelError: the spec is not well formed, or the translator cannot be had.
    """
    kind, _, target = spec.partition(":")
    if kind == "apertium" and not target:
        from polylect.models.translators.apertium import Apertium

        return Apertium(**settings)
    if kind in _SEQ2SEQ and target:
        from polylect.models.hub import resolve
        from polylect.models.translators.seq2seq import Seq2SeqTranslator

        style = None if kind == "seq2seq" else kind
        return Seq2SeqTranslator(resolve(target), **{"name": target, "style": style, **settings})
    if kind == "llm" and target:
        from polylect.models.spec import open_model
        from polylect.models.translators.llm import LlmTranslator

        return LlmTranslator(open_model(target), **settings)
    raise ModelError(f"{spec!r}: no translator.{nearest(kind, ('apertium', 'llm', *_SEQ2SEQ))} Write {_FORMS}.")
