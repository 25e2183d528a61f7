"""The survey of papers, abstracts and cards: languages found, the Bender rule, files of all kinds, hostile input."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from polylect.cli import main
from polylect.errors import DataError
from polylect.gap import gap_survey
from polylect.gap.survey.naming import named_languages
from polylect.gap.survey.practice import practice_of

SAMPLES = Path(__file__).parent / "survey"
CARDS = Path(__file__).parent / "cards"


def tags(text: str) -> set[str]:
    """Return the languages that a text names."""
    return {tag for one in named_languages(text) for tag in one.tags}


def scored(half: str) -> dict[str, int]:
    """Return true and false positives, misses, and right practices on one half of the labelled sample."""
    counts = {"right": 0, "wrong": 0, "missed": 0, "practice": 0, "works": 0}
    for line in (SAMPLES / f"{half}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        text = f"{row['title']}. {row['abstract']}"
        found, labelled = tags(text), set(row["languages"])
        counts["right"] += len(found & labelled)
        counts["wrong"] += len(found - labelled)
        counts["missed"] += len(labelled - found)
        counts["practice"] += practice_of(text, found) == row["practice"]
        counts["works"] += 1
    return counts


def test_halves_of_the_sample_are_disjoint() -> None:
    """No title is in both halves, and together they have at least 60 works."""
    titles = [
        {json.loads(line)["title"] for line in (SAMPLES / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()}
        for half in ("development", "test")
    ]
    assert titles[0].isdisjoint(titles[1])
    assert sum(map(len, titles)) >= 60


def test_precision_and_recall_on_the_test_half() -> None:
    """On the half that was not used while writing the reader, the numbers are those of docs/survey.md."""
    found = scored("test")
    print(found)
    assert found["right"] / (found["right"] + found["wrong"]) >= 0.97
    assert found["right"] / (found["right"] + found["missed"]) >= 0.9
    assert found["practice"] / found["works"] >= 0.9
    assert scored("development") == {"right": 34, "wrong": 0, "missed": 0, "practice": 32, "works": 32}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Polish the prompts before use.", set()),
        ("We tag Polish tweets.", {"pl"}),
        ("We sampled Turkey and Mandarin oranges.", set()),
        ("Programs in Go, Java and Swift are parsed.", set()),
        ("A recogniser for Javanese.", {"jv"}),
        ("We use the Hungarian algorithm on Latin hypercube samples.", set()),
        ("It translates en-de and en→fr.", {"en", "de", "fr"}),
        ("It is so as to be in or no.", set()),
        ("Weights are given in kg, mg and ml.", set()),
        ("Data of Danish patients were used.", set()),
        ("Models for non-English text.", set()),
        ("Even if Ga or Yao is named, nothing is said.", set()),
        ("The Ewe language is tonal.", {"ee"}),
        ("Reverse Polish notation and Polish notation.", set()),
    ],
)
def test_false_friends(text: str, expected: set[str]) -> None:
    """Verbs, countries, fruit, programming languages, algorithms, units and nationalities are no languages."""
    assert tags(text) == expected


def test_the_bender_rule_is_counted_by_year_and_venue(tmp_path: Path) -> None:
    """English-only work that says so is set against work that names no language; each year and venue has its counts."""
    entries = """@article{said, title={Parsing English}, abstract={We parse English text.}, year=2019, journal={TACL}}
@inproceedings{silent, title = "Parsing {T}ext", abstract = {A parser of sentences.}, date = {2019-07}, booktitle = {ACL} }
@inproceedings{other, title={Parsing Basque}, abstract={We parse Basque sentences. \\'Etude.}, year={2020}, booktitle={ACL}}
@comment{nothing}
@misc{empty, year=2020}
"""
    (tmp_path / "a.bib").write_text(entries, encoding="utf-8")
    document = gap_survey([tmp_path])
    summary = document["summary"]
    assert {row["document"]: row["practice"] for row in document["rows"]} == {
        "said": "english_said", "silent": "silent", "other": "one_other",
    }  # fmt: skip
    assert (summary["bender"]["said"], summary["bender"]["english_only"], summary["bender"]["share"]) == (1, 2, 0.5)
    years = {year["year"]: year for year in summary["years"]}
    assert (years[2019]["documents"], years[2019]["share"], years[2020]["share"]) == (2, 0.5, None)
    assert summary["venues"][0] | {"share": None} == summary["venues"][0] | {"venue": "ACL", "documents": 2, "share": None}
    assert summary["unread_reasons"] == {"an entry without title and abstract": 1}
    missing = [one["language"] for one in summary["never_named"]["list"]]
    assert "sw" in missing
    assert "eu" not in missing


def test_cards_and_papers_are_told_apart() -> None:
    """Model cards give the languages of their metadata; the survey knows a card from a paper."""
    document = gap_survey([CARDS / "eurollm-9b.md"])
    assert document["summary"]["by_kind"] == {"model card": 1}
    assert {row["part"] for row in document["rows"]} == {"metadata"}
    assert document["rows"][0]["practice"] == "several"
    english = gap_survey([CARDS / "smollm2-135m-instruct.md"])
    assert {row["practice"] for row in english["rows"]} <= {"english_said", "several"}


def test_a_paper_counts_what_it_did(tmp_path: Path) -> None:
    """Title and abstract count, the body where two sentences on the work name a language; related work and references do not."""
    text = """Tagging with Less

Abstract
We tag words with few labels.

1 Introduction
Our experiments are on Finnish text. We annotate Finnish sentences. We saw one Danish corpus.

2 Related Work
Others evaluate on Greek text. We know of their data for Greek tweets.

References
A. Smith. 2019. Data for Korean text and Korean speech. We train.
"""
    (tmp_path / "2021.acl-long.7.txt").write_text(text, encoding="utf-8")
    document = gap_survey([tmp_path])
    assert [(row["language"], row["part"], row["mentions"]) for row in document["rows"]] == [("fi", "body", 2)]
    row = document["rows"][0]
    assert (row["year"], row["venue"], row["title"], row["practice"]) == (2021, "ACL", "Tagging with Less", "one_other")


def pdf_of(text: str) -> bytes:
    """Return a PDF of one page with one line of text."""
    stream = f"BT /F1 12 Tf 40 700 Td ({text}) Tj ET".encode()
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    return (
        out + b"xref\n0 6\n0000000000 65535 f \n" + table + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start
    )


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler's pdftotext is not installed")
def test_pdfs_are_read_and_broken_ones_counted(tmp_path: Path) -> None:
    """The text of a PDF is surveyed; a broken one is listed with the reason, and alone it is an error."""
    (tmp_path / "good.pdf").write_bytes(pdf_of("Parsing Estonian Newspaper Text"))
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4\nnothing")
    document = gap_survey([tmp_path])
    assert [row["language"] for row in document["rows"]] == ["et"]
    assert document["summary"]["unread"] == [{"source": str(tmp_path / "bad.pdf"), "reason": "broken: pdftotext cannot read it"}]
    with pytest.raises(DataError, match="broken"):
        gap_survey([tmp_path / "bad.pdf"])


def fake_pdftotext(folder: Path, script: str) -> None:
    """Put a program of that name into a folder."""
    folder.mkdir()
    program = folder / "pdftotext"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


def test_pdf_without_the_program_or_with_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pdftotext the error says how to install it, and --no-pdf goes on; an encrypted PDF has its own reason."""
    (tmp_path / "p.pdf").write_bytes(pdf_of("Parsing Estonian"))
    (tmp_path / "a.txt").write_text("Parsing Latvian Text\n\nWe parse.", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="apt install poppler-utils"):
        gap_survey([tmp_path])
    assert gap_survey([tmp_path], pdf=False)["summary"]["unread_reasons"] == {"a PDF, left out": 1}
    fake_pdftotext(tmp_path / "bin", "echo 'Command Line Error: Incorrect password' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert gap_survey([tmp_path])["summary"]["unread_reasons"] == {"encrypted: it needs a password": 1}


def test_hostile_folders_end(tmp_path: Path) -> None:
    """Loops of links, pipes, deep folders, binary and huge files are passed over, each with its reason."""
    (tmp_path / "good.txt").write_text("Parsing Latvian Text\n", encoding="utf-8")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "linked.txt").symlink_to(tmp_path / "good.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.md").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "binary.txt").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "empty.txt").write_bytes(b"\n")
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(9 << 20)
    deep = tmp_path.joinpath(*["d"] * 70)
    deep.mkdir(parents=True)
    (deep / "far.txt").write_text("Parsing Welsh Text", encoding="utf-8")
    summary = gap_survey([tmp_path])["summary"]
    assert summary["documents"] == 1
    assert sorted(summary["unread_reasons"]) == [
        "a link to a folder is not followed", "binary, not text", "cannot be opened (No such file or directory)", "empty",
        "folder lies more than 64 folders deep", "larger than 8 MB", "not a regular file",
    ]  # fmt: skip


@pytest.mark.serial
@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("a.txt", "German and "),
        ("b.txt", "en, de, "),
        ("c.txt", "several 1,1,1 multi "),
        ("d.txt", "Chinese ( \t"),
        ("e.bib", "@a{b, x={"),
        ("f.bib", "@a{b, title={x}\n@"),
        ("g.bib", "@a                "),
        ("h.jsonl", '{"title": '),
        ("i.md", "---\na: [\n"),
        ("j.txt", "\n\n1 Ab\n"),
    ],
)
def test_hostile_text_costs_time_in_proportion(tmp_path: Path, name: str, piece: str) -> None:
    """Four times the text costs at most about four times the time, and 200 kB are read in seconds."""
    seconds = []
    for size in (50_000, 200_000):
        (tmp_path / name).write_text(piece * (size // len(piece)), encoding="utf-8")
        (tmp_path / "z.txt").write_text("Parsing Latvian Text\n", encoding="utf-8")
        began = time.process_time()
        gap_survey([tmp_path])
        seconds.append(time.process_time() - began)
    assert seconds[1] < 8 * seconds[0] + 0.5
    assert seconds[1] < 8


def test_names_and_texts_that_are_not_unicode_can_be_written(tmp_path: Path) -> None:
    """A file name of odd bytes and half a character in JSON do not stop the report from being written."""
    (tmp_path / os.fsdecode(b"a\xff.txt")).write_bytes(b"Parsing Latvian Text\n\xff\xfe")
    (tmp_path / "b.jsonl").write_text(
        '{"id": "\\ud800", "title": "Parsing Welsh text \\ud800", "year": 2020}\n', encoding="utf-8"
    )
    document = gap_survey([tmp_path])
    assert {row["language"] for row in document["rows"]} == {"lv", "cy"}
    assert json.dumps(document, ensure_ascii=False).encode()


def test_bad_paths_are_refused(tmp_path: Path) -> None:
    """A missing path, an unknown ending and a folder without works are errors that say what is read."""
    for path, message in [
        (tmp_path / "x", "no such file"),
        (tmp_path / "a.docx", "a survey reads"),
        (tmp_path, "no paper, abstract"),
    ]:
        if path.suffix:
            path.write_text("x", encoding="utf-8")
        with pytest.raises(DataError, match=message):
            gap_survey([path])


def test_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`polylect survey` prints practices, by year or venue too, and writes CSV, JSON and the folder."""
    sample = str(SAMPLES / "development.jsonl")
    out: dict[str, Any] = {}
    assert main(["survey", sample, "--csv", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out")]) == 0
    assert "name several languages" in capsys.readouterr().out
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8") == (tmp_path / "out" / "rows.csv").read_text(encoding="utf-8")
    assert main(["survey", sample, "--by", "year"]) == 0
    assert "2024    " in capsys.readouterr().out
    assert main(["survey", sample, "--json", "-"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert (out["schema"], out["kind"]) == ("polylect.gap/1", "survey")
    assert main(["survey", str(tmp_path / "nothing")]) == 2
