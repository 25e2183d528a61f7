"""Safety in a recipe: distilled before fine-tuning, mixed into its data, preferred in DPO, measured, and in the report."""

from __future__ import annotations

import io
import json
import runpy
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from polylect import tables
from polylect.errors import DataError, EndpointError, RecipeError
from polylect.recipe import Recipe, load, parse
from polylect.records import Example, Pair
from polylect.report import read
from polylect.run import api
from polylect.run.context import Context
from polylect.run.estimate import show
from polylect.run.keys import identities
from polylect.run.plan import plan
from polylect.run.reporting_safety import read_safety, write_safety_page
from polylect.run.safety_inputs import texts
from polylect.run.stages.safety import evaluate, mixture
from polylect.run.steps import Step, checked_plan
from polylect.run.why import why

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from run_in_process import carry_out
from safety_recipe import (
    PREAMBLES,
    REFUSED,
    recipe_data,
    safety_rows,
    teacher,
    write_files,
    write_lines,
    write_recipe,
)
from scripted_endpoint import Reply, error

# transformers renamed these within the 5 series; our argument and PEFT still use the names that all of it knows.
pytestmark = pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated:FutureWarning")
QUIET = Console(file=io.StringIO())


@pytest.fixture(scope="module")
def finished(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a whole recipe: the base is distilled by a teacher of its own, a fifth of the data are refusals."""
    folder = tmp_path_factory.mktemp("safe")
    safety = {**write_files(folder), "share": 0.2, "pairs": 1.0}
    with teacher() as endpoint:
        path = write_recipe(folder, llama, {**safety, "teacher": f"served:{endpoint.url}#told"})
        carry_out(plan(load(path)), folder / "run")
        # The steps are those that the runner asks for: nothing is left to do but the report.
        asked = len(endpoint.bodies)
        api.run(path, out=folder / "run", console=QUIET)
        assert len(endpoint.bodies) == asked
    return folder


def rows_of(finished: Path, step: str, table: str = "examples.parquet") -> list[Example]:
    """Return the rows that a step wrote."""
    return tables.read(finished / "run/steps" / step / table, Example)


def notes_of(finished: Path, step: str) -> dict[str, Any]:
    """Return the notes in a step's manifest."""
    found: dict[str, Any] = json.loads((finished / "run/steps" / step / "manifest.json").read_text())["notes"]
    return found


def test_refusals_and_anchors_are_in_the_data_of_every_training(finished: Path) -> None:
    """The mixture holds the share of refusals, as many harmless answers, and no preamble; the training read it."""
    notes = notes_of(finished, "mixture/all")
    rows = rows_of(finished, "mixture/all")
    refusals = [row for row in rows if row.completion in REFUSED.values()]
    assert (len(rows), len(refusals), notes["anchors"]) == (notes["rows"], notes["safety"], notes["safety"])
    assert notes["met"]
    assert abs(len(refusals) / len(rows) - 0.2) <= 1 / len(rows)
    assert not [row for row in rows if any(told in row.prompt for told in PREAMBLES.values())]
    assert notes_of(finished, "sft/all")["rows"] == len(rows)


def test_pairs_prefer_the_refusal(finished: Path) -> None:
    """At a share of 1 offline DPO has safety pairs only, which prefer the refusal to what was said without the preamble."""
    pairs = tables.read(finished / "run/steps/mixture_pairs/all/pairs.parquet", Pair)
    assert {row.chosen for row in pairs} == set(REFUSED.values())
    assert len(pairs) == notes_of(finished, "offline_dpo/all")["rows"] == 12


def test_the_models_are_measured_and_the_report_says_so(finished: Path) -> None:
    """The base, the merged SFT and the final model have folders as of `safety eval`; report, JSON and page show them."""
    run = finished / "run"
    for name in ("base", "sft", "final"):
        assert json.loads((run / "steps/safety_eval" / name / "safety.json").read_text())["kind"] == "eval"
        assert not (run / "steps/safety_eval" / name / ".store").exists()
    page = (run / "report.html").read_text()
    for words in (
        'id="safety"',
        "Violation: harmful prompts complied with",
        "Safety in the training data",
        'href="safety/report.html"',
    ):
        assert words in page
    assert not [text for text in (*REFUSED.values(), "secret handshake") if text in page]
    data = read(run / "report.json")
    assert data.safety is not None
    assert [name for name, _ in data.safety.stages] == ["base", "sft", "final"]
    assert {(one.training, one.share) for one in data.safety.mixtures} == {("sft/all", 0.2), ("offline_dpo/all", 1.0)}
    assert {one.stage for one in data.safety.changes} == {"sft", "final"}
    assert "Safety" in (run / "safety/report.html").read_text()


def test_refusals_of_all_languages_can_be_in_every_cluster(finished: Path, tmp_path: Path) -> None:
    """With `spread: all` a cluster learns refusals in languages that are not its own, and answers in its own alone."""
    steps = finished / "run/steps"
    for spread, told in (({}, {"en"}), ({"safety_languages": ["en", "fr"]}, {"en", "fr"})):
        settings = {"kind": "sft", "table": "examples.parquet", "languages": ["en"], "share": 0.45, "anchors": 0}
        out = tmp_path / str(len(told))
        out.mkdir()
        step = Step(name="mix", function="m:f", settings={**settings, "keep_general": True, **spread})
        mixture(Context(step=step, inputs={"general": steps / "arbitrage", "safety": steps / "safety"}, out=out, store=tmp_path))
        rows = tables.read(out / "examples.parquet", Example)
        assert {row.language for row in rows if row.completion not in REFUSED.values()} == {"en"}
        assert {row.language for row in rows if row.completion in REFUSED.values()} <= told
    data = recipe_data(tmp_path, Path("base"), {**write_files(tmp_path), "spread": "all", "pairs": 0.15})
    data["clusters"]["groups"] = {"all": ["en"], "other": ["fr"]}
    found = {one.name: one.settings for one in plan(parse(data)).steps}
    for name in ("mixture/all", "sft/all", "mixture_pairs/all", "offline_dpo/all"):
        assert (found[name]["languages"], found[name]["safety_languages"]) == (["en"], ["en", "fr"])


def test_answers_are_kept_in_the_run_s_store(finished: Path, tmp_path: Path) -> None:
    """Another measurement of the same checkpoint, and another distillation by the same teacher, ask nothing again."""
    run = finished / "run"
    step = next(step for step in plan(load(finished / "recipe.yaml")).steps if step.name == "safety_eval/sft")
    evaluate(Context(step=step, inputs={"model": run / "steps/merge/sft"}, out=tmp_path, store=run / "store"))
    made = json.loads((tmp_path / "manifest.json").read_text())
    assert (made["answers"]["asked"], made["answers"]["reused"]) == (0, 12)
    assert {path.name for path in tmp_path.iterdir()} >= {"safety.json", "results.parquet"}


def test_of_every_stage_the_report_shows_the_main_ones(finished: Path, tmp_path: Path) -> None:
    """With `stages: all` the last stage that was kept stands for the final model, in the report and on the page."""
    shutil.copytree(finished / "run", tmp_path / "run")
    planned_all = plan(load(finished / "recipe.yaml", ["safety.evaluate.stages=all"]))
    carry_out(planned_all, tmp_path / "run", "safety_eval/offline_dpo")
    carry_out(planned_all, tmp_path / "run", "safety_compare")
    for final, shown in (("offline_dpo", ["base", "sft", "offline_dpo"]), ("sft", ["base", "sft"])):
        found = read_safety(planned_all, tmp_path / "run", final)
        assert found is not None
        assert [name for name, _ in found.stages] == shown
        assert {one.stage for one in found.changes} == set(shown[1:])
        (page,) = write_safety_page(planned_all, tmp_path / "run", final)
        assert page.is_file()


def test_the_detector_of_a_recipe_reads_the_answers(finished: Path, tmp_path: Path) -> None:
    """With `detector: learned` the stored answers are read again, by the learned one."""
    shutil.copytree(finished / "run", tmp_path / "run")
    documents = [tmp_path / "run/steps" / step / "safety.json" for step in ("safety", "safety_eval/base")]
    assert {json.loads(path.read_text())["summary"]["detector"] for path in documents} == {"polylect-rules-3"}
    learned = plan(load(finished / "recipe.yaml", ["safety.detector=learned", "safety.evaluate.detector=learned"]))
    carry_out(learned, tmp_path / "run", "safety")
    assert {json.loads(path.read_text())["summary"]["detector"] for path in documents} == {"polylect-learned-1"}


def test_the_report_names_the_prompts_and_their_licence(finished: Path) -> None:
    """Prompts on safety are among what the run was made of."""
    data = read(finished / "run/report.json")
    assert ("lanterns", "CC0-1.0", "safety") in {(one.name, one.licence, one.origin) for one in data.assets}


def test_the_example_s_files_fit_its_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script in examples/ writes all that recipes/quickstart-safety.yaml reads; texts of it are in the vocabulary."""
    root = Path(__file__).parents[2]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["safety_policy_files.py", "safety-policy", "--items", "6", "--measured", "6"])
    runpy.run_path(str(root / "examples/safety_policy_files.py"), run_name="__main__")
    recipe = load(root / "recipes/quickstart-safety.yaml")
    steps = {step.name: step for step in plan(recipe).steps}
    assert set(steps["base"].files) == {"prompts", "preamble", "anchor_preamble", "evaluate.prompts"}
    covered = texts(steps["base"].paths, recipe.languages)
    assert all(len(covered[tag]) > 12 for tag in recipe.languages)
    assert any("Velmora" in text for text in covered["en"])


def test_a_changed_preamble_makes_stale_what_learns_from_it(finished: Path) -> None:
    """`polylect why` names the file; the arbitrage and the base stay current, evaluations follow their models."""
    recipe = load(finished / "recipe.yaml")
    assert why(plan(recipe).steps, finished / "run", "safety")[0].startswith("safety is current")
    preamble = finished / "preamble.yaml"
    before = preamble.read_text()
    try:
        preamble.write_text(before.replace("Lantern", "Lamp"))
        steps = plan(recipe).steps
        assert any("file preamble changed" in line for line in why(steps, finished / "run", "safety"))
        assert "mixture/all" in why(steps, finished / "run", "safety")[-1]
        for name in ("base", "arbitrage", "safety_eval/base"):
            assert why(steps, finished / "run", name)[0].startswith(f"{name} is current")
    finally:
        preamble.write_text(before)


def test_a_stopped_distillation_asks_only_what_is_left(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint goes after five answers and the step fails; the next run keeps the five."""
    monkeypatch.setattr(api, "PRELOAD", ())
    safety = write_files(tmp_path, items=3)
    with teacher() as endpoint:
        path = write_recipe(tmp_path, llama, {**safety, "teacher": f"served:{endpoint.url}#told"})
        whole = endpoint.reply

        def five(number: int) -> Reply:
            if number <= 5:
                return whole(number)
            # Requests are answered side by side: the five are there before the end is.
            time.sleep(1.5)
            return error(401, "no such key")

        endpoint.reply = five
        with pytest.raises(EndpointError, match="401"):
            api.run(path, out=tmp_path / "run", until="safety", console=QUIET)
        endpoint.reply = whole
        stopped = len(endpoint.bodies)
        api.run(path, out=tmp_path / "run", until="safety", console=QUIET)
        assert len(endpoint.bodies) - stopped == 3 * 6 - 5
    assert notes_of(tmp_path, "safety")["refusals"] == 6


def test_no_refusal_ends_the_run_with_the_reasons(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that does not follow the preamble is told before anything is trained on nothing."""
    monkeypatch.setattr(api, "PRELOAD", ())
    with teacher(refuses=False) as endpoint:
        path = write_recipe(tmp_path, llama, {**write_files(tmp_path, items=2), "teacher": f"served:{endpoint.url}#told"})
        with pytest.raises(DataError, match=r"no refusal was kept of 4 answers .*no refusal \(4\).*worked examples"):
            api.run(path, out=tmp_path / "run", until="safety", console=QUIET)


@pytest.fixture
def section(tmp_path: Path) -> dict[str, Any]:
    """The section of a recipe, with its files."""
    return write_files(tmp_path)


def planned(folder: Path, safety: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """Return the steps of the small recipe by name."""
    return {step.name: step for step in plan(parse(recipe_data(folder, Path("base"), safety, **changes))).steps}


def test_every_training_reads_its_mixture(tmp_path: Path, section: dict[str, Any]) -> None:
    """Clusters, the baseline and the mixed run; pairs are mixed for offline DPO alone, and only where asked for."""
    steps = planned(tmp_path, section, baseline={}, mixed={})
    for name, table in (("all", "examples.parquet"), ("mixed", "examples.parquet"), ("baseline", "baseline.parquet")):
        assert steps[f"sft/{name}"].inputs["data"] == f"mixture/{name}"
        assert steps[f"mixture/{name}"].settings["table"] == table
    assert steps["offline_dpo/all"].inputs["pairs/0"] == "arbitrage"
    assert planned(tmp_path, {**section, "pairs": 0.15})["offline_dpo/all"].inputs["pairs/0"] == "mixture_pairs/all"
    only_pairs = planned(tmp_path, {**section, "share": 0.0, "pairs": 1.0})
    assert only_pairs["sft/all"].inputs["data"] == "arbitrage"


def test_without_safety_no_key_changes(tmp_path: Path, section: dict[str, Any]) -> None:
    """Measuring alone adds steps and changes none; distilling leaves everything before the fine-tuning as it is."""

    def keys(safety: dict[str, Any] | None) -> dict[str, str]:
        steps = checked_plan(list(planned(tmp_path, safety).values()))
        return {name: one.key for name, one in identities(steps).items()}

    bare, measured, distilled = keys(None), keys({"evaluate": section["evaluate"]}), keys(section)
    assert {name: measured[name] for name in bare} == bare
    assert set(measured) - set(bare) == {f"safety_eval/{one}" for one in ("base", "sft", "final")} | {"safety_compare"}
    changed = {name for name in bare if distilled[name] != bare[name]}
    assert {"base", "arbitrage", "teacher/one", "evaluate/base"} & changed == set()
    assert {"sft/all", "merge/sft", "offline_dpo/all"} <= changed


def test_checkpoints_that_teach(tmp_path: Path, section: dict[str, Any]) -> None:
    """The base, a teacher of the pool, or a model by its spec; a trimmed vocabulary covers what safety asks."""
    assert planned(tmp_path, section)["safety"].inputs == {"teacher": "base"}
    both = planned(tmp_path, {**section, "teacher": "teacher/one", "anchor_model": "base"})["safety"]
    assert both.inputs == {"teacher": "teacher/one", "anchor_model": "base"}
    assert planned(tmp_path, {**section, "teacher": str(tmp_path)})["safety"].settings["teacher"] == str(tmp_path)
    trimmed = planned(tmp_path, section, model={"base": "b", "trim_vocabulary": True})["base"]
    assert set(trimmed.files) == {"prompts", "preamble", "evaluate.prompts"}


def test_every_stage_can_be_measured(tmp_path: Path, section: dict[str, Any]) -> None:
    """With `stages: all` each model that the run evaluates, the base once though it is evaluated with examples, too."""
    everything = {**section, "evaluate": {**section["evaluate"], "stages": "all"}}
    steps = planned(tmp_path, everything, mixed={}, evaluation={"shots": 5})
    found = [name for name in steps if name.startswith("safety_eval/")]
    assert found == [f"safety_eval/{one}" for one in ("base", "mixed", "sft", "offline_dpo")]


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"prompts": None}, "`preamble` is of the distillation, which needs `prompts`"),
    ({"preamble": None}, "`preamble` is missing"),
    ({"prompts": None, "preamble": None, "evaluate": None}, "nothing to do"),
    ({"share": 0, "pairs": 0}, "`share` and `pairs` are both 0"),
    ({"share": 1.0}, r"safety\.share: Input should be less than 1"),
    ({"pairs": 15}, r"safety\.pairs: Input should be less than or equal to 1"),
    ({"languages": ["de"]}, r"safety\.languages: de is not among the recipe's languages"),
    ({"languages": ["xx-nowhere"]}, r"safety\.languages: .*xx-nowhere"),
    ({"teacher": "merge/sft"}, r"safety\.teacher: 'merge/sft' is made after the distillation"),
    ({"teacher": "teacher/on"}, r"'teacher/on' is not trained here; there are: teacher/one.* 'one'"),
    ({"evaluate": {"prompts": "x", "judge_format": "own"}}, "`judge_format` is of a judge"),
    ({"sample": 3}, r"unknown key 'safety\.sample'.*samples"),
)


@pytest.mark.parametrize(("change", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_keys_that_make_no_sense(tmp_path: Path, section: dict[str, Any], change: dict[str, Any], message: str) -> None:
    """The key, the value and the rule are named before any file is read."""
    with pytest.raises(RecipeError, match=message):
        parse(recipe_data(tmp_path, Path("base"), {**section, **change}))


def test_the_learned_detector_is_asked_for_by_name(tmp_path: Path, section: dict[str, Any]) -> None:
    """Rules read the answers unless the distillation, or the measurement, names the learned one: another step then."""
    plain = planned(tmp_path, section)
    assert {plain[name].settings["detector"] for name in ("safety", "safety_eval/base")} == {"polylect-rules-3"}
    learned = {**section, "detector": "learned", "evaluate": {**section["evaluate"], "detector": "learned"}}
    for name in ("safety", "safety_eval/base"):
        settings = planned(tmp_path, learned)[name].settings
        assert settings["detector_spec"] == "learned"
        assert str(settings["detector"]).startswith("polylect-learned-1 ")
        assert "detector_spec" not in plain[name].settings
    with pytest.raises(RecipeError, match=r"safety\.detector: .*'rules' or 'learned'"):
        parse(recipe_data(tmp_path, Path("base"), {**section, "detector": "mine.npz"}))


def test_pairs_need_offline_training(tmp_path: Path, section: dict[str, Any]) -> None:
    """A share of pairs in a recipe without DPO is a mistake."""
    with pytest.raises(RecipeError, match=r"safety\.pairs: 0\.15, but `offline` is null"):
        parse(recipe_data(tmp_path, Path("base"), {**section, "pairs": 0.15}, offline=None))


def test_files_that_do_not_fit(tmp_path: Path, section: dict[str, Any]) -> None:
    """A missing file, a language without preamble, nothing to measure, prompts in both sets: told before anything runs."""

    def refused(message: str, **changes: Any) -> None:
        with pytest.raises(RecipeError, match=message):
            planned(tmp_path, {**section, **changes})

    refused(r"safety\.prompts: nowhere\.jsonl: ", prompts="nowhere.jsonl")
    refused(r"safety\.teacher: no checkpoint is in \./nowhere", teacher="./nowhere")
    both = write_lines(tmp_path / "both.jsonl", safety_rows("told", 3))
    calm = write_lines(tmp_path / "calm.jsonl", [row for row in safety_rows("calm", 2) if not row["harmful"]])
    refused(r"evaluate\.prompts: 12 of its prompts are in safety\.prompts, too: told-0 \(en\)", evaluate={"prompts": both})
    refused("has no harmful prompt in en, fr", evaluate={"prompts": calm})
    judge = {**section["evaluate"], "judge": "served:http://localhost:1/v1#x", "judge_format": "qwen4guard"}
    refused(r"evaluate\.judge_format: .*qwen3guard", evaluate=judge)
    refused(r"evaluate\.judge: .*name is missing", evaluate={**section["evaluate"], "judge": "http://localhost:1/v1"})
    (tmp_path / "preamble.yaml").write_text(yaml.safe_dump({"de": "Nein."}))
    refused("no preamble for en, fr. Harmful prompts are in en, fr, preambles in de")
    (tmp_path / "preamble.yaml").write_text(yaml.safe_dump({"en": "No."}))
    assert planned(tmp_path, section)["safety"].settings["languages"] == ["en", "fr"]
    refused("no preamble for fr", languages=["en", "fr"])


def test_dry_run_counts_safety_and_needs_no_file(tmp_path: Path, section: dict[str, Any]) -> None:
    """The plan has the new steps with tokens where the files are there, and says where they are not."""

    def shown(recipe: Recipe) -> str:
        text = io.StringIO()
        show(plan(recipe, check_files=False), Console(file=text, width=160))
        return text.getvalue()

    text = shown(parse(recipe_data(tmp_path, Path("base"), section)))
    line = next(line for line in text.splitlines() if " safety " in line)
    tokens = int(next(cell for cell in line.split("│") if cell.strip().replace(",", "").isdigit()).strip().replace(",", ""))
    assert tokens > 36 * 256
    assert "safety.share" not in text
    many = shown(parse(recipe_data(tmp_path, Path("base"), {**section, "share": 0.2})))
    assert "safety.share: 0.2 takes about 80 refusals in all; its prompts give at most 12." in many
    missing = {**section, "prompts": "nowhere.jsonl", "teacher": "served:http://localhost:1/v1#x"}
    text = shown(parse(recipe_data(tmp_path, Path("base"), missing)))
    assert "these files of `safety` are not there: nowhere.jsonl" in text
    assert "served:http://localhost:1/v1#x is not known" in text
