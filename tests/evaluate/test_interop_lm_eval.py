"""Importing what lm-evaluation-harness logs; lm_eval_output/ was written by lm_eval 0.4.13 with the model of byte_model.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polylect import tables
from polylect.cli import main
from polylect.errors import DataError, LanguageError
from polylect.evaluate.benchmarks import get
from polylect.evaluate.interop import import_lm_eval
from polylect.evaluate.interop.lm_eval_tasks import resolve, task_name
from polylect.records import Measurement

LOGGED = Path(__file__).parent / "lm_eval_output"


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """A copy of the harness's output that a test may damage."""
    return Path(shutil.copytree(LOGGED, tmp_path / "logged"))


def _samples(folder: Path, task: str) -> Path:
    return next(folder.rglob(f"samples_{task}_*.jsonl"))


def _edit(path: Path, change: Callable[[list[Any]], list[Any]]) -> None:
    rows = change([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.mark.parametrize(
    ("task", "benchmark", "language", "part"),
    [
        ("xcopa_tr", "xcopa", "tr", ""),
        ("xcopa_zh", "xcopa", "zh-Hans", ""),
        ("xstorycloze_ar", "xstorycloze", "ar", ""),
        ("xwinograd_jp", "xwinograd", "ja", ""),
        ("global_mmlu_full_de_high_school_us_history", "global-mmlu", "de", "high_school_us_history"),
        ("global_mmlu_sw_social_sciences", "global-mmlu-lite", "sw", "social_sciences"),
        ("include_base_44_north macedonian_stem".replace(" ", "_"), "include-base-44", "mk", "stem"),
        ("mgsm_native_cot_bn", "mgsm", "bn", ""),
        ("mgsm_en_cot_sw", "mgsm_en_cot", "sw", ""),
        ("belebele_zho_Hant", "belebele", "zh-Hant", ""),
        ("belebele_zul_prompt_5", "belebele_prompt_5", "zu", ""),
        ("global_piqa_parallel_cloze_zul_latn", "global_piqa_parallel_cloze", "zu", ""),
        ("mmlu_prox_zu_psychology", "mmlu_prox", "zu", "psychology"),
        ("truthfulqa_gl_gen", "truthfulqa_gen", "gl", ""),
        ("xnli_de", "xnli", "de", ""),
        ("lambada_openai_mt_es", "lambada_openai_mt", "es", ""),
    ],
)
def test_a_task_name_says_benchmark_and_language(task: str, benchmark: str, language: str, part: str) -> None:
    """Names of our benchmarks become ours; others lose their language."""
    found = resolve(task)
    assert found is not None
    assert (found.benchmark, found.language, found.part) == (benchmark, language, part)


@pytest.mark.parametrize(
    "task",
    [
        "hellaswag",
        "gsm8k",
        "mmlu_high_school_us_history",
        "flores_es-en",
        "flores_eng_Latn-afr_Latn_prompt_1",
        "xnli_eu_mt",
        "agieval_lsat_ar",
        "polemo2_in",
        "blimp_wh_vs_that_no_gap",
        "mafand_en_sw",
        "arabic_leaderboard_alghafa_meta_ar_msa",
    ],
)
def test_a_name_without_a_language_is_not_guessed(task: str) -> None:
    """English sets do not say their language, a direction of translation has two, and words may look like codes."""
    assert resolve(task) is None


def test_names_go_both_ways() -> None:
    """What is exported under the harness's name is imported as the same benchmark and language."""
    for benchmark, language in (("xcopa", "zh-Hans"), ("xwinograd", "ja"), ("xstorycloze", "sw"), ("mgsm", "te")):
        found = resolve(task_name(benchmark, language))
        assert found is not None
        assert (found.benchmark, found.language) == (benchmark, language)


def test_import_of_several_tasks_and_languages(tmp_path: Path) -> None:
    """Every document of every task is a row per metric, under our names, with what the model chose."""
    found = import_lm_eval(LOGGED, tmp_path / "out")
    counts = {(task["benchmark"], task["language"]): task["documents"] for task in found.tasks}
    assert counts == {
        ("global-mmlu", "de"): 3,
        ("mgsm", "bn"): 2,
        ("xcopa", "tr"): 3,
        ("xcopa", "zh-Hans"): 3,
        ("xwinograd", "pt"): 3,
    }
    assert found.unresolved == {}
    assert not found.notes
    rows = tables.read(tmp_path / "out" / "results.parquet", Measurement)
    assert len(rows) == 3 * 4 + 2 * 2
    first = next(row for row in rows if row.benchmark == "xcopa" and row.language == "tr" and row.item == "test:0")
    assert (first.model, first.metric, first.score) == ("byte", "accuracy", 0.0)
    assert (first.output, first.reference) == ("Çalar saat çalmadı.", "Dışarısı çok soğuktu.")
    assert first.prompt == "Ada pencereyi kapattı çünkü"
    assert {row.metric for row in rows if row.benchmark == "mgsm"} == {"exact_match:strict-match", "exact_match:flexible-extract"}
    strict = [row for row in rows if row.metric == "exact_match:strict-match"]
    assert {(row.score, row.status) for row in strict} == {(0.0, "unparsed")}
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    macro = next(row for row in summary["rows"] if row["benchmark"] == "xcopa" and row["scope"] == "macro")
    assert (macro["n"], macro["language"]) == (6, "mul")
    assert macro["low"] <= macro["value"] <= macro["high"]


def test_items_have_the_ids_that_our_own_evaluation_gives(tmp_path: Path) -> None:
    """The same rows, read by our loader, have the same ids, so that both can be paired."""
    for name, language, task in (
        ("xcopa", "tr", "xcopa_tr"),
        ("xwinograd", "pt", "xwinograd_pt"),
        ("global-mmlu", "de", "global_mmlu_full_de_global_facts"),
    ):
        documents = [json.loads(line)["doc"] for line in _samples(LOGGED, task).read_text(encoding="utf-8").splitlines()]
        data = tmp_path / name / language / "test.jsonl"
        data.parent.mkdir(parents=True)
        data.write_text("".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents), encoding="utf-8")
        ours = [item.item for item in get(name).load(tmp_path / name)]
        theirs = [row.item for row in import_lm_eval(_samples(LOGGED, task)).rows]
        assert theirs == ours


def test_options_hold_the_log_likelihoods(tmp_path: Path) -> None:
    """options.parquet has a row per option, and the chosen one has the highest log-likelihood."""
    import_lm_eval(LOGGED, tmp_path / "out")
    frame = pl.read_parquet(tmp_path / "out" / "options.parquet")
    assert frame.height == 3 * 2 * 3 + 3 * 4
    best = frame.group_by("benchmark", "language", "item").agg(pl.col("label").sort_by("logprob").last())
    chosen = frame.filter(pl.col("chosen")).select("benchmark", "language", "item", "label")
    assert best.sort("benchmark", "language", "item").equals(chosen.sort("benchmark", "language", "item"))


def _older_layout(folder: Path, out: Path) -> None:
    """Write the same samples as lm_eval 0.4.2 did: one JSON list per task, lists of arguments, numbers, no hashes or filters."""
    content = json.loads(next(folder.rglob("results_*.json")).read_text(encoding="utf-8"))
    for key in ("task_hashes", "n-samples", "model_name", "model_source"):
        content.pop(key)
    content["config"]["model_args"] = "pretrained=byte,dtype=float32"
    out.mkdir()
    (out / "results.json").write_text(json.dumps(content), encoding="utf-8")
    for task in content["configs"]:
        rows = []
        for line in _samples(folder, task).read_text(encoding="utf-8").splitlines():
            row = {
                key: value
                for key, value in json.loads(line).items()
                if not key.endswith("_hash") and key not in ("filter", "metrics")
            }
            row["arguments"] = [list(one.values()) for one in row["arguments"].values()]
            if isinstance(row["filtered_resps"][0], list):
                row["filtered_resps"] = [[float(value), greedy == "True"] for value, greedy in row["filtered_resps"]]
            rows.append(row)
        path = out / f"pretrained__byte,dtype__float32_{task}.jsonl"
        path.write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf-8")


def test_the_older_layout_gives_the_same_rows(tmp_path: Path) -> None:
    """Files of 0.4.0 to 0.4.2 are read as those of today, with the filters told apart by their order."""
    _older_layout(LOGGED, tmp_path / "older")
    old, new = import_lm_eval(tmp_path / "older"), import_lm_eval(LOGGED)
    by_id = {row.id: row for row in new.rows}
    assert {row.id: row for row in old.rows} == by_id


@pytest.mark.parametrize("key", ["prompt", "target"])
def test_a_changed_row_is_refused_or_counted(logged: Path, key: str) -> None:
    """A prompt or target that does not match its hash names file and row; with allow_changed it is taken and counted."""

    def change(rows: list[Any]) -> list[Any]:
        if key == "target":
            rows[1]["target"] = "0"
        else:
            rows[1]["arguments"]["gen_args_0"]["arg_0"] += "!"
        return rows

    path = _samples(logged, "xcopa_tr")
    _edit(path, change)
    with pytest.raises(DataError, match=rf"{path.name}, row 2: the {key} does not match"):
        import_lm_eval(logged)
    found = import_lm_eval(logged, allow_changed=True)
    assert sum(found.notes.values()) == 1
    assert len(found.rows) == len(import_lm_eval(LOGGED).rows)


def test_a_missing_row_and_a_changed_order_are_found(logged: Path) -> None:
    """The number of documents and the hash over all rows come from the results file."""
    path = _samples(logged, "xcopa_tr")
    _edit(path, lambda rows: rows[:2])
    with pytest.raises(DataError, match=r"2 documents, but .* says that 3 were asked"):
        import_lm_eval(logged)
    shutil.copy(_samples(LOGGED, "xcopa_tr"), path)
    _edit(path, lambda rows: rows[::-1])
    with pytest.raises(DataError, match="do not match the hash"):
        import_lm_eval(logged)
    assert "file: " in next(iter(import_lm_eval(logged, allow_changed=True).notes))


def test_repeated_rows_are_counted_and_contradictions_refused(logged: Path) -> None:
    """A row that is there twice counts once; two answers to one document are an error."""
    path = _samples(logged, "xcopa_tr")
    _edit(path, lambda rows: [*rows, rows[0]])
    found = import_lm_eval(logged, allow_changed=True)
    assert found.notes["row repeated"] == 1
    assert len(found.rows) == len(import_lm_eval(LOGGED).rows)
    _edit(path, lambda rows: [*rows[:3], {**rows[0], "acc": 1.0}])
    with pytest.raises(DataError, match=r"document 0 .* is there already with other content"):
        import_lm_eval(logged, allow_changed=True)


def _renamed(folder: Path, old: str, new: str) -> None:
    """Give a task another name, in the files' names and in the results."""
    path = _samples(folder, old)
    path.rename(path.with_name(path.name.replace(old, new)))
    results = next(folder.rglob("results_*.json"))
    results.write_text(results.read_text(encoding="utf-8").replace(f'"{old}"', f'"{new}"'), encoding="utf-8")


def test_tasks_without_a_language_are_listed_until_it_is_named(logged: Path) -> None:
    """What is left out is named with its number of rows; --language brings it in."""
    _renamed(logged, "xwinograd_pt", "winogrande")
    assert import_lm_eval(logged).unresolved == {"winogrande": 3}
    found = import_lm_eval(logged, named={"winogrande": "eng"})
    assert found.unresolved == {}
    rows = [row for row in found.rows if row.benchmark == "winogrande"]
    assert [(row.language, row.item) for row in rows] == [("en", "0"), ("en", "1"), ("en", "2")]
    assert {row.output for row in rows} <= {"option 1", "option 2"}
    with pytest.raises(LanguageError):
        import_lm_eval(logged, named={"winogrande": "klingon"})
    with pytest.raises(DataError, match=r"no samples of a task 'winogrand'\. Did you mean 'winogrande'\?"):
        import_lm_eval(logged, named={"winogrand": "en"})
    with pytest.raises(DataError, match="--language winogrande=en"):
        import_lm_eval(_samples(logged, "winogrande"))


def test_a_task_with_our_name_and_other_columns_keeps_its_own(logged: Path) -> None:
    """The rows of a task that is called xcopa_it and is not XCOPA are imported under the task's name, with a note."""
    _renamed(logged, "xwinograd_pt", "xcopa_it")
    found = import_lm_eval(logged)
    assert {row.benchmark for row in found.rows if row.language == "it"} == {"xcopa_it"}
    assert "'xcopa_it' is imported under its own name" in next(iter(found.notes))


def test_the_newest_of_several_runs_is_taken(logged: Path) -> None:
    """Older files of the same model and task are listed and not imported."""
    path = _samples(logged, "xcopa_tr")
    older = path.with_name("samples_xcopa_tr_2025-01-01T00-00-00.000001.jsonl")
    shutil.copy(path, older)
    found = import_lm_eval(logged)
    assert found.superseded == [str(older)]
    assert len(found.rows) == len(import_lm_eval(LOGGED).rows)


def test_what_cannot_be_read_is_said(logged: Path, tmp_path: Path) -> None:
    """No samples, a file cut short, an output folder in use: the message names the file and the next step."""
    with pytest.raises(DataError, match="no such file or folder"):
        import_lm_eval(tmp_path / "nothing")
    for path in logged.rglob("samples_*"):
        if "xcopa_tr" not in path.name:
            path.unlink()
    path = _samples(logged, "xcopa_tr")
    with pytest.raises(DataError, match="holds something already"):
        import_lm_eval(logged, tmp_path)
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    with pytest.raises(DataError, match="row 3: not valid JSON"):
        import_lm_eval(logged)
    path.unlink()
    with pytest.raises(DataError, match="run lm_eval with --log_samples"):
        import_lm_eval(logged)


def test_the_command_prints_tables_and_what_was_left_out(
    logged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person sees a table per benchmark, and the tasks without a language."""
    _renamed(logged, "xwinograd_pt", "winogrande")
    assert main(["import", "lm-eval", str(logged), "--out", str(tmp_path / "out"), "--without-prompts"]) == 0
    printed = capsys.readouterr().out
    assert "xcopa: byte" in printed
    assert "Not imported, no language in the name: winogrande (3 rows)" in printed
    assert {row.prompt for row in tables.read(tmp_path / "out" / "results.parquet", Measurement)} == {""}
    assert main(["import", "lm-eval", str(logged), "--language", "winogrande", "--out", str(tmp_path / "two")]) == 2
    assert main(["import", "lm-eval", str(logged), "--json", "--name", "mine", "--out", str(tmp_path / "two")]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["model"], content["source"]["unresolved"]) == ("mine", {"winogrande": 3})
