"""The page of a merge or search, and the section on merging in the report of a run."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
from report_example import example
from report_merge_example import write_merge, write_search
from test_report_page import HOSTILE, Page

from polylect import report
from polylect.errors import DataError
from polylect.records import Difference
from polylect.report.page import MAX_BYTES, render

TWO = ("indo-european", "afro-asian")


def ids_are_sound(page: Page) -> None:
    """Every id occurs once, and every name that an element refers to exists."""
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    wanted: set[str] = set()
    for _, a in page.elements:
        wanted |= set(f"{a.get('aria-labelledby') or ''} {a.get('aria-describedby') or ''}".split())
    assert wanted <= set(ids)


@pytest.mark.parametrize(("models", "layers"), [(TWO, 18), (tuple("abcdefgh"), 80)])
def test_the_page_of_a_merge_is_whole_and_small(tmp_path: Path, models: tuple[str, ...], layers: int) -> None:
    """From two inputs of 18 layers to eight of 80: well-formed, below the limit, nothing loaded, nothing run."""
    path = report.merge_report(write_merge(tmp_path, models, layers, size=20))
    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / "report.html"
    assert len(text.encode()) < MAX_BYTES / 2
    page = Page(text)
    ids_are_sound(page)
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#hatch"}
    assert any("default-src 'none'" in (a.get("content") or "") for a in page.all("meta"))
    assert {a.get("id") for a in page.all("figure")} == {"merge-conflict", "merge-cosine", "merge-pairs"}


def test_every_chart_has_a_title_a_description_and_a_table(tmp_path: Path) -> None:
    """No picture stands alone: its words and its numbers can be read without seeing it."""
    page = Page(report.merge_report(write_search(tmp_path, ("romance", "semitic", "turkic"))).read_text(encoding="utf-8"))
    figures = page.all("figure")
    assert len(figures) == 7
    assert all(a.get("aria-labelledby") and a.get("aria-describedby") for a in figures)
    inside = [stack for text, stack in page.texts if text == "Numbers of this chart as a table"]
    assert len(inside) == 7
    assert all(a.get("aria-hidden") == "true" for a in page.all("svg") if "strip" in (a.get("class") or ""))


def test_the_page_of_a_search_says_what_it_found(tmp_path: Path) -> None:
    """Recommended weights, the verdict with its words, held-out values of all candidates, gain per language in both scripts."""
    text = report.merge_report(write_search(tmp_path, ("romance", "semitic", "turkic"))).read_text(encoding="utf-8")
    assert "Recommended weights after 24 evaluations: romance 0.333, semitic 0.333, turkic 0.333." in text
    assert "The recommended merge: does not beat uniform weights: +0.8 points on 60 held-out items." in text
    assert "26.0 to 30.0" in text
    assert 'lang="he" dir="rtl">עברית' in text
    assert "worst score" not in text
    assert "single/" not in text


def test_a_search_that_recommends_one_input_has_no_maps(tmp_path: Path) -> None:
    """Where one input is recommended as it is, nothing was merged: evaluations and gains are shown without maps."""
    folder = write_search(tmp_path, ("romance", "semitic", "turkic"))
    shutil.rmtree(folder / "model")
    page = Page(report.merge_report(folder).read_text(encoding="utf-8"))
    assert {a.get("id") for a in page.all("figure")} == {f"merge-{name}" for name in ("weights", "trials", "gain", "uniform")}


def test_sampling_is_told(tmp_path: Path) -> None:
    """Where statistics come from a sample the page says from how much; where they do not, it says nothing."""
    text = report.merge_report(write_merge(tmp_path / "part", TWO, 2, parameters=10)).read_text(encoding="utf-8")
    assert "2\u202f040 of 20\u202f400 entries" in text
    whole = report.merge_report(write_merge(tmp_path / "all", TWO, 2)).read_text(encoding="utf-8")
    assert "entries; tensors weigh" not in whole


def test_a_base_that_the_manifest_denies_is_believed(tmp_path: Path) -> None:
    """Statistics of the weights themselves, of a merge without a base, are not shown as if they were of task vectors."""
    folder = write_merge(tmp_path, TWO, 2)
    (folder / "manifest.json").write_text(json.dumps({"settings": {"method": "linear", "base": None}}))
    page = Page(report.merge_report(folder).read_text(encoding="utf-8"))
    assert [a.get("id") for a in page.all("figure")] == ["merge-distance"]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """A model's name, a note and a setting full of markup and direction overrides are shown, not obeyed."""
    name = HOSTILE.replace("\ud800", "")
    folder = write_merge(tmp_path, (name, "b"), 2)
    manifest = {"settings": {name: name}, "weights": {name: 1.0}, "notes": [name]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    text = report.merge_report(folder).read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert "\u202e" not in text
    assert "\x00" not in text
    assert text.count("⟨U+202E⟩") > 5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "manifest.json").unlink(), r"manifest\.json: cannot be read .* output folder of `polylect merge`"),
        (lambda f: (f / "manifest.json").write_text("{"), r"manifest\.json: not valid JSON"),
        (lambda f: (f / "manifest.json").write_text("[]"), r"manifest\.json: list found where a JSON object is expected"),
        (lambda f: [path.unlink() for path in f.glob("*.parquet")], "nothing to show"),
    ],
)
def test_a_folder_that_is_no_merge_is_refused(tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    """What is missing or broken is named, and no page is written."""
    folder = write_merge(tmp_path, TWO, 2)
    spoil(folder)
    with pytest.raises(DataError, match=message) as caught:
        report.merge_report(folder)
    assert str(folder) in str(caught.value)
    assert not (folder / "report.html").exists()


def merged(folder: Path, name: str, layers: int = 18, models: tuple[str, ...] = TWO) -> report.MergeStep:
    """A merge of a run."""
    step = report.merge_step(write_merge(folder / name, models, layers, size=20), name, f"Title of {name}", {TWO[0]: 0.75})
    assert step is not None
    return step


def test_a_run_without_merges_says_nothing_of_them() -> None:
    """No section and no entry of the contents where there is nothing to show."""
    text = render(example())
    assert 'id="merging"' not in text
    assert "#merging" not in text


def test_a_run_shows_its_merges(tmp_path: Path) -> None:
    """Each merge is folded but the last, ids do not clash, and report.json brings all of it back."""
    steps = [merged(tmp_path, "sft_merged"), merged(tmp_path, "offline_dpo_merged")]
    data = dataclasses.replace(example(), merges=steps)
    page = Page(render(data))
    ids_are_sound(page)
    assert [("open" in a) for a in page.all("details") if a.get("class") == "merges"] == [False, True]
    assert {"merge-1-conflict", "merge-2-pairs"} <= {a.get("id") for a in page.all("figure")}
    assert "0.75" in {text for text, _ in page.texts}
    report.write(data, tmp_path / "out")
    assert report.read(tmp_path / "out" / "report.json").merges == steps


def test_a_report_from_before_merges_reads(tmp_path: Path) -> None:
    """A report.json without the field has no merges."""
    report.write(example(), tmp_path)
    path = tmp_path / "report.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["merges"]
    path.write_text(json.dumps(document), encoding="utf-8")
    assert report.read(path).merges == []


def test_many_large_merges_keep_the_page_small(tmp_path: Path) -> None:
    """Where the page would pass its limit, earlier merges are left out before samples, and it is said how many."""
    first = merged(tmp_path, "one", 80, tuple("abcdefgh"))
    steps = [dataclasses.replace(first, name=f"stage {n}", title=f"Stage {n}") for n in range(5)]
    text = render(dataclasses.replace(example(), merges=steps))
    assert len(text.encode()) < MAX_BYTES
    assert text.count('<details class="merges"') == 1
    assert "4 earlier merges are left out" in text
    assert text.count("<article>") == 24


def test_the_gain_of_a_stage_needs_results_of_its_inputs(tmp_path: Path) -> None:
    """Gain and loss per language appear where the run compared the merge with its inputs, and not otherwise."""
    data = dataclasses.replace(example(), merges=[merged(tmp_path, "sft_merged")])
    assert 'id="merge-1-stage"' not in render(data)
    rows = [
        Difference(
            a="sft_merged", b=b, metric="exact_match", language=tag, value=value, low=value - 0.01, high=value + 0.01, n=30
        )
        for tag in ("tr", "ar")
        for b, value in ((f"sft_merged/{TWO[0]}", 0.04), (f"sft_merged/{TWO[1]}", -0.02))
    ]
    page = Page(render(dataclasses.replace(data, differences=[*data.differences, *rows])))
    ids_are_sound(page)
    assert "merge-1-stage" in {a.get("id") for a in page.all("figure")}
    texts = [text for text, _ in page.texts]
    assert texts.count("\u22122.0") >= 2
    assert f"vs {TWO[1]}" in texts
    assert f"vs {TWO[0]}" not in texts


def test_a_search_in_a_run_is_shown_with_its_merge(tmp_path: Path) -> None:
    """A step that searched for its weights shows evaluations, weights and gains beside the maps."""
    folder = write_search(tmp_path, TWO)
    shutil.move(folder / "model" / "merge_inputs.parquet", folder)
    shutil.move(folder / "model" / "merge_pairs.parquet", folder)
    step = report.merge_step(folder, "sft_merged", "SFT, merged", {})
    assert step is not None
    page = Page(render(dataclasses.replace(example(), merges=[step])))
    found = {a.get("id") for a in page.all("figure")}
    assert {f"merge-1-{name}" for name in ("weights", "trials", "gain", "uniform", "conflict", "cosine", "pairs")} <= found
