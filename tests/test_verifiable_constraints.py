"""Formats and constraints of instructions, counted in the way of each script."""

import time
from typing import Any

import pytest

from polylect.errors import RecipeError
from polylect.verifiable import Format, constraints, follow, format_match, known_constraints
from polylect.verifiable.segments import bullets, characters, sentences, words

COUNTED = [
    ("en", 'J. Smith lives in the U.S. and works. He said: "No." Really?!', 12, 3),
    ("de", "Dr. Müller kam z. B. am 3. oktober. Dann ging er.", 11, 2),
    ("fr", "L'été, c'est aujourd'hui.", 3, 1),
    ("hi", "यह अच्छा है। वह गया।", 5, 2),
    ("ur", "یہ ہے۔ وہ گیا۔", 4, 2),
    ("ar", "هل هذا صحيح؟ نعم. حسنا", 5, 3),
    ("am", "ሰላም። ደህና ነህ፧", 3, 2),
    ("zh-Hans", "你好。我是学生！真的？", 8, 3),
    ("ja", "今日は iPhone を買った。", 8, 1),
    ("ko", "저는 학생입니다. 반갑습니다!", 3, 2),
    ("th", "สวัสดีครับ", None, None),
    ("my", "မင်္ဂလာပါ။ နေကောင်းလား။", None, 2),
]


@pytest.mark.parametrize(("language", "text", "word_count", "sentence_count"), COUNTED)
def test_words_and_sentences_are_counted_by_script(
    language: str, text: str, word_count: int | None, sentence_count: int | None
) -> None:
    """Words by spaces or by character, sentences by the marks of the script; None where that takes a dictionary."""
    assert (words(text, language), sentences(text, language)) == (word_count, sentence_count)


def test_items_of_lists_and_characters() -> None:
    """Bullets and numbers of any script begin an item, words do not; marks are no characters of their own."""
    assert bullets("- a\n2) b\n* c\nab. no\n(c) d\n१. इ\n三、x\nEr. x") == 6
    assert characters("हिन्दी में") == 4 == characters("a b\ncd")


FOLLOWED: list[tuple[str, str, dict[str, Any], bool]] = [
    ("en", "one two three", {"name": "words", "least": 3, "most": 3}, True),
    ("en", "one two three", {"name": "words", "most": 2}, False),
    ("zh-Hans", "我喜欢北京", {"name": "words", "least": 5, "most": 5}, True),
    ("de", "Eins. Zwei.", {"name": "sentences", "least": 2}, True),
    ("hi", "- एक\n- दो", {"name": "bullets", "least": 2, "most": 2}, True),
    ("de", "a\n\nb\nc", {"name": "paragraphs", "least": 2, "most": 2}, True),
    ("tr", "IĞDIR güzeldir.", {"name": "contains", "texts": ["ığdır"]}, True),
    ("de", "Der Bär und der Bär", {"name": "contains", "texts": ["bär"], "least": 3}, False),
    ("ru", "Самолёт летит", {"name": "lacks", "texts": ["самолет"]}, False),
    ("ja", "「はい」、そうです。", {"name": "starts_with", "start": "はい"}, True),
    ("fr", "Voilà. C'est tout !", {"name": "ends_with", "end": "C’est tout"}, True),
    ("fr", "Il pleut depuis ce matin sur toute la ville.", {"name": "language"}, True),
    ("fr", "It has been raining in the whole city since morning.", {"name": "language"}, False),
    ("de", "STRAßE", {"name": "upper"}, True),
    ("el", "ΑΘΗΝΑ Και", {"name": "upper"}, False),
    ("ru", "москва", {"name": "lower"}, True),
    ("ar", "نعم، بالتأكيد", {"name": "no_commas"}, False),
    ("en", "abc de", {"name": "characters", "most": 5}, True),
]


@pytest.mark.parametrize(("language", "text", "asked", "expected"), FOLLOWED)
def test_constraints_are_followed_or_broken(language: str, text: str, asked: dict[str, Any], expected: bool) -> None:
    """Each kind of constraint says yes and no in languages of several scripts."""
    share, every, reason = follow(text, language, constraints([asked], "here"))
    assert (share, every) == (float(expected), expected)
    assert reason == (None if expected else f"broken: {asked['name']}")


def test_every_kind_has_an_example() -> None:
    """No kind of constraint is untested."""
    assert {asked["name"] for _, _, asked, _ in FOLLOWED} == set(known_constraints())


def test_what_a_script_cannot_have_is_not_measured() -> None:
    """Capitals in Hindi, words of Thai and the language of one short word are no measure, and not a failure."""
    for language, text, asked in (("hi", "नमस्ते", "upper"), ("ja", "はい", "lower"), ("fr", "Paris", "language")):
        share, every, reason = follow(text, language, constraints([{"name": asked}], "here"))
        assert (share, every) == (None, True)
        assert str(reason).startswith(f"not measured: {asked}: ")
    rows = [{"name": "words", "least": 5}, {"name": "contains", "texts": ["ไทย"]}]
    assert follow("ภาษาไทย", "th", constraints(rows, "here"))[:2] == (1.0, True)


def test_share_and_all() -> None:
    """The share counts single constraints; all must hold for the second value."""
    rows = [{"name": "words", "most": 3}, {"name": "lower"}, {"name": "contains", "texts": ["x"]}]
    assert follow("Only three words", "en", constraints(rows, "here")) == (pytest.approx(1 / 3), False, "broken: lower")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "wrds"}, "here\\[0\\]: name 'wrds': no such constraint. Did you mean 'words'?"),
        ({"name": "words", "leest": 3}, "key 'leest' is unknown to 'words'. Did you mean 'least'?"),
        ({"name": "words", "least": "3"}, "least: '3': 'words' expects int"),
        ({"name": "words"}, "'words' needs least or most"),
        ({"name": "contains"}, "'contains' needs texts"),
        ({"name": "contains", "texts": "x"}, "texts: 'x': 'contains' expects Sequence"),
    ],
)
def test_mistakes_in_constraints_name_the_place(row: dict[str, Any], message: str) -> None:
    """An unknown name or key names the nearest known one; a missing or wrong value says what is expected."""
    with pytest.raises(RecipeError, match=message):
        constraints([row], "here")


@pytest.mark.parametrize(
    ("form", "text", "reason"),
    [
        (Format(json="object", keys=("a",)), '```json\n{"a": 1}\n```', None),
        (Format(json="object", keys=("a",)), '{"b": 1}', "JSON without a key asked for"),
        (Format(json="array"), '{"b": 1}', "JSON, but no array"),
        (Format(json="number"), "true", "JSON, but no number"),
        (Format(json="any"), "{'a': 1}", "not JSON"),
        (Format(json="any"), '{"a": NaN}', "not JSON"),
        (Format(json="any"), '{"a": 1, "a": 2}', "not JSON"),
        (Format(json="any"), "[" * 100_000, "not JSON"),
        (Format(glob="??.??.????"), "12.03.2024", None),
        (Format(glob="[0-9]*"), "a12", "pattern not matched"),
        (Format(line_glob="- *"), "- eins\n\n- zwei", None),
        (Format(line_glob="- *"), "- eins\nzwei", "a line does not match the pattern"),
        (Format(lines=2), "a\n\nb", None),
        (Format(least_lines=3), "a\nb", "number of lines"),
        (Format(most_lines=1), "a\nb", "number of lines"),
    ],
)
def test_formats(form: Format, text: str, reason: str | None) -> None:
    """An answer has the form, or the first rule that it breaks is named."""
    assert format_match(text, form) == (0.0 if reason else 1.0, reason)


@pytest.mark.serial
def test_a_pattern_cannot_hang() -> None:
    """A pattern with many stars is matched against a long answer in no time."""
    began = time.perf_counter()
    assert format_match("a" * 20_000, Format(glob="*a*a*a*a*a*a*a*b")) == (0.0, "pattern not matched")
    assert time.perf_counter() - began < 2
