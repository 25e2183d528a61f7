"""The registry of arbiters, their settings, the verifiable one, the composite and normalisation."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from arbitrage_examples import completion
from arbitrage_examples import score as given_score

from polylect.arbitrage.arbiters import (
    Arbiter,
    Context,
    Normaliser,
    TwoPass,
    arbiter,
    load_arbiter,
    names,
    normalise,
    registry,
    scored,
)
from polylect.arbitrage.arbiters.settings import read
from polylect.errors import RecipeError
from polylect.records import Completion, Prompt, Score


def asked(language: str, text: str, *references: str, kind: str = "chat", item: str = "") -> Prompt:
    """Return a prompt."""
    values = {"item": item or text, "split": "prompt", "source": "here", "licence": "CC0-1.0"}
    return Prompt(language=language, kind=kind, text=text, references=references, **values)


def score_one(by: Arbiter, prompt: Prompt, text: str, **change: Any) -> Score:
    """Score one answer."""
    (found,) = by.score({prompt.id: prompt}, [completion(prompt, "m", text, **change)])
    return found


@dataclass(frozen=True)
class LengthSettings:
    """Keys of the plug-in."""

    unit: int = 1
    name: str = "length"


@dataclass
class Length:
    """Scores an answer by its length; refuses to score what begins with a question mark."""

    name: str
    unit: int

    def score(self, prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return the number of characters."""
        return [
            scored(one, self.name, None, reason="question")
            if one.text.startswith("?")
            else scored(one, self.name, len(one.text) / self.unit, language_ok="!" not in one.text)
            for one in completions
        ]


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    """Register a kind of arbiter that scores by length, as another package would."""

    @arbiter("length", "the longer answer wins")
    def length(settings: Mapping[str, Any], context: Context) -> Arbiter:
        values = read(LengthSettings, settings, context)
        return Length(values.name, values.unit)

    yield
    del registry._KINDS["length"]


def test_a_plug_in_is_found_by_name(tmp_path: Path) -> None:
    """A kind registered by one decorated function is loaded from YAML beside our own."""
    path = tmp_path / "arbiter.yaml"
    path.write_text("kind: length\nunit: 2\n")
    by = load_arbiter(path)
    assert isinstance(by, Arbiter)
    assert score_one(by, asked("de", "?"), "1234").value == 2.0
    assert {"composite", "judge", "length", "verifiable"} <= set(names())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("kind: lenght", "kind 'lenght' of arbiter is unknown. Did you mean 'length'?"),
        ("unit: 2", "kind is missing"),
        ("kind: length\nunti: 2", "key 'unti' is unknown. Did you mean 'unit'?"),
        ("kind: length\nunit: true", "unit: True: expected a whole number"),
        ("kind: [", "is not YAML"),
        ("- 1", "holds no settings"),
        ("kind: composite", "key 'parts' is missing"),
        ("kind: composite\nparts: []", "needs at least one arbiter"),
        ("kind: composite\nparts: [{kind: length}, {kind: length}]", "two parts have one name"),
        ("kind: composite\nparts: [{kind: length, weight: 0}]", "parts\\[0\\]: weight: 0: expected a number other than 0"),
        ("kind: composite\nparts: [{kind: length, unit: x}]", "parts\\[0\\]: unit: 'x': expected a whole number"),
        ("kind: composite\nparts: [{kind: length}]\nnormalise: zz", "normalise: 'zz': expected one of z, rank, none"),
        ("kind: verifiable\nrules: [{measure: nmber}]", "rules\\[0\\]: measure: 'nmber': .*Did you mean 'number'?"),
        ("kind: verifiable\nrules: [{measure: format}]", "no form is given"),
        ("kind: verifiable\nrules: [{measure: constraints, constraints: [{name: x}]}]", "no such constraint"),
        ("kind: verifiable\nconstraints: none.jsonl", "constraints cannot be read"),
        ("kind: judge\nmodel: fake:good", "a judge needs a store"),
    ],
)
def test_mistakes_name_file_key_and_next_step(tmp_path: Path, content: str, message: str) -> None:
    """Whatever is wrong with ARBITER.yaml is told by the file, the key and what to write instead."""
    path = tmp_path / "arbiter.yaml"
    path.write_text(content)
    with pytest.raises(RecipeError, match=message) as caught:
        load_arbiter(path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_file_is_named() -> None:
    """A file that is not there is the user's mistake."""
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: cannot be read as an arbiter"):
        load_arbiter("nowhere.yaml")


RULES = {
    "kind": "verifiable",
    "rules": [
        {"kinds": ["math*"], "measure": "number"},
        {"kinds": ["json"], "measure": "format", "json": "object", "keys": ["name"]},
        {"kinds": ["follow"], "measure": "constraints", "constraints": [{"name": "words", "most": 3}, {"name": "lower"}]},
    ],
}


def test_the_kind_of_prompt_decides_the_measure() -> None:
    """Answers, numbers, formats and constraints are measured by the rule of their prompt's kind."""
    by = load_arbiter(RULES)
    assert score_one(by, asked("de", "Hauptstadt?", "Berlin"), "Berlin").value == 2.0
    assert score_one(by, asked("hi", "२+२?", "4", kind="math/sum"), "उत्तर ४ है").value == 1.0
    wrong = score_one(by, asked("hi", "२+२?", "4", kind="math/sum"), "उत्तर ५ है")
    assert (wrong.value, wrong.reason) == (0.0, "another number")
    assert score_one(by, asked("de", "Als JSON", kind="json"), '{"name": "x"}').value == 1.0
    half = score_one(by, asked("de", "Kurz", kind="follow"), "Nur drei Wörter")
    assert (half.value, half.exact, half.reason) == (0.5, 0.0, "broken: lower")


def test_a_right_number_in_the_wrong_language_earns_nothing() -> None:
    """The language gate holds for numbers and constraints, and is left open for formats."""
    by = load_arbiter(RULES)
    text = "The answer to this question is of course 4"
    gated = score_one(by, asked("hi", "२+२?", "4", kind="math/sum"), text)
    assert (gated.value, gated.exact, gated.language_ok, gated.reason) == (0.0, 1.0, False, "wrong language")
    assert score_one(by, asked("hi", "JSON", kind="json"), '{"name": "The answer is of course four"}').value == 1.0


def test_what_cannot_be_scored_says_why() -> None:
    """Failed and rejected answers, prompts without a number and constraints without a measure are unscored, with the reason."""
    by = load_arbiter(RULES)
    prompt = asked("th", "?", "สี่", kind="math")
    reasons = [
        score_one(by, prompt, "", status="failed", reason="HTTP 500"),
        score_one(by, prompt, "x", status="rejected", reason="prompt echo"),
        score_one(by, prompt, "สี่"),
        score_one(by, asked("th", "?", kind="follow"), "สวัสดี"),
    ]
    assert [one.value for one in reasons] == [None] * 4
    assert [str(one.reason).split(": ")[0] for one in reasons] == [
        "no answer",
        "rejected",
        "no reference is a number",
        "not measured",
    ]
    assert score_one(by, asked("de", "?", "4", kind="math"), " ").reason == "empty answer"


def test_constraints_of_single_items(tmp_path: Path) -> None:
    """A file gives items their own constraints; texts may differ by language, and one that is missing is no failure."""
    rows = [
        {
            "item": "i1",
            "constraints": [{"name": "contains", "texts": {"de": ["Katze"], "fr": ["chat"]}}, {"name": "words", "most": 4}],
        }
    ]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.yaml").write_text("kind: verifiable\nconstraints: c.jsonl\n")
    by = load_arbiter(tmp_path / "a.yaml")
    assert score_one(by, asked("de", "?", item="i1"), "Die Katze schläft").value == 1.0
    assert score_one(by, asked("fr", "?", item="i1"), "Le chien dort").value == 0.5
    assert score_one(by, asked("es", "?", item="i1"), "El gato").reason == "constraints without texts in es"
    (tmp_path / "c.jsonl").write_text('{"item": "i1", "constraints": [{"name": "wrds"}]}\n')
    with pytest.raises(RecipeError, match=r"c\.jsonl: line 1: constraints\[0\]: name 'wrds'"):
        load_arbiter(tmp_path / "a.yaml")


def scores_of(values: Mapping[str, Sequence[float]]) -> list[Score]:
    """Return scores by language."""
    rows = []
    for language, numbers in values.items():
        for number, value in enumerate(numbers):
            rows.append(given_score(completion(asked(language, f"{number}"), "m"), value))
    return rows


def test_normalised_scores_have_no_language() -> None:
    """With many scores each language has mean 0 and deviation 1, however its raw scores lie."""
    normal = [statistics.NormalDist().inv_cdf((n + 0.5) / 500) for n in range(500)]
    raw = {"de": [5 + 2 * z for z in normal], "hi": [-3 + 0.1 * z for z in normal]}
    for method in ("z", "rank"):
        rows = normalise(scores_of(raw), method)  # type: ignore[arg-type]
        for language in raw:
            values = [row.value for row in rows if row.language == language and row.value is not None]
            assert statistics.fmean(values) == pytest.approx(0, abs=0.05)
            assert statistics.pstdev(values) == pytest.approx(1, abs=0.05)
            assert max(map(abs, values)) <= 4


def test_few_scores_are_drawn_to_the_whole() -> None:
    """One answer in a language is not called average: it is compared with all languages."""
    raw = {"de": [float(n % 10) for n in range(200)], "sw": [9.0]}
    rows = normalise(scores_of(raw))
    alone = next(row.value for row in rows if row.language == "sw")
    assert alone is not None
    assert 0.5 < alone < 1.7


def test_order_is_kept_and_equal_scores_are_zero() -> None:
    """Normalising changes no order within a language; a language of equal scores gives zeros; unscored stays unscored."""
    rows = normalise(scores_of({"de": [3.0, 1.0, 2.0]}))
    assert rows[0].value > rows[2].value > rows[1].value  # type: ignore[operator]
    assert {row.value for row in normalise(scores_of({"de": [2.0, 2.0]}))} == {0.0}
    assert normalise([given_score(completion(asked("de", "?"), "m"), None)])[0].value is None


def test_a_normaliser_in_windows_equals_one_in_one_go() -> None:
    """Moments seen in windows are those of the whole: streaming changes nothing."""
    rows = scores_of({"de": [float(n**2 % 17) for n in range(90)], "hi": [float(n % 5) for n in range(30)]})
    whole, parts = Normaliser(), Normaliser()
    whole.observe(rows)
    for start in range(0, len(rows), 7):
        parts.observe(rows[start : start + 7])
    assert parts.seen == 120
    for language in ("de", "hi"):
        assert parts.value(language, 3.0) == pytest.approx(whole.value(language, 3.0), abs=1e-12)


def composite(**change: Any) -> Arbiter:
    """Return a composite of length and twice the negative length."""
    parts = [{"kind": "length", "name": "a"}, {"kind": "length", "name": "b", "unit": 2, "weight": -0.5}]
    return load_arbiter({"kind": "composite", "parts": parts, **change})


def window(*texts: str) -> tuple[dict[str, Prompt], list[Completion]]:
    """Return one prompt per text with its answer."""
    prompts = [asked("de", f"{number}") for number in range(len(texts))]
    return {one.id: one for one in prompts}, [completion(one, "m", text) for one, text in zip(prompts, texts, strict=True)]


def test_a_composite_sums_normalised_parts() -> None:
    """Two parts with one ranking cancel by their weights; units of a part do not matter after normalisation."""
    values = [one.value for one in composite().score(*window("x", "xxx", "xxxxx"))]
    alone = [
        one.value
        for one in load_arbiter({"kind": "composite", "parts": [{"kind": "length"}]}).score(*window("x", "xxx", "xxxxx"))
    ]
    assert values == pytest.approx([0.5 * one for one in alone if one is not None])
    assert values[0] < values[1] < values[2]  # type: ignore[operator]


def test_a_missing_part_leaves_the_answer_unscored_or_is_left_out() -> None:
    """The reason names the part; with `renormalise` the others take its weight."""
    parts: list[dict[str, Any]] = [{"kind": "length"}, {"kind": "verifiable"}]
    prompts, answers = window("xxx", "x")
    strict = load_arbiter({"kind": "composite", "parts": parts}).score(prompts, answers)
    assert [(one.value, one.reason) for one in strict] == [(None, "verifiable: no references")] * 2
    loose = load_arbiter({"kind": "composite", "parts": parts, "missing": "renormalise"}).score(prompts, answers)
    alone = load_arbiter({"kind": "composite", "parts": parts[:1]}).score(prompts, answers)
    assert [one.value for one in loose] == pytest.approx([2 * one.value for one in alone if one.value is not None])
    assert loose[0].reason == "without verifiable: no references"


def test_a_wrong_language_is_the_worst_of_all() -> None:
    """An answer that a part finds in the wrong language gets the lowest score, unless the gate is left open."""
    prompts, answers = window("x", "xx", "!xxxxxxxxxxxx")
    gated = composite().score(prompts, answers)
    assert gated[2].value == -6.0  # -4 for a total weight of 1.5
    assert (gated[2].language_ok, gated[2].reason) == (False, "wrong language")
    free = composite(gate=False).score(prompts, answers)
    assert free[2].value > free[1].value  # type: ignore[operator]


def test_windows_are_comparable_after_a_look_at_a_sample() -> None:
    """A composite that observed answers scores an answer alike in every window."""
    by = composite()
    assert isinstance(by, TwoPass)
    prompts, answers = window(*("x" * (1 + n % 9) for n in range(60)))
    by.observe(prompts, answers)
    whole = by.score(prompts, answers)
    parts = [one for start in range(0, 60, 20) for one in by.score(prompts, answers[start : start + 20])]
    assert whole == parts
