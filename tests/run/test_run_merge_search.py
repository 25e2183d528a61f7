"""The search for merge weights on real (tiny) models: what it sees, what it writes, how it goes on after a kill."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from polylect import tables
from polylect.errors import DataError, EvaluationError, MergeError, ModelError, RunError
from polylect.merge.search import Objective
from polylect.models import LocalModel, Sampling
from polylect.records import MULTIPLE, Completion, Difference, Prompt, Result, Trial
from polylect.run.merge_search import SearchReport, search
from polylect.run.merge_search_candidates import Candidates, Mixture
from polylect.run.merge_search_items import Items, divide
from polylect.run.merge_search_verdict import Heldout, scored, verdict

WORDS = {"en": "Which country is city {} in? {}", "tr": "{} hangi ülkede? {}"}


def prompts(items: int, split: str = "validation", start: int = 0, languages: Sequence[str] = ("en", "tr")) -> list[Prompt]:
    """Return two kinds of question about some items, in every language."""
    return [
        Prompt(
            item=f"item-{number}",
            language=language,
            kind=f"kind-{number % 2}",
            split=split,
            text=WORDS[language].format(number, split),
            references=(f"Turkey {number}", "in"),
            source="test",
            licence="CC0",
        )
        for number in range(start, start + items)
        for language in languages
    ]


@pytest.fixture(scope="module")
def models(make_model: Callable[..., Path]) -> list[Path]:
    """Two tiny checkpoints that answer differently."""
    return [make_model("llama", seed=seed) for seed in (1, 2)]


def _search(models: Sequence[Path], out: Path, **changes: Any) -> SearchReport:
    settings: dict[str, Any] = {
        "validation": prompts(8),
        "out": out,
        "budget": 5,
        "metric": "chrf",
        "sampling": Sampling(max_tokens=6),
        "batch_size": 4,
        **changes,
    }
    return search(models, **settings)


@pytest.fixture(scope="module")
def found(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> SearchReport:
    """One whole search."""
    return _search(models, tmp_path_factory.mktemp("search") / "found")


def test_output_is_whole(found: SearchReport, models: list[Path]) -> None:
    """The folder holds a model that loads, the tables, the report and a manifest; nothing temporary is left."""
    names = {path.name for path in found.out.iterdir()}
    tables_and_more = {
        "trials.parquet",
        "results.parquet",
        "differences.parquet",
        "regret.parquet",
        "report.json",
        "manifest.json",
    }
    assert names >= {"model", "answers.sqlite", *tables_and_more}
    assert not names & {".merging", ".model"}
    LocalModel(found.out / "model")
    assert (found.out / "model" / "manifest.json").is_file()
    assert json.loads((found.out / "report.json").read_text()) == json.loads(json.dumps(found.as_dict()))
    manifest = json.loads((found.out / "manifest.json").read_text())
    assert len(manifest["inputs"]) == 2
    assert manifest["weights"] == list(found.weights)
    assert manifest["settings"]["budget"] == 5


def test_trials_tell_the_whole_search(found: SearchReport) -> None:
    """Five weights, each with a row per language and one for the objective, which is the mean of the others."""
    rows = tables.read(found.out / "trials.parquet", Trial)
    assert Counter(row.language for row in rows) == {"en": 5, "tr": 5, MULTIPLE: 5}
    assert [row.origin for row in rows if row.language == MULTIPLE][:3] == ["single", "single", "uniform"]
    for number in range(1, 6):
        own = {row.language: row for row in rows if row.number == number}
        assert own[MULTIPLE].value == pytest.approx((own["en"].value + own["tr"].value) / 2)
        assert own["en"].n == 4
        assert own[MULTIPLE].n == 8
    chosen = max((row for row in rows if row.language == MULTIPLE), key=lambda row: row.expected or 0.0)
    assert tuple(float(weight) for weight in chosen.weights) == pytest.approx(found.weights)


def test_heldout_results_and_differences(found: SearchReport) -> None:
    """Held-out results are there for every candidate, and the differences follow from them."""
    results = tables.read(found.out / "results.parquet", Result)
    stages = {"recommended", "uniform", "soup", *(f"single/{name}" for name in found.models)}
    assert {row.stage for row in results} == stages
    assert [row["name"] for row in found.candidates] == list(dict.fromkeys(row.stage for row in results))
    values = {row["name"]: row["heldout"] for row in found.candidates}
    differences = tables.read(found.out / "differences.parquet", Difference)
    objective = next(row for row in differences if row.b == "uniform" and row.metric == "mean chrf")
    assert objective.value == pytest.approx(values["recommended"] - values["uniform"])
    regret = {row.language: row for row in tables.read(found.out / "regret.parquet", Difference)}
    assert set(regret) == {"en", "tr", MULTIPLE}
    assert regret[MULTIPLE].value == pytest.approx((regret["en"].value + regret["tr"].value) / 2)  # type: ignore[operator]
    assert len(found.verdicts) == 2


def test_the_search_never_sees_heldout_items(models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the last evaluation only items of the search are asked; then only held-out ones."""
    asked: list[set[str]] = []
    answers = Candidates.answers

    def spy(self: Candidates, weights: Any, prompts: Sequence[Prompt], *more: Any) -> list[Completion]:
        asked.append({prompt.item for prompt in prompts})
        return answers(self, weights, prompts, *more)

    monkeypatch.setattr(Candidates, "answers", spy)
    _search(models, tmp_path / "out", budget=4)
    searched, heldout = set().union(*asked[:4]), set().union(*asked[4:])
    assert len(asked) == 4 + 5
    assert len(searched) == len(heldout) == 4
    assert not searched & heldout


class Died(Exception):  # noqa: N818 - stands for any death
    """The process is gone."""


def test_a_killed_search_goes_on(
    models: list[Path], found: SearchReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that dies in its fourth candidate, run again, asks what is missing and ends like one never killed."""
    batches: list[int] = []
    answer = LocalModel.answer

    def counted(self: LocalModel, batch: Sequence[Any], sampling: Sampling) -> Any:
        batches.append(len(batch))
        return answer(self, batch, sampling)

    def dying(self: LocalModel, batch: Sequence[Any], sampling: Sampling) -> Any:
        if len(batches) == 3:
            raise Died
        return counted(self, batch, sampling)

    out = tmp_path / "out"
    monkeypatch.setattr(LocalModel, "answer", dying)
    with pytest.raises(Died):
        _search(models, out)
    assert not (out / "manifest.json").exists()
    assert not (out / ".merging").exists()
    assert len(tables.read(out / "trials.parquet", Trial)) == 3 * 3
    monkeypatch.setattr(LocalModel, "answer", counted)
    again = _search(models, out)
    heldout_models = len({row["weights"] for row in found.candidates})
    assert sum(batches) == (5 + heldout_models) * 8
    for name, kind in (("trials", Trial), ("results", Result), ("differences", Difference), ("regret", Difference)):
        assert tables.read(out / f"{name}.parquet", kind) == tables.read(found.out / f"{name}.parquet", kind)
    assert again.as_dict() == {**found.as_dict(), "out": str(out)}


def test_a_finished_search_asks_nothing(models: list[Path], found: SearchReport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another objective on the same answers needs them again, not the models."""
    monkeypatch.setattr(LocalModel, "answer", lambda *_: pytest.fail("asked again"))
    assert _search(models, found.out).weights == found.weights


def test_floor_and_worst_run_too(models: list[Path], tmp_path: Path) -> None:
    """Every objective and metric goes through; the report names them."""
    floor = _search(models, tmp_path / "out", objective=Objective("floor", 2.0), metric="score", budget=3)
    assert floor.objective == "mean with a floor of 2"
    worst = _search(models, tmp_path / "out", objective="worst", metric="exact_match", budget=3)
    assert (worst.objective, worst.metric, worst.evaluations) == ("worst", "exact_match", 3)


def test_other_methods_take_the_models_alone_as_they_are(
    models: list[Path], make_model: Callable[..., Path], tmp_path: Path
) -> None:
    """TIES would thin out a single checkpoint: what is evaluated, and written in the end, is the checkpoint itself."""
    base = make_model("llama", seed=3)
    mixture = Mixture((models[0], models[1]), "ties", base, {"density": 0.4, "scale": 0.9})
    mixture.write((0.0, 1.0), tmp_path / "alone")
    mixture.write((0.5, 0.5), tmp_path / "both")
    alone, both, second = (
        load_file(folder / "model.safetensors") for folder in (tmp_path / "alone", tmp_path / "both", models[1])
    )
    assert all(torch.equal(alone[name], second[name]) for name in second)
    assert any(not torch.equal(both[name], second[name]) for name in second)
    report = _search(models, tmp_path / "out", method="ties", base=base, settings={"density": 0.4}, budget=4)
    assert report.method == "ties"
    assert report.evaluations == 4


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_adapters_are_merged_into_their_base(models: list[Path], tmp_path: Path) -> None:
    """Two LoRA adapters of one base are searched like checkpoints; the result is a whole model."""
    adapters = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(models[0])
        config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
        adapters.append(tmp_path / f"adapter-{seed}")
        get_peft_model(model, config).save_pretrained(adapters[-1])
    report = _search(adapters, tmp_path / "out", base=models[0], budget=3)
    assert list(report.models) == ["adapter-1", "adapter-2"]
    LocalModel(tmp_path / "out" / "model")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"budget": 2}, MergeError, "budget 2"),
        ({"metric": "bleu"}, EvaluationError, "'bleu'"),
        ({"objective": "least"}, MergeError, "'least'"),
        ({"validation": prompts(1)}, DataError, "is left"),
    ],
)
def test_mistakes_cost_no_answer(
    models: list[Path], tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    """What is wrong with the arguments is said before any model is loaded."""
    with pytest.raises(error, match=message):
        _search(models, tmp_path / "out", **changes)


def test_folders_that_do_not_fit(models: list[Path], tmp_path: Path) -> None:
    """A folder of something else is not written into; a model that is none is named."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="holds files that no search has written"):
        _search(models, tmp_path)
    with pytest.raises(ModelError, match="nowhere"):
        _search([models[0], tmp_path / "nowhere"], tmp_path / "out")


def test_models_that_do_not_fit_are_refused_first(
    models: list[Path], gemma: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other architectures and a missing base are found before a model is loaded."""
    monkeypatch.setattr(LocalModel, "__init__", lambda *_, **__: pytest.fail("a model was loaded"))
    with pytest.raises(MergeError, match="llama"):
        _search([models[0], gemma], tmp_path / "out")
    with pytest.raises(MergeError, match="base"):
        _search(models, tmp_path / "out", method="ties")
    assert not (tmp_path / "out").exists()


def test_labels_tell_models_apart() -> None:
    """Models are named by their folders, with as many parents as that takes; one model twice is numbered."""
    assert Mixture((Path("/a/sft/en"), Path("/a/sft/tr"))).labels == ("en", "tr")
    assert Mixture((Path("/a/en/model"), Path("/a/tr/model"))).labels == ("en/model", "tr/model")
    assert Mixture((Path("/a/en"), Path("/a/en"))).labels == ("en", "en (2)")


def test_division_goes_by_item() -> None:
    """All translations of an item are on one side, each kind is divided alike, and the order of the rows does not matter."""
    rows = prompts(20)
    one, other = divide(rows, seed=3), divide(rows[::-1], seed=3)
    assert one == other
    sides = [{row.item for row in side} for side in (one.search, one.heldout)]
    assert not sides[0] & sides[1]
    for side in (one.search, one.heldout):
        assert Counter(row.kind for row in side) == {"kind-0": 10, "kind-1": 10}
        assert {row.split for row in side} == {"heldout"}
    assert divide(rows, seed=4) != one
    assert len(divide(rows, heldout_share=0.25).heldout) == 10


def test_division_by_splits() -> None:
    """Named splits are used instead of a share; others are counted, and so is what the number of items cuts off."""
    rows = prompts(6) + prompts(4, "preference", start=6) + prompts(5, "heldout", start=10) + prompts(3, "seed", start=20)
    items = divide(rows, splits=["validation", "preference"], heldout_splits=["heldout"], per_language=4)
    assert len(items.search) == 8
    assert Counter(row.kind for row in items.search) == {"kind-0": 4, "kind-1": 4}
    assert {row.item for row in items.heldout} == {f"item-{number}" for number in range(10, 15)}
    assert items.dropped == {"another split": 6, "above the number of items per language": 12}
    assert len(divide(rows).search) == 6


def test_rows_without_references_are_counted() -> None:
    """A prompt without references cannot be scored and is left out, with its reason."""
    row = prompts(9)[-2]
    bare = Prompt(**{**row.as_dict(), "id": "", "references": ()})
    assert divide([*prompts(8), bare]).dropped == {"no references": 1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: divide(prompts(4), splits=["validatoin"]), "'validatoin' has no rows"),
        (lambda: divide(prompts(4), splits=["validation"], heldout_splits=["validation"]), "both sides"),
        (lambda: divide(prompts(4), heldout_share=1.0), "held-out share 1.0"),
        (lambda: divide(prompts(4) + prompts(2, "heldout"), heldout_splits=["heldout"]), "item 'item-0'"),
        (
            lambda: divide(prompts(4) + prompts(2, "heldout", 9, ["en"]), heldout_splits=["heldout"]),
            "'tr' has no held-out items",
        ),
        (lambda: divide(Path("no/such.parquet")), "no such file"),
    ],
)
def test_divisions_that_say_nothing_are_refused(call: Callable[[], Items], message: str) -> None:
    """A division with which the verdict would be worthless is an error that says why."""
    with pytest.raises(DataError, match=message):
        call()


def _results(stage: str, correct: Callable[[int, str], bool], items: int = 40) -> list[Result]:
    return [
        Result(
            stage=stage,
            prompt_id=f"{number}-{language}",
            item=f"item-{number}",
            language=language,
            kind="kind",
            subset="heldout",
            metric=metric,
            value=most * correct(number, language) if metric != "language_pass" else 1.0,
        )
        for number in range(items)
        for language in ("en", "tr")
        for metric, most in (("exact_match", 1.0), ("chrf", 100.0), ("language_pass", 1.0))
    ]


def _heldout(objective: Objective, **weights: tuple[float, ...]) -> Heldout:
    stages = {
        "recommended": lambda number, language: number % 10 < (8 if language == "en" else 6),
        "uniform": lambda number, _: number % 10 < 4,
        "single/a": lambda number, language: number % 10 < (9 if language == "en" else 1),
        "single/b": lambda number, language: number % 10 < (2 if language == "en" else 5),
    }
    results = [row for stage, correct in stages.items() for row in _results(stage, correct)]
    return Heldout(results, ["single/a", "single/b"], ["en", "tr"], "score", objective, 1, weights)


def test_differences_of_the_objective() -> None:
    """The objective is taken of the languages' means, then the difference; its interval holds it."""
    for objective, expected in ((Objective("mean"), 30.0), (Objective("worst"), 20.0), (Objective("floor"), 30.0 - 10 + 50)):
        row = _heldout(objective).objective_difference("recommended", "uniform")
        assert row.value == pytest.approx(expected)
        assert row.low is not None
        assert row.high is not None
        assert 0 < row.low < expected < row.high
        assert verdict(row, "uniform weights", 40).startswith(f"beats uniform weights by +{expected:.1f} [")
    back = _heldout(Objective("worst")).objective_difference("uniform", "recommended")
    assert "does not beat others, it is worse: -20.0 [" in verdict(back, "others", 40)
    same = _heldout(Objective("worst")).objective_difference("uniform", "uniform")
    assert verdict(same, "itself", 40).startswith("does not beat itself: +0.0 [")


def test_regret_is_against_each_languages_best_checkpoint() -> None:
    """English loses 10 points against a, Turkish gains 10 over b; in the mean nothing is lost."""
    rows = _heldout(Objective()).regret({"en": "single/a", "tr": "single/b"}, "recommended")
    assert [(row.a, row.language, row.n) for row in rows] == [
        ("single/a", "en", 40),
        ("single/b", "tr", 40),
        ("best single per language", MULTIPLE, 80),
    ]
    assert [row.value for row in rows] == pytest.approx([10.0, -10.0, 0.0])


def test_one_model_differs_by_nothing_from_itself() -> None:
    """Stages of equal weights are the same model: no difference, and no doubt about it."""
    rows = _heldout(Objective(), recommended=(0.5, 0.5), uniform=(0.5, 0.5)).differences("recommended", "uniform")
    assert {(row.value, row.low, row.high) for row in rows} == {(0.0, 0.0, 0.0)}


def test_score_is_half_exact_match_and_half_chrf() -> None:
    """A right answer scores 100, a wrong one half its chrF, one in a wrong language 0; what is unscored is left out."""
    rows = [
        Result(stage="s", prompt_id=name, item=name, language="tr", kind="k", subset="heldout", metric=metric, value=value)
        for name, values in (
            ("right", (1.0, 100.0, 1.0)),
            ("near", (0.0, 60.0, 1.0)),
            ("foreign", (0.0, 60.0, 0.0)),
            ("none", (None,) * 3),
        )
        for metric, value in zip(("exact_match", "chrf", "language_pass"), values, strict=True)
    ]
    assert scored(rows, "score") == [("right", "tr", 100.0), ("near", "tr", 30.0), ("foreign", "tr", 0.0)]
    assert scored(rows, "exact_match") == [("right", "tr", 1.0), ("near", "tr", 0.0), ("foreign", "tr", 0.0)]
