"""What one language brings to the world facts: a template file `templates/<tag>.toml`, read and checked here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any

from polylect import languages
from polylect.errors import DataError, LanguageError, nearest
from polylect.prompts.kinds import known_kinds

__all__ = ["TEMPLATES", "Pack", "Rules", "load_pack", "load_packs"]

TEMPLATES = Path(__file__).parent / "templates"
"""Folder of the template files that ship with Polylect."""

_SUBJECTS = ("any", "territories", "languages", "currencies", "dates", "numbers", "months", "weekdays")
_KEYS = ("language", "cldr", "num2words", "questions", "names", "variants", "number_words", "short_currencies")

Rules = Sequence[tuple[re.Pattern[str], str]]
"""Pairs (regular expression, replacement): each yields one more accepted form of an answer it changes."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """The question templates of one language and what its answers need beyond CLDR.

    `questions` maps a kind to its paraphrases; `names` maps "territories" and "languages" to {code: names, preferred
    first}, and "places" those of time zones; `variants` maps a subject to rules; `number_words` are rules that repair
    num2words' spelling, applied in order; `short_currencies` are rules that cut a currency's name to the bare noun
    ("dollar"), which is accepted when the question names the country.
    """

    language: str
    cldr: str
    num2words: str | None
    questions: Mapping[str, tuple[str, ...]]
    names: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    variants: Mapping[str, Rules] = field(default_factory=dict)
    number_words: Rules = ()
    short_currencies: Rules = ()


def load_packs(tags: Iterable[str], folder: Path = TEMPLATES) -> list[Pack]:
    """Read the template files of `tags`, in their order.

    Raises:
        DataError: a template file is missing or broken.
        LanguageError: a tag names no known language.
    """
    return [load_pack(languages.canonical(tag), folder) for tag in tags]


def load_pack(tag: str, folder: Path = TEMPLATES) -> Pack:
    """Read and check `folder/<tag>.toml`.

    Raises:
        DataError: the file is missing, is not TOML, has an unknown key or kind, or a template whose slots are not
            those of its kind. The message names file and key.
    """
    path = folder / f"{tag}.toml"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
        raise DataError(f"{path}: no question templates for {tag!r}; there are some for {shipped}. Write this file to add it.")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path}: not valid TOML ({error}).") from error
    _check(path, tag, raw)
    return Pack(
        language=tag,
        cldr=raw["cldr"],
        num2words=raw.get("num2words"),
        questions={name: tuple(templates) for name, templates in raw["questions"].items()},
        names={subject: {code: tuple(n) for code, n in table.items()} for subject, table in raw.get("names", {}).items()},
        variants={subject: _rules(path, f"variants.{subject}", rows) for subject, rows in raw.get("variants", {}).items()},
        number_words=_rules(path, "number_words", raw.get("number_words", [])),
        short_currencies=_rules(path, "short_currencies", raw.get("short_currencies", [])),
    )


def _check(path: Path, tag: str, raw: Mapping[str, Any]) -> None:
    for key in raw:
        if key not in _KEYS:
            raise DataError(f"{path}: unknown key {key!r}; known are {', '.join(_KEYS)}.{nearest(key, _KEYS)}")
    for key in ("language", "cldr", "questions"):
        if key not in raw:
            raise DataError(f"{path}: key {key!r} is missing.")
    try:
        named = languages.canonical(raw["language"])
    except LanguageError as error:
        raise DataError(f"{path}, key 'language': {error}") from error
    if named != tag:
        raise DataError(f"{path}, key 'language': {named!r} is not the language of the file's name, {tag!r}.")
    _check_tools(path, raw)
    for subject in raw.get("variants", {}):
        if subject not in _SUBJECTS:
            raise DataError(
                f"{path}: unknown key 'variants.{subject}'; known are {', '.join(_SUBJECTS)}.{nearest(subject, _SUBJECTS)}"
            )
    for name, templates in raw["questions"].items():
        _check_templates(f"{path}, key 'questions.{name}'", name, templates)


def _check_tools(path: Path, raw: Mapping[str, Any]) -> None:
    from babel import Locale, UnknownLocaleError
    from num2words import CONVERTER_CLASSES

    try:
        Locale.parse(raw["cldr"])
    except (UnknownLocaleError, ValueError) as error:
        raise DataError(f"{path}, key 'cldr': {raw['cldr']!r} is no CLDR locale that Babel has ({error}).") from error
    spelt = raw.get("num2words")
    if spelt is not None and spelt not in CONVERTER_CLASSES:
        raise DataError(f"{path}, key 'num2words': num2words has no language {spelt!r}. Leave the key out.")


def _check_templates(where: str, name: str, templates: Any) -> None:
    known = known_kinds()
    if name not in known:
        raise DataError(f"{where}: unknown kind; known are {', '.join(known)}.{nearest(name, known)}")
    if not isinstance(templates, list) or not templates or not all(isinstance(t, str) for t in templates):
        raise DataError(f"{where}: a list of at least one template is expected.")
    for template in templates:
        try:
            slots = {slot for _, slot, _, _ in Formatter().parse(template) if slot is not None}
        except ValueError as error:
            raise DataError(f"{where}: {template!r} has unbalanced braces ({error}).") from error
        if slots != set(known[name].slots):
            wanted = ", ".join(f"{{{slot}}}" for slot in known[name].slots)
            raise DataError(f"{where}: {template!r} must use exactly the slots {wanted}.")


def _rules(path: Path, key: str, rows: Any) -> Rules:
    try:
        return tuple((re.compile(pattern), replacement) for pattern, replacement in rows)
    except (re.error, ValueError, TypeError) as error:
        raise DataError(f"{path}, key {key!r}: a list of [regular expression, replacement] is expected ({error}).") from error
