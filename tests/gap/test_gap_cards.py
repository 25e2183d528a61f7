"""Model cards: which languages they name on which level, and what odd files come to."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from polylect.errors import DataError
from polylect.gap.cards import Card, read_card

CARDS = Path(__file__).parent / "cards"
LABELS: dict[str, dict[str, list[str]]] = json.loads((CARDS / "labels.json").read_text(encoding="utf-8"))
SENTENCES = json.loads((CARDS / "sentences.json").read_text(encoding="utf-8"))


def card_of(folder: Path, text: str | bytes) -> Card:
    """Read a card with this content."""
    path = folder / "README.md"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_card(path)


@pytest.mark.parametrize(
    ("name", "claimed"),
    [
        ("aya-expanse-8b", 24), ("llama-3.1-8b-instruct", 8), ("gemma-3-4b-it", 0), ("bloom", 45), ("mixtral-8x7b", 5),
        ("eurollm-9b", 35), ("smollm2-135m-instruct", 1), ("qwen2.5-7b-instruct", 13), ("xlm-roberta-base", 12),
    ],
)  # fmt: skip
def test_public_models_claim_what_their_cards_say(name: str, claimed: int) -> None:
    """Each card of a public model gives its number of claimed languages (Aya Expanse names both scripts of Chinese)."""
    assert len(read_card(CARDS / f"{name}.md").languages("claimed")) == claimed


@pytest.mark.parametrize("name", LABELS)
def test_text_of_public_cards_is_read_without_false_claims(name: str) -> None:
    """What text and tables of a public card are read to say is what a person reads there; one rare spelling is missed."""
    found = {(one.language, one.level) for one in read_card(CARDS / name).evidence if one.kind != "front matter"}
    wanted = {(tag, level) for level, tags in LABELS[name].items() for tag in tags}
    assert found <= wanted
    assert wanted - found <= {("tum", "trained")}


def test_precision_on_labelled_sentences(tmp_path: Path) -> None:
    """No sentence of the labelled sample yields a language or a level that it does not state; recall is at least two thirds."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in SENTENCES:
        heading = f"## {row['section']}\n\n" if row["section"] else ""
        card = card_of(tmp_path, f"# Model\n\n{heading}{row['text']}\n")
        found, wanted = {(one.language, one.level) for one in card.evidence}, set(row["languages"].items())
        assert found <= wanted, row["text"]
        counts[row["sample"], "found"] += len(found & wanted)
        counts[row["sample"], "wanted"] += len(wanted)
    assert counts["first", "found"] == counts["first", "wanted"]
    assert counts["second", "found"] / counts["second", "wanted"] > 0.66


def test_front_matter_is_no_text_and_prompts_are_no_claims() -> None:
    """Languages in code, in a licence text of the front matter and below "How to use" are not evidence."""
    aya, llama = read_card(CARDS / "aya-expanse-8b.md"), read_card(CARDS / "llama-3.1-8b-instruct.md")
    named = {one.language for one in (*aya.evidence, *llama.evidence)}
    assert not named & {"sw", "cy", "ga", "is", "tlh"}


def test_evidence_has_file_line_and_phrase() -> None:
    """A statement links to the line of the file where it stands, with the phrase."""
    card = read_card(CARDS / "gemma-3-4b-it.md")
    [one] = [one for one in card.evidence if one.level == "safety-tested"]
    line = (CARDS / "gemma-3-4b-it.md").read_text(encoding="utf-8").split("\n")[one.line - 1 if one.line else 0]
    assert one.language == "en"
    assert "English prompts only" in line
    assert "English prompts only" in one.quote


def test_numbers_without_names_are_unspecific() -> None:
    """A claim such as "over 140 languages" is recorded once per level, with its number; it claims no language."""
    found = {(one.count, one.level) for one in read_card(CARDS / "gemma-3-4b-it.md").unspecific}
    assert found == {(140, "claimed"), (140, "trained")}
    assert {one.count for one in read_card(CARDS / "qwen2.5-7b-instruct.md").unspecific} == {29}
    assert not read_card(CARDS / "llama-3.1-8b-instruct.md").unspecific


def test_word_multilingual_alone_is_an_unspecific_claim(tmp_path: Path) -> None:
    """The word "multilingual", in the front matter or in the text, is a claim without names."""
    head = card_of(tmp_path, "---\nlanguage: multilingual\n---\n")
    text = card_of(tmp_path, "# Model\n\nA massively multilingual model.\n")
    assert [one.quote for one in head.unspecific] == ["language: multilingual"]
    assert [one.line for one in text.unspecific] == [3]
    assert not head.evidence
    assert not text.evidence


ODD = {
    "string": ("---\nlanguage: en\n---\n", ["en"], "is a string where a list is expected"),
    "string with commas": ("---\nlanguage: en, Brazilian Portuguese\n---\n", ["en", "pt"], "taken apart"),
    "string with spaces": ("---\nlanguage: en de fr\n---\n", ["de", "en", "fr"], "taken apart"),
    "windows line ends": ("---\r\nlanguage:\r\n- de\r\n---\r\nText\r\n", ["de"], "Windows line ends"),
    "byte order mark": (b"\xef\xbb\xbf---\nlanguage:\n- de\n---\n", ["de"], "byte order mark"),
    "unquoted no": ("---\nlanguage:\n- no\n- da\n---\n", ["da", "nb"], "is true or false to YAML"),
    "code": ("---\nlanguage:\n- code\n- en\n---\n", ["en"], "not a human language"),
    "twice": ("---\nlanguage:\n- en\n- eng\n---\n", ["en"], "more than once"),
    "mapping": ("---\nlanguage:\n  en: 1\n  fr: 2\n---\n", ["en", "fr"], "a mapping where a list is expected"),
    "null": ("---\nlanguage:\n---\n", [], "names no language"),
    "other key": ("---\nlanguages: [sw]\n---\n", ["sw"], "is read like 'language'"),
    "broken": ("---\nlicense: a: b\nlanguage:\n- yo\n- ig\ntags: [x\n---\n", ["ig", "yo"], "md:2: the front matter is not valid"),
    "broken, nothing there": ("---\n\t- [\n---\n", [], "nothing was read from it"),
    "no end": ("---\nlanguage:\n- yo\nText\n", ["yo"], "no closing '---'"),
    "none": ("# A model\n", [], "no front matter"),
    "no mapping": ("---\n- en\n---\n", [], "holds no keys"),
    "empty": ("", [], "no front matter"),
    "latin-1": ("---\nlanguage: es\n---\nEspañol\n".encode("latin-1"), ["es"], "not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_front_matter_is_read_and_noted(case: str, tmp_path: Path) -> None:
    """Odd front matter gives the languages that can be read, and a note that says what is odd."""
    text, claimed, note = ODD[case]
    card = card_of(tmp_path, text)
    assert list(card.languages("claimed")) == claimed
    assert any(note in one for one in card.notes), card.notes


def test_words_that_name_no_language_are_listed(tmp_path: Path) -> None:
    """A word in the place of a language that no list knows is unresolved, with its line."""
    card = card_of(tmp_path, "---\nlanguage:\n- en\n- elvish\n- xx\n---\n\n**Languages:** English, Dothraki and French.\n")
    assert [(one.text, one.line) for one in card.unresolved] == [("elvish", 4), ("xx", 5), ("Dothraki", 8)]


def test_results_of_the_model_index_are_evaluations(tmp_path: Path) -> None:
    """A result with a value in `model-index` is an evaluation in its configuration's language; one without is none."""
    head = """---
model-index:
- name: mine
  results:
  - task: {type: text-generation}
    dataset: {type: mgsm, name: MGSM, config: sw}
    metrics: [{type: accuracy, value: 0.4}]
  - task: {type: text-generation}
    dataset: {type: mgsm, name: MGSM (de), config: default}
    metrics: [{type: accuracy, value: 0.5}]
  - task: {type: text-generation}
    dataset: {type: mgsm, name: MGSM, config: th}
    metrics: [{type: accuracy, value: }]
---
"""
    card = card_of(tmp_path, head)
    assert card.languages("evaluated") == ("de", "sw")
    assert card.evidence[0].line == 7


def test_evidence_table_states_its_levels(tmp_path: Path) -> None:
    """A table with columns named by levels says yes where it says yes; a dash is a blank."""
    card = card_of(
        tmp_path,
        "| Language | trained | evaluated | safety-tested |\n|---|---|---|---|\n"
        "| German | yes | yes | – |\n| Thai | – | yes | no |\n",
    )
    assert {level: card.languages(level) for level in ("trained", "evaluated", "safety-tested")} == {
        "trained": ("de",), "evaluated": ("de", "th"), "safety-tested": (),
    }  # fmt: skip


def test_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    """A binary file and a missing one raise an error that says what to name instead."""
    (tmp_path / "model.md").write_bytes(b"GGUF\0\0")
    with pytest.raises(DataError, match="not a text file"):
        read_card(tmp_path / "model.md")
    with pytest.raises(DataError, match="cannot be read"):
        read_card(tmp_path / "none.md")
