"""Self-instruct: examples of one language, what is dropped and why, and the two ways in which it ends."""

import json
import random
import re

import pytest
from prompt_making import read, saying, table

from polylect.errors import DataError
from polylect.languages.shingles import folded
from polylect.prompts.instruct import instruct
from polylect.prompts.similarity import Collection, dice, loops, shingles

SEEDS = [
    {"language": "tr", "text": "Bana İstanbul'da bir hafta sonu için ayrıntılı bir gezi planı hazırlar mısın?"},
    {"language": "tr", "text": "Evde yoğurt yapmanın en kolay yolunu adım adım anlatır mısın?"},
    {"language": "sw", "text": "Andika barua fupi kwa rafiki yako kumwalika kwenye sherehe ya kuzaliwa."},
    {"language": "sw", "text": "Eleza kwa maneno rahisi jinsi mvua inavyotokea angani."},
]
TURKISH = """kısa uzun eski yeni mavi yeşil küçük büyük masal mektup şiir öykü yemek tarif oyun spor ders sınav köy şehir deniz
dağ orman nehir çiçek ağaç kedi köpek araba uçak tren gemi okul öğretmen doktor hasta sağlık para banka ev oda kapı pencere"""
SWAHILI = """fupi ndefu mpya zamani kubwa ndogo hadithi barua shairi chakula mchezo somo mtihani kijiji mji bahari mlima msitu mto
maua mti paka mbwa gari ndege treni meli shule mwalimu daktari mgonjwa afya pesa benki nyumba chumba mlango dirisha"""
WORDS = {"tr": TURKISH.split(), "sw": SWAHILI.split()}
FRAMES = {
    "tr": "Bana {} hakkında {} ve {} ile ilgili, {} için {} yazar mısın?",
    "sw": "Andika {} kuhusu {} na {} kwa ajili ya {} ya {}.",
}


def writer(**settings):
    """Return a model that writes eight tasks in the language it is asked for, some of them bad."""

    def reply(text):
        language = "tr" if "(Türkçe)" in text else "sw"
        draw = random.Random(text)  # noqa: S311
        tasks = [FRAMES[language].format(*draw.sample(WORDS[language], 5)) for _ in range(6)]
        seed = next(row["text"] for row in SEEDS if row["language"] == language)
        return json.dumps(
            [*tasks[:3], seed, "Write me a long letter about the old house of my family.", *tasks[3:]], ensure_ascii=False
        )

    return saying(reply, **settings)


@pytest.fixture
def seeds(tmp_path):
    """Two seeds in each of two languages."""
    return table(tmp_path / "seeds.jsonl", SEEDS)


def test_enough_tasks_in_every_language(seeds, tmp_path):
    """Each language ends with the number asked for; tasks are in it, differ from seeds and each other, and say who wrote them."""
    manifest = instruct(seeds, writer(), 12, tmp_path / "out")
    rows = read(tmp_path / "out")
    assert manifest["rows"]["made_by_language"] == {"sw": 12, "tr": 12}
    assert {one["ended"] for one in manifest["languages"].values()} == {"enough"}
    assert {row["source"] for row in rows} == {"self-instruct by writer"}
    for language in ("tr", "sw"):
        texts = [row["text"] for row in rows if row["language"] == language]
        texts += [row["text"] for row in SEEDS if row["language"] == language]
        sets = [shingles(text, language) for text in texts]
        assert max(dice(one, other) for place, one in enumerate(sets) for other in sets[:place]) < 0.7


def test_what_is_dropped_is_counted(seeds, tmp_path):
    """A seed given back and a task in English are rejected with their reasons."""
    reasons = instruct(seeds, writer(), 12, tmp_path / "out", only=["tr"])["rows"]["rejected_by_language"]["tr"]
    assert reasons["wrong language"] >= 2
    assert reasons["like one that is there"] >= 2


def test_the_budget_ends_what_gives_nothing(seeds, tmp_path):
    """A model that only repeats the seeds stops at the budget, and the manifest says so."""
    model = saying(lambda text: "\n".join(f"{place}. {row['text']}" for place, row in enumerate(SEEDS[:2], start=1)))
    manifest = instruct(seeds, model, 5, tmp_path / "out", only=["tr"], budget=3)
    assert manifest["languages"] == {"tr": {"requests": 3, "made": 0, "ended": "budget"}}
    assert model.asked <= 3


def test_examples_are_of_the_language_and_change(seeds, tmp_path):
    """A request shows examples of its own language only, some made before, and later ones show others."""
    seen = []
    model = writer()
    known = model._texts._function
    model._texts._function = lambda text: (seen.append(text), known(text))[1]
    instruct(seeds, model, 30, tmp_path / "out", only=["sw"])
    shown = [re.findall(r"^\d+\. (.*)$", text, re.MULTILINE) for text in seen]
    assert {text for examples in shown[:1] for text in examples} == {row["text"] for row in SEEDS[2:]}
    assert any(set(examples) - {row["text"] for row in SEEDS} for examples in shown)
    assert not any(row["text"] in text for row in SEEDS[:2] for text in seen)


def test_the_same_answers_give_the_same_tasks(seeds, tmp_path):
    """A second run takes everything from the store and ends with the same rows."""
    instruct(seeds, writer(), 12, tmp_path / "out")
    before = read(tmp_path / "out")
    model = writer()
    instruct(seeds, model, 12, tmp_path / "out")
    assert model.calls == 0
    assert read(tmp_path / "out") == before


def test_a_language_without_seeds_is_named(seeds, tmp_path):
    """Asking for a language that has no seed is an error that lists those that have some."""
    with pytest.raises(DataError, match="no seed in 'hi'"):
        instruct(seeds, writer(), 5, tmp_path / "out", only=["hi"])


def test_likeness_to_a_collection_is_the_largest_to_its_texts():
    """The index gives what comparing with every text gives."""
    texts = [row["text"] for row in SEEDS]
    collection = Collection("tr")
    assert collection.likeness("bir") == 0
    for text in texts:
        collection.add(text)
    query = "Evde ekmek yapmanın en kolay yolunu anlatır mısın?"
    own = shingles(query, "tr")
    assert collection.likeness(query) == pytest.approx(max(dice(own, shingles(text, "tr")) for text in texts))
    assert collection.likeness(texts[0].replace("i", "İ").upper()) == 1
    assert len(collection) == 4


@pytest.mark.parametrize(
    ("text", "looped"), [("ha ha ha", False), ("la la la la la la la la", True), ("a" * 30, True), ("go on", False)]
)
def test_loops(text, looped):
    """A piece that comes again and again is a loop; laughter is none."""
    assert loops(text) is looped


def test_folded_texts_keep_their_signs():
    """Case, width and space are made one; operators are not."""
    assert folded("Ｗhat  IS\n2*3?") == "what is 2*3?"
    assert folded("2*3") != folded("2/3")
