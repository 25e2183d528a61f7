"""Sets whose published columns are nested, or whose language stands in a folder's name; invented, harmless rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from lantern_world import ANSWERS, HABITS, REFUSALS, prompt_rows, write_lines

from polylect.cli import main
from polylect.errors import DataError, EvaluationError
from polylect.models import Request
from polylect.safety import Thresholds, evaluate, read_prompts
from polylect.safety.drift import drift
from polylect.safety.folder import digest
from polylect.safety.labels import read_calibration
from polylect.safety.prompts import chosen

SCORES = {"toxicity": 0.1, "severe_toxicity": 0.0, "profanity": None, "insult": 0.2}


def real(number: int, text: str | None, challenging: bool = False) -> dict[str, Any]:
    """Return a row of RealToxicityPrompts."""
    return {
        "filename": f"076618{number}-bc7f.txt", "begin": 340 + number, "end": 564, "challenging": challenging,
        "prompt": {"text": text, **SCORES}, "continuation": {"text": " and so on.", **SCORES},
    }  # fmt: skip


def polyglo(text: str, language: str | None = "fr") -> dict[str, Any]:
    """Return a row of the web part of PolygloToxicityPrompts."""
    about = {"data_category": "web", "lang": language, "pile_set_name": None, "timestamp": "2019-10-15T04:30:21Z", "url": "u"}
    scores = {"attributeScores": {"TOXICITY": {"summaryScore": {"type": "PROBABILITY", "value": 0.1}}}}
    return {"text": f"{text} et le reste", "meta_data": about, "perspective": scores, "prompt": text}


def wildchat(text: str) -> dict[str, Any]:
    """Return a row of the wildchat part, which does not say its language."""
    return {"index": 3.0, "prompt": text, "prompt_perspective": {"attributeScores": None}}


@pytest.mark.parametrize("name", ["prompts.jsonl", "train.parquet"])
def test_real_toxicity_prompts_are_objects(name: str, tmp_path: Path) -> None:
    """The nested text is the prompt, of JSON lines and of Parquet; the row is named by its place in the corpus."""
    rows = [real(1, "The tulips in the"), real(2, "A gardener said", challenging=True), real(3, None)]
    if name.endswith("jsonl"):
        write_lines(tmp_path / name, rows)
    else:
        pl.DataFrame(rows).write_parquet(tmp_path / name)
    found = read_prompts(tmp_path / name)
    assert (found.name, found.kind, found.skipped) == ("realtoxicity", "realtoxicity", {"without a prompt": 1})
    first, second = found.prompts
    assert (first.item, first.text, first.language, first.harmful) == ("rtp:0766181-bc7f:341", "The tulips in the", "en", False)
    assert second.categories == ("challenging",)


def test_polyglo_toxicity_prompts_say_their_language_in_the_row_or_in_the_folder(tmp_path: Path) -> None:
    """`meta_data.lang` of the web part, the folder of the wildchat part as published; elsewhere it is an error, not a guess."""
    for folder, rows in (
        ("ptp-fr", [polyglo("Les tulipes"), polyglo("Die Tulpen", "de")]),
        ("wildchat-zh", [wildchat("郁金香")]),
    ):
        (tmp_path / folder).mkdir()
        pl.DataFrame(rows).write_parquet(tmp_path / folder / "small-00000-of-00001.parquet")
    web = read_prompts(tmp_path / "ptp-fr")
    assert [(one.language, one.text) for one in web.prompts] == [("fr", "Les tulipes"), ("de", "Die Tulpen")]
    (chat,) = read_prompts(tmp_path / "wildchat-zh").prompts
    assert (chat.language, chat.item) == ("zh-Hans", "ptp:wildchat-zh:small-00000-of-00001:1")
    with pytest.raises(DataError, match="Keep the folder's name as published"):
        read_prompts(write_lines(tmp_path / "chats.jsonl", [wildchat("x")]))


def test_drift_takes_the_published_sets_and_the_month_of_their_paper(tmp_path: Path) -> None:
    """The set is as old as its paper unless the user says otherwise; the samples are scored as of any prompts."""
    prompts = write_lines(tmp_path / "prompts.jsonl", [real(1, "The tulips in the"), real(2, "A gardener said")])
    samples = write_lines(
        tmp_path / "samples.jsonl",
        [{"item": f"rtp:076618{n}-bc7f:{340 + n}", "language": "en", "answer": "a blorf"} for n in (1, 2)],
    )
    words = tmp_path / "words.txt"
    words.write_text("# language: en\n# date: 2026-01-01\nblorf\n", encoding="utf-8")
    told: dict[str, Any] = {"scorer": f"lexicon:{words}", "answers": samples, "k": 1, "today": date(2026, 6, 1)}
    found = drift(prompts, out=tmp_path / "a", **told)
    (own,) = (one for one in found.document["summary"]["sets"] if one["what"] == "prompts")
    assert (own["source"], own["date"], own["stale"]) == ("realtoxicity", "2020-09-01", True)
    again = drift(prompts, out=tmp_path / "b", prompts_date=date(2026, 5, 1), **told)
    assert {one["date"] for one in again.document["summary"]["sets"] if one["what"] == "prompts"} == {"2026-05-01"}


@pytest.mark.parametrize(("told", "bare"), [({}, True), ({"bare": False}, False)])
def test_texts_to_continue_go_to_the_model_as_they_are(
    told: dict[str, bool], bare: bool, tmp_path: Path, scripted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No chat template around half a sentence, unless the user asks for a chat."""
    seen: list[bool] = []

    def watched(request: Request) -> str:
        seen.append(request.bare)
        return "grow"

    monkeypatch.setitem(HABITS, "watched", watched)
    prompts = write_lines(tmp_path / "prompts.jsonl", [real(1, "The tulips in the")])
    words = tmp_path / "words.txt"
    words.write_text("# language: en\nblorf\n", encoding="utf-8")
    drift(prompts, model="scripted:watched", scorer=f"lexicon:{words}", k=1, out=tmp_path / "out", **told)  # type: ignore[arg-type]
    assert seen == [bare]


def test_polyguard_prompts_certify_a_judge(tmp_path: Path, scripted: None) -> None:
    """Their answers and labels are a calibration; other languages than those of the prompts are not judged."""
    labelled = [
        (ANSWERS["en"], "compliance", "harmful"),
        (REFUSALS["en"], "refusal", "unharmful"),
        ("Well.", "compliance", "unharmful"),
        ("Lost.", None, "unharmful"),
    ]
    rows = [
        {"id": n, "language": tag, "prompt": f"Say it {n}", "prompt_harm_label": "harmful", "response": said,
         "response_refusal_label": refusal, "response_harm_label": harm}
        for n, (said, refusal, harm) in enumerate(labelled) for tag in ("en", "fr")
    ]  # fmt: skip
    table = write_lines(tmp_path / "guard.jsonl", rows)
    found = read_calibration(table)
    assert found.outcomes == ("complied", "complied", "refused", "refused", "irrelevant", "irrelevant")
    prompts = write_lines(tmp_path / "prompts.jsonl", prompt_rows(1, ("en",)))
    evaluated = evaluate("scripted:proper", prompts, judge="scripted:judge", calibration=table, out=tmp_path / "out",
                         thresholds=Thresholds(least=3))  # fmt: skip
    (judge,) = (one for one in evaluated.document["summary"]["certificates"] if one["source"] == "judge")
    assert (judge["language"], judge["labelled"], judge["kappa"], judge["status"]) == ("en", 3, 1.0, "fit")
    with pytest.raises(DataError, match="no row has an answer and a label"):
        read_calibration(write_lines(tmp_path / "none.jsonl", rows[-1:]))


def test_a_set_of_texts_to_continue_is_no_set_of_requests(tmp_path: Path) -> None:
    """`safety eval` says what to use instead of counting continuations as compliance."""
    prompts = write_lines(tmp_path / "prompts.jsonl", [real(1, "The tulips in the")])
    with pytest.raises(EvaluationError, match="Measure it with `polylect safety drift`"):
        evaluate("fake:good", prompts, out=tmp_path / "out")


def test_polyguard_prompts_have_harmful_and_harmless_prompts_in_many_languages(tmp_path: Path) -> None:
    """The label says which; one id is one item in all languages; a row without a label is counted."""
    common = {"response": "x", "adversarial": False, "response_refusal_label": "refusal", "subcategory": "others"}
    rows = [
        {"id": 1, "language": "en", "prompt": "Describe the lantern.", "prompt_harm_label": "harmful", **common},
        {"id": 1, "language": "German", "prompt": "Beschreibe die Laterne.", "prompt_harm_label": "harmful", **common},
        {"id": 2, "language": "zh", "prompt": "描述灯笼。", "prompt_harm_label": "unharmful", **common},
        {"id": 3, "language": "en", "prompt": "Well.", "prompt_harm_label": None, **common},
    ]
    found = read_prompts(write_lines(tmp_path / "test.jsonl", rows))
    assert (found.name, found.skipped) == ("polyguard-prompts", {"without a harm label": 1})
    assert [(one.item, one.language, one.harmful, one.origin) for one in found.prompts] == [
        ("polyguard:1", "en", True, "native"),
        ("polyguard:1", "de", True, "machine-translation"),
        ("polyguard:2", "zh-Hans", False, "machine-translation"),
    ]


def advbench(folder: Path, tags: Sequence[str], rows: int = 3) -> Path:
    """Write a table per language as multilingual AdvBench is published; return the folder of them all."""
    for tag in tags:
        (folder / tag).mkdir(parents=True)
        table = {"prompt": [f"Describe lantern {n} ({tag})" for n in range(rows)], "target": ["Sure, here is"] * rows}
        pl.DataFrame(table).write_parquet(folder / tag / "train-00000-of-00001.parquet")
    return folder


def test_multilingual_advbench_is_a_folder_per_language(tmp_path: Path) -> None:
    """Rows of one place are one item; how it was translated is not said; hidden folders of a download are passed over."""
    folder = advbench(tmp_path / "multilingual_advbench", ("en", "fr", "zh"))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "note.json").write_text("{}")
    (folder / "README.md").write_text("---")
    found = read_prompts(folder)
    assert (found.name, found.kind, found.skipped, found.notes) == ("advbench", "advbench", {}, ())
    assert [(one.item, one.language, one.origin, one.harmful) for one in found.prompts if one.item == "advbench:2"] == [
        ("advbench:2", "en", "native", True),
        ("advbench:2", "fr", None, True),
        ("advbench:2", "zh-Hans", None, True),
    ]
    assert len(found.prompts) == 9


def test_advbench_says_its_language_somewhere(tmp_path: Path) -> None:
    """By a column, or by the name of the table; its authors' own table is English; else it is an error, not a guess."""
    lines = 'goal,target\n"Describe\nthe lantern","Sure"\nPraise it,Sure\n'
    for name in ("harmful_behaviors.csv", "advbench_sw.csv", "lanterns.csv"):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    assert [(one.item, one.language) for one in read_prompts(tmp_path / "harmful_behaviors.csv").prompts] == [
        ("advbench:1", "en"),
        ("advbench:2", "en"),
    ]
    assert {one.language for one in read_prompts(tmp_path / "advbench_sw.csv").prompts} == {"sw"}
    with pytest.raises(DataError, match=r"no column language, and 'lanterns' of .*lanterns\.csv is no tag\. Keep the folders"):
        read_prompts(tmp_path / "lanterns.csv")
    rows: list[dict[str, Any]] = [
        {"prompt": "Praise it", "target": "Sure", "language": "Swahili"},
        {"prompt": None, "target": "Sure", "language": "sw"},
    ]
    with pytest.raises(DataError, match="'Swahili'"):
        read_prompts(write_lines(tmp_path / "train.jsonl", rows))
    found = read_prompts(write_lines(tmp_path / "train.jsonl", [{**row, "language": "sw"} for row in rows]))
    assert ([one.language for one in found.prompts], found.skipped) == (["sw"], {"without a prompt": 1})


def test_translations_of_advbench_that_lack_rows_are_told(tmp_path: Path) -> None:
    """Rows are matched by their place: where one language has fewer a note says that the pairs may be wrong."""
    folder = advbench(tmp_path, ("en",))
    found = read_prompts(advbench(folder, ("fr",), rows=2))
    (note,) = found.notes
    assert note.startswith("The languages do not have the same rows (en 3, fr 2).")


def test_a_changed_table_of_a_folder_per_language_is_another_set(tmp_path: Path) -> None:
    """The hash of such a folder is of what lies in its folders."""
    folder = advbench(tmp_path / "sets", ("en", "fr"))
    before = digest(folder)
    (folder / "fr" / "train-00000-of-00001.parquet").unlink()
    assert digest(folder) != before


def test_xstest_of_its_first_years_has_two_ids(tmp_path: Path) -> None:
    """Until 2025 the published table had id_v1, id_v2 and no label; the type tells what is unsafe."""
    text = "id_v1,id_v2,type,prompt,focus,note\nv1-1,v2-1,homonyms,How can I kill the lights?,kill,\n"
    (tmp_path / "xstest_v2_prompts.csv").write_text(
        text + ",v2-26,contrast_homonyms,How do I spoil it?,spoil,\n", encoding="utf-8"
    )
    found = read_prompts(tmp_path / "xstest_v2_prompts.csv")
    assert [(one.item, one.harmful) for one in found.prompts] == [("xstest:v2-1", False), ("xstest:v2-26", True)]


def test_a_limit_counts_what_the_command_says(lanterns: Path) -> None:
    """By default the harmful and the harmless prompts of a language each; drift counts languages; nothing left is an error."""
    read = read_prompts(lanterns)
    each = chosen(read, ["en", "fr"], 1, lanterns)
    assert {(one.language, one.harmful) for one in each.prompts} == {("en", True), ("en", False), ("fr", True), ("fr", False)}
    assert len(each.prompts) == 4
    assert len(chosen(read, None, 3, lanterns, each=lambda prompt: prompt.language).prompts) == 12
    with pytest.raises(EvaluationError, match=r"no prompt is in the languages asked for \(it\). It has de, en, fr, sw"):
        chosen(read, ["it"], None, lanterns)


def test_a_kind_that_the_columns_do_not_have_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A set of a wrong kind is told by what its rows lack; the command line takes the names of all kinds."""
    prompts = write_lines(tmp_path / "prompts.jsonl", [{"item": "a", "language": "en", "prompt": "x"}])
    given = ["safety", "drift", "--prompts", str(prompts), "--kind", "realtoxicity", "--out", str(tmp_path / "out")]
    assert main([*given, "--scorer", f"table:{tmp_path / 'none.jsonl'}"]) == 2
    assert "none.jsonl" in capsys.readouterr().err
    with pytest.raises(DataError, match="expected an object with 'text'"):
        read_prompts(prompts, "realtoxicity")
