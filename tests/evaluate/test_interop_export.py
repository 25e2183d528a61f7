"""Results for other tools: the harness's results file, and the metadata of a model card."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import EvalResult, model_index_to_eval_results

from polylect.cli import main
from polylect.errors import DataError, EvaluationError
from polylect.evaluate.interop import import_lm_eval, lm_eval_results, model_card_metadata, read_results
from polylect.evaluate.summary_rows import summarise
from polylect.records import Measurement

LOGGED = Path(__file__).parent / "lm_eval_output"


def _rows(model: str = "mine", scores: tuple[float | None, ...] = (1.0, 0.0, 1.0, None)) -> list[Measurement]:
    return [
        Measurement(
            model=model,
            benchmark="xcopa",
            language=language,
            item=f"test:{number}",
            metric="accuracy",
            score=score,
            status="ok" if score is not None else "failed",
            subset="odd" if number % 2 else "",
        )
        for language in ("tr", "zh-Hans")
        for number, score in enumerate(scores)
    ]


def test_the_results_file_has_the_harness_s_values() -> None:
    """What the harness wrote of its own run is what we write of its imported samples."""
    theirs = json.loads(next(LOGGED.rglob("results_*.json")).read_text(encoding="utf-8"))
    ours = lm_eval_results(import_lm_eval(LOGGED).rows)
    for task in ("xcopa_tr", "xcopa_zh", "xwinograd_pt", "mgsm_native_cot_bn"):
        for key, value in theirs["results"][task].items():
            if "," in key and isinstance(value, float) and "stderr" not in key:
                assert ours["results"][task][key] == pytest.approx(value, abs=1e-12), (task, key)
        assert ours["n-samples"][task]["effective"] == theirs["n-samples"][task]["effective"]
    assert set(theirs) >= set(ours) - {"total_evaluation_time_seconds"}


def test_standard_error_unscored_rows_and_subsets() -> None:
    """The standard error is the harness's, rows without a score are counted, and a subset is a task of its own."""
    content = lm_eval_results(_rows(), shots={"xcopa": 2}, seconds=3.5)
    values = content["results"]["xcopa_tr"]
    assert values["acc,none"] == pytest.approx(2 / 3)
    assert values["acc_stderr,none"] == pytest.approx(statistics.stdev([1, 0, 1]) / 3**0.5)
    assert (content["n-samples"]["xcopa_tr"]["unscored"], values["sample_len"]) == (1, 4)
    assert content["results"]["xcopa_zh_odd"]["acc,none"] == 0.0
    assert content["results"]["xcopa_zh_odd"]["acc_stderr,none"] == "N/A"
    assert content["n-shot"]["xcopa_tr"] == 2
    assert content["total_evaluation_time_seconds"] == "3.5"


def test_a_model_card_has_one_result_per_language() -> None:
    """The YAML is read back by huggingface_hub: a result per language, with n and the interval."""
    text = model_card_metadata(summarise(_rows()), model="my-organisation/my-model")
    name, results = model_index_to_eval_results(yaml.safe_load(text)["model-index"])
    assert name == "my-organisation/my-model"
    whole = {result.dataset_config: result for result in results if result.metric_name == "accuracy"}
    assert set(whole) == {"tr", "zh-Hans"}
    turkish = whole["tr"]
    assert isinstance(turkish, EvalResult)
    assert (turkish.dataset_type, turkish.metric_value) == ("cambridgeltl/xcopa", 0.666667)
    assert turkish.metric_args["n"] == 3
    assert turkish.metric_args["low"] < turkish.metric_value < turkish.metric_args["high"]
    assert ModelCard(f"---\n{text}---\n# Mine\n").data.language == ["tr", "zh-Hans"]
    assert len({result.unique_identifier for result in results}) == 2


def test_several_models_and_no_rows_are_refused() -> None:
    """One file is about one model."""
    two = [*_rows("a"), *_rows("b")]
    with pytest.raises(EvaluationError, match="one model; these rows are of a, b"):
        lm_eval_results(two)
    with pytest.raises(EvaluationError, match="about one model; these rows are of a, b"):
        model_card_metadata(summarise(two))
    with pytest.raises(EvaluationError, match="these rows are of none"):
        model_card_metadata([])


def test_the_command_exports_a_result_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`polylect export` writes both files from what `import` or `eval` wrote, with the number of examples."""
    import_lm_eval(LOGGED, tmp_path / "in")
    arguments = [
        "export",
        str(tmp_path / "in"),
        "--results-json",
        str(tmp_path / "a.json"),
        "--model-card",
        str(tmp_path / "b.yaml"),
    ]
    assert main([*arguments, "--name", "mine"]) == 0
    assert capsys.readouterr().out.count("Written to") == 2
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["n-shot"]["global_mmlu_full_de"] == 5
    card = yaml.safe_load((tmp_path / "b.yaml").read_text(encoding="utf-8"))
    assert card["model-index"][0]["name"] == "mine"
    assert main(["export", str(tmp_path / "in")]) == 2
    assert "nothing to write" in capsys.readouterr().err


def test_a_folder_that_is_no_result_folder(tmp_path: Path) -> None:
    """What is missing is named."""
    with pytest.raises(DataError, match=r"results\.parquet: no such table"):
        read_results(tmp_path)
    import_lm_eval(LOGGED, tmp_path / "in")
    (tmp_path / "in" / "summary.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"summary\.json: cannot be read"):
        read_results(tmp_path / "in")
