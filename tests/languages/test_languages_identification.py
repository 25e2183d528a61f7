"""Identification of languages, on the same five sentences written in each of nine languages for this test."""

import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from polylect import languages
from polylect.errors import LanguageError

SENTENCES: dict[str, list[str]] = json.loads(Path(__file__).with_name("sentences.json").read_text(encoding="utf-8"))
QUICKSTART = ["en", "es", "ru", "hi", "tr", "ar", "id", "zh-Hans"]
PAIRS = [(tag, text) for tag, texts in SENTENCES.items() for text in texts]


@pytest.mark.parametrize("among", [QUICKSTART, [*QUICKSTART, "zh-Hant"], None])
def test_sentences_are_identified(among: list[str] | None) -> None:
    """Whole sentences are identified among the quickstart's languages and among all languages, none wrongly."""
    found = languages.identify_many([text for _, text in PAIRS], among)
    wrong = [(tag, got) for (tag, _), got in zip(PAIRS, found, strict=True) if got.language not in {tag, None}]
    assert [pair for pair in wrong if pair != ("id", languages.Identification("ms", pair[1].probability))] == []
    determined = [got for got in found if got.language]
    assert len(determined) >= 0.9 * len(PAIRS)
    assert all(0.6 <= got.probability <= 1.0 + 1e-6 for got in determined)


def test_sentence_is_in_its_language_and_in_no_other() -> None:
    """`in_language` accepts the language a sentence is written in and refuses each of the others."""
    for tag, text in PAIRS:
        assert languages.in_language(text, tag) is not False, (tag, text)
        for other in SENTENCES:
            if other != tag:
                assert languages.in_language(text, other) is not True, (other, text)
    right = [languages.in_language(text, tag) for tag, text in PAIRS]
    assert right.count(True) >= 0.9 * len(PAIRS)


def test_one_text_is_identified_as_in_a_batch() -> None:
    """`identify` and `identify_many` agree, and the batch keeps the order."""
    texts = [text for _, text in PAIRS]
    assert languages.identify_many(texts, QUICKSTART) == [languages.identify(text, QUICKSTART) for text in texts]


@pytest.mark.parametrize("text", ["", "  ", "42", "3.14 %", "?!", "🙂🙂", "OK", "Paris", "Москва", "东京", "Jakarta dan Bogor"])
def test_short_text_is_undetermined(text: str) -> None:
    """Text with too few letters is never guessed."""
    assert languages.identify(text).language is None


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("1945", "ru", None),
        ("Paris", "fr", None),
        ("Paris", "tr", None),
        ("Paris", "ru", False),
        ("Москва", "ru", None),
        ("Москва", "en", False),
        ("東京", "ja", None),
        ("東京", "ko", None),
        ("東京", "en", False),
        ("とうきょう", "zh-Hans", False),
        ("서울", "ko", None),
        ("ＡＢＣ", "en", None),
        ("ᐃᓄᒃᑎᑐᑦ ᐅᖃᐅᓯᖅ ᓄᓇᕗᒻᒥ", "iu", None),
        ("The inuksuk stood on the hill above the bay.", "iu", False),
    ],
)
def test_short_text_is_judged_by_its_script_only(text: str, language: str, expected: bool | None) -> None:
    """A foreign script is wrong however short the text; a fitting one leaves short text undetermined."""
    assert languages.in_language(text, language) is expected


def test_foreign_names_in_a_sentence_do_not_decide() -> None:
    """A Hindi sentence with names in Latin script is still Hindi."""
    assert languages.in_language("उसने YouTube और WhatsApp पर अपनी नई किताब के बारे में सबको बताया।", "hi") is True


def test_simplified_and_traditional_chinese_are_told_by_their_characters() -> None:
    """Each form is identified as itself; text of characters common to both fits both."""
    common = "今天下午我和朋友一起去公園看花".replace("園", "里")
    assert {languages.identify(text).language for text in SENTENCES["zh-Hans"]} == {"zh-Hans"}
    assert {languages.identify(text).language for text in SENTENCES["zh-Hant"]} == {"zh-Hant"}
    assert languages.in_language(common, "zh-Hant") is True
    assert languages.in_language(common, "zh-Hans") is True
    assert languages.identify(common).language is None
    assert languages.identify(common, ["zh-Hant", "ja"]).language == "zh-Hant"


def test_written_standards_of_one_language_count_as_the_one_asked_for() -> None:
    """Indonesian text is never refused for looking Malay, and Malay is named only when it alone is asked for."""
    for text in SENTENCES["id"]:
        assert languages.identify(text, ["id", "en"]).language == "id"
        assert languages.identify(text, ["ms", "en"]).language == "ms"
        assert languages.in_language(text, "id", ["id", "ms"]) is True


def test_neighbour_that_was_not_asked_for_can_be_found() -> None:
    """Ukrainian is not taken for Russian when only Russian is asked for."""
    text = "Бабуся навчила мене пекти хліб, коли мені було сім років, і я досі пам'ятаю той запах."
    assert languages.identify(text, ["ru", "en"]).language == "uk"
    assert languages.in_language(text, "ru", ["ru", "en"]) is False
    assert "uk" in languages.neighbours("ru")


def test_decomposed_text_is_the_same_text() -> None:
    """Text in normalisation form D is identified as its composed form is."""
    text = "Thư viện đóng cửa sớm hơn một giờ vào ngày chủ nhật."
    assert languages.identify(unicodedata.normalize("NFD", text)) == languages.identify(text)
    assert languages.in_language(unicodedata.normalize("NFD", text), "vi") is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n".join(SENTENCES["tr"]), True),
        ("Ankara\n\n" + SENTENCES["tr"][0] + "\n1.\n", True),
        (SENTENCES["tr"][0] + "\n" + SENTENCES["en"][0], False),
        (SENTENCES["tr"][0] + "\nМосква\n" + SENTENCES["tr"][1], False),
        ("Ankara\n2", None),
        ("", None),
    ],
)
def test_line_pass_judges_every_line_that_is_long_enough(text: str, expected: bool | None) -> None:
    """One line in another language fails the text; short lines count for nothing unless their script is foreign."""
    assert languages.line_pass(text, "tr") is expected
    assert languages.line_pass(text, "tr", QUICKSTART) is expected


def test_unknown_tags_are_refused() -> None:
    """An unknown target fails as everywhere else, before any text is looked at."""
    with pytest.raises(LanguageError, match="'klingon'"):
        languages.identify("", ["klingon"])
    with pytest.raises(LanguageError, match="'klingon'"):
        languages.in_language("", "klingon")


def test_languages_that_the_model_does_not_know_are_undetermined() -> None:
    """For a language without a model only a foreign script can be told."""
    samoan = "E fia ou alu i le fale faitautusi ae ua tapuni i le Aso Sa."
    assert not languages.identifiable("sm")
    assert languages.identifiable("zh-Hant")
    assert languages.in_language(samoan, "sm") is None


def test_global_identifier_of_other_callers_is_left_alone() -> None:
    """Restricting languages here does not restrict py3langid for others in the same process."""
    program = (
        "import py3langid, polylect.languages as l; l.identify('Guten Morgen, wie geht es Ihnen heute?', ['tr', 'id']);"
        "print(len(dict(py3langid.rank('Guten Morgen'))) > 100, py3langid.classify('Guten Morgen, wie geht es Ihnen?')[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "de"]


def test_scripts_of_letters_are_counted() -> None:
    """Letters are counted by script, vowel signs too; digits, accents on their own and symbols are not counted."""
    from polylect.languages.scripts import letter_scripts

    assert letter_scripts("Año 2024: 東京タワー はい, हिन्दी ʻΑ 5 µm²") == {
        "Latn": 4, "Hani": 2, "Kana": 3, "Hira": 2, "Deva": 6, "Grek": 1,
    }  # fmt: skip
    assert letter_scripts("𐌰") == {"Zzzz": 1}
