"""Scoring against accepted references."""

import subprocess
import sys

import numpy as np
import pytest
from babel import Locale
from sacrebleu.metrics import CHRF

from polylect.errors import EvaluationError
from polylect.records import Prompt
from polylect.verifiable import chrf, exact, in_right_language, is_reference, normalise, score
from verifiable_answers import answer

SAME = [
    ("en", "The euro.", "Euro"),
    ("en", "U.S.A.", "USA"),
    ("en", "**Paris**", "paris"),
    ("en", "İstanbul", "Istanbul"),
    ("en", "“Guinea-Bissau”", "Guinea Bissau"),
    ("en", "50 %", "50%"),
    ("tr", "IĞDIR", "ığdır"),
    ("tr", "İZMİR’de", "izmir'de"),
    ("az", "BAKI", "bakı"),
    ("de", "STRASSE", "Straße"),
    ("fr", "Côte d’Ivoire", "Co\u0302te d'Ivoire"),
    ("ru", "Самолёт.", "самолет"),
    ("uk", "п'ять", "пʼять"),
    ("el", "Όσλος", "όσλοσ"),
    ("ar", "إِسْبَانِيَا؟", "اسبانيا"),
    ("ar", "٢٠٢٤", "2024"),
    ("ar", "مـــصر", "مصر"),
    ("ar", "\u200fمصر\u200f", "مصر"),
    ("fa", "۱۲٫۵", "12.5"),
    ("fa", "می‌شود", "میشود"),
    ("fa", "كيش", "کیش"),
    ("he", "שָׁלוֹם", "שלום"),
    ("hi", "१२ अगस्त।", "12 अगस्त"),
    ("hi", "\u0958लम", "\u0915\u093cलम"),
    ("hi", "फ़रवरी", "फरवरी"),
    ("hi", "हिन्दी", "हिंदी"),
    ("hi", "पाँच", "पांच"),
    ("zh-Hans", "２０２４ 年 ５ 月。", "2024年5月"),
    ("ja", "ｻﾝ・ﾏﾘﾉ", "サンマリノ"),
    ("zh-Hant", "「東京」", "東京"),
    ("ko", "서울  입니다.", "서울 입니다"),
]

DIFFERENT = [
    ("en", "1.5", "15"),
    ("en", "-5", "5"),
    ("en", "10²", "102"),
    ("en", "1½", "11/2"),
    ("en", "12:30", "1230"),
    ("en", "50%", "50"),
    ("en", "$5", "5"),
    ("en", "A", "the"),
    ("en", "North Korea", "NorthKorea"),
    ("fr", "pêche", "pêché"),
    ("tr", "kır", "KİR"),
    ("tr", "Ispanya", "İspanya"),
    ("uk", "її", "іі"),
    ("hi", "पड़ा", "पडा"),
    ("hi", "दिन", "दीन"),
    ("ar", "قلب", "كلب"),
    ("ko", "서울 시", "서울시"),
    ("ja", "ハ", "バ"),
    ("zh-Hans", "土", "士"),
]


@pytest.mark.parametrize(("language", "one", "other"), SAME)
def test_two_spellings_of_one_answer_become_equal(language: str, one: str, other: str) -> None:
    """Spellings that a reader takes for the same answer have one normalised form."""
    assert normalise(one, language) == normalise(other, language) != ""


@pytest.mark.parametrize(("language", "one", "other"), DIFFERENT)
def test_two_answers_stay_apart(language: str, one: str, other: str) -> None:
    """Answers that differ in meaning keep different normalised forms."""
    assert normalise(one, language) != normalise(other, language)


@pytest.mark.parametrize(("language", "one", "other"), SAME + DIFFERENT)
def test_normalising_twice_changes_nothing(language: str, one: str, other: str) -> None:
    """The normalised form is its own normalised form."""
    for text in (one, other):
        assert normalise(normalise(text, language), language) == normalise(text, language)


@pytest.mark.parametrize("language", ["en", "de", "tr", "ru", "hi", "ar", "fa", "he", "zh_Hans", "ja", "th", "vi"])
def test_no_two_countries_or_languages_share_a_form(language: str) -> None:
    """The names of CLDR that differ in a language still differ when normalised, and keep their form when done twice."""
    locale = Locale.parse(language)
    countries = [name for code, name in locale.territories.items() if len(code) == 2]
    for names in (countries, list(locale.languages.values())):
        forms = {name: normalise(name, language.replace("_", "-")) for name in set(names)}
        assert len(names) > 200
        assert len(set(forms.values())) == len(forms)
        assert all(normalise(form, language.replace("_", "-")) == form for form in forms.values())


def test_the_dotless_i_is_a_rule_of_turkish_only() -> None:
    """Outside Turkish and Azerbaijani a capital I folds to i."""
    assert normalise("IRAN", "de") == "iran"
    assert normalise("IRAN", "tr") == "ıran"


def test_only_the_first_line_is_matched() -> None:
    """An answer that goes on after its first non-empty line is still right, one that comes late is not."""
    assert exact("\n  Berlin.\nQuestion: and France?", ["Bonn", "berlin"], "de") == 1.0
    assert exact("Well,\nBerlin", ["Berlin"], "de") == 0.0


@pytest.mark.parametrize("text", ["", " \n", "...", "\u200b"])
def test_an_answer_of_nothing_matches_no_reference(text: str) -> None:
    """Text that normalises to nothing is wrong, even against a reference that does too."""
    assert exact(text, ["。", "Berlin"], "de") == 0.0


def test_chrf_equals_sacrebleu() -> None:
    """On random answers in several scripts chrF is sacrebleu's, the nearest reference counting."""
    draw = np.random.default_rng(3)
    oracle = CHRF()
    words = ["Berlin", "Köln", "東京", "दिल्ली", "Москва", "القاهرة", "a", "das", "ist", ",", ".", "2024"]
    for _ in range(300):
        text, *references = (" ".join(draw.choice(words, draw.integers(1, 7))) for _ in range(draw.integers(2, 5)))
        one_by_one = max(oracle.sentence_score(text, [reference]).score for reference in references)
        assert chrf(text, references) == pytest.approx(one_by_one, abs=1e-9)
        assert chrf(text, references) == oracle.sentence_score(text, references).score
    assert chrf("Berlin", ["Bonn", "Berlin"]) == pytest.approx(100)


def test_chrf_of_the_formula_by_hand() -> None:
    """The chrF of "abd" for "abc" is the F2 of the averaged n-gram precision and recall."""
    share = (2 / 3 + 1 / 2 + 0) / 3  # orders 1, 2 and 3; longer n-grams do not exist
    assert chrf("abd", ["abc"]) == pytest.approx(100 * share)


def prompt(language: str, text: str, *references: str) -> Prompt:
    """Return a held-out prompt."""
    return Prompt(
        item="i1",
        language=language,
        kind="k",
        split="heldout",
        text=text,
        references=references,
        source="test",
        licence="CC0-1.0",
    )


def test_the_reward_is_exact_match_plus_chrf() -> None:
    """A perfect answer earns 2, a near miss the hundredth of its chrF; every field is kept."""
    asked = prompt("de", "Hauptstadt?", "Berlin")
    perfect, near = score(answer(asked, "Berlin"), asked), score(answer(asked, "Berlim"), asked)
    assert (perfect.value, perfect.exact, perfect.chrf, perfect.language_ok, perfect.reason) == (2.0, 1.0, 100.0, True, None)
    assert near.exact == 0.0
    assert near.value == pytest.approx(chrf("Berlim", ["Berlin"]) / 100)
    assert (near.completion_id, near.prompt_id, near.arbiter) == (answer(asked, "Berlim").id, asked.id, "verifiable")


def test_an_answer_in_the_wrong_language_earns_nothing() -> None:
    """An English sentence that shares words with the German reference is worth 0, and says why."""
    asked = prompt("de", "Hauptstadt?", "Die Hauptstadt der Bundesrepublik Deutschland heißt Berlin")
    given = score(answer(asked, "The capital of the Federal Republic of Germany is the beautiful city of Berlin"), asked)
    assert (given.value, given.language_ok, given.reason) == (0.0, False, "wrong language")
    assert given.chrf is not None
    assert given.chrf > 0


def test_a_reference_is_never_in_the_wrong_language() -> None:
    """An accepted answer passes the language check, even one that identification places elsewhere."""
    title = "The Old Man and the Sea is the name of this book"
    asked = prompt("de", "Wie heißt der Roman?", title)
    assert in_right_language(title + ".", asked.references, "de") is True
    assert in_right_language(title, ["Der alte Mann"], "de") is False
    assert score(answer(asked, title), asked).value == pytest.approx(2.0)
    assert not is_reference(title + "\nIt was written by Ernest Hemingway", asked.references, "de")


def test_an_empty_answer_is_scored_zero_and_a_failure_is_not_scored() -> None:
    """Saying nothing is a wrong answer; a failed request is no answer; no references is no measure."""
    asked, open_ended = prompt("de", "Hauptstadt?", "Berlin"), prompt("de", "Erzähle!")
    empty, failed = score(answer(asked, " \n"), asked), score(answer(asked, "", error="HTTP 500"), asked)
    unreferenced = score(answer(open_ended, "Es war einmal"), open_ended)
    assert (empty.value, empty.reason) == (0.0, "empty answer")
    assert (failed.value, failed.exact, failed.reason) == (None, None, "no answer: HTTP 500")
    assert (unreferenced.value, unreferenced.reason) == (None, "no references")


def test_an_answer_is_scored_against_its_own_prompt() -> None:
    """Tables joined wrongly are an error, not a low score."""
    asked, other = prompt("de", "Hauptstadt?", "Berlin"), prompt("de", "Währung?", "Euro")
    with pytest.raises(EvaluationError, match="join the tables on prompt_id"):
        score(answer(asked, "Berlin"), other)


def test_importing_is_light() -> None:
    """Neither sacrebleu nor numpy is loaded before it is needed."""
    code = "import sys, polylect.verifiable; print(sorted({'sacrebleu', 'numpy', 'polars', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
