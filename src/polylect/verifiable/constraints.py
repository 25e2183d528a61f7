"""Constraints of an instruction that a program can check, in the manner of IFEval (Zhou et al. 2023, arXiv 2311.07911).

The kinds of constraint follow that paper; names, parameters and the counting, which goes by script, are ours. A constraint that
a language cannot have (capitals in Hindi), or that cannot be counted there (words of Thai), is unmeasured with its reason, never
broken. A kind is one decorated function: add your own with `constraint`.
"""

from __future__ import annotations

import inspect
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polylect.errors import RecipeError, nearest
from polylect.languages import get, line_pass
from polylect.verifiable import segments
from polylect.verifiable.normalisation import normalise

__all__ = ["Constraint", "Unmeasured", "constraint", "constraints", "follow", "known_constraints"]

_CASED = frozenset({"Armn", "Cyrl", "Grek", "Latn"})
"""Scripts with capitals in ordinary text. Georgian has them for headlines only, so they are not asked for."""


class Unmeasured(Exception):  # noqa: N818 - no fault of the answer: the constraint has no measure in this language
    """A constraint that cannot be measured on this answer; the message says why."""


Check = Callable[..., bool]
_CHECKS: dict[str, Check] = {}


@dataclass(frozen=True)
class Constraint:
    """One constraint: the name of its kind and its parameters."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()

    def followed(self, text: str, language: str) -> bool:
        """Tell whether `text` follows it.

        Raises:
            Unmeasured: that cannot be told in this language.
        """
        return _CHECKS[self.name](text, language, **dict(self.parameters))


def constraint(name: str) -> Callable[[Check], Check]:
    """Register the decorated function as the kind `name`.

    It takes the answer, its language and keyword parameters with simple annotations, and returns whether it is followed.
    """

    def register(check: Check) -> Check:
        _CHECKS[name] = check
        return check

    return register


def known_constraints() -> dict[str, Check]:
    """Return the kinds by name, sorted."""
    return dict(sorted(_CHECKS.items()))


def constraints(rows: Sequence[Mapping[str, Any]], where: str) -> tuple[Constraint, ...]:
    """Return constraints from mappings: `name` and that kind's parameters.

    Raises:
        RecipeError: an unknown name or parameter, a missing parameter, or a value of the wrong type; `where` says at which place.
    """
    return tuple(_constraint(row, f"{where}[{number}]") for number, row in enumerate(rows))


def follow(text: str, language: str, asked: Sequence[Constraint]) -> tuple[float | None, bool, str | None]:
    """Return the share of constraints followed, whether all are, and the first one broken; share None: none can be measured.

    The share is IFEval's instruction-level accuracy of one prompt, "all" its prompt-level accuracy, both strict. What cannot be
    measured is in neither; then the reason says so where nothing else is broken.
    """
    broken, unmeasured, followed = [], [], 0
    for one in asked:
        try:
            if one.followed(text, language):
                followed += 1
            else:
                broken.append(f"broken: {one.name}")
        except Unmeasured as reason:
            unmeasured.append(f"not measured: {one.name}: {reason}")
    measured = followed + len(broken)
    first = (broken + unmeasured + [None])[0]
    return (followed / measured, not broken, first) if measured else (None, True, first or "no constraints")


def _constraint(row: Mapping[str, Any], where: str) -> Constraint:
    name = row.get("name") if isinstance(row, Mapping) else None
    if name not in _CHECKS:
        raise RecipeError(
            f"{where}: name {name!r}: no such constraint.{nearest(str(name), _CHECKS)} Known: {', '.join(sorted(_CHECKS))}."
        )
    known = {key: value for key, value in inspect.signature(_CHECKS[name]).parameters.items() if key not in {"text", "language"}}
    given = {key: value for key, value in row.items() if key != "name"}
    for key, value in given.items():
        if key not in known:
            raise RecipeError(f"{where}: key {key!r} is unknown to {name!r}.{nearest(key, known)} Known: {', '.join(known)}.")
        if not _fits(value, str(known[key].annotation)):
            raise RecipeError(f"{where}: {key}: {value!r}: {name!r} expects {known[key].annotation}.")
    missing = [key for key, value in known.items() if value.default is inspect.Parameter.empty and key not in given]
    if missing or (known and not given and all(value.default is None for value in known.values())):
        raise RecipeError(f"{where}: {name!r} needs {' or '.join(missing or known)}. Give it.")
    return Constraint(name, tuple((key, tuple(v) if isinstance(v, list) else v) for key, v in sorted(given.items())))


def _fits(value: Any, annotation: str) -> bool:
    if annotation.startswith("int"):
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation.startswith("Sequence"):
        return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(one, str) and one.strip() for one in value)
    return isinstance(value, str) and bool(value.strip())


def _within(number: int | None, least: int | None, most: int | None, what: str, language: str) -> bool:
    if number is None:
        raise Unmeasured(f"{what} of {get(language).name} cannot be counted without a dictionary")
    return (least is None or number >= least) and (most is None or number <= most)


@constraint("words")
def _words(text: str, language: str, *, least: int | None = None, most: int | None = None) -> bool:
    """Number of words; in Chinese and Japanese of characters."""
    return _within(segments.words(text, language), least, most, "words", language)


@constraint("characters")
def _characters(text: str, language: str, *, least: int | None = None, most: int | None = None) -> bool:
    """Number of characters without marks and spaces."""
    return _within(segments.characters(text), least, most, "characters", language)


@constraint("sentences")
def _sentences(text: str, language: str, *, least: int | None = None, most: int | None = None) -> bool:
    """Number of sentences."""
    return _within(segments.sentences(text, language), least, most, "sentences", language)


@constraint("paragraphs")
def _paragraphs(text: str, language: str, *, least: int | None = None, most: int | None = None) -> bool:
    """Number of blocks between blank lines."""
    return _within(segments.paragraphs(text), least, most, "paragraphs", language)


@constraint("bullets")
def _bullets(text: str, language: str, *, least: int | None = None, most: int | None = None) -> bool:
    """Number of items of lists."""
    return _within(segments.bullets(text), least, most, "bullets", language)


@constraint("contains")
def _contains(text: str, language: str, *, texts: Sequence[str], least: int = 1) -> bool:
    """Each of `texts` stands in the answer at least `least` times, after `normalise`."""
    whole = normalise(text, language)
    return all(whole.count(normalise(one, language)) >= least for one in texts)


@constraint("lacks")
def _lacks(text: str, language: str, *, texts: Sequence[str]) -> bool:
    """None of `texts` stands in the answer, after `normalise`."""
    whole = normalise(text, language)
    return not any(normalise(one, language) in whole for one in texts)


@constraint("starts_with")
def _starts_with(text: str, language: str, *, start: str) -> bool:
    """The answer begins with `start`, after `normalise`."""
    return normalise(text, language).startswith(normalise(start, language))


@constraint("ends_with")
def _ends_with(text: str, language: str, *, end: str) -> bool:
    """The answer ends with `end`, after `normalise`."""
    return normalise(text, language).endswith(normalise(end, language))


@constraint("language")
def _language(text: str, language: str, *, tag: str = "") -> bool:
    """Every line that is long enough to tell is in the language `tag`, by default that of the prompt."""
    verdict = line_pass(text, tag or language)
    if verdict is None:
        raise Unmeasured("the answer is too short to tell its language")
    return verdict


@constraint("upper")
def _upper(text: str, language: str) -> bool:
    """All letters that have a case are capitals."""
    return _case(text, language, str.upper)


@constraint("lower")
def _lower(text: str, language: str) -> bool:
    """No letter is a capital."""
    return _case(text, language, str.lower)


@constraint("no_commas")
def _no_commas(text: str, language: str) -> bool:
    """No comma of any script (, ، 、 ，)."""
    return not any("COMMA" in unicodedata.name(character, "") for character in text if not character.isalnum())


def _case(text: str, language: str, to: Callable[[str], str]) -> bool:
    script = get(language).script
    if script not in _CASED:
        raise Unmeasured(f"the script {script} has no capitals in ordinary text")
    cased = [character for character in text if character.lower() != character.upper() and character not in "ßıſ"]
    return bool(cased) and all(to(character) == character for character in cased)
