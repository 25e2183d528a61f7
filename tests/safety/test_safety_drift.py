"""Toxicity over k samples: estimators by hand, scorers, ages of sets, what is not known, and differences."""

from __future__ import annotations

import json
from datetime import date
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from lantern_world import ASKED_OF, write_lines

from polylect import tables
from polylect.cli import main
from polylect.errors import DataError, EndpointError, EvaluationError, ModelError
from polylect.safety.drift import (
    DriftResult,
    DriftRun,
    PromptScores,
    Sample,
    SampleScore,
    compare_drift,
    differences,
    drift,
    drift_rows,
    expected_maximum,
    open_scorer,
    probability,
    read_lexicon,
)

TODAY = date(2026, 6, 1)
PLAIN = ("the tulips grow", "nothing much", "very nice")
"""Samples without a placeholder term."""


START = {"en": "Say something of plot", "de": "Sage etwas zum Beet"}


def garden(path: Path, plots: int = 8, tags: tuple[str, ...] = ("en", "de")) -> Path:
    """Write a prompt set about plots of a garden: the first half of 2023, the others of 2026."""
    rows = [
        {"item": f"plot-{n}", "language": tag, "prompt": f"{START[tag]} {n}", "source": "garden", "harmful": False,
         "date": "2023-03-01" if n < plots // 2 else "2026-03-01"}
        for n in range(plots) for tag in tags
    ]  # fmt: skip
    return write_lines(path, rows)


def samples(path: Path, plots: int = 8, each: int = 4, term: str = "blorf", **more: Any) -> Path:
    """Write recorded samples: plot n has the placeholder term in sample 0 where n is even."""
    rows = [
        {"item": f"plot-{n}", "language": tag, "sample": s, "answer": f"a {term}!" if s == 0 and n % 2 == 0 else PLAIN[s % 3]}
        for n in range(plots) for tag in ("en", "de") for s in range(each)
    ]  # fmt: skip
    return write_lines(path, [*rows, *([more] if more else [])])


def words(path: Path, *terms: str, language: str = "en", day: str = "2026-01-01") -> Path:
    """Write a lexicon of placeholder terms with its header."""
    lines = [f"# language: {language}", f"# date: {day}", "# source: invented words", "# stale_after: 90", *terms]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def figure(found: DriftRun, language: str, metric: str = "expected maximum", group: str = "") -> dict[str, Any]:
    """Return a row of the document."""
    wanted = {"language": language, "metric": metric, "group": group}
    return next(row for row in found.document["rows"] if wanted.items() <= row.items())


def test_the_estimators_are_means_over_all_subsets() -> None:
    """Against the definition by brute force; with n = k the paper's; with fewer nothing."""
    values = [0.1, 0.9, 0.4, 0.4, 0.55, 0.2]
    for k in range(1, 7):
        subsets = list(combinations(values, k))
        assert expected_maximum(values, k) == pytest.approx(fmean(map(max, subsets)))
        assert probability(values, 0.5, k) == pytest.approx(fmean(max(one) >= 0.5 for one in subsets))
    assert (expected_maximum(values, 7), probability(values, 0.5, 7)) == (None, None)
    assert expected_maximum([0.0] * 1000 + [1.0], 25) == pytest.approx(25 / 1001)


def test_a_lexicon_finds_whole_words_in_its_language(tmp_path: Path) -> None:
    """Case and punctuation do not count, parts of words do not match, several words do; elsewhere it abstains."""
    scorer = open_scorer(f"lexicon:{words(tmp_path / 'w.txt', 'blorf', 'wug wug')}")
    texts = ["A BLORF!", "blorfs grow", "wug, wug", "wug", "see `blorf`", ""]
    found = scorer.score([Sample("i", "en", n, text) for n, text in enumerate(texts)])
    assert [one.value for one in found] == [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    (german,) = scorer.score([Sample("i", "de", 0, "blorf")])
    assert (german.value, german.reason) == (None, "no terms of the lexicon in de")


def test_a_lexicon_of_unspaced_scripts_and_of_weights(tmp_path: Path) -> None:
    """A table has weights and dates per term; Chinese terms are found inside a text; a folder holds several files."""
    rows = [
        {"term": "布洛", "language": "zh-Hans", "date": "2025-05-05", "source": "s", "weight": 0.7},
        {"term": "wug", "language": "en", "date": "2025-05-05", "source": "s", "weight": 0.25},
    ]
    folder = tmp_path / "lexicons"
    folder.mkdir()
    write_lines(folder / "terms.jsonl", rows)
    words(folder / "more.txt", "wug")
    scorer = open_scorer(f"lexicon:{folder}")
    found = scorer.score([Sample("i", "zh-Hans", 0, "花园里布洛很多"), Sample("i", "en", 0, "wug")])
    assert [one.value for one in found] == [0.7, 1.0]
    assert {(one.language, str(one.date), one.size) for one in scorer.sets} == {
        ("zh-Hans", "2025-05-05", 1), ("en", "2025-05-05", 1), ("en", "2026-01-01", 1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blorf\n", "does not say the language"),
        ("# language: en\n# date: May\nblorf\n", "'May' is no date"),
        ("# language: en\n# dat: 2024-01-01\nblorf\n", "line 2: unknown 'dat'. Did you mean 'date'"),
        ("# language: en\n", "no terms"),
        ("# language: en\n# stale_after: soon\nblorf\n", "'soon' is no number of days"),
    ],
)
def test_a_bad_lexicon_is_named(tmp_path: Path, text: str, message: str) -> None:
    """The file, the line and the rule are in the message."""
    path = tmp_path / "w.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_lexicon(path)
    assert str(path) in str(error.value)


def test_a_lexicon_that_is_not_there(tmp_path: Path) -> None:
    """The path is named, and what a lexicon may be."""
    with pytest.raises(DataError, match=r"none\.txt: no such lexicon\. Give a word list"):
        read_lexicon(tmp_path / "none.txt")


def test_figures_per_language_with_what_is_not_known(tmp_path: Path) -> None:
    """Half of the English prompts are toxic in one of 4 samples; German has no terms; the recorded 4 stand for k = 25."""
    found = drift(
        garden(tmp_path / "p.jsonl"), scorer=f"lexicon:{words(tmp_path / 'w.txt', 'blorf')}", out=tmp_path / "out",
        answers=samples(tmp_path / "s.jsonl", item="plot-99", language="en", sample=0, answer="lost"), today=TODAY,
    )  # fmt: skip
    english = figure(found, "en")
    assert (english["value"], english["k"], english["n"], english["too_few"], english["samples"]) == (0.5, 4, 8, 0, 32)
    assert 0.1 < english["low"] < 0.25
    assert 0.75 < english["high"] < 0.9
    german = figure(found, "de", "probability")
    assert (german["value"], german["n"], german["unscored"]) == (None, 0, {"no terms of the lexicon in de": 32})
    notes = "\n".join(found.document["notes"])
    assert "the figures are over 4, not 25" in notes
    assert "no figure in de" in notes
    rows = tables.read(tmp_path / "out/results.parquet", DriftResult)
    assert len(rows) == 32
    assert {row.metric for row in rows} == {"expected_maximum_toxicity", "toxicity_probability"}
    unknown = next(row for row in rows if row.language == "de")
    assert (unknown.score, unknown.status) == (None, "unparsed")
    assert unknown.reason == "0 scored samples, 4 needed: 4 x no terms of the lexicon in de"
    assert found.manifest["model"] == {"name": "s", "used": 64, "unknown": 1}


def test_a_prompt_with_fewer_samples_than_k_has_no_value() -> None:
    """It is counted as too few; those with more use all of them."""
    prompts = [PromptScores("a", "en", "", (1.0, 0.0)), PromptScores("b", "en", "", (0.0, 0.0, 0.0, 0.5))]
    row = drift_rows(prompts, k=3, threshold=0.5)[0]
    assert (row["n"], row["too_few"], row["value"], row["low"]) == (1, 1, 0.375, None)


def test_the_age_of_every_set_is_shown_and_warned_of(tmp_path: Path) -> None:
    """Old prompts are stale by the option, the lexicon by its own header; a finished folder counts ages to the new day."""
    given: dict[str, Any] = {
        "scorer": f"lexicon:{words(tmp_path / 'w.txt', 'blorf')}", "out": tmp_path / "out",
        "answers": samples(tmp_path / "s.jsonl"), "stale_after": 1000,
    }  # fmt: skip
    prompts = garden(tmp_path / "p.jsonl", tags=("en",))
    found = drift(prompts, today=TODAY, **given)
    sets = {(row["what"], row["date"]): (row["age"], row["stale"]) for row in found.document["summary"]["sets"]}
    assert sets == {
        ("lexicon", "2026-01-01"): (151, True), ("prompts", "2023-03-01"): (1188, True), ("prompts", "2026-03-01"): (92, False),
    }  # fmt: skip
    assert found.document["notes"][0] == (
        "stale lexicon in en: up to 151 days old (invented words, 2026-01-01), past 90: what people say now may be missing"
    )
    later = drift(prompts, today=date(2026, 2, 1), **given)
    assert later.found == "finished"
    notes = [note for note in later.document["notes"] if note.startswith(("stale", "prompts", "lexicon"))]
    assert notes == [
        "stale prompts in en: up to 1,068 days old (garden, 2023-03-01), past 1,000: what people say now may be missing",
        "prompts dated after today (en)",
    ]


def test_undated_prompts_are_said_to_be(tmp_path: Path) -> None:
    """Without a date nobody can tell; the option gives one; a date that is none is named with its row."""
    rows = [{"item": "a", "language": "en", "prompt": "Plot"}, {"item": "b", "language": "en", "prompt": "Plots"}]
    scores = write_lines(tmp_path / "t.jsonl", [{"item": x, "language": "en", "score": 0.5} for x in "ab"])
    prompts = write_lines(tmp_path / "p.jsonl", rows)
    found = drift(prompts, scorer=f"table:{scores}", out=tmp_path / "a", k=1, today=TODAY)
    assert found.document["notes"][0] == "prompts without a date: nobody can tell how stale (en)"
    dated = drift(prompts, scorer=f"table:{scores}", out=tmp_path / "b", k=1, today=TODAY, prompts_date=date(2026, 5, 1))
    assert dated.document["summary"]["sets"][0]["age"] == 31
    rows[1]["date"] = "2026-13-01"
    with pytest.raises(DataError, match=r"row 2, column 'date': '2026-13-01' is no date"):
        drift(write_lines(tmp_path / "q.jsonl", rows), scorer=f"table:{scores}", out=tmp_path / "c", k=1)


def test_a_table_of_scores_is_a_scorer(tmp_path: Path) -> None:
    """Its rows are the samples; a score outside [0, 1] and a sample twice are named; an empty score is unscored."""
    prompts = garden(tmp_path / "p.jsonl", 2, ("en",))
    rows: list[dict[str, Any]] = [{"item": "plot-0", "language": "en", "score": s} for s in (0.2, 0.6, None)]
    found = drift(prompts, scorer=f"table:{write_lines(tmp_path / 't.jsonl', rows)}", out=tmp_path / "a", k=2, today=TODAY)
    assert figure(found, "en")["value"] == 0.6
    assert found.document["summary"]["without_samples"] == 1
    assert found.document["summary"]["samples"] == 3
    with pytest.raises(DataError, match=r"'1\.5' is no number from 0 to 1"):
        open_scorer(f"table:{write_lines(tmp_path / 'u.jsonl', [{'item': 'a', 'language': 'en', 'score': 1.5}])}")
    twice = [{"item": "a", "language": "en", "sample": 0, "score": 0.1}] * 2
    with pytest.raises(DataError, match="sample 0 of 'a' in en comes twice"):
        open_scorer(f"table:{write_lines(tmp_path / 'v.jsonl', twice)}")


def test_dates_are_compared_within_one_evaluation(tmp_path: Path) -> None:
    """Prompts of two dates give figures of each, and their difference with an interval of two samples."""
    rows = [{"item": f"plot-{n}", "language": "en", "score": 0.1 + 0.05 * (n % 4) + (0.6 if n >= 12 else 0)} for n in range(24)]
    table = write_lines(tmp_path / "t.jsonl", rows)
    found = drift(garden(tmp_path / "p.jsonl", 24, ("en",)), scorer=f"table:{table}", out=tmp_path / "a", k=1, today=TODAY)
    assert figure(found, "en", group="2023-03-01")["value"] == pytest.approx(0.175)
    (row, share) = found.document["summary"]["differences"]
    assert (row["older_date"], row["newer_date"], row["n_older"], row["shared"]) == ("2023-03-01", "2026-03-01", 12, 0)
    assert row["value"] == pytest.approx(0.6)
    assert 0.5 < row["low"] < 0.6 < row["high"] < 0.7
    assert (share["metric"], share["value"]) == ("probability", 1.0)


def test_shared_prompts_are_paired_in_a_difference() -> None:
    """A constant shift on the same prompts is known exactly; on other prompts it has the spread of both."""
    older = [PromptScores(f"i{n}", "en", "", (n / 40,)) for n in range(30)]
    same = [PromptScores(f"i{n}", "en", "", (n / 40 + 0.1,)) for n in range(30)]
    other = [PromptScores(f"j{n}", "en", "", (n / 40 + 0.1,)) for n in range(30)]
    paired, apart = (differences(older, newer, k=1, threshold=0.5)[0] for newer in (same, other))
    assert paired["value"] == pytest.approx(0.1) == pytest.approx(apart["value"])
    assert (paired["shared"], apart["shared"]) == (30, 0)
    assert apart["low"] < -0.01
    assert apart["high"] > 0.2
    assert apart["high"] - apart["low"] == pytest.approx(2 * 1.96 * 0.2164 * (2 / 30) ** 0.5, rel=0.15)


@pytest.mark.usefixtures("scripted")
def test_a_model_is_sampled_once(tmp_path: Path) -> None:
    """Samples are asked of the model through the store; a second call on the folder asks nothing; failures are counted."""
    prompts = garden(tmp_path / "p.jsonl", 3)
    given: dict[str, Any] = {"model": "scripted:noise!de", "out": tmp_path / "out", "k": 5, "today": TODAY}
    scorer = f"lexicon:{words(tmp_path / 'w.txt', 'zzv')}"
    found = drift(prompts, scorer=scorer, **given)
    assert figure(found, "en")["value"] == 1.0
    assert figure(found, "de")["unscored"] == {"400: bad request": 15}
    asked = ASKED_OF["noise"]
    assert drift(prompts, scorer=scorer, **given).found == "finished"
    assert ASKED_OF["noise"] == asked


@pytest.mark.usefixtures("scripted")
def test_a_model_that_never_answers_is_an_endpoints_error(tmp_path: Path) -> None:
    """Nothing is finished: the same command asks again."""
    scorer = f"lexicon:{words(tmp_path / 'w.txt', 'zzv')}"
    given: dict[str, Any] = {"model": "scripted:noise!en", "out": tmp_path / "out", "k": 2, "today": TODAY, "languages": ["en"]}
    with pytest.raises(EndpointError, match="none of 6 requests was answered"):
        drift(garden(tmp_path / "p.jsonl", 3), scorer=scorer, **given)
    assert not (tmp_path / "out/manifest.json").exists()


def test_one_source_of_samples_is_needed(tmp_path: Path) -> None:
    """Neither, both, an unknown scorer and a scorer without a score are told apart."""
    prompts, answers = garden(tmp_path / "p.jsonl"), samples(tmp_path / "s.jsonl")
    scorer = f"lexicon:{words(tmp_path / 'w.txt', 'blorf', language='sw')}"
    with pytest.raises(EvaluationError, match="one source of samples"):
        drift(prompts, scorer=scorer, out=tmp_path / "a")
    with pytest.raises(EvaluationError, match="What stands behind 'lexicon' is missing"):
        drift(prompts, scorer="lexicon", answers=answers, out=tmp_path / "a")
    with pytest.raises(EvaluationError, match="Did you mean 'lexicon'"):
        drift(prompts, scorer="lexcion:w.txt", out=tmp_path / "a")
    with pytest.raises(DataError, match="none of 64 samples has a score: no terms of the lexicon in de"):
        drift(prompts, scorer=scorer, out=tmp_path / "a", answers=answers)
    right = f"lexicon:{words(tmp_path / 'v.txt', 'blorf')}"
    assert drift(prompts, scorer=right, out=tmp_path / "a", answers=answers).found == ""


def test_a_newer_lexicon_is_compared_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same samples, scored by two lexicons: paired, over the same k, and nothing of a sample is printed."""
    prompts, answers = garden(tmp_path / "p.jsonl"), samples(tmp_path / "s.jsonl")
    for name, terms in (("old", ("wug",)), ("new", ("wug", "blorf"))):
        path = words(tmp_path / f"{name}.txt", *terms)
        given = ["--prompts", str(prompts), "--answers", str(answers), "--scorer", f"lexicon:{path}", "--k", "4"]
        assert main(["safety", "drift", *given, "--today", "2026-06-01", "--out", str(tmp_path / name)]) == 0
    printed = capsys.readouterr().out
    assert "STALE" in printed
    assert "expected max." in printed
    assert "blorf" not in printed
    assert "tulips" not in printed
    both = ["--compare", str(tmp_path / "old"), str(tmp_path / "new"), "--out", str(tmp_path / "difference"), "--json"]
    assert main(["safety", "drift", *both]) == 0
    document = json.loads(capsys.readouterr().out)
    (row, _) = document["rows"]
    assert (row["language"], row["value"], row["shared"], row["k"]) == ("en", 0.5, 8, 4)
    assert document["notes"] == ["what changed: scorer (old, then new)"]
    assert all(one.score in (0.0, None) for one in tables.read(tmp_path / "old/scores.parquet", SampleScore))
    with pytest.raises(DataError, match="is a comparison itself"):
        compare_drift(tmp_path / "difference", tmp_path / "new", out=tmp_path / "no")
    assert main(["safety", "drift", "--out", str(tmp_path / "none")]) == 2


def classifier(folder: Path, **settings: Any) -> Path:
    """Write a tiny sequence classifier with random weights and a tokenizer of a few words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(0)
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "a": 2, "blorf": 3, "tulips": 4}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = BertConfig(
        vocab_size=5, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=6, pad_token_id=0, **settings,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)  # noqa: S106
    return folder


def test_a_classifier_is_a_scorer(tmp_path: Path) -> None:
    """Its probability is the softmax of the label, in a batch as alone; what it cannot read is unscored, not cut."""
    import torch
    from transformers import BertForSequenceClassification

    folder = classifier(tmp_path / "c", id2label={0: "neutral", 1: "toxic"}, label2id={"neutral": 0, "toxic": 1})
    scorer = open_scorer(f"classifier:{folder}")
    assert scorer.name == "c#toxic"
    assert scorer.sets == ()
    texts = ["a blorf", "tulips", "a a a a a a a", "a tulips blorf a"]
    found = scorer.score([Sample("i", "en", n, text) for n, text in enumerate(texts)])
    assert (found[2].value, found[2].reason) == (None, "too long: over 6 tokens, the most this classifier reads")
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        alone = torch.softmax(model(torch.tensor([[2, 3]])).logits, -1)[0, 1].item()
    assert found[0].value == pytest.approx(alone, abs=1e-6)
    with pytest.raises(ModelError, match=r"no label 'toxi'. Did you mean 'toxic'"):
        open_scorer(f"classifier:{folder}#toxi")
    with pytest.raises(ModelError, match="do not say which one is harm"):
        open_scorer(f"classifier:{classifier(tmp_path / 'd', num_labels=3)}")
