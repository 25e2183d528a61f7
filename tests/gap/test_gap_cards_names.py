"""Codes and names of languages: what each means, and what none means."""

from __future__ import annotations

import pytest

from polylect.gap.language_names import display_name, resolve


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("en", "en"), ("EN", "en"), ("eng", "en"), ("fre", "fr"), ("fra", "fr"), ("iw", "he"), ("zho_Hans", "zh-Hans"),
        ("zh-hans", "zh-Hans"), ("zh-TW", "zh-Hant"), ("pt-BR", "pt"), ("es-419", "es"), ("sr-Latn", "sr-Latn"), ("oci", "oc"),
        ("ace_Arab", "ace-Arab"), ("yue", "yue"), ("kbp", "kbp"), ("no", "nb"), ("nn", "nn"), ("tw", "tw"), ("tl", "fil"),
        ("Chinese (Simplified)", "zh-Hans"), ("Traditional Chinese", "zh-Hant"),
        ("Chinese (simplified & traditional)", "zh-Hans zh-Hant"),
        ("Brazilian Portuguese", "pt"), ("Portuguese (Brazil)", "pt"), ("Mexican Spanish", "es"), ("English (US)", "en"),
        ("Persian (Farsi)", "fa"), ("Filipino (Tagalog)", "fil"), ("Serbian (Latin)", "sr-Latn"), ("Norwegian (Nynorsk)", "nn"),
        ("Kurdish (Sorani)", "ckb"), ("Chinese (Cantonese)", "yue"), ("German (de)", "de"), ("Egyptian Arabic", "arz"),
        ("Bengali", "bn"), ("bengali", "bn"), ("Kirundi", "rn"), ("Deutsch", "de"), ("日本語", "ja"), ("Volapuk", "vo"),
        ("Uzbek (Cyrillic)", "uz-Cyrl"), (" *Thai* ", "th"),
    ],
)  # fmt: skip
def test_spellings_resolve(text: str, tags: str) -> None:
    """ISO 639-1, -2 and -3 codes, BCP-47 tags, English and own names and common variants mean their language."""
    found = resolve(text)
    assert found is not None
    assert " ".join(found.tags) == tags


@pytest.mark.parametrize(
    "text", ["", "xx", "qq", "elvish", "Elvish", "code", "multilingual", "und", "German (fr)", "python", "e", "💬"]
)
def test_what_names_no_language_is_not_guessed(text: str) -> None:
    """A word that no list knows, and one that contradicts itself, resolve to nothing."""
    assert resolve(text) is None


def test_assumptions_are_said() -> None:
    """A code that leaves the script or the variety open says what was assumed."""
    assert "does not say the script" in str(resolve("zh") and resolve("zh").note)  # type: ignore[union-attr]
    assert "variety" in str(resolve("pt-BR") and resolve("pt-BR").note)  # type: ignore[union-attr]
    assert resolve("de") is not None
    assert resolve("de").note is None  # type: ignore[union-attr]


def test_names_for_display() -> None:
    """A language beyond the reviewed table has CLDR's name; one beyond both is called by its tag."""
    assert (display_name("de"), display_name("yue"), display_name("ace-Arab"), display_name("kbp")) == (
        "German", "Cantonese", "Acehnese (ace-Arab)", "kbp",
    )  # fmt: skip
