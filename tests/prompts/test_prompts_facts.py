"""World facts: what `polylect.prompts.world_facts` promises of its prompts, in the quickstart's languages."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType

import pytest

from polylect import prompts, tables
from polylect.errors import DataError, LanguageError
from polylect.prompts import WorldFacts, few_shot, world_facts
from polylect.records import Prompt
from polylect.verifiable import exact, normalise

QUICKSTART = ["en", "es", "ru", "hi", "tr", "ar", "id", "zh-Hans"]
SCRIPTS = {"ru": "Ѐ-ӿ", "hi": "ऀ-ॿ", "ar": "؀-ۿ", "zh-Hans": "一-鿿"}


@pytest.fixture(scope="module")
def facts() -> WorldFacts:
    """Return the world facts of the quickstart, built once."""
    return world_facts(QUICKSTART)


def by_item(facts: WorldFacts, language: str) -> dict[str, Prompt]:
    """Map the items of one language to their prompts."""
    return {prompt.item: prompt for prompt in facts.prompts if prompt.language == language}


def test_every_language_has_1500_items_and_13_kinds_in_every_split(facts: WorldFacts) -> None:
    """Each language has at least 1,500 items of at least 13 kinds, and every kind that is trained on is in all four splits."""
    for language in QUICKSTART:
        mine = [prompt for prompt in facts.prompts if prompt.language == language]
        splits = defaultdict(set)
        for prompt in mine:
            splits[prompt.kind].add(prompt.split)
        assert len(mine) >= 1500
        assert len(splits) >= 13
        for kind, found in splits.items():
            assert found == ({"unseen"} if facts.kinds[kind].unseen else {"seed", "prompt", "preference", "heldout"})


def test_no_item_and_no_text_is_in_two_splits(facts: WorldFacts) -> None:
    """An item has one split in all languages, and no question stands in two splits or twice."""
    items = defaultdict(set)
    texts = defaultdict(set)
    for prompt in facts.prompts:
        items[prompt.item].add(prompt.split)
        texts[prompt.text].add(prompt.split)
    assert {len(splits) for splits in items.values()} == {1}
    assert {len(splits) for splits in texts.values()} == {1}
    assert len({prompt.id for prompt in facts.prompts}) == len(facts.prompts)


def test_items_that_give_each_other_away_share_their_split(facts: WorldFacts) -> None:
    """From May to August and from August to May, a language's code and its own name, a country's facts: one split each."""
    english = by_item(facts, "en")
    assert english["month_after:5+3"].split == english["month_after:8+9"].split
    assert english["weekday_after:0+3"].split == english["weekday_after:0+10"].split == english["weekday_after:3+4"].split
    for code in ("ru", "el", "ka", "ja"):
        assert english[f"language_code:{code}"].split == english[f"language_endonym:{code}"].split
    for code in ("FR", "KE", "PE"):
        assert english[f"country_currency:{code}"].split == english[f"country_language:{code}"].split


def test_kinds_that_turn_each_other_round_share_no_date_and_no_number(facts: WorldFacts) -> None:
    """No date is in two of the three kinds of date, no number in both kinds of number, no trained date is an unseen answer."""
    keys = defaultdict(set)
    for prompt in facts.prompts:
        keys[prompt.kind].add(prompt.item.partition(":")[2])
    assert not keys["day_before"] & (keys["date_long"] | keys["date_month"])
    assert not keys["date_long"] & keys["date_month"]
    assert not keys["number_words"] & keys["number_digits"]
    trained = {prompt.references[0] for prompt in facts.prompts if prompt.kind == "date_long" and prompt.language == "en"}
    assert not trained & {prompt.references[0] for prompt in facts.prompts if prompt.kind == "day_before"}


def test_no_question_contains_its_answer(facts: WorldFacts) -> None:
    """No accepted answer stands in its question as a word of its own."""
    for prompt in facts.prompts:
        told = f" {normalise(prompt.text, prompt.language)} "
        for answer in prompt.references:
            assert f" {normalise(answer, prompt.language)} " not in told, prompt


def test_texts_are_short_filled_and_in_the_script_of_their_language(facts: WorldFacts) -> None:
    """A question has at most 15 words, no unfilled slot, no double space or full stop, and letters of its language's script."""
    for prompt in facts.prompts:
        assert len(prompt.text.split()) <= 15
        assert not re.search(r"[{}\u00a0\u202f]|  |\.\.|duration", prompt.text), prompt
        assert all(answer == answer.strip() and answer for answer in prompt.references)
        if prompt.language in SCRIPTS:
            assert re.search(f"[{SCRIPTS[prompt.language]}]", prompt.text)
            if prompt.kind != "number_digits":
                assert not re.search("[A-Za-z]{4}", prompt.references[0]), prompt


@pytest.mark.parametrize(
    ("language", "item", "answers"),
    [
        ("en", "place_country:Africa/Lagos", ["Nigeria"]),
        ("en", "country_code:TR", ["Türkiye", "Turkey"]),
        ("en", "country_currency:AU", ["Australian dollar", "dollar"]),
        ("en", "date_long:2048-01-03", ["January 3, 2048", "3 January 2048", "January 3rd, 2048"]),
        ("en", "number_words:441", ["four hundred and forty-one", "four hundred forty one"]),
        ("es", "country_language:ES", ["español", "castellano"]),
        ("es", "number_words:391", ["trescientos noventa y uno", "trescientas noventa y una"]),
        ("ru", "date_long:2048-01-03", ["3 января 2048 г.", "3 января 2048 года", "3 января 2048"]),
        ("ru", "number_words:501", ["пятьсот один", "пятьсот одна"]),
        ("ru", "language_code:fr", ["французский", "французский язык"]),
        ("hi", "date_month:2014-09-15", ["सितंबर", "सितम्बर"]),
        ("hi", "country_code:GB", ["यूनाइटेड किंगडम", "ब्रिटेन"]),
        ("tr", "number_words:441", ["dört yüz kırk bir", "dörtyüzkırkbir"]),
        ("tr", "country_currency:CL", ["Şili pesosu", "peso"]),
        ("ar", "number_words:441", ["أربعمائة وواحد وأربعون", "أربعمئة وواحد وأربعون"]),
        ("ar", "language_code:fr", ["الفرنسية", "اللغة الفرنسية", "فرنسية"]),
        ("id", "country_language:BR", ["Portugis", "bahasa Portugis"]),
        ("zh-Hans", "date_long:2048-01-03", ["2048年1月3日", "2048年01月03日"]),
        ("zh-Hans", "weekday_after:0+3", ["星期四", "周四"]),
    ],
)
def test_accepted_answers(facts: WorldFacts, language: str, item: str, answers: list[str]) -> None:
    """The forms that native speakers use are accepted, after normalisation, for a fact checked by hand."""
    prompt = by_item(facts, language)[item]
    assert [exact(answer, prompt.references, language) for answer in answers] == [1.0] * len(answers)


def test_plural_forms_of_spans_are_the_languages_own(facts: WorldFacts) -> None:
    """Three, eleven and twenty days have the noun forms that Russian, Arabic and Turkish ask for."""
    russian, arabic, turkish = (by_item(facts, language) for language in ("ru", "ar", "tr"))
    assert "3 дня" in russian["weekday_after:0+3"].text
    assert "11 дней" in russian["weekday_after:0+11"].text
    assert "3 أيام" in arabic["weekday_after:0+3"].text
    assert "11 يومًا" in arabic["weekday_after:0+11"].text
    assert "20 gün " in turkish["weekday_after:0+20"].text


def test_dropped_facts_are_counted_by_language_kind_and_reason(facts: WorldFacts) -> None:
    """Prompts and drops of a language add up to the facts of each kind, and Hindi's missing numbers are named."""
    assert facts.dropped["hi: number_words: num2words has no rules for this language"] == 320
    totals: dict[str, set[int]] = defaultdict(set)
    made = Counter((prompt.language, prompt.kind) for prompt in facts.prompts)
    for language in QUICKSTART:
        for kind in facts.kinds:
            left = sum(count for name, count in facts.dropped.items() if name.startswith(f"{language}: {kind}: "))
            totals[kind].add(made[language, kind] + left)
    assert {len(sums) for sums in totals.values()} == {1}


def test_the_same_seed_gives_the_same_prompts_and_another_seed_other_splits(facts: WorldFacts) -> None:
    """Prompts depend on the seed alone, and a language's prompts not on the other languages."""
    assert world_facts(["tr"]).prompts == [prompt for prompt in facts.prompts if prompt.language == "tr"]
    other = by_item(world_facts(["tr"], seed=1), "tr")
    same = [prompt.split == other[item].split for item, prompt in by_item(facts, "tr").items()]
    assert 0.2 < sum(same) / len(same) < 0.6


def test_sizes_of_the_splits(facts: WorldFacts) -> None:
    """Of the items that are trained on, seed has about 20 %, prompt 35 %, preference 20 %, heldout 25 %."""
    counts = Counter(prompt.split for prompt in facts.prompts if prompt.language == "en" and prompt.split != "unseen")
    shares = {split: count / counts.total() for split, count in counts.items()}
    assert shares == pytest.approx({"seed": 0.2, "prompt": 0.35, "preference": 0.2, "heldout": 0.25}, abs=0.02)


def test_counts_gives_the_table_of_the_documentation(facts: WorldFacts) -> None:
    """`counts` has one entry per kind, language and split, and sums to all prompts."""
    counts = facts.counts()
    assert counts["day_before", "en", "unseen"] == 200
    assert sum(counts.values()) == len(facts.prompts)


def test_prompts_are_rows_of_a_valid_table(facts: WorldFacts, tmp_path: Path) -> None:
    """World facts can be written as a table and read back unchanged, with source and licence on every row."""
    path = tmp_path / "prompts.parquet"
    tables.write(path, facts.prompts, Prompt)
    assert tables.read(path, Prompt) == facts.prompts
    assert {prompt.licence for prompt in facts.prompts} == {"Apache-2.0", "Apache-2.0 AND Unicode-3.0"}
    assert all(re.match(r"CLDR via Babel \d|num2words \d", prompt.source) for prompt in facts.prompts)


def test_few_shot_rotates_kinds_of_the_seed_split(facts: WorldFacts) -> None:
    """Examples are of different kinds, of the split "seed", the same for the same seed, and the same items across languages."""
    shots = few_shot(facts.prompts, "en", 5)
    assert len({prompt.kind for prompt in shots}) == 5
    assert {prompt.split for prompt in shots} == {"seed"}
    assert shots == few_shot(facts.prompts, "en", 5)
    assert [prompt.item for prompt in shots] == [prompt.item for prompt in few_shot(facts.prompts, "ru", 5)]
    assert shots != few_shot(facts.prompts, "en", 5, seed=1)
    assert max(Counter(prompt.kind for prompt in few_shot(facts.prompts, "en", 20)).values()) == 2


def test_few_shot_says_when_there_are_too_few(facts: WorldFacts) -> None:
    """Asking for more examples than the language has is an error that names both numbers."""
    with pytest.raises(DataError, match="9999 examples asked for, but 'en' has"):
        few_shot(facts.prompts, "en", 9999)


def test_unknown_language_and_no_language() -> None:
    """An unknown tag and an empty list are refused."""
    with pytest.raises(LanguageError, match="xx-none"):
        world_facts(["xx-none"])
    with pytest.raises(DataError, match="at least one language"):
        world_facts([])


def test_public_names() -> None:
    """`__all__` is the whole public surface: what the module holds besides its submodules."""
    held = {name for name, value in vars(prompts).items() if not name.startswith("_") and not isinstance(value, ModuleType)}
    assert held - {"annotations"} == set(prompts.__all__)
