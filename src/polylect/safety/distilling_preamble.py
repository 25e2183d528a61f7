"""The preamble of safety context distillation: read from a file, put before a prompt, and never seen by the student.

A preamble asks the model to look whether a request wants harm and, if so, to explain that it does not take part (Üstün et
al. 2024, "Aya Model", section 6). It is written, or translated, in the language of the prompts: an English preamble draws
answers into English.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from polylect import languages
from polylect.errors import DataError, LanguageError
from polylect.models.requests import Request

if TYPE_CHECKING:
    from polylect.models.interface import Model

__all__ = ["Preambles", "Turn", "read_preambles", "turn_of", "with_preamble", "write_preambles"]

Turn = Literal["system", "user"]
"""Where the preamble stands: in a turn of its own, or at the head of the user's."""

_MARK = "polylect preamble"


@dataclass(frozen=True)
class Preambles:
    """Preambles by canonical tag; `shared` is that of a plain text file, for all languages."""

    by_language: Mapping[str, str]
    shared: str | None = None

    def of(self, language: str) -> str | None:
        """Return the preamble for prompts in a language, None where there is none."""
        return self.by_language.get(language, self.shared)


def read_preambles(path: Path) -> Preambles:
    """Read preambles: a .yaml, .yml or .json mapping of language tags to texts, or any other file as one text for all.

    Raises:
        DataError: no such file, not UTF-8, no mapping of texts, an unknown language, or an empty text.
        RecipeError: not readable as YAML.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file. Give a text, or a .yaml or .json file of one text per language.")
    if path.suffix not in {".yaml", ".yml", ".json"}:
        return Preambles({}, _text(path))
    from polylect.models.yaml_file import read_mapping

    # JSON is YAML, but for what neither languages nor texts hold.
    found: dict[str, str] = {}
    for key, value in read_mapping(path).items():
        tag = _tag(path, key)
        if not isinstance(value, str) or not value.strip():
            raise DataError(
                f"{path}: the preamble for {key!r} is no text. Write the preamble in that language, or remove the key."
            )
        if tag in found:
            raise DataError(f"{path}: {key!r} is {tag}, which the file has already. Keep one of the two.")
        found[tag] = value
    if not found:
        raise DataError(f"{path}: holds no preamble. Write one per language: `en: ...`.")
    return Preambles(found)


def write_preambles(path: Path, texts: Mapping[str, str]) -> Path:
    """Write one preamble per language as YAML, which `read_preambles` reads; return the path.

    A blank line comes behind each: it keeps the prompt apart from the last of the worked examples.
    """
    import yaml

    told = {tag: f"{text}\n" for tag, text in texts.items()}
    path.write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error}). Save it as UTF-8.") from error
    if not text.strip():
        raise DataError(f"{path}: the file is empty. Write the preamble into it.")
    return text


def _tag(path: Path, key: object) -> str:
    try:
        return languages.canonical(str(key))
    except LanguageError as error:
        raise DataError(f"{path}: {error} A file of preambles maps language tags to texts.") from error


def turn_of(model: Model) -> Turn:
    """Return where a model is told the preamble: "system", unless it is a local one whose chat template has no such turn."""
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None or getattr(tokenizer, "chat_template", None) is None:
        return "system"
    from jinja2 import TemplateError

    turns = [{"role": "system", "content": _MARK}, {"role": "user", "content": "?"}]
    try:
        framed = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    except TemplateError:
        return "user"
    return "system" if _MARK in framed else "user"


def with_preamble(key: str, text: str, language: str, preamble: str, turn: Turn) -> Request:
    """Return the teacher's request: the prompt `text` with the preamble before it."""
    if turn == "system":
        return Request(key, text, system=preamble, language=language)
    return Request(key, f"{preamble.rstrip()}\n\n{text}", language=language)
