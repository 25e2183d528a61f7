"""The section that model cards and papers lack: whom the model serves, with what evidence, how far behind, and what is missing.

After recommendations 2.1 (coverage and performance per language) and 2.2 (presence or absence of safety work per language) of The
Multilingual Divide (Cohere Labs 2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polylect.gap.card_results import CardResults, LanguageResult
from polylect.gap.evidence import LEVELS
from polylect.gap.language_names import display_name

__all__ = ["BEGIN", "END", "section"]

BEGIN = "<!-- polylect: languages -->"
END = "<!-- polylect: end of languages -->"
_MARKS = {"shown": "yes", "stated": "stated", "": "–"}


def section(
    ledger: Mapping[str, Any], results: CardResults, premiums: Mapping[str, Mapping[str, Any]], tokenizer: str = ""
) -> str:
    """Return the section as Markdown, between the comments `BEGIN` and `END`, by which a later call finds it.

    Args:
        ledger: document of `polylect.gap.coverage.gap_coverage`.
        results: of the model.
        premiums: language -> row of `polylect gap tokenizer`; empty: not measured.
        tokenizer: that the premiums are of.
    """
    states = {(row["language"], row["level"]): row["state"] for row in ledger["rows"]}
    tags = list(dict.fromkeys(row["language"] for row in ledger["rows"]))
    lines = [BEGIN, "## Languages", "", *_opening(ledger, results), "", "### Evidence by language", ""]
    lines += [
        "“yes”: rows of data show it. “stated”: this card or the recipe says it. “–”: no evidence.", "",
        *_evidence(tags, states, premiums), "",
    ]  # fmt: skip
    for benchmark in results.benchmarks:
        lines += [f"### {_escaped(benchmark)}", "", *_scores(results.of(benchmark)), ""]
    lines += ["### Tokenization", "", *_tokenization(premiums, tokenizer, tags), ""]
    lines += ["### What is missing", "", *_missing(ledger, tags, states, results, premiums), "", END]
    return "\n".join(lines)


def _opening(ledger: Mapping[str, Any], results: CardResults) -> Iterator[str]:
    levels = ledger["summary"]["levels"]
    counts = ", ".join(f"{level} {levels[level]['languages']}" for level in LEVELS)
    yield f"Number of languages by evidence: {counts}."
    for benchmark in results.benchmarks:
        each = results.of(benchmark)
        best, worst = each[0], each[-1]
        english = next((one for one in each if one.language == "en"), None)
        yield ""
        yield (
            f"{_escaped(benchmark)}: worst language {display_name(worst.language)}, {_value(worst)}; "
            f"best {display_name(best.language)}, {_value(best)}; English {_value(english) if english else 'was not evaluated'}."
        )


def _evidence(
    tags: Sequence[str], states: Mapping[tuple[str, str], str], premiums: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    head = ["Language", "Tag", *LEVELS, *(["tokens per English token"] if premiums else [])]
    yield _line(head)
    yield _line(["---"] * len(head))
    for tag in tags:
        cells = [display_name(tag), tag, *(_MARKS[states.get((tag, level), "")] for level in LEVELS)]
        yield _line([*cells, _premium(premiums.get(tag))] if premiums else cells)


def _scores(results: Sequence[LanguageResult]) -> Iterator[str]:
    yield f"{results[0].metric.replace('_', ' ')}, with 95 % intervals clustered by item. Gap: English minus the language."
    yield ""
    yield _line(["Language", "Tag", "Value", "95 % interval", "n", "Gap to English"])
    yield _line(["---", "---", "---:", "---:", "---:", "---:"])
    for one in results:
        interval = "–" if one.low is None or one.high is None else f"{_number(one.low)} to {_number(one.high)}"
        gap = "–" if one.gap is None else _number(one.gap)
        if one.gap_low is not None and one.gap_high is not None:
            gap += f" ({_number(one.gap_low)} to {_number(one.gap_high)})"
        yield _line([display_name(one.language), one.language, _number(one.value), interval, f"{one.n:,}", gap])


def _tokenization(premiums: Mapping[str, Mapping[str, Any]], tokenizer: str, tags: Sequence[str]) -> Iterator[str]:
    known = {tag: float(premiums[tag]["premium"]) for tag in tags if tag in premiums and premiums[tag].get("premium") is not None}
    if not known:
        yield "Not measured."
        return
    dear = max(known, key=lambda tag: known[tag])
    yield (
        f"Tokens for the same text, relative to English, with the tokenizer {_escaped(tokenizer)}: most in {display_name(dear)}, "
        f"{known[dear]:.2f} times. What a token costs, and how much fits into the context, changes by the same factor."
    )


def _missing(
    ledger: Mapping[str, Any],
    tags: Sequence[str],
    states: Mapping[tuple[str, str], str],
    results: CardResults,
    premiums: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """Say for each level which languages have no evidence, and what was not measured at all."""
    for level in LEVELS[1:]:
        blank = [tag for tag in tags if not states.get((tag, level))]
        if len(blank) == len(tags):
            yield f"- {level}: no evidence for any language."
        elif blank:
            yield f"- {level}: no evidence for {', '.join(blank)}."
    evaluated = {one.language for one in results.results}
    if "en" not in evaluated:
        yield "- English was not evaluated: the gap to it is unknown."
    unmeasured = [tag for tag in tags if tag not in premiums]
    if premiums and unmeasured:
        yield f"- tokenization premium: not measured for {', '.join(unmeasured)}."
    for one in ledger["summary"]["unspecific"]:
        yield f"- a claim that names no languages: “{_escaped(one['quote'])}”."
    for one in ledger["summary"]["unresolved"]:
        yield f"- {_escaped(one['text'])!r} names no known language."
    yield from (f"- {note}" for note in results.notes)


def _premium(row: Mapping[str, Any] | None) -> str:
    if row is None or row.get("premium") is None:
        return "–"
    interval = f" ({row['low']:.2f} to {row['high']:.2f})" if row.get("low") is not None and row.get("high") is not None else ""
    return f"{row['premium']:.2f}{interval}"


def _value(one: LanguageResult) -> str:
    interval = "" if one.low is None or one.high is None else f" ({_number(one.low)} to {_number(one.high)})"
    return f"{_number(one.value)}{interval}"


def _number(value: float) -> str:
    """Return a value of a metric: of shares three decimals, of larger scales one."""
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:.1f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is: names come from files."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
