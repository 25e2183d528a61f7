"""`polylect languages` as a user calls it."""

import json

import pytest
from click.testing import CliRunner

from polylect import languages
from polylect.cli.languages import command
from polylect.errors import LanguageError


def test_all_languages_are_listed() -> None:
    """Without a tag every language has a row, and the number of languages is printed."""
    done = CliRunner().invoke(command, [], terminal_width=200)
    assert done.exit_code == 0
    assert all(f"\n {row.tag} " in done.output for row in languages.known())
    assert f"{len(languages.known())} languages" in done.output


def test_one_language_is_shown_with_its_sources() -> None:
    """With a tag, in any spelling, its facts and where they come from are printed."""
    done = CliRunner().invoke(command, ["TUR"])
    assert done.exit_code == 0
    for fact in ("tr", "Türkçe", "tur", "Turkic", "CLDR 48", "Joshi et al. 2020", "az, "):
        assert fact in done.output


def test_json_is_one_object_for_a_tag_and_a_list_without() -> None:
    """JSON output parses, keeps native names and numbers, and an unknown class is null."""
    one = json.loads(CliRunner().invoke(command, ["zh_TW", "--json"]).output)
    assert (one["tag"], one["native_name"], one["rtl"]) == ("zh-Hant", "繁體中文", False)
    every = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert [row["tag"] for row in every] == [row.tag for row in languages.known()]
    assert next(row for row in every if row["tag"] == "si")["resource_class"] is None


def test_unknown_tag_is_an_error_for_the_group_to_print() -> None:
    """An unknown tag raises the package's error instead of printing something."""
    with pytest.raises(LanguageError, match="write 'tr'"):
        CliRunner().invoke(command, ["Turkish"], catch_exceptions=False)
