"""The instructions of IFEval as published sets name them, checked by the counting of `polylect.verifiable`, which goes by script.

Zhou et al. 2023, "Instruction-Following Evaluation for Large Language Models" (arXiv 2311.07911), table 1: names and arguments.
Where a language cannot have a property (capitals in Hindi) or it cannot be counted (words in Thai), the instruction is
unmeasured, with the reason. A rule is one decorated function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from polylect.errors import LanguageError
from polylect.verifiable import normalise
from polylect.verifiable.constraints import Constraint, Unmeasured

__all__ = ["broken", "known_rules", "loose_forms"]

Rule: TypeAlias = Callable[[str, str, Mapping[str, Any]], bool]

_RULES: dict[str, Rule] = {}
_RELATIONS = ("at least", "less than")


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register the check of an instruction id; it is given the answer, its language and the arguments."""

    def register(check: Rule) -> Rule:
        _RULES[name] = check
        return check

    return register


def known_rules() -> tuple[str, ...]:
    """Return the instruction ids that can be checked, sorted."""
    return tuple(sorted(_RULES))


def broken(text: str, language: str, name: str, arguments: Mapping[str, Any]) -> bool:
    """Tell whether an answer breaks an instruction; an empty answer breaks every one.

    Raises:
        Unmeasured: that cannot be told: an unknown instruction, arguments of another kind, no measure in this language.
    """
    if name not in _RULES:
        raise Unmeasured(f"the instruction {name!r} is not known")
    if not text.strip():
        return True
    try:
        return not _RULES[name](text, language, arguments)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unmeasured(f"{name}: its arguments {dict(arguments)!r} cannot be read ({error})") from error


def loose_forms(text: str) -> list[str]:
    """Return the eight forms of an answer of which one must follow (Zhou et al. 2023, section 2.2).

    Without its first line, its last line, or both (an opening, a farewell), each with and without emphasis by asterisks.
    """
    lines = text.split("\n")
    cut = ["\n".join(part).strip() for part in (lines, lines[1:], lines[:-1], lines[1:-1])]
    return list(dict.fromkeys([form for whole in cut for form in (whole, whole.replace("*", "")) if form]))


def _check(name: str, text: str, language: str, **parameters: Any) -> bool:
    return Constraint(name, tuple(sorted(parameters.items()))).followed(text, language)


def _range(number: Any, relation: Any) -> dict[str, int]:
    """Return the bounds that a relation means.

    Raises:
        Unmeasured: the relation is neither "at least" nor "less than".
    """
    if relation not in _RELATIONS:
        raise Unmeasured(f"the relation {relation!r} is neither 'at least' nor 'less than'")
    return {"least": int(number)} if relation == "at least" else {"most": int(number) - 1}


def _holds(count: int, number: Any, relation: Any) -> bool:
    bounds = _range(number, relation)
    return bounds.get("least", 0) <= count <= bounds.get("most", count)


@rule("keywords:existence")
def _existence(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _check("contains", text, language, texts=tuple(given["keywords"]))


@rule("keywords:forbidden_words")
def _forbidden(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _check("lacks", text, language, texts=tuple(given["forbidden_words"]))


@rule("keywords:frequency")
def _frequency(text: str, language: str, given: Mapping[str, Any]) -> bool:
    count = normalise(text, language).count(normalise(given["keyword"], language))
    return _holds(count, given["frequency"], given["relation"])


@rule("keywords:letter_frequency")
def _letter(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _holds(text.casefold().count(str(given["letter"]).casefold()), given["let_frequency"], given["let_relation"])


@rule("language:response_language")
def _language(text: str, language: str, given: Mapping[str, Any]) -> bool:
    try:
        return _check("language", text, language, tag=str(given["language"]))
    except LanguageError as error:
        raise Unmeasured(str(error)) from error


@rule("length_constraints:number_sentences")
def _sentences(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _check("sentences", text, language, **_range(given["num_sentences"], given["relation"]))


@rule("length_constraints:number_words")
def _words(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _check("words", text, language, **_range(given["num_words"], given["relation"]))


@rule("length_constraints:number_paragraphs")
def _paragraphs(text: str, language: str, given: Mapping[str, Any]) -> bool:
    """Paragraphs here stand between lines of three asterisks."""
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    inner = parts[(0 if parts[0] else 1) : (None if parts[-1] else -1)]
    return all(inner) and len(inner) == int(given["num_paragraphs"])


@rule("length_constraints:nth_paragraph_first_word")
def _first_word(text: str, language: str, given: Mapping[str, Any]) -> bool:
    parts = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    place = int(given["nth_paragraph"])
    if len(parts) != int(given["num_paragraphs"]) or not 1 <= place <= len(parts):
        return False
    # A prefix instead of a word: Chinese, Japanese and Thai set no space behind a first word.
    return normalise(parts[place - 1].lstrip("\"'“”‘’«»「『¿¡("), language).startswith(normalise(given["first_word"], language))


@rule("detectable_content:number_placeholders")
def _placeholders(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return len(re.findall(r"\[[^\[\]]+\]|［[^［］]+］|【[^【】]+】", text)) >= int(given["num_placeholders"])


@rule("detectable_content:postscript")
def _postscript(text: str, language: str, given: Mapping[str, Any]) -> bool:
    marker = re.sub(r"[\s.．]", "", str(given["postscript_marker"])).casefold()
    lines = [re.sub(r"[\s.．*_]", "", line).casefold() for line in text.splitlines()]
    return any(line.startswith(marker) for line in lines)


@rule("detectable_format:number_bullet_lists")
def _bullets(text: str, language: str, given: Mapping[str, Any]) -> bool:
    marks = [line for line in text.splitlines() if re.match(r"\s*[*\-•‣◦・●]\s*[^\s*\-]", line)]
    return len(marks) == int(given["num_bullets"])


@rule("detectable_format:number_highlighted_sections")
def _highlights(text: str, language: str, given: Mapping[str, Any]) -> bool:
    found = re.findall(r"\*\*([^\n*]+)\*\*|\*([^\n*]+)\*", text)
    return sum(1 for pair in found if any(part.strip() for part in pair)) >= int(given["num_highlights"])


@rule("detectable_format:multiple_sections")
def _sections(text: str, language: str, given: Mapping[str, Any]) -> bool:
    splitter = re.escape(str(given["section_spliter"]).strip())
    return len(re.split(rf"\s?{splitter}\s?\w+\s?", text, flags=re.IGNORECASE)) - 1 >= int(given["num_sections"])


@rule("detectable_format:json_format")
def _json(text: str, language: str, given: Mapping[str, Any]) -> bool:
    bare = re.sub(r"^```(?:json)?\s*|\s*```$", "", text.strip(), flags=re.IGNORECASE)
    try:
        json.loads(bare)
    except ValueError:
        return False
    return True


@rule("detectable_format:title")
def _title(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return any(title.strip("< >《》") for title in re.findall(r"<<[^\n]+>>|《《?[^\n》]+》", text))


@rule("detectable_format:constrained_response")
def _constrained(text: str, language: str, given: Mapping[str, Any]) -> bool:
    """The set gives no options: they stand in the prompt, in English in IFEval itself."""
    if language != "en":
        raise Unmeasured("the answers that the prompt allows are not among the arguments")
    return any(option in text for option in ("My answer is yes.", "My answer is no.", "My answer is maybe."))


@rule("combination:two_responses")
def _two(text: str, language: str, given: Mapping[str, Any]) -> bool:
    parts = [part.strip() for part in text.split("******")]
    inner = parts[(0 if parts[0] else 1) : (None if parts[-1] else -1)]
    return len(inner) == 2 and all(inner) and inner[0] != inner[1]


@rule("combination:repeat_prompt")
def _repeat(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return normalise(text, language).startswith(normalise(str(given["prompt_to_repeat"]), language))


@rule("startend:end_checker")
def _end(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _check("ends_with", text.strip().strip("\"'“”"), language, end=str(given["end_phrase"]))


@rule("startend:quotation")
def _quotation(text: str, language: str, given: Mapping[str, Any]) -> bool:
    """Quotation marks of any language: 「」 and «» are those of theirs."""
    bare = text.strip()
    return len(bare) > 1 and bare[0] in '"“”„«「『' and bare[-1] in '"“”»」』'


@rule("change_case:english_capital")
@rule("change_case:capital")
def _upper(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _check("upper", text, language)


@rule("change_case:english_lowercase")
@rule("change_case:lowercase")
def _lower(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _check("lower", text, language)


@rule("change_case:capital_word_frequency")
def _capitals(text: str, language: str, given: Mapping[str, Any]) -> bool:
    _check("upper", "A", language)  # unmeasured in scripts without capitals
    capitals = [word for word in re.findall(r"\w+", text) if word.isupper()]
    return _holds(len(capitals), given["capital_frequency"], given["capital_relation"])


@rule("punctuation:no_comma")
def _no_comma(text: str, language: str, given: Mapping[str, Any]) -> bool:
    return _check("no_commas", text, language)
