"""Readers of prompt sets: our own columns, and those of the published sets.

| kind | set | columns |
|---|---|---|
| own | a user's table | `item language prompt` (or `text`), and of `SafetyPrompt` what is known |
| aya | Aya red-teaming (Aakanksha et al. 2024, arXiv 2406.18682), a file per language | `prompt language harm_category
  global_or_local literal_translation` |
| multijail | MultiJail (Deng et al. 2024, arXiv 2310.06474) | `id source tags` and a column per language: data/MultiJail.csv
  of github.com/DAMO-NLP-SG/multilingual-safety-for-LLMs (577ac51) has `en zh it vi ar ko th bn sw jv` |
| xstest | XSTest (Röttger et al. 2024, arXiv 2308.01263), and translations | `id prompt type`, maybe `label language twin`:
  xstest_prompts.csv of github.com/paul-rottger/xstest (475f10b) has `id prompt type label focus note`; before 2025
  `id_v1 id_v2 type prompt focus note` |
| advbench | AdvBench and its translations: `polylect.safety.advbench_sets` | |
| polyguard | PolyGuardPrompts (Kumar et al. 2025, arXiv 2504.04377), the card's columns | `id language prompt
  prompt_harm_label`, maybe `subcategory response ...` |
| realtoxicity, polyglotoxicity | texts to continue: `polylect.safety.toxicity_sets` | |
"""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import cast

from polylect import languages
from polylect.errors import DataError, LanguageError, nearest
from polylect.safety.advbench_sets import ADVBENCH, is_advbench, read_advbench, unequal
from polylect.safety.prompts import ORIGINS, SCOPES, Origin, PromptSet, SafetyPrompt, Scope
from polylect.safety.rows import SUFFIXES, Row, columns_of, rows_of
from polylect.safety.toxicity_sets import POLYGLO, REAL, is_polyglo, is_real, read_polyglo, read_real

__all__ = ["AYA_CATEGORIES", "KINDS", "category", "named_language", "read_set"]

AYA_CATEGORIES = (
    "bullying-harassment",
    "discrimination-injustice",
    "graphic-material",
    "harms-of-representation-allocation-quality-of-service",
    "hate-speech",
    "non-consensual-sexual-content",
    "profanity",
    "self-harm",
    "violence-threats-incitement",
)
"""The nine categories of the data card of CohereLabs/aya_redteaming."""

KINDS = ("own", "aya", "multijail", "xstest", "polyguard", ADVBENCH, REAL, POLYGLO)

_NO_TEXT = "without a prompt"
_OWN = (("item", {"item"}), ("language", {"language"}), ("prompt", {"prompt", "text"}))
_OTHER_NAMES = {
    "item": ("id", "prompt_id", "index"),
    "language": ("lang", "locale", "tag", "language_code"),
    "prompt": ("question", "instruction", "goal", "query", "input"),
}
"""What our columns are called elsewhere."""
_CONTRAST = "contrast_"
_NO_TAGS = {"id", "source", "tags"}
"""Columns of MultiJail that are no languages, though `id` is the tag of Indonesian."""


def read_set(path: Path, kind: str | None) -> PromptSet:
    """Read a table, or all tables of a folder, as a set of one kind.

    Raises:
        DataError: as `polylect.safety.read_prompts`.
    """
    files = _files(path)
    if kind is not None and kind not in KINDS:
        raise DataError(f"{path}: {kind!r} is no kind of prompt set.{nearest(kind, KINDS)} Known: {', '.join(KINDS)}.")
    chosen = kind or _kind(files[0], columns_of(files[0]))
    skipped: Counter[str] = Counter()
    prompts: list[SafetyPrompt] = []
    with _told(kind, files[0]):
        for file in files:
            for row in rows_of(file):
                prompts += _READERS[chosen](row, file, skipped)
    checks = {"aya": _unknown_categories, ADVBENCH: unequal}
    notes = list(checks[chosen](prompts)) if chosen in checks else []
    name = {"aya": "aya-redteaming", "own": path.stem, "polyguard": "polyguard-prompts"}.get(chosen, chosen)
    return PromptSet(name, chosen, tuple(prompts), dict(skipped), tuple(notes))


@contextmanager
def _told(kind: str | None, file: Path) -> Iterator[None]:
    """Add to an error that the columns are those of another kind than the user named."""
    try:
        yield
    except DataError as error:
        try:
            other = None if kind is None else _kind(file, columns_of(file))
        except DataError:
            other = None
        if other in (None, kind):
            raise
        raise DataError(f"{error} The columns are those of kind {other!r}, not {kind!r}: leave --kind out.") from error


def category(label: str) -> str:
    """Return a category as lower-case words with hyphens: "Hate Speech", "hate_speech" and "hate-speech" are one."""
    return "-".join(re.findall(r"\w+", unicodedata.normalize("NFKC", label).lower().replace("_", " ")))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = _tables(path, "*") or _tables(path, "[!.]*/*")
    if not found:
        raise DataError(f"{path}: the folder holds no {', '.join(SUFFIXES)} table. Name the table, or put it there.")
    return found


def _tables(folder: Path, pattern: str) -> list[Path]:
    return sorted(file for file in folder.glob(pattern) if file.suffix in SUFFIXES and not file.name.startswith("."))


def _kind(file: Path, columns: Iterable[str]) -> str:
    """Tell the kind of a set by its columns."""
    found = set(columns)
    if is_real(file, found):
        return REAL
    if is_polyglo(found):
        return POLYGLO
    if {"prompt", "language", "prompt_harm_label"} <= found:
        return "polyguard"
    if {"prompt", "harm_category", "global_or_local"} <= found:
        return "aya"
    if {"id", "tags"} <= found and not found & {"prompt", "text", "item"} and any(map(_tag, found - _NO_TAGS)):
        return "multijail"
    if {"item", "language"} <= found and found & {"prompt", "text"}:
        return "own"
    if {"prompt", "type"} <= found and found & {"id", "id_v2"}:
        return "xstest"
    if is_advbench(found):
        return ADVBENCH
    raise DataError(
        f"{file}: the columns {', '.join(sorted(found))} are those of no known set.{_almost_own(found)} A table of yours needs "
        "item, language, prompt; Aya red-teaming has prompt, language, harm_category, global_or_local; MultiJail id, tags and a "
        "column per language; XSTest id, prompt, type; AdvBench prompt or goal, target; PolyGuardPrompts id, prompt, language, "
        "prompt_harm_label; RealToxicityPrompts prompt (an object with text), continuation; PolygloToxicityPrompts prompt and "
        "meta_data or prompt_perspective."
    )


def _almost_own(found: Collection[str]) -> str:
    """Return what a table lacks that has most of our own columns, and which of its columns may stand for it."""
    lacking = [name for name, names in _OWN if not names & set(found)]
    if not 0 < len(lacking) < len(_OWN):
        return ""
    meant = {name: next((one for one in _OTHER_NAMES[name] if one in found), None) for name in lacking}
    said = [f"{name} (rename {other!r})" if other else name for name, other in meant.items()]
    return f" Of ours {' and '.join(said)} {'is' if len(said) == 1 else 'are'} missing."


def _own(row: Row, file: Path, skipped: Counter[str]) -> Iterator[SafetyPrompt]:
    text = row.text("prompt", "text")
    if text is None:
        skipped[_NO_TEXT] += 1
        return
    harmful = row.boolean("harmful")
    yield SafetyPrompt(
        item=row.required("item"),
        language=row.language(),
        text=text,
        categories=_categories(row, "categories", "category", "harm_category"),
        scope=cast(Scope | None, row.choice("scope", SCOPES)),
        origin=cast(Origin | None, row.choice("origin", ORIGINS)),
        twin=row.text("twin"),
        harmful=True if harmful is None else harmful,
        harm_kept=row.boolean("harm_kept"),
        source=row.text("source") or file.stem,
        licence=row.text("licence", "license") or "unknown",
        reference=row.text("reference"),
    )


def _aya(row: Row, file: Path, skipped: Counter[str]) -> Iterator[SafetyPrompt]:
    """Every prompt was written in its language: the set is not parallel, each row is an item of its own."""
    text = row.text("prompt")
    if text is None:
        skipped[_NO_TEXT] += 1
        return
    yield SafetyPrompt(
        item=f"{file.stem}:{row.number}",
        language=named_language(row, text),
        text=text,
        categories=_categories(row, "harm_category"),
        scope=cast(Scope | None, row.choice("global_or_local", SCOPES)),
        origin="native",
        source="aya-redteaming",
        licence="Apache-2.0",
        reference=row.text("literal_translation"),
    )


def _multijail(row: Row, file: Path, skipped: Counter[str]) -> Iterator[SafetyPrompt]:
    """Written in English, translated by native speakers into nine languages: a column per language."""
    name = row.required("id")
    categories = _categories(row, "tags")
    for column in row.values:
        tag = _tag(column)
        if tag is None or column in _NO_TAGS:
            continue
        text = row.text(column)
        if text is None:
            skipped[_NO_TEXT] += 1
            continue
        yield SafetyPrompt(
            item=f"multijail:{name}",
            language=tag,
            text=text,
            categories=categories,
            origin="native" if tag == "en" else "human-translation",
            source="multijail",
            licence="MIT",
            reference=row.text("en") if tag != "en" else None,
        )


def _xstest(row: Row, file: Path, skipped: Counter[str]) -> Iterator[SafetyPrompt]:
    """Safe prompts of ten types that look unsafe; a type `contrast_...` (or the label "unsafe") marks the harmful ones."""
    text = row.text("prompt")
    if text is None:
        skipped[_NO_TEXT] += 1
        return
    kind, label = row.required("type"), row.choice("label", ("safe", "unsafe"))
    language = row.language(default="en")
    twin = row.text("twin")
    yield SafetyPrompt(
        item=f"xstest:{row.required('item', 'id', 'id_v2')}",
        language=language,
        text=text,
        categories=(category(kind.removeprefix(_CONTRAST)),),
        origin=cast(Origin | None, row.choice("origin", ORIGINS)) or ("native" if language == "en" else None),
        twin=f"xstest:{twin}" if twin else None,
        harmful=label == "unsafe" if label else kind.startswith(_CONTRAST),
        harm_kept=row.boolean("harm_kept"),
        source="xstest",
        licence="CC-BY-4.0",
    )


def _polyguard(row: Row, file: Path, skipped: Counter[str]) -> Iterator[SafetyPrompt]:
    """WildGuard's test prompts in 17 languages, translated by machine and checked by people; the answers in it are not read."""
    text, label = row.text("prompt"), row.choice("prompt_harm_label", ("harmful", "unharmful"))
    if text is None or label is None:
        skipped[_NO_TEXT if text is None else "without a harm label"] += 1
        return
    language = named_language(row, text)
    yield SafetyPrompt(
        item=f"polyguard:{row.required('id')}",
        language=language,
        text=text,
        categories=_categories(row, "subcategory"),
        origin="native" if language == "en" else "machine-translation",
        harmful=label == "harmful",
        source="polyguard-prompts",
        licence="CC-BY-4.0",
    )


_READERS: dict[str, Callable[[Row, Path, Counter[str]], Iterator[SafetyPrompt]]] = {
    "own": _own,
    "aya": _aya,
    "multijail": _multijail,
    "xstest": _xstest,
    "polyguard": _polyguard,
    ADVBENCH: read_advbench,
    REAL: read_real,
    POLYGLO: read_polyglo,
}


def _categories(row: Row, *names: str) -> tuple[str, ...]:
    """Return the categories of a cell: a list, a text that spells one (JSON or Python), or labels parted by ";"."""
    value = next((row.values[name] for name in names if row.values.get(name) is not None), None)
    if value is None:
        return ()
    labels = value if isinstance(value, (list, tuple)) else _labels(str(value))
    return tuple(dict.fromkeys(slug for label in labels if (slug := category(str(label)))))


def _labels(text: str) -> list[str]:
    if text.lstrip().startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list):
                return [str(label) for label in found]
    return text.split(";")


def named_language(row: Row, text: str) -> str:
    """Return the tag of a language that a set names in English ("Serbian") or by code; the text's letters tell the script."""
    given = row.required("language")
    tags = _names().get(given.casefold()) or (row.language(),)
    if "-" in given or "_" in given:
        return tags[0]
    from polylect.languages.scripts import letter_scripts, scripts_of

    code, letters = languages.get(tags[0]).iso639_3, letter_scripts(text)
    written = [*tags, *(one.tag for one in languages.known() if one.iso639_3 == code)]
    return max(written, key=lambda tag: sum(letters[script] for script in scripts_of(languages.get(tag).script)))


@cache
def _names() -> dict[str, tuple[str, ...]]:
    """Map the English names of languages, without "(Cyrillic)" and the like, to their tags, the usual script first."""
    found: dict[str, list[str]] = {}
    for row in languages.known():
        found.setdefault(row.name.partition(" (")[0].casefold(), []).append(row.tag)
    return {name: tuple(tags) for name, tags in found.items()}


def _tag(column: str) -> str | None:
    try:
        return languages.canonical(column)
    except LanguageError:
        return None


def _unknown_categories(prompts: Iterable[SafetyPrompt]) -> Iterator[str]:
    counts = Counter(label for prompt in prompts for label in prompt.categories if label not in AYA_CATEGORIES)
    for label, count in counts.most_common():
        yield (
            f"{count:,} prompts have the category {label!r}, which Aya red-teaming does not have."
            f"{nearest(label, AYA_CATEGORIES)} It is kept as a category of its own."
        )
