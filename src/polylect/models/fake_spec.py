"""Fake models on the command line: `fake:KIND?quality=0.8&quality.de=0.6&empty=0.05&known=prompts.jsonl`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from polylect.errors import LanguageError, ModelError, nearest
from polylect.models.fakes import ANSWER_FAULTS, KINDS, REQUEST_FAULTS
from polylect.records import MULTIPLE, Record

__all__ = ["fake_settings"]

_NUMBERS: dict[str, Callable[[str], Any]] = {
    "latency": float,
    "retry_after": float,
    "failures": int,
    "batch_size": int,
    "in_flight": int,
    "seed": int,
}
_KEYS = ("quality", *_NUMBERS, *ANSWER_FAULTS, *REQUEST_FAULTS, "known")


@dataclass(frozen=True, kw_only=True)
class _KnownPrompt(Record):
    """What a table of prompts says of the right answer."""

    identity = ("language", "text")
    language: str
    text: str
    references: tuple[str, ...] = ()
    reference: str | None = None


def fake_settings(target: str) -> tuple[str, dict[str, Any]]:
    """Return the kind and the settings of `FakeModel` that `KIND?key=value&...` names.

    Keys are `quality`, `quality.LANGUAGE`, the names of faults, the numbers of `FakeModel`, and `known`: the path of a table of
    prompts (JSONL or Parquet) with the columns `language`, `text` and `reference` or `references`.

    Raises:
        ModelError: kind or key is unknown, or a value is not of its kind.
        DataError: the table cannot be read.
    """
    kind, _, query = target.partition("?")
    if kind not in KINDS:
        raise ModelError(f"fake:{target}: {kind!r} is no kind of fake.{nearest(kind, KINDS)} Known: {', '.join(KINDS)}.")
    settings: dict[str, Any] = dict(KINDS[kind])
    quality: dict[str, float] = {MULTIPLE: settings.get("quality", 1.0)}
    faults: dict[str, float] = dict(settings.get("faults", {}))
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key == "quality":
            quality[MULTIPLE] = _number(target, key, value, float)
        elif key.startswith("quality."):
            quality[_language(target, key.removeprefix("quality."))] = _number(target, key, value, float)
        elif key in ANSWER_FAULTS or key in REQUEST_FAULTS:
            faults[key] = _number(target, key, value, float)
        elif key in _NUMBERS:
            settings[key] = _number(target, key, value, _NUMBERS[key])
        elif key == "known":
            settings[key] = _known(Path(value))
        else:
            raise ModelError(f"fake:{target}: {key!r} is no setting.{nearest(key, _KEYS)} Known: {', '.join(_KEYS)}.")
    return kind, {**settings, "quality": quality, "faults": faults}


def _number(target: str, key: str, value: str, convert: Callable[[str], Any]) -> Any:
    try:
        return convert(value)
    except ValueError as error:
        kind = "whole number" if convert is int else "number"
        raise ModelError(f"fake:{target}: {key}: {value!r} is no {kind}. Write {key}=1, for example.") from error


def _language(target: str, tag: str) -> str:
    from polylect.languages import canonical

    try:
        return tag if tag == MULTIPLE else canonical(tag)
    except LanguageError as error:
        raise ModelError(f"fake:{target}: quality.{tag}: {error}") from error


def _known(path: Path) -> dict[str, tuple[str, str]]:
    from polylect import tables

    rows = tables.read(path, _KnownPrompt)
    return {row.text: (row.language, (*row.references, row.reference or "")[0]) for row in rows}
