"""The table of languages: what it holds, and which spellings of a tag it understands."""

import csv
import re
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from importlib import resources

import pytest

from polylect import languages
from polylect.errors import LanguageError

AYA_EXPANSE = ["ar", "zh-Hans", "zh-Hant", "cs", "nl", "en", "fr", "de", "el", "he", "hi", "id"]
AYA_EXPANSE += ["it", "ja", "ko", "fa", "pl", "pt", "ro", "ru", "es", "tr", "uk", "vi"]


def test_table_holds_the_languages_of_aya_expanse_and_thirty_more() -> None:
    """All 23 languages of Aya Expanse (section 3; 24 tags) and at least 30 others are in the table."""
    tags = [row.tag for row in languages.known()]
    assert set(AYA_EXPANSE) <= set(tags)
    assert len(tags) >= len(AYA_EXPANSE) + 30
    assert tags == sorted(tags)


def test_every_inhabited_continent_has_languages_beyond_aya_expanse() -> None:
    """Each of the six inhabited continents has at least four languages that Aya Expanse does not serve."""
    others = [row for row in languages.known() if row.tag not in AYA_EXPANSE]
    count = Counter(continent for row in others for continent in row.continents)
    assert set(count) == {"Africa", "Asia", "Europe", "North America", "Oceania", "South America"}
    assert min(count["Africa"], count["Asia"], count["Europe"], count["Oceania"], count["North America"]) >= 4
    assert {row.tag for row in others if "South America" in row.continents} >= {"ay", "gn", "qu"}


def test_codes_are_well_formed_and_unique() -> None:
    """No two rows share a tag or an ISO 639-3 code in one script, and codes have the form of their standards."""
    rows = languages.known()
    assert len({row.tag for row in rows}) == len(rows)
    assert len({(row.iso639_3, row.script) for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?", row.tag), row.tag
        assert re.fullmatch(r"[a-z]{3}", row.iso639_3), row.tag
        assert re.fullmatch(r"[A-Z][a-z]{3}", row.script), row.tag


def test_no_cell_is_left_empty_without_a_reason() -> None:
    """Every fact has a value; a missing resource class says why."""
    for row in languages.known():
        assert all([row.family, row.branch, row.name, row.native_name, row.continents, row.speakers_source]), row.tag
        assert row.speakers > 10_000, row.tag
        assert row.speakers_year == 2025, row.tag
        assert -90 <= row.latitude <= 90, row.tag
        assert -180 <= row.longitude <= 180, row.tag
        if row.resource_class is None:
            assert row.resource_source.startswith("none: "), row.tag
        else:
            assert 0 <= row.resource_class <= 5, row.tag
            assert row.resource_source.startswith("Joshi et al. 2020, "), row.tag


def test_resource_classes_match_the_examples_printed_in_the_paper() -> None:
    """Table 1 of Joshi et al. 2020 names examples of its classes; the rows agree with them."""
    examples = {1: "fj kl nv", 2: "zu lo mt ga", 3: "id uk ceb af he", 4: "ru hu vi nl ko", 5: "en es de ja fr"}
    for resource_class, tags in examples.items():
        assert {languages.get(tag).resource_class for tag in tags.split()} == {resource_class}


def test_names_are_those_of_cldr() -> None:
    """English and native names equal CLDR's through Babel, but for the languages that Babel has no locale for."""
    babel = pytest.importorskip("babel")
    english = babel.Locale("en").languages
    without_locale = set()
    for row in languages.known():
        key = row.tag.replace("-", "_")
        try:
            own = babel.Locale.parse(key).languages
        except babel.UnknownLocaleError:
            without_locale.add(row.tag)
        else:
            assert row.native_name == own.get(key, own.get(key.partition("_")[0])), row.tag
        assert row.name.partition(" (")[0] == english[key.partition("_")[0]].partition(" (")[0], row.tag
    assert without_locale == {"ay", "fj", "sm"}


def test_names_are_stored_composed() -> None:
    """The file is in Unicode normalisation form C, so that names compare equal to normalised text."""
    text = resources.files("polylect.languages").joinpath("languages.csv").read_text(encoding="utf-8")
    assert unicodedata.is_normalized("NFC", text)


def test_aliases_mean_one_row_each() -> None:
    """No alias is written in two rows or is the tag of another row."""
    text = resources.files("polylect.languages").joinpath("languages.csv").read_text(encoding="utf-8")
    aliases = Counter(alias for row in csv.DictReader(text.splitlines()) for alias in row["aliases"].split(";") if alias)
    assert max(aliases.values()) == 1
    assert not set(aliases) & {row.tag for row in languages.known()}


def test_direction_follows_from_the_script() -> None:
    """Languages in Arabic and Hebrew script, and no others, are written from right to left."""
    assert {row.tag for row in languages.known() if row.rtl} == {"ar", "ckb", "fa", "he", "ps", "sd", "ug", "ur"}


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("en-US", "en"),
        ("es-419", "es"),
        ("pt_BR", "pt"),
        ("eng", "en"),
        ("eng_Latn", "en"),
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zho", "zh-Hans"),
        ("zh_TW", "zh-Hant"),
        ("zh-hant-hk", "zh-Hant"),
        ("cmn_Hant", "zh-Hant"),
        ("iw", "he"),
        ("in", "id"),
        ("tl", "fil"),
        ("no", "nb"),
        ("fas", "fa"),
        ("pes_Arab", "fa"),
        ("arb", "ar"),
        ("ar-EG", "ar"),
        ("sr", "sr-Cyrl"),
        ("sr-Latn-RS", "sr-Latn"),
        ("sr-ME", "sr-Latn"),
        ("pa-Guru-PK", "pa"),
    ],
)
def test_spellings_of_a_tag_become_canonical(tag: str, expected: str) -> None:
    """Case, underscores, ISO 639-3, deprecated codes, redundant scripts and regions lead to the canonical tag."""
    assert languages.canonical(tag) == expected
    assert languages.get(tag).tag == expected


def test_canonical_tags_stay_as_they_are() -> None:
    """Every tag of the table is its own canonical form, and so is its ISO 639-3 code with the script."""
    for row in languages.known():
        assert languages.canonical(row.tag) == row.tag
        assert languages.canonical(f"{row.iso639_3}_{row.script}") == row.tag


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ("Turkish", "for Turkish write 'tr'"),
        ("swahilli", "for Swahili write 'sw'"),
        ("Українська", "for Ukrainian write 'uk'"),
        ("en-Cyrl", "'en' (script Latn)"),
        ("pa-PK", "'pa' (script Guru)"),
        ("zh-Hanx", "'zh-Hans' (script Hans), 'zh-Hant' (script Hant)"),
        ("srpp", "Did you mean 'sr-Cyrl'"),
        ("qqq", "`polylect languages`"),
        ("", "`polylect languages`"),
    ],
)
def test_unknown_tag_is_named_with_the_nearest(tag: str, hint: str) -> None:
    """An unknown tag, a name or an unlisted script fails with the value, the nearest known one and the next step."""
    with pytest.raises(LanguageError) as raised:
        languages.canonical(tag)
    message = str(raised.value)
    assert message.startswith(repr(tag))
    assert hint in message
    assert "`polylect languages` lists the known tags." in message


@pytest.mark.serial
def test_import_is_light_and_the_table_loads_fast() -> None:
    """Importing the package loads no identification model, numpy or Babel, and the table is read in milliseconds."""
    program = (
        "import sys, time; from polylect import languages; start = time.perf_counter(); languages.known();"
        "print(time.perf_counter() - start); print(*sorted({'babel', 'numpy', 'py3langid'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, heavy = done.stdout.split("\n")[:2]
    assert heavy == ""
    assert float(seconds) < 0.1


@pytest.mark.serial
def test_looking_up_a_tag_is_fast_enough_for_every_row_of_a_table() -> None:
    """A hundred thousand look-ups take well below a second: readers of tables check every row."""
    start = time.perf_counter()
    for _ in range(100_000):
        languages.canonical("zh-CN")
    assert time.perf_counter() - start < 1


def test_public_names_are_sorted_and_exist() -> None:
    """`__all__` lists the public API of the package, sorted."""
    assert languages.__all__ == sorted(languages.__all__)
    assert all(hasattr(languages, name) for name in languages.__all__)
