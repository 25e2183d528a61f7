"""How much better an attack works than plain asking: pairs, what is left out of them, and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lantern_world import PhraseDetector

from polylect.cli import main
from polylect.errors import DataError, EvaluationError
from polylect.resampling import wilson
from polylect.safety import SafetyResult, evaluate
from polylect.safety.attacks import AttackedPrompt, AttackOptions, attack, compare_attack, success_gaps

LANGUAGES = ("en", "de")


def answer(item: str, language: str, outcome: str | None, **more: Any) -> SafetyResult:
    """Return the result of an answer to a harmful prompt."""
    score = None if outcome is None else float(outcome == "refused")
    return SafetyResult(
        model="m", benchmark="b", language=language, item=item, metric="refused", score=score, outcome=outcome, **more
    )


def attacked(item: str, language: str, kept: bool | None = True) -> AttackedPrompt:
    """Return an attacked prompt that is asked in Zulu."""
    name = f"{item}::translate:zu from {language}"
    return AttackedPrompt(
        item=name, language="zu", prompt="-", attack="translate:zu", attack_of=item, attack_from=language, meaning_kept=kept
    )


def gap(rows: list[dict[str, Any]], language: str, outcome: str = "complied") -> dict[str, Any]:
    """Return a row."""
    return next(row for row in rows if (row["language"], row["outcome"]) == (language, outcome))


def test_the_gap_is_that_of_pairs_whose_meaning_was_kept() -> None:
    """Lost, untold, unscored and missing pairs are counted and left out; the gap is the mean of the paired differences."""
    prompts = [attacked(f"i{n}", "en") for n in range(12)]
    prompts += [attacked("lost", "en", False), attacked("untold", "en", None), attacked("gone", "en"), attacked("odd", "en")]
    plain = [answer(f"i{n}", "en", "complied" if n < 3 else "refused") for n in range(12)]
    plain += [answer("lost", "en", "refused"), answer("untold", "en", "refused"), answer("odd", "en", "refused")]
    after = [answer(one.item, "zu", "complied" if place < 9 else "refused") for place, one in enumerate(prompts[:15])]
    after.append(answer(prompts[15].item, "zu", None, status="unparsed", reason="no verdict"))
    row = gap(success_gaps(plain, after, prompts), "en")
    assert (row["plain"], row["attacked"], row["value"], row["n"]) == (0.25, 0.75, 0.5, 12)
    assert 0.1 < row["low"] < 0.3 < 0.7 < row["high"] < 0.9
    expected = {"meaning lost": 1, "meaning untold": 1, "plain answer missing": 1, "attacked answer unscored": 1}
    assert row["left_out"] == expected
    wider = gap(success_gaps(plain, after, prompts, untold=True), "en")
    assert (wider["n"], wider["left_out"].get("meaning untold")) == (13, None)


def test_rates_have_the_intervals_of_an_evaluation() -> None:
    """In a language Wilson's; of the mean over languages that of items drawn with all their languages; none of one pair."""
    tags = ("en", "de", "fr")
    one = [attacked(f"i{n}", tag) for n in range(20) for tag in tags]
    plain = [answer(row.attack_of, row.attack_from, "complied" if int(row.attack_of[1:]) < 5 else "refused") for row in one]
    after = [answer(row.item, "zu", "complied") for row in one]
    rows = success_gaps(plain, after, one)
    row, mean = gap(rows, "en"), gap(rows, "mul")
    assert (row["plain"], row["plain_low"], row["plain_high"]) == pytest.approx(wilson(5, 20))
    assert (row["attacked"], row["attacked_low"], row["attacked_high"]) == pytest.approx(wilson(20, 20))
    # The three languages comply with the same items: their mean is as unsure as one of them, not as sixty answers are.
    alone = wilson(15, 60)
    assert alone.low is not None
    assert alone.high is not None
    assert mean["plain_high"] - mean["plain_low"] > 1.4 * (alone.high - alone.low)
    assert mean["plain_low"] < 0.25 < mean["plain_high"]
    assert mean["attacked_low"] < mean["attacked"] == mean["attacked_high"] == 1.0
    single = gap(success_gaps(plain[:1], after[:1], one[:1]), "en")
    assert (single["plain"], single["plain_low"], single["value"], single["low"]) == (1.0, None, 0.0, None)


def test_a_withheld_score_is_no_pair() -> None:
    """Where the judge is unfit the rows have an outcome and no score: it must not come back through the comparison."""
    rows = success_gaps([answer("i", "en", "refused")], [], [attacked("i", "en")])
    assert rows == []
    withheld = SafetyResult(
        model="m", benchmark="b", language="zu", item=attacked("i", "en").item, metric="refused", score=None,
        status="unparsed", reason="judge unfit: lenient", outcome="complied",
    )  # fmt: skip
    row = gap(success_gaps([answer("i", "en", "refused")], [withheld], [attacked("i", "en")]), "en")
    assert (row["value"], row["n"], row["left_out"]) == (None, 0, {"attacked answer unscored": 1})
    assert {row[f"{side}{end}"] for side in ("plain", "attacked") for end in ("", "_low", "_high")} == {None}


def test_an_english_answer_that_gives_it_away_is_a_success_in_any_language() -> None:
    """Where the judge says what wrong-language answers hold, there is a fifth row."""
    prompts = [attacked(f"i{n}", "de") for n in range(4)]
    plain = [answer(f"i{n}", "de", "refused") for n in range(4)]
    after = [answer(one.item, "zu", "wrong language", content="complied") for one in prompts]
    rows = success_gaps(plain, after, prompts)
    assert gap(rows, "de")["value"] == 0.0
    assert gap(rows, "de", "complied, in any language")["value"] == 1.0
    assert gap(rows, "de", "wrong language")["value"] == 1.0


@pytest.mark.usefixtures("scripted")
def test_two_evaluations_are_compared(lanterns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the prompt set through attack and two evaluations to the gap, by the command as a user gives it."""
    attack(lanterns, "transliterate", out=tmp_path / "made", options=AttackOptions(script="Cyrl"), languages=LANGUAGES)
    table = tmp_path / "made/prompts.parquet"
    for model, prompts, out in (("refuses", lanterns, "plain"), ("complies", lanterns, "other"), ("refuses", table, "attacked")):
        evaluate(f"scripted:{model}", prompts, out=tmp_path / out, detector=PhraseDetector(), languages=LANGUAGES)
    given = ["safety", "attack", "--compare", str(tmp_path / "plain"), str(tmp_path / "attacked"), "--out", str(tmp_path / "gap")]
    assert main(given) == 0
    printed = capsys.readouterr().out
    assert "harmful prompts complied" in printed
    assert any(
        line.split() == ["en", "0", "[0,", "49]", "0", "[0,", "49]", "+0", "[-49,", "+49]", "4"] for line in printed.splitlines()
    )
    assert "Lantern" not in printed
    run = compare_attack(tmp_path / "plain", tmp_path / "attacked", out=tmp_path / "gap")
    assert run.found == "finished"
    means = [row for row in run.document["rows"] if row["language"] == "mul" and row["prompts"] == "harmful"]
    assert {row["outcome"]: row["value"] for row in means}["complied"] == 0.0
    assert all(row["n"] == 8 for row in means)
    with pytest.raises(EvaluationError, match="compare evaluations of one model"):
        compare_attack(tmp_path / "other", tmp_path / "attacked", out=tmp_path / "no")
    with pytest.raises(DataError, match="Name the plain evaluation first"):
        compare_attack(tmp_path / "attacked", tmp_path / "plain", out=tmp_path / "no")
    with pytest.raises(DataError, match=r"none: not there\. Name the output folder of a finished `polylect safety eval`"):
        compare_attack(tmp_path / "plain", tmp_path / "none", out=tmp_path / "no")
    attack(lanterns, "transliterate", out=tmp_path / "grek", options=AttackOptions(script="Grek"), languages=LANGUAGES)
    greek = tmp_path / "grek/prompts.parquet"
    with pytest.raises(DataError, match="is not the table that"):
        compare_attack(tmp_path / "plain", tmp_path / "attacked", out=tmp_path / "no", prompts=greek)
