"""Adding a language is adding a file; adding a kind is adding a function."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import polylect.prompts.kinds as registry
from polylect.errors import DataError
from polylect.prompts import TEMPLATES, Drop, Fact, Names, kind, known_kinds, load_pack, world_facts

TRADITIONAL = """
language = "zh-Hant"
cldr = "zh_Hant"

[questions]
place_country = ["{place}在哪個國家？"]
country_code = ["國家代碼{code}是哪個國家？"]
weekday_after = ["今天是{weekday}，{span}後是星期幾？"]

[names.territories]
IT = ["義大利", "意大利"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of templates that holds only English."""
    shutil.copy(TEMPLATES / "en.toml", tmp_path)
    return tmp_path


def test_a_new_file_is_a_new_language_and_leaves_the_others_as_they_were(folder: Path) -> None:
    """One TOML file adds a language with the items and splits of the others, whose prompts do not change."""
    before = world_facts(["en"], templates=folder).prompts
    (folder / "zh-Hant.toml").write_text(TRADITIONAL, encoding="utf-8")
    facts = world_facts(["en", "zh-Hant"], templates=folder)
    assert [prompt for prompt in facts.prompts if prompt.language == "en"] == before
    added = {prompt.item: prompt for prompt in facts.prompts if prompt.language == "zh-Hant"}
    assert added["place_country:Europe/Rome"].text == "羅馬在哪個國家？"
    assert added["place_country:Europe/Rome"].references == ("義大利", "意大利")
    splits = {prompt.item: prompt.split for prompt in before}
    assert all(splits[item] == prompt.split for item, prompt in added.items() if item in splits)
    assert facts.dropped["zh-Hant: date_long: no template for this kind"] == 320


def test_every_shipped_file_loads() -> None:
    """All shipped template files name their own language, known kinds and the right slots."""
    tags = sorted(path.stem for path in TEMPLATES.glob("*.toml"))
    assert tags == ["ar", "de", "en", "es", "fr", "hi", "id", "ru", "tr", "zh-Hans"]
    assert all(len(load_pack(tag).questions) >= 13 for tag in tags)


@pytest.fixture
def unregister() -> Iterator[None]:
    """Forget the kinds that a test registers."""
    kept = dict(registry._KINDS)
    yield
    registry._KINDS.clear()
    registry._KINDS.update(kept)


def test_a_registered_function_is_a_new_kind(folder: Path, unregister: None) -> None:
    """A decorated function and one template give prompts of a new kind, split like the others, its drops counted."""

    @kind("script", "code")
    def script_code(names: Names) -> Iterator[Fact | Drop]:
        for code in ("Arab", "Cyrl", "Grek", "Latn", "Zzz9"):
            name = names.locale.scripts.get(code)
            yield Fact(key=code, slots={"code": code}, references=(name,)) if name else Drop(key=code, reason="no such script")

    text = (folder / "en.toml").read_text(encoding="utf-8")
    question = '[questions]\nscript_code = ["Which script has the code {code}?"]\n'
    (folder / "en.toml").write_text(text.replace("[questions]\n", question), encoding="utf-8")
    facts = world_facts(["en"], templates=folder)
    made = {prompt.text: prompt.references for prompt in facts.prompts if prompt.kind == "script_code"}
    assert made["Which script has the code Cyrl?"] == ("Cyrillic",)
    assert len(made) == 4
    assert facts.dropped["en: script_code: no such script"] == 1


def test_a_kind_cannot_take_the_name_of_another(unregister: None) -> None:
    """Two functions of one name are refused, with the module that has it."""
    known_kinds()
    with pytest.raises(DataError, match=r"'date_long' is registered already, by polylect\.prompts\.kinds\.calendar"):

        @kind("date", "iso")
        def date_long(names: Names) -> Iterator[Fact | Drop]:
            yield Drop(key="none", reason="none")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('language = "en"', 'language = "es"', "key 'language': 'es' is not the language of the file's name, 'en'"),
        ('cldr = "en"', 'clrd = "en"', "unknown key 'clrd'.*Did you mean 'cldr'"),
        ("date_long = ", "date_lang = ", "key 'questions.date_lang': unknown kind.*Did you mean 'date_long'"),
        ("Which country is {place} in?", "Which country is it in?", "must use exactly the slots {place}"),
        ("Which month is the date {iso} in?", "Which month is {date}?", "must use exactly the slots {iso}"),
        ("[variants]", "[variants]\ndate = []", "unknown key 'variants.date'.*Did you mean 'dates'"),
        ("[[' and ', ' ']]", "[[' and (', ' ']]", "key 'variants.numbers'.*regular expression"),
        ("[questions]", "[questions", "not valid TOML"),
        ('cldr = "en"', 'cldr = "qq"', "key 'cldr': 'qq' is no CLDR locale"),
        ('num2words = "en"', 'num2words = "hi"', "key 'num2words': num2words has no language 'hi'"),
        ("{place} in?", "{place in?", "key 'questions.place_country'.*braces"),
    ],
)
def test_a_broken_file_says_what_is_wrong(folder: Path, old: str, new: str, message: str) -> None:
    """A misspelt key, kind, slot or rule is an error that names the file, the key and the nearest known one."""
    path = folder / "en.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=rf"(?s)en\.toml.*{message}"):
        load_pack("en", folder)


def test_a_missing_file_lists_the_languages_that_there_are(folder: Path) -> None:
    """A language without templates is refused with the files that exist and what to do."""
    with pytest.raises(DataError, match=r"no question templates for 'tr'; there are some for en\. Write this file"):
        world_facts(["tr"], templates=folder)


def test_the_language_file_of_the_documentation_works(folder: Path) -> None:
    """The template file that docs/prompts.md shows is valid and gives the prompts it promises."""
    page = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    (folder / "pt.toml").write_text(page.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    answers = {prompt.item: prompt.references for prompt in world_facts(["pt"], templates=folder).prompts}
    assert answers["place_country:America/Chicago"] == ("Estados Unidos", "EUA")
    assert answers["date_long:1970-09-02"] == ("2 de setembro de 1970",)
    assert answers["number_words:441"] == ("quatrocentos e quarenta e um",)
    assert any(form.startswith("1º de ") for forms in answers.values() for form in forms)


def test_forms_keep_their_order_and_differ_by_more_than_case(folder: Path) -> None:
    """The preferred form stays first, whatever the rules add, and a form that differs only by case is not repeated."""
    text = (folder / "en.toml").read_text(encoding="utf-8")
    rules = "currencies = [['^(.+)$', 'the \\1'], ['^the (.+)$', '\\1'], ['peso', 'PESO']]"
    (folder / "en.toml").write_text(re.sub("(?m)^currencies = .*$", lambda _: rules, text), encoding="utf-8")
    names = Names(load_pack("en", folder))
    assert names.currency("MXN") == ("Mexican peso", "the Mexican peso")


def test_names_of_one_language_never_reach_another(folder: Path) -> None:
    """Hebrew's months, which Babel would write into data that all locales share, leave Indonesian ones alone."""
    pack = load_pack("en", folder)
    names = {cldr: Names(replace(pack, cldr=cldr, variants={})) for cldr in ("he", "id")}
    assert names["he"].month(6) == ("יוני",)
    assert names["id"].month(6) == ("Juni",)
