"""Numbers in the digits and marks of many languages."""

import sys
import unicodedata
from decimal import Decimal

import pytest
from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal

from polylect.languages import known
from polylect.verifiable import number_match, numbers

READ = [
    ("de", "Es sind 1.500,75 Euro.", ["1500.75"]),
    ("de", "1.500", ["1500"]),
    ("de", "3.14", ["3.14"]),
    ("en", "1,500 or 1.500", ["1500", "1.500"]),
    ("fr", "1 234,5 et 1 000 000", ["1234.5", "1000000"]),
    ("pl", "1\u00a0234,50 zł", ["1234.50"]),
    ("hi", "कुल १२,३४,५६७.५० रुपये", ["1234567.50"]),
    ("ar", "العدد \u061c-١٬٢٣٤٫٥", ["-1234.5"]),
    ("fa", "\u200e−۱۲٫۵", ["-12.5"]),
    ("my", "၁၂၃.၅", ["123.5"]),
    ("zh-Hans", "二〇二四年有365天", ["2024", "365"]),
    ("zh-Hans", "有一个人", []),
    ("ja", "三", ["3"]),
    ("ja", "１，２３４", ["1234"]),
    ("en", "5-3=2", ["5", "3", "2"]),
    ("en", "12.03.2024 and v1.2.3", []),
    ("en", "-7, 1e3 and 10, 20.", ["-7", "1E+3", "10", "20"]),
]


@pytest.mark.parametrize(("language", "text", "expected"), READ)
def test_numbers_are_read_as_the_language_writes_them(language: str, text: str, expected: list[str]) -> None:
    """Decimal marks, groups, signs and digits are those of the language; dates and versions are no numbers."""
    assert numbers(text, language) == [Decimal(one) for one in expected]


def test_every_decimal_digit_of_unicode_is_read() -> None:
    """All systems of digits, those of CLDR among them, spell the same number."""
    zeros = [chr(code) for code in range(sys.maxunicode) if unicodedata.decimal(chr(code), None) == 0]
    assert len(zeros) > 60
    for zero in zeros:
        native = "".join(chr(ord(zero) + int(digit)) for digit in "9876543210")
        assert numbers(f"({native})", "en") == [Decimal(9876543210)], unicodedata.name(zero)


def test_numbers_that_cldr_writes_are_read_back() -> None:
    """In every language of the table that CLDR knows, numbers in its default digits and in ASCII digits come back."""
    tried = 0
    for language in known():
        try:
            locale = Locale.parse(language.tag.replace("-", "_"))
        except (UnknownLocaleError, ValueError):
            continue
        for system in ("default", "latn"):
            for number in ("1234567.25", "-12.5", "0.125", "1000"):
                text = format_decimal(Decimal(number), locale=locale, numbering_system=system)
                assert numbers(text, language.tag) == [Decimal(number)], (language.tag, text)
                tried += 1
    assert tried > 600


def test_the_number_that_counts() -> None:
    """The last number is the answer unless told otherwise; how it is written does not matter."""
    text = "4 mal 250 sind 1.000"
    assert number_match(text, ["1000"], "de") == (1.0, None)
    assert number_match(text, ["1000"], "de", which="first") == (0.0, "another number")
    assert number_match(text, ["1000"], "de", which="only") == (0.0, "more than one number in the answer")
    assert number_match("उत्तर ४२ है", ["42"], "hi") == (1.0, None)
    assert number_match("3.15", ["3.14"], "en", tolerance=0.01) == (1.0, None)
    assert number_match("3.15", ["3.14"], "en", tolerance=0.001) == (0.0, "another number")


def test_what_cannot_be_compared_says_why() -> None:
    """No number in the answer is wrong; no number in the references is no measure."""
    assert number_match("keine Ahnung", ["3"], "de") == (0.0, "no number in the answer")
    assert number_match("3", ["drei"], "de") == (None, "no reference is a number")
    assert number_match("3", [], "de") == (None, "no references")
