"""The arbiter `reward_model`: scores in order, reasons for what has none, and languages that fail their canaries."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from arbitrage_examples import completion, prompt
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from polylect.arbitrage.arbiters import Arbiter, load_arbiter
from polylect.arbitrage.arbiters.reward_model import RewardModelArbiter
from polylect.errors import ModelError, RecipeError
from polylect.models.canaries import Canary
from polylect.models.reward import RewardModel
from polylect.models.reward_inputs import dialogue


@pytest.fixture(scope="module")
def folder(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random reward model."""
    out = tmp_path_factory.mktemp("reward") / "model"
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(llama, num_labels=1, dtype=torch.float32)
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(llama).save_pretrained(out)
    return out


def liked(folder: Path, languages: Sequence[str], *, turned: Sequence[str] = ()) -> dict[str, list[Canary]]:
    """Return canaries that the random model passes in each language, and fails in those `turned` round."""
    model = RewardModel(folder, device="cpu")
    answers = ["yes", "no", "perhaps", "never", "seven", "a cat"]
    order = [answers[i] for i in sorted(range(6), key=lambda i: model.score([dialogue("?", answers[i])])[0].value or 0.0)]
    return {
        tag: [Canary(str(n), "?", *((order[n], order[5 - n]) if tag in turned else (order[5 - n], order[n]))) for n in range(2)]
        for tag in languages
    }


@pytest.fixture
def make(folder: Path, tmp_path: Path) -> Callable[..., Arbiter]:
    """Load the arbiter from YAML beside the model, with canaries that pass but in the languages `turned`."""

    def build(turned: Sequence[str] = (), **settings: Any) -> Arbiter:
        found = liked(folder, ["en", "tr"], turned=turned)
        rows = [{"language": tag, **vars(canary)} for tag, row in found.items() for canary in row]
        (tmp_path / "canaries.jsonl").write_text("\n".join(map(json.dumps, rows)))
        given = {"kind": "reward_model", "model": str(folder), "canaries": "canaries.jsonl", **settings}
        (tmp_path / "arbiter.yaml").write_text(json.dumps(given))
        return load_arbiter(tmp_path / "arbiter.yaml")

    return build


EN, TR, AY = prompt("a", "en"), prompt("a", "tr"), prompt("a", "ay")
PROMPTS: Mapping[str, Any] = {one.id: one for one in (EN, TR, AY)}


def test_every_answer_has_its_score_in_order(make: Callable[..., Arbiter], folder: Path) -> None:
    """The value is the model's reward of that prompt and answer; the score names arbiter, teacher and completion."""
    arbiter = make(name="tiny")
    answers = [
        completion(EN, "x", "yes, it is"),
        completion(TR, "y", "evet"),
        completion(EN, "y", "no"),
        completion(AY, "x", "a"),
    ]
    scores = arbiter.score(PROMPTS, answers)
    assert isinstance(arbiter, Arbiter)
    expected = RewardModel(folder).score([dialogue(PROMPTS[one.prompt_id].text, one.text) for one in answers])
    assert [score.value for score in scores] == pytest.approx([one.value for one in expected], abs=1e-3)
    assert [(s.completion_id, s.model, s.language, s.arbiter) for s in scores] == [
        (one.id, one.model, one.language, "tiny") for one in answers
    ]
    assert {score.reason for score in scores} == {None}


def test_what_has_no_score_says_why(make: Callable[..., Arbiter]) -> None:
    """Failed, refused, empty and overlong answers are unscored, each with its reason; the others get their scores."""
    arbiter = make(max_length=60)
    answers = [
        completion(EN, "a", "", status="failed", reason="time-out"),
        completion(EN, "b", "yes", status="rejected", reason="wrong language"),
        completion(EN, "c", "  "),
        completion(EN, "d", "very " * 100),
        completion(EN, "e", "yes"),
    ]
    scores = arbiter.score(PROMPTS, answers)
    assert [score.reason for score in scores] == [
        "no answer: time-out",
        "rejected: wrong language",
        "empty answer",
        "too long: over 60 tokens, the most this reward model reads",
        None,
    ]
    assert [score.value is None for score in scores] == [True, True, True, True, False]


def test_failed_canaries_stop_or_leave_unscored(make: Callable[..., Arbiter]) -> None:
    """A language whose bad answers win is an error that names it; with `warn` its answers alone are unscored."""
    answers = [completion(EN, "x", "yes"), completion(TR, "x", "evet"), completion(AY, "x", "a")]
    with pytest.raises(ModelError, match=r"prefers bad answers to good ones \(tr: 0 of 2 canaries.*on_failed_canary: warn"):
        make(turned=["tr"]).score(PROMPTS, answers)
    arbiter = make(turned=["tr"], on_failed_canary="warn")
    assert isinstance(arbiter, RewardModelArbiter)
    scores = arbiter.score(PROMPTS, answers)
    assert [score.value is None for score in scores] == [False, True, False]
    assert scores[1].reason == "reward model unfit for tr: 0 of 2 canaries, failed: 0, 1"
    assert arbiter.notes() == [
        "ay: not tested (no canaries)",
        "en: 2 of 2 canaries",
        "tr: 0 of 2 canaries, failed: 0, 1",
    ]


def test_cost_is_recognised(make: Callable[..., Arbiter]) -> None:
    """Where bad answers win everywhere the error asks whether the output is a cost; with sign -1 the same model passes."""
    answers = [completion(EN, "x", "yes"), completion(TR, "x", "evet")]
    with pytest.raises(ModelError, match=r"Bad answers win everywhere.*set sign: -1"):
        make(turned=["en", "tr"]).score(PROMPTS, answers)
    assert all(score.value is not None for score in make(turned=["en", "tr"], sign=-1).score(PROMPTS, answers))


def test_self_test_runs_once_per_language(make: Callable[..., Arbiter], monkeypatch: pytest.MonkeyPatch) -> None:
    """Languages are tested when they are first met, or before by `prepare`, and never again."""
    arbiter = make()
    assert isinstance(arbiter, RewardModelArbiter)
    asked: list[list[str]] = []
    original = RewardModel.self_test

    def watched(self: RewardModel, languages: Any, own: Any = None) -> Any:
        asked.append(list(languages))
        return original(self, languages, own)

    monkeypatch.setattr(RewardModel, "self_test", watched)
    arbiter.prepare(["en"])
    for _ in range(2):
        arbiter.score(PROMPTS, [completion(EN, "x", "yes"), completion(TR, "x", "evet")])
    assert asked == [["en"], ["tr"]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_token": 5}, r"key 'batch_token' is unknown\. Did you mean 'batch_tokens'\?"),
        ({"batch_tokens": 0}, r"batch_tokens: 0: expected a whole number of tokens from 1 up"),
        ({"sign": 2}, r"sign: 2: expected 1 \(a higher output is better\)"),
        ({"on_failed_canary": "ignore"}, r"on_failed_canary: 'ignore': expected one of error, warn"),
    ],
)
def test_wrong_settings_are_named(make: Callable[..., Arbiter], settings: dict[str, Any], message: str) -> None:
    """An unknown key or a wrong value is refused with the file, the key, the value and the rule."""
    with pytest.raises(RecipeError, match=rf"arbiter\.yaml: {message}"):
        make(**settings)


def test_language_model_is_refused(llama: Path) -> None:
    """A model without reward head is refused when the arbiter is loaded, with what to do."""
    with pytest.raises(ModelError, match="has no reward head"):
        load_arbiter({"kind": "reward_model", "model": str(llama)})
