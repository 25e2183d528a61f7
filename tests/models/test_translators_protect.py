"""Protected spans: found, masked, and put back exactly or not at all."""

import pytest

from polylect.models.translators.protect import MARKS, bare, mask, restore, spans

TEXT = """Hi @anna, run `pip install x` (see https://a.b/c?d=1, or write to x.y@z.org) for {name}, {{user}} and $HOME.
It is 100% sure: %s and %d. It costs $5, or $6. Solve $x^2=4$ <b>now</b>, at 12:30, with 1,234.5 and 10 000 [1].
```python
print("hi 5")
```
Thanks, 3 times."""


def test_kinds_of_spans() -> None:
    """Code, URLs, addresses, placeholders, formulas, tags and mentions are found with their edges; prices are no formula."""
    found = [(span.kind, TEXT[span.start : span.end]) for span in spans(TEXT)]
    assert found == [
        ("mention", "@anna"),
        ("code", "`pip install x`"),
        ("url", "https://a.b/c?d=1"),
        ("email", "x.y@z.org"),
        ("placeholder", "{name}"),
        ("placeholder", "{{user}}"),
        ("placeholder", "$HOME"),
        ("placeholder", "%s"),
        ("placeholder", "%d"),
        ("formula", "$x^2=4$"),
        ("tag", "<b>"),
        ("tag", "</b>"),
        ("fence", '```python\nprint("hi 5")\n```'),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100% sure and 5 % so", []),
        ("It costs $5, or $6 or $7.", []),
        ("a < b and c > d", []),
        ("{ spaced out }", []),
        ("See http://x.org/a_(b), then stop.", ["http://x.org/a_(b"]),
        ("访问https://例.中国/路径。谢谢", ["https://例.中国/路径"]),
        ("%(count)d files, %1$s, ${VAR}, &nbsp;", ["%(count)d", "%1$s", "${VAR}", "&nbsp;"]),
        ("~~~\nx\n~~~", ["~~~\nx\n~~~"]),
        ("``a ` b`` and `c`", ["``a ` b``", "`c`"]),
        ("<|im_start|>user <a href='x y'>", ["<|im_start|>", "<a href='x y'>"]),
        (r"\[x\] and \(y\) and $$z$$", [r"\[x\]", r"\(y\)", "$$z$$"]),
    ],
)
def test_spans_of_odd_texts(text: str, expected: list[str]) -> None:
    """What looks like a span and is none stays text; spans end before the mark that ends the sentence."""
    assert [text[span.start : span.end] for span in spans(text)] == expected


def test_numbers_are_spans_when_asked_for() -> None:
    """Grouped digits are one number, neighbours are two, and digits in other spans are not looked at."""
    text = "12:30, 1,234.5, 10 000, 10 20 and `7`, in ١٢٣"
    assert [text[s.start : s.end] for s in spans(text, numbers=True) if s.kind == "number"] == [
        "12:30", "1,234.5", "10 000", "10", "20", "١٢٣",
    ]  # fmt: skip


@pytest.mark.parametrize("marks", sorted(MARKS))
@pytest.mark.parametrize("numbers", [False, True])
def test_what_is_masked_comes_back(marks: str, numbers: bool) -> None:
    """A translation that keeps the marks gives the very text again, also one that holds marks itself."""
    for text in (TEXT, "wiki [[0]] and [[12]], XPH0X, `c`", "no spans", ""):
        masked = mask(text, marks=marks, numbers=numbers)
        assert restore(masked, masked.text) == (text, None)


def test_nothing_protected_is_left_for_the_translator() -> None:
    """The masked text holds no code, URL or placeholder, and with numbers masked no digit outside the marks."""
    masked = mask(TEXT, numbers=True)
    assert not any(span.kind not in {"number"} for span in spans(masked.text))
    assert "1,234.5" in masked.kept
    assert masked.numbers == ()


def test_marks_in_other_hands_and_digits() -> None:
    """Spaced, single, wide and native-digit marks are still marks; numbers get their spelling back from any digits."""
    masked = mask("I paid 1,234.5 for `x` and {y} in 2024.")
    assert restore(masked, "دفعت ١٢٣٤٫٥ مقابل [ [٠] ] و ［1］ في ٢٠٢٤.") == ("دفعت 1,234.5 مقابل `x` و {y} في 2024.", None)
    masked = mask("`x` and {y}", marks="word")
    assert restore(masked, "*XPH0X y xph1x") == ("`x` y {y}", None)


@pytest.mark.parametrize(
    ("translation", "reason"),
    [
        ("[[0]] 5", "protected span lost"),
        ("[[0]] [[1]] [[1]] 5", "protected span repeated"),
        ("[[0]] [[1]] [[7]] 5", "protected span invented"),
        ("[[0]] [[1]]", "number lost"),
        ("[[0]] [[1]] 5 5", "number added"),
        ("[[0]] [[1]] 6", "number lost"),
        ("[[1]] 5 [[0]]", None),
    ],
)
def test_each_span_must_come_back_once(translation: str, reason: str) -> None:
    """A lost, repeated or invented span, and a lost or added number, is no translation; another order is one."""
    assert restore(mask("`a` {b} 5"), translation)[1] == reason


def test_bare_text_is_what_has_a_language() -> None:
    """Without its spans a text can be identified."""
    assert bare("Lies `print('hello')` und https://example.org/in/english bitte").split() == ["Lies", "und", "bitte"]
