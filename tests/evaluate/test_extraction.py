"""Reading numbers and options out of answers, and the rules of instructions."""

from __future__ import annotations

from decimal import Decimal

import pytest

from polylect.errors import EvaluationError
from polylect.evaluate.confusion import line_pass, stray_word
from polylect.evaluate.consistency import agreement, by_item, consistency_rows, mlc_rows
from polylect.evaluate.extraction import option_of, read_number
from polylect.evaluate.instruction_rules import broken, known_rules, loose_forms
from polylect.verifiable.constraints import Unmeasured

EN, BN, TH = "The answer is #", "উত্তর হল #", "คำตอบคือ #"


@pytest.mark.parametrize(
    ("text", "language", "pattern", "strict", "flexible", "native"),
    [
        ("2 + 3 = 5. The answer is 5.", "en", EN, "5", "5", "5"),
        ("The answer is $18.", "en", EN, None, "18", "18"),
        ("The answer is **18**", "en", EN, None, "18", "18"),
        ("The answer is 1,234.", "en", EN, "1234", "1234", "1234"),
        ("The answer is 1.5", "en", EN, "1.5", "1.5", "1.5"),
        ("Die Antwort lautet 1.234", "de", "Die Antwort lautet #", "1234", "1234", "1234"),
        ("উত্তর হল ১৮।", "bn", BN, None, None, "18"),
        ("উত্তর হল 18।", "bn", BN, "18", "18", "18"),
        ("คำตอบคือ ๑๘", "th", TH, None, None, "18"),
        ("So 7 apples and 9 pears.", "en", EN, None, "9", "9"),
        ("The answer is 5. Check: 3 is not it, nor is 4", "en", EN, "5", "4", "5"),
        ("The answer is 4? No: the answer is 6", "en", EN, "6", "6", "6"),
        ("I do not know.", "en", EN, None, None, None),
        ("答えは１２です。", "ja", "答えは#です。", None, None, "12"),
    ],
)
def test_three_readings_of_a_number(
    text: str, language: str, pattern: str, strict: str | None, flexible: str | None, native: str | None
) -> None:
    """Strict wants the words and bare ASCII digits, flexible the last ASCII number, native any digits and markup."""
    for reading, expected in (("strict", strict), ("flexible", flexible), ("native", native)):
        found = read_number(text, language, pattern, reading)
        assert found.value == (None if expected is None else Decimal(expected)), reading
        assert (found.reason is None) == (expected is not None)


def test_empty_answer_and_unknown_reading() -> None:
    """An empty answer has that reason; a misspelt reading is an error."""
    assert read_number(" \n", "en", EN, "native").reason == "empty answer"
    with pytest.raises(EvaluationError, match="Did you mean 'strict'"):
        read_number("5", "en", EN, "strickt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", 1), ("(c)", 2), ("B. Paris", 1), ("**D)** because", 3), ("paris", 1), ("Rome.", 0), ("C: 12", 2),
        ("A long story", None), ("", None), ("E", None), ("Both B and C", None),
    ],
)  # fmt: skip
def test_option_that_a_text_names(text: str, expected: int | None) -> None:
    """A letter at the start or the wording of one option; anything else names none."""
    assert option_of(text, ("Rome", "Paris", "Oslo", "Bern"), "en") == expected


@pytest.mark.parametrize(
    ("name", "arguments", "good", "bad", "language"),
    [
        ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "bir iki üç", "bir iki", "tr"),
        ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "bir iki", "bir iki üç", "tr"),
        ("length_constraints:number_words", {"num_words": 4, "relation": "at least"}, "灯塔很高", "灯塔高", "zh-Hans"),
        ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "at least"}, "यह है। वह है।", "यह है।", "hi"),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One\n***\nTwo", "One\n\nTwo", "en"),
        ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Zwei"},
         "Eins.\n\nZwei Dinge.", "Zwei.\n\nEins.", "de"),
        ("keywords:existence", {"keywords": ["gull"]}, "A Gull flew.", "A crow flew.", "en"),
        ("keywords:forbidden_words", {"forbidden_words": ["gull"]}, "A crow.", "A gull.", "en"),
        ("keywords:frequency", {"keyword": "mar", "frequency": 2, "relation": "at least"}, "Mar y mar", "El mar", "es"),
        ("keywords:letter_frequency", {"letter": "a", "let_frequency": 2, "let_relation": "at least"}, "anda", "and", "en"),
        ("language:response_language", {"language": "tr"}, "Bu cümle Türkçe yazılmıştır ve oldukça uzundur.",
         "This sentence is written in English and quite long.", "tr"),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] at [place]", "[name]", "en"),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye\nP.S. More", "Bye", "en"),
        ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b", "* a", "en"),
        ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and **b**", "*a*", "en"),
        ("detectable_format:multiple_sections", {"section_spliter": "Section", "num_sections": 2},
         "Section 1 a Section 2 b", "Section 1 a", "en"),
        ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a: 1}", "en"),
        ("detectable_format:title", {}, "<<Der Turm>>\nText", "Der Turm", "de"),
        ("detectable_format:constrained_response", {}, "My answer is no.", "No.", "en"),
        ("combination:two_responses", {}, "eins\n******\nzwei", "eins", "de"),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, "Say it. Done.", "Done.", "en"),
        ("startend:end_checker", {"end_phrase": "Fin."}, "C'est tout. Fin.", "Fin. C'est tout", "fr"),
        ("startend:quotation", {}, "「灯台」", "灯台", "ja"),
        ("change_case:english_capital", {}, "ALL CAPITALS", "Not all", "en"),
        ("change_case:english_lowercase", {}, "all small", "Not all", "en"),
        ("change_case:capital_word_frequency", {"capital_frequency": 1, "capital_relation": "at least"}, "A BIG", "a big", "en"),
        ("punctuation:no_comma", {}, "لا فواصل هنا", "نعم، هنا", "ar"),
    ],
)  # fmt: skip
def test_rule_tells_good_from_bad(name: str, arguments: dict[str, object], good: str, bad: str, language: str) -> None:
    """Every instruction of IFEval is followed by one answer and broken by another, in several scripts."""
    assert not broken(good, language, name, arguments)
    assert broken(bad, language, name, arguments)


def test_all_instructions_of_ifeval_are_known() -> None:
    """The 25 ids of the paper have a rule."""
    assert len([name for name in known_rules() if name not in ("change_case:capital", "change_case:lowercase")]) == 25


@pytest.mark.parametrize(
    ("name", "arguments", "text", "language"),
    [
        ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "ประภาคารสูงมาก", "th"),
        ("change_case:english_capital", {}, "प्रकाशस्तंभ ऊँचा है", "hi"),
        ("change_case:capital_word_frequency", {"capital_frequency": 1, "capital_relation": "at least"}, "灯塔", "zh-Hans"),
        ("detectable_format:constrained_response", {}, "Meine Antwort ist ja.", "de"),
        ("keywords:frequency", {"keyword": "a", "frequency": 1, "relation": "mindestens"}, "a", "de"),
        ("keywords:existence", {}, "a", "en"),
        ("no:such", {}, "a", "en"),
    ],
)
def test_what_cannot_be_measured_is_no_failure(name: str, arguments: dict[str, object], text: str, language: str) -> None:
    """Words of Thai, capitals in Hindi, unknown arguments: unmeasured, with the reason."""
    with pytest.raises(Unmeasured):
        broken(text, language, name, arguments)


def test_loose_forms_drop_an_opening_a_farewell_and_emphasis() -> None:
    """The loose accuracy looks at eight forms; equal ones are one."""
    forms = loose_forms("Sure:\n*text*\nBye")
    assert forms[0] == "Sure:\n*text*\nBye"
    assert "text" in forms
    assert "*text*\nBye" in forms
    assert loose_forms("one") == ["one"]


def test_lines_and_words_of_language_confusion() -> None:
    """A line in English fails Arabic; an English word in Japanese is stray, a name, a link or code is not."""
    assert line_pass("هذه جملة طويلة مكتوبة باللغة العربية.", "ar")[0] == 1.0
    assert line_pass("هذه جملة طويلة مكتوبة باللغة العربية.\nThis line is written in English, sorry for that.", "ar")[0] == 0.0
    assert line_pass("42", "ar") == (1.0, "language undetermined")
    assert stray_word("灯台はとても beautiful です") == "beautiful"
    for clean in ("Python と NASA の話", "https://example.org/path を見る", "`print(x)` と書く", "mail@example.org へ", "x と y"):
        assert stray_word(clean) is None


@pytest.mark.parametrize(
    ("choices", "expected"), [([1, 1, 1], 1.0), ([1, 1, 2], 0.0), ([1, 1, 1, 2], 0.25), ([0, 0], 1.0), ([0, 1], 0.0), ([3], None)]
)
def test_agreement_is_the_share_of_triples_that_agree(choices: list[int], expected: float | None) -> None:
    """Counting gives what going through all subsets of three languages gives."""
    assert agreement(choices) == expected


def test_consistency_counts_what_has_no_choice() -> None:
    """A language without a choice is left out and named; the comparison with English needs both."""
    choices = by_item([("", "1", "en", 0), ("", "1", "sw", 0), ("", "1", "th", None), ("", "2", "sw", 1)])
    rows = {row.item: row for row in consistency_rows("m", "b", choices)}
    assert (rows["1"].score, rows["1"].reason) == (1.0, "1 languages have no choice")
    assert (rows["2"].score, rows["2"].status) == (None, "skipped")
    compared = {(row.item, row.language): row.score for row in mlc_rows("m", "b", choices)}
    assert compared == {("1", "sw"): 1.0, ("1", "th"): None, ("2", "sw"): None}
