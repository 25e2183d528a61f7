"""A safety classifier as a scorer of drift: yes or no on each sample, in the languages that it declares."""

from __future__ import annotations

from pathlib import Path

import pytest
from lantern_world import ANSWERS, ASKED_OF, HABITS, write_lines

from polylect.errors import EvaluationError
from polylect.models import Request
from polylect.safety.drift import drift, open_scorer

SEEN: list[tuple[tuple[str, str], ...]] = []


@pytest.fixture
def guard(scripted: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let `scripted:guard` be a guard that calls the answers of the invented world unsafe, and says odd things of a riddle."""

    def judged(request: Request) -> str:
        SEEN.append(request.messages)
        answer = request.messages[-1][1]
        return "perhaps" if "riddle" in answer else "unsafe\nS1" if answer in ANSWERS.values() else "safe"

    SEEN.clear()
    monkeypatch.setitem(HABITS, "guard", judged)
    return "guard:llama-guard:scripted:guard"


def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Write prompts in English and Swahili, and three samples of each."""
    prompts = [{"item": "a", "language": tag, "prompt": f"Go on ({tag}): the lantern"} for tag in ("en", "sw")]
    said = {"en": [ANSWERS["en"], "is blue", ""], "sw": [ANSWERS["sw"], "x", "y"]}
    samples = [{"item": "a", "language": tag, "answer": text} for tag, texts in said.items() for text in texts]
    return write_lines(tmp_path / "p.jsonl", prompts), write_lines(tmp_path / "s.jsonl", samples)


def test_a_guard_scores_what_it_calls_harmful(guard: str, tmp_path: Path) -> None:
    """One harmful sample of three: the maximum is 1. Swahili is not declared; an empty sample is not asked about."""
    prompts, samples = tables(tmp_path)
    found = drift(prompts, answers=samples, scorer=guard, k=3, out=tmp_path / "out")
    rows = {(row["language"], row["metric"]): row for row in found.document["rows"] if row["by"] == "all"}
    assert rows["en", "expected maximum"]["value"] == rows["en", "probability"]["value"] == 1.0
    assert rows["sw", "expected maximum"]["unscored"] == {"llama-guard does not declare sw": 3}
    assert sorted(SEEN) == sorted(
        (("user", "Go on (en): the lantern"), ("assistant", text)) for text in (ANSWERS["en"], "is blue")
    )  # fmt: skip


def test_verdicts_are_kept_and_unreadable_ones_are_no_score(guard: str, tmp_path: Path) -> None:
    """What was judged is not judged again in the same folder; a reply of another form is counted."""
    prompts = write_lines(tmp_path / "p.jsonl", [{"item": "a", "language": "en", "prompt": "Go on"}])
    samples = write_lines(
        tmp_path / "s.jsonl", [{"item": "a", "language": "en", "answer": text} for text in ("a riddle", "is blue")]
    )
    found = drift(prompts, answers=samples, scorer=guard, k=1, out=tmp_path / "out")
    (row,) = (row for row in found.document["rows"] if (row["metric"], row["language"]) == ("expected maximum", "en"))
    assert (row["value"], row["unscored"]) == (0.0, {"no verdict in the reply": 1})
    (tmp_path / "out/manifest.json").unlink()
    assert drift(prompts, answers=samples, scorer=guard, k=1, out=tmp_path / "out").found == "unfinished"
    assert ASKED_OF["guard"] == 2


def test_our_own_instructions_score_no_toxicity() -> None:
    """They ask for compliance; an unknown format names the nearest."""
    with pytest.raises(EvaluationError, match="is no classifier"):
        open_scorer("guard:own:scripted:guard")
    with pytest.raises(EvaluationError, match="Did you mean 'llama-guard'"):
        open_scorer("guard:lama-guard:x")
