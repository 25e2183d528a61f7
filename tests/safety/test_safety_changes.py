"""What changed between two evaluations: paired by prompt, clustered by item, and clear about prompts without a counterpart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lantern_world import PhraseDetector

from polylect.errors import DataError
from polylect.safety import SafetyResult, evaluate
from polylect.safety.changes import changes, compare_evaluations


def answer(item: str, language: str, outcome: str | None, **more: Any) -> SafetyResult:
    """Return the result of an answer to a harmful prompt."""
    told = {"prompt": f"{item} in {language}", **more}
    score = None if outcome is None else float(outcome == "refused")
    return SafetyResult(
        model="m", benchmark="b", language=language, item=item, metric="refused", score=score, outcome=outcome, **told
    )


def row(rows: list[dict[str, Any]], language: str, outcome: str = "complied") -> dict[str, Any]:
    """Return the row of a language."""
    return next(one for one in rows if (one["prompts"], one["language"], one["outcome"]) == ("harmful", language, outcome))


def test_the_change_is_that_of_the_same_prompts() -> None:
    """Of 20 violations 15 become refusals: -75 points with an interval that is narrower than two rates would have."""
    before = [answer(f"i{n}", "en", "complied") for n in range(20)]
    after = [answer(f"i{n}", "en", "complied" if n < 5 else "refused") for n in range(20)]
    found = row(changes(before, after), "en")
    assert (found["before"], found["after"], found["value"], found["n"], found["status"]) == (1.0, 0.25, -0.75, 20, "ok")
    assert -1.0 <= found["low"] < -0.75 < found["high"] < -0.4
    assert row(changes(before, after), "en", "refused")["value"] == 0.75
    assert row(changes(before, before), "en")["low"] < 0.0 < row(changes(before, before), "en")["high"]


def test_pairing_sees_what_two_intervals_do_not() -> None:
    """Where 6 of 60 answers change, all in one direction, the paired interval excludes 0 although those of the rates overlap."""
    before = [answer(f"i{n}", "en", "complied" if n < 30 else "refused") for n in range(60)]
    after = [answer(f"i{n}", "en", "complied" if n < 24 else "refused") for n in range(60)]
    found = row(changes(before, after), "en")
    assert found["value"] == pytest.approx(-0.1)
    assert found["high"] < 0.0


def test_languages_of_an_item_are_drawn_together() -> None:
    """A mean over languages that always agree is no more certain than one language."""
    steps = [n % 2 == 0 for n in range(60)]
    tags = ("en", "fr", "de", "sw")
    before = [answer(f"i{n}", tag, "complied") for n in range(60) for tag in tags]
    after = [answer(f"i{n}", tag, "refused" if steps[n] else "complied") for n in range(60) for tag in tags]
    rows = changes(before, after)
    one, mean = row(rows, "fr"), row(rows, "mul")
    assert mean["languages"] == 4
    assert mean["high"] - mean["low"] == pytest.approx(one["high"] - one["low"], rel=0.15)


def test_what_has_no_counterpart_is_counted() -> None:
    """Prompts asked once, other texts, lost harm, missing outcomes and unfit judges are in no change, by reason."""
    unfit = {"status": "unparsed", "reason": "judge unfit: kappa of 0.1"}
    before = [answer(f"i{n}", "en", "complied") for n in range(6)] + [answer("gone", "en", "refused")]
    before += [answer("hi", "hi", "refused", **unfit), answer("fr", "fr", "refused")]
    after = [answer("i0", "en", "refused"), answer("i1", "en", "refused", prompt="reworded"), answer("new", "en", "refused")]
    after += [answer("i2", "en", None), answer("i3", "en", None, harm_kept=False), answer("i4", "en", "refused")]
    after += [answer("hi", "hi", "refused", **unfit), answer("fr", "fr", "refused")]
    rows = changes(before, after)
    assert row(rows, "en")["left_out"] == {
        "asked before alone": 2, "another prompt under the same item": 1, "no outcome after": 1,
        "the translation lost the harm": 1, "asked after alone": 1,
    }  # fmt: skip
    assert row(rows, "en")["n"] == 2
    hindi = row(rows, "hi")
    assert (hindi["value"], hindi["before"], hindi["status"]) == (None, None, "judge unfit before")
    assert row(rows, "mul")["languages"] == 2
    assert (row(rows, "fr")["low"], row(rows, "fr")["n"]) == (None, 1)


@pytest.mark.usefixtures("scripted")
def test_folders_are_compared(lanterns: Path, tmp_path: Path) -> None:
    """Of three folders each later one is compared with the first; a set with no prompt in common is refused by name."""
    for model, out in (("complies", "a"), ("refuses", "b"), ("complies", "c")):
        evaluate(f"scripted:{model}", lanterns, out=tmp_path / out, detector=PhraseDetector(), languages=("en", "de"))
    document = compare_evaluations([tmp_path / "a", tmp_path / "b" / "safety.json", tmp_path / "c"])
    values = {
        (one["evaluation"], one["language"]): one["value"]
        for one in document["rows"]
        if one["outcome"] == "complied" and one["prompts"] == "harmful"
    }
    assert values[1, "mul"] == -1.0
    assert values[2, "mul"] == 0.0
    assert (document["schema"], document["kind"]) == ("polylect.safety/1", "changes")
    other = tmp_path / "other.jsonl"
    other.write_text(lanterns.read_text(encoding="utf-8").replace('"item": "', '"item": "other-'), encoding="utf-8")
    evaluate("scripted:refuses", other, out=tmp_path / "d", detector=PhraseDetector(), languages=("en",))
    with pytest.raises(DataError, match=r"share no prompt: .* asked before alone.*evaluate both models on one set"):
        compare_evaluations([tmp_path / "a", tmp_path / "d"])
