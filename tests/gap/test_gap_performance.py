"""Disparity between languages: gaps, equivalence, inequality, correlation, quadrants, from any result tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models

from polylect import tables
from polylect.cli import main
from polylect.errors import DataError
from polylect.gap.document import make_document, read_document, write_document
from polylect.gap.performance import gap_performance
from polylect.gap.performance.correlation import spearman
from polylect.records import Measurement, Result

ITEMS = 40


def table(path: Path, rates: dict[str, float], **more: Any) -> Path:
    """Write a table in which language `tag` has the first `rate` of 40 parallel items right."""
    rows = [
        {
            "model": "m",
            "benchmark": "b",
            "metric": "accuracy",
            "language": tag,
            "item": str(item),
            "score": float(item < rate * ITEMS),
        }
        | more
        for tag, rate in rates.items()
        for item in range(ITEMS)
    ]
    pl.DataFrame(rows).write_parquet(path)
    return path


def by_language(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return language -> row."""
    return {row["language"]: row for row in document["rows"]}


def test_gaps_are_differences_paired_by_item(tmp_path: Path) -> None:
    """Where two languages are right on the same items but one, the interval of their gap is far narrower than each score's."""
    document = gap_performance([table(tmp_path / "r.parquet", {"en": 0.5, "de": 0.475, "sw": 0.1})])
    rows = by_language(document)
    assert rows["de"]["gap_english"] == pytest.approx(0.025)
    assert rows["sw"]["gap_english"] == pytest.approx(0.4)
    paired = rows["de"]["gap_english_high"] - rows["de"]["gap_english_low"]
    assert paired < (rows["de"]["high"] - rows["de"]["low"]) / 2
    assert rows["en"]["gap_english"] is None
    assert rows["en"]["gap_best"] == 0
    assert rows["sw"]["gap_best"] == pytest.approx(0.4)
    group = document["summary"]["groups"][0]
    assert (group["design"], group["items"], group["best"]["language"]) == ("paired", ITEMS, "en")
    assert group["gap_english"]["value"] == pytest.approx(0.5 - (0.475 + 0.1) / 2)


def test_separate_items_have_wider_gaps(tmp_path: Path) -> None:
    """Without shared items the same scores have a gap with a wider interval, and the document says so."""
    frame = pl.read_parquet(table(tmp_path / "r.parquet", {"en": 0.5, "de": 0.475}))
    own = frame.with_columns(pl.concat_str("language", "item").alias("item"))
    own.write_csv(tmp_path / "own.csv")
    paired, separate = (by_language(gap_performance([tmp_path / name]))["de"] for name in ("r.parquet", "own.csv"))
    assert separate["gap_english"] == paired["gap_english"]
    assert separate["gap_english_high"] - separate["gap_english_low"] > 2 * (
        paired["gap_english_high"] - paired["gap_english_low"]
    )
    document = gap_performance([tmp_path / "own.csv"])
    assert document["summary"]["groups"][0]["design"] == "separate"
    assert any("share no items" in note for note in document["notes"])


def test_equivalence_is_a_share_of_english(tmp_path: Path) -> None:
    """The absolute one is the ratio to English, with a verdict; the relative one the share of the best model there."""
    one = table(tmp_path / "one.parquet", {"en": 0.8, "de": 0.8, "sw": 0.2})
    two = table(tmp_path / "two.parquet", {"en": 0.8, "de": 0.4, "sw": 0.1}, model="other")
    document = gap_performance([one, two], theta=0.9)
    rows = {(row["model"], row["language"]): row for row in document["rows"]}
    assert rows["m", "sw"]["absolute"] == pytest.approx(0.25)
    assert (rows["m", "sw"]["equivalent"], rows["m", "de"]["equivalent"]) == ("no", "yes")
    assert rows["other", "sw"]["relative"] == pytest.approx(0.5)
    assert rows["other", "sw"]["relative_to"] == "m"
    assert document["summary"]["groups"][0]["equivalence"] == {"theta": 0.9, "yes": ["de"], "no": ["sw"], "open": []}


def test_worst_mean_and_gini(tmp_path: Path) -> None:
    """The mean of the two worst and the Gini coefficient are those of the definition."""
    rates = {"en": 0.8, "de": 0.6, "sw": 0.2, "yo": 0.1}
    group = gap_performance([table(tmp_path / "r.parquet", rates)], worst=2)["summary"]["groups"][0]
    values = np.array(list(rates.values()))
    assert group["worst_k"]["value"] == pytest.approx(0.15)
    assert group["worst_k"]["languages"] == ["yo", "sw"]
    assert group["gini"]["value"] == pytest.approx(np.abs(values[:, None] - values).sum() / (2 * 16 * values.mean()), abs=1e-5)
    assert group["gini"]["low"] < group["gini"]["value"] < group["gini"]["high"]


def test_worst_mean_covers_the_truth() -> None:
    """Over 120 samples from close languages the interval of the worst mean holds the true one in at least 85 % of the cases."""
    from polylect.gap.performance.groups import Group
    from polylect.gap.performance.numbers import worst_mean
    from polylect.resampling import Estimate, means, replicates, tabulate

    generator, truth = np.random.default_rng(3), np.linspace(0.5, 0.56, 8)
    tags, held = tuple("abcdefgh"), 0
    for _ in range(120):
        right = generator.random((60, 8)) < truth
        cells = tabulate([(str(i), tag, float(right[i, j])) for i in range(60) for j, tag in enumerate(tags)], tags)
        drawn, values = replicates(cells, 0, 300), means(cells)
        group = Group("m", "b", "", tags, (0.0, 1.0), all_items=60, items=dict.fromkeys(tags, 60))
        group.scores = {tag: Estimate(float(values[j]), None, None) for j, tag in enumerate(tags)}
        group.drawn = {tag: drawn[:, j] for j, tag in enumerate(tags)}
        _, (_, low, high) = worst_mean(group, 3)
        assert low is not None
        assert high is not None
        held += low <= truth[:3].mean() <= high
    assert held / 120 >= 0.85


def test_spearman_agrees_with_scipy_and_knows_its_limits() -> None:
    """The coefficient is scipy's, ties included; constant scores, few languages and a perfect order are told."""
    from scipy.stats import spearmanr

    first = dict(zip("abcdefgh", [1.0, 2, 2, 3, 5, 4, 4, 9], strict=True))
    second = dict(zip("abcdefgh", [2.0, 1, 3, 3, 4, 4, 8, 7], strict=True))
    found = spearman(first, second)
    assert found["value"] == pytest.approx(spearmanr(list(first.values()), list(second.values())).statistic)
    assert found["low"] < found["value"] < found["high"]
    assert spearman(dict.fromkeys("abcd", 1.0), second)["reason"] == "all scores are equal"
    assert spearman({"a": 1.0, "b": 2.0}, second)["reason"] == "fewer than three languages have both"
    perfect = spearman({tag: float(i) for i, tag in enumerate("abcdef")}, {tag: float(i) for i, tag in enumerate("abcdef")})
    assert perfect["value"] == 1
    assert perfect["low"] < 0.9


def test_premiums_correlate_and_place_languages(tmp_path: Path) -> None:
    """A document of `gap tokenizer` gives premiums, a correlation and quadrants whose axes are stated."""
    premiums = {"en": 1.0, "de": 1.3, "tr": 1.5, "sw": 1.6, "yo": 3.6, "my": 3.2}
    rows = [{"tokenizer": "t", "language": tag, "premium": value} for tag, value in premiums.items()]
    write_document(make_document("tokenizer", rows, {}, []), tmp_path / "gap")
    rates = {"en": 0.9, "de": 0.9, "tr": 0.7, "sw": 0.5, "yo": 0.1, "my": 0.2}
    document = gap_performance([table(tmp_path / "r.parquet", rates)], premiums=tmp_path / "gap")
    summary = document["summary"]
    found = summary["groups"][0]["correlations"]["premium"]
    assert found["value"] < -0.9
    assert found["languages"] == 6
    assert summary["quadrants_axes"]["mode"] == "standing"
    assert by_language(document)["yo"]["quadrant"] == "behind, costly"
    assert by_language(document)["de"]["quadrant"] == "near English, cheap"
    assert summary["premiums"] == {"tokenizer": "t", "source": str(tmp_path / "gap")}


def test_a_tokenizer_is_measured_for_the_languages_here(tmp_path: Path) -> None:
    """A tokenizer sets a premium beside each language of the declaration; a language outside has none."""
    backend = Backend(models.BPE(vocab={chr(i): i for i in range(33, 127)}, merges=[], unk_token="?"))  # noqa: S106 - a token
    (tmp_path / "tokenizer").mkdir()
    backend.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    path = table(tmp_path / "r.parquet", {"en": 0.9, "tr": 0.7, "ase": 0.5})
    rows = by_language(gap_performance([path], tokenizer=tmp_path / "tokenizer"))
    assert rows["en"]["premium"] == 1
    assert rows["ase"]["premium"] is None
    with pytest.raises(DataError, match="Name one of them"):
        gap_performance([path], tokenizer=tmp_path, premiums=tmp_path)


def test_transfer_quadrants_are_those_of_the_paper(tmp_path: Path) -> None:
    """A model that gains in its own language and in the others is reciprocal, one that gains alone selfish, and so on."""
    sources = [table(tmp_path / "base.parquet", {"en": 0.5, "de": 0.5, "sw": 0.5}, model="base")]
    gains = {
        "reciprocal": {"en": 0.7, "de": 0.9, "sw": 0.7}, "selfish": {"en": 0.4, "de": 0.9, "sw": 0.4},
        "altruistic": {"en": 0.8, "de": 0.4, "sw": 0.8}, "stagnant": {"en": 0.4, "de": 0.4, "sw": 0.4},
    }  # fmt: skip
    sources += [table(tmp_path / f"{name}.parquet", rates, model=name) for name, rates in gains.items()]
    document = gap_performance(sources, base="base", tuned=dict.fromkeys(gains, "de"))
    found = {move["model"]: move["quadrant"] for move in document["summary"]["transfer"]}
    assert found == {name: name for name in gains}
    assert all(move["certain"] for move in document["summary"]["transfer"])
    assert "2311.09071" in document["summary"]["quadrants_axes"]["source"]
    with pytest.raises(DataError, match="Did you mean 'base'"):
        gap_performance(sources, base="bas", tuned={"selfish": "de"})


def test_result_folders_use_their_main_metric(tmp_path: Path) -> None:
    """Of a folder of `polylect eval` the main metric counts; corpus metrics without items come from its summary."""
    rows = [
        Measurement(model="m", benchmark="x", language=tag, item=str(i), metric=metric, score=float(i % 2))
        for tag in ("en", "de")
        for i in range(4)
        for metric in ("accuracy", "other")
    ]
    tables.write(tmp_path / "results.parquet", rows, Measurement)
    scores = [("language", "en", 60.0), ("language", "de", 40.0), ("gap", "de", 20.0), ("macro", "mul", 50.0)]
    head = {"model": "m", "benchmark": "flores", "metric": "corpus_chrf", "subset": "", "n": 9, "unscored": 0}
    corpus = [
        {**head, "scope": scope, "language": tag, "value": value, "low": value - 2, "high": value + 2}
        for scope, tag, value in scores
    ]
    content = {"main_metrics": {"x": "accuracy", "flores": "corpus_chrf"}, "rows": corpus}
    (tmp_path / "summary.json").write_text(json.dumps(content), encoding="utf-8")
    document = gap_performance([tmp_path])
    assert {(row["benchmark"], row["metric"]) for row in document["rows"]} == {("x", "accuracy"), ("flores", "corpus_chrf")}
    assert document["summary"]["metrics_left_out"] == ["x: other"]
    german = next(row for row in document["rows"] if row["benchmark"] == "flores" and row["language"] == "de")
    assert (german["gap_english"], german["gap_english_low"], german["gap_english_high"]) == (20, 18, 22)
    assert german["gap_best_low"] is None
    assert german["absolute"] == pytest.approx(0.666667)


def test_a_run_is_read_by_stage(tmp_path: Path) -> None:
    """The evaluated stages of a run are its models."""
    for stage in ("base", "sft"):
        rows = [
            Result(
                stage=stage, prompt_id=f"{tag}{i}", item=str(i), language=tag, kind="k", subset="s", metric="chrf", value=30.0 + i
            )
            for tag in ("en", "sw")
            for i in range(3)
        ]
        tables.write(tmp_path / "steps" / "evaluate" / stage / "results.parquet", rows, Result)
    document = gap_performance([tmp_path])
    assert document["summary"]["models"] == ["base", "sft"]
    assert document["rows"][0]["score"] == pytest.approx(31)
    assert document["summary"]["groups"][0]["bounds"] == [0, 100]


def test_what_is_missing_is_clear_and_counted(tmp_path: Path) -> None:
    """No English, one language, constant scores, unscored rows, unknown names, averages: each is told with its number."""
    lines = ["model,benchmark,language,item,score,reason"]
    lines += [f"m,none,{tag},{i},{float(i % 2 or tag == 'de')}," for tag in ("de", "Swahili") for i in range(4)]
    lines += [f"m,alone,en,{i},1," for i in range(4)]
    lines += [f"m,same,{tag},{i},1," for tag in ("en", "de", "tr", "fi", "hu") for i in range(4)]
    lines += ["m,same,th,1,,timed out", "m,same,th,2,oops,", "m,same,Gibberish,1,1,", "m,same,mul,1,1,", "m,same,,1,1,"]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    document = gap_performance([tmp_path / "r.csv"])
    summary, notes = document["summary"], " ".join(document["notes"])
    groups = {group["benchmark"]: group for group in summary["groups"]}
    assert groups["none"]["gap_english"]["reason"] == "English was not measured"
    assert groups["alone"]["gap_english"]["reason"] == "English is the only language with a score"
    assert groups["same"]["correlations"]["resource_class"]["reason"] == "all scores are equal"
    assert groups["same"]["unscored_languages"] == ["th"]
    assert groups["same"]["gini"]["value"] == 0
    assert summary["unscored"] == 2
    assert summary["unscored_reasons"] == {"timed out": 1, "the score is not a number": 1}
    assert summary["left_out"] == {"a summary over languages": 1, "no language": 1, "a language that is not known": 1}
    assert summary["unresolved"] == [{"text": "Gibberish", "source": str(tmp_path / "r.csv"), "rows": 1}]
    assert "No score in English, so no gap to it: m on none." in notes
    assert "All languages have the same score: m on same." in notes
    assert {row["language"] for row in document["rows"] if row["benchmark"] == "none"} == {"de", "sw"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model,benchmark,langauge,score\nm,b,de,1\n", "column 'language' is missing.*Did you mean 'langauge'"),
        ("model,benchmark,language,item,score\nm,b,de,1,1\nm,b,de,1,0\n", "item '1' in de is there 2 times"),
        ("model,benchmark,language,item,score\n", "no rows"),
        ("model,benchmark,language,item,score\nm,b,nowhere,1,1\n", "no row of a known language.*'nowhere'"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, content: str, message: str) -> None:
    """A missing column, a repeated item, an empty table, a table without languages: the error says which and what to do."""
    (tmp_path / "r.csv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        gap_performance([tmp_path / "r.csv"])


def test_the_same_results_twice_are_refused(tmp_path: Path) -> None:
    """Two sources that hold the same model and benchmark would count items twice."""
    one, two = (table(tmp_path / name, {"en": 0.5}) for name in ("a.parquet", "b.parquet"))
    with pytest.raises(DataError, match=r"b\.parquet: m on b in en is in .*a\.parquet too"):
        gap_performance([one, two])


def test_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`polylect gap performance` prints a table, writes the folder, and --json - prints nothing but JSON."""
    path = table(tmp_path / "r.parquet", {"en": 0.8, "de": 0.7, "sw": 0.2})
    assert main(["gap", "performance", str(path), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "Swahili" in printed
    assert (tmp_path / "out" / "rows.csv").read_text(encoding="utf-8").count("\n") == 4
    assert read_document(tmp_path / "out", "performance")["summary"]["theta"] == 0.9
    assert main(["gap", "performance", str(path), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "performance"
    assert main(["gap", "performance", str(path), "--tuned", "de"]) == 2
    assert main(["gap", "performance", str(tmp_path)]) == 2
    assert "neither a result folder" in capsys.readouterr().err
