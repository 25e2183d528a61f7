"""The arbiter that needs no model: answers, numbers, formats and constraints that a program checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from polylect import verifiable as measures
from polylect.arbitrage.arbiters.base import Arbiter, scored, unscored, why_unscored
from polylect.arbitrage.arbiters.registry import Context, arbiter
from polylect.arbitrage.arbiters.settings import read
from polylect.errors import RecipeError
from polylect.records import Completion, Prompt, Score
from polylect.verifiable.formats import Json
from polylect.verifiable.numbers import Which

__all__ = ["Rule", "Verifiable", "VerifiableSettings", "verifiable"]

Measure = Literal["answer", "number", "format", "constraints"]


@dataclass(frozen=True)
class Rule:
    """How prompts of some kinds are measured.

    Attributes:
        measure: "answer": exact match + chrF / 100 against the references, in [0, 2]. "number": 1 where the number is a
            reference's, else 0. "format": 1 where the answer has the form, else 0. "constraints": the share followed.
        kinds: patterns of `Prompt.kind` that the rule is for; the first rule that fits counts.
        which: "number": which number of the answer counts: first, last or only.
        tolerance: "number": largest difference relative to the reference.
        language: whether an answer in the wrong language is worth 0; empty: unless a format or a language constraint is measured.
        constraints: "constraints": a list of `name` and parameters, for every prompt of the rule.
        json: "format": as `polylect.verifiable.Format` has it, as the following.
        keys: of the JSON object.
        glob: pattern of the whole answer.
        line_glob: pattern of each line.
        lines: number of lines.
        least_lines: least number of lines.
        most_lines: greatest number of lines.
    """

    measure: Measure = "answer"
    kinds: tuple[str, ...] = ("*",)
    which: Which = "last"
    tolerance: float = 0.0
    language: bool | None = None
    constraints: tuple[Mapping[str, Any], ...] = ()
    json: Json | None = None
    keys: tuple[str, ...] = ()
    glob: str | None = None
    line_glob: str | None = None
    lines: int | None = None
    least_lines: int | None = None
    most_lines: int | None = None

    @property
    def form(self) -> measures.Format:
        """The form that "format" asks for."""
        return measures.Format(self.json, self.keys, self.glob, self.line_glob, self.lines, self.least_lines, self.most_lines)


@dataclass(frozen=True)
class VerifiableSettings:
    """Keys of the arbiter.

    Attributes:
        rules: how prompts are measured, by their kind; prompts that no rule fits are measured as "answer".
        constraints: a JSONL file with `item` and `constraints` (a list as in a rule): the constraints of single prompts and all
            their translations, on top of those of their rule. Texts of `contains` and the like may be a mapping by language.
        name: of the arbiter in the scores.
    """

    rules: tuple[Mapping[str, Any], ...] = ()
    constraints: str | None = None
    name: str = "verifiable"


class Verifiable:
    """The arbiter; see `VerifiableSettings`.

    Args:
        rules: the first one that fits a prompt's kind counts, each with the constraints of all its prompts.
        by_item: constraints of single items, as (rows, place in the file); read when the item is met, as texts go by language.
        name: of the arbiter.
    """

    def __init__(
        self,
        rules: Sequence[tuple[Rule, tuple[measures.Constraint, ...]]] = (),
        by_item: Mapping[str, tuple[Sequence[Mapping[str, Any]], str]] | None = None,
        *,
        name: str = "verifiable",
    ) -> None:
        self.name = name
        self._rules = (*rules, (Rule(), ()))
        self._by_item = by_item or {}

    def score(self, prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return one score per answer, in order; exact is 1 where everything asked for is right."""
        return [self._score(completion, prompts[completion.prompt_id]) for completion in completions]

    def _score(self, completion: Completion, prompt: Prompt) -> Score:
        reason = why_unscored(completion)
        if reason:
            return unscored(completion, self.name, reason)
        rule, asked = next(pair for pair in self._rules if any(fnmatchcase(prompt.kind, one) for one in pair[0].kinds))
        if prompt.item in self._by_item:
            rows, where = self._by_item[prompt.item]
            own = [_localised(row, prompt.language) for row in rows]
            if None in [value for row in own for value in row.values()]:
                return unscored(completion, self.name, f"constraints without texts in {prompt.language}")
            asked, rule = (*asked, *measures.constraints(own, where)), replace(rule, measure="constraints")
        if rule.measure == "answer":
            return measures.score(completion, prompt, self.name)
        if not completion.text.strip():
            return scored(completion, self.name, 0.0, exact=0.0, reason="empty answer")
        value, exact, reason = _MEASURES[rule.measure](completion.text, prompt, rule, asked)
        if value is None:
            return unscored(completion, self.name, str(reason))
        right = _right_language(completion.text, prompt, rule, asked)
        if right is False:
            return scored(completion, self.name, 0.0, exact=exact, language_ok=False, reason="wrong language")
        return scored(completion, self.name, value, exact=exact, language_ok=right, reason=reason)


Measured = tuple[float | None, float | None, str | None]
"""Value, exact and reason."""


def _number(text: str, prompt: Prompt, rule: Rule, asked: Sequence[measures.Constraint]) -> Measured:
    value, reason = measures.number_match(text, prompt.references, prompt.language, which=rule.which, tolerance=rule.tolerance)
    return value, value, reason


def _format(text: str, prompt: Prompt, rule: Rule, asked: Sequence[measures.Constraint]) -> Measured:
    value, reason = measures.format_match(text, rule.form)
    return value, value, reason


def _constraints(text: str, prompt: Prompt, rule: Rule, asked: Sequence[measures.Constraint]) -> Measured:
    share, every, reason = measures.follow(text, prompt.language, asked)
    return share, None if share is None else float(every), reason


_MEASURES: dict[str, Callable[[str, Prompt, Rule, Sequence[measures.Constraint]], Measured]] = {
    "number": _number,
    "format": _format,
    "constraints": _constraints,
}


def _right_language(text: str, prompt: Prompt, rule: Rule, asked: Sequence[measures.Constraint]) -> bool | None:
    own = rule.measure == "format" or any(one.name == "language" for one in asked)
    if rule.language is False or (rule.language is None and own):
        return None
    return measures.in_right_language(text, prompt.references, prompt.language)


def _localised(row: Mapping[str, Any], language: str) -> Mapping[str, Any]:
    """Return a constraint with the value of `language` where a parameter is a mapping by language."""
    return {key: value.get(language) if isinstance(value, Mapping) else value for key, value in row.items()}


@arbiter("verifiable", "exact match and chrF against references, numbers, formats, constraints of instructions")
def verifiable(settings: Mapping[str, Any], context: Context) -> Arbiter:
    """Build the arbiter from its keys, see `VerifiableSettings` and `Rule`."""
    values = read(VerifiableSettings, settings, context)
    rules = [_rule(row, context.below(f"rules[{number}]")) for number, row in enumerate(values.rules)]
    by_item = _by_item(context.path(values.constraints)) if values.constraints else {}
    return Verifiable(rules, by_item, name=values.name)


def _rule(row: Mapping[str, Any], context: Context) -> tuple[Rule, tuple[measures.Constraint, ...]]:
    rule = read(Rule, row, context)
    if rule.measure == "constraints" and not rule.constraints:
        raise context.refuse(
            "constraints", [], "the measure `constraints` needs at least one. Write `- {name: words, least: 50}`."
        )
    if rule.measure == "format" and rule.form == measures.Format():
        raise context.refuse("measure", "format", "no form is given. Give json, keys, glob, line_glob or a number of lines.")
    return rule, measures.constraints(rule.constraints, f"{context.where}: constraints")


def _by_item(path: Path) -> dict[str, tuple[Sequence[Mapping[str, Any]], str]]:
    found = {}
    try:
        content = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"{path}: constraints cannot be read ({error}). Give a JSONL file with `item` and `constraints`."
        ) from error
    for number, line in enumerate(content, start=1):
        where = f"{path}: line {number}"
        try:
            row = json.loads(line) if line.strip() else None
        except json.JSONDecodeError as error:
            raise RecipeError(f"{where}: is not JSON ({error}). Write one object a line.") from error
        if row is None:
            continue
        if not isinstance(row, dict) or not isinstance(row.get("item"), str) or not isinstance(row.get("constraints"), list):
            raise RecipeError(f"{where}: expected `item` (a text) and `constraints` (a list). Give both.")
        if row["item"] in found:
            raise RecipeError(f"{where}: item {row['item']!r} stands here a second time. Put its constraints into one line.")
        found[row["item"]] = (row["constraints"], f"{where}: constraints")
        languages = {
            tag for one in row["constraints"] if isinstance(one, dict) for v in one.values() if isinstance(v, dict) for tag in v
        }
        for tag in sorted(languages) or ["en"]:
            # Read once for every language now, so that a mistake shows before anything is generated.
            measures.constraints([_localised(one, tag) for one in row["constraints"]], f"{where}: constraints")
    return found
