"""Grounded questions: passages, parsing, support in every kind of script, and reasons for what is refused."""

import json

import pytest
from prompt_making import read, saying, table

from polylect import tables
from polylect.errors import DataError, RecipeError
from polylect.models.requests import Sampling
from polylect.prompts.ground import ground, wrong_with_question
from polylect.prompts.instructions import GROUND, load_templates
from polylect.prompts.output import Rejected
from polylect.prompts.parsing import listed, objects
from polylect.prompts.passages import passages, sentences
from polylect.records import Prompt

SWAHILI = "Nairobi ni mji mkuu wa Kenya. Ilianzishwa mwaka 1899 kama kituo cha reli ya Uganda."
TURKISH = "İstanbul, Türkiye'nin en kalabalık şehridir ve Marmara Bölgesi'nde bulunur."
JAPANESE = "東京は日本の首都です。人口は約1400万人です。"
CHINESE = "东京是日本的首都。北京是中国的首都，人口超过两千万。"
THAI = "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย มีประชากรมากกว่าสิบล้านคน"
KOREAN = "서울은 대한민국의 수도이며 인구는 약 940만 명이다."
ARABIC = "القاهرة هي عاصمة مصر وتقع على ضفاف نهر النيل."

ANSWERS = {
    "Nairobi": json.dumps(
        [
            {"question": "Mji mkuu wa nchi ya Kenya unaitwaje?", "answer": "Nairobi"},
            {"question": "Kituo cha reli kilijengwa lini katika mji huo?", "answer": "1963"},
            {"question": "Mji mkuu wa nchi ya Kenya unaitwaje?", "answer": "Nairobi"},
        ]
    ),
    "İstanbul": 'Here you are:\n```json\n[{"question": "Marmara Bölgesi içindeki en büyük şehir hangisidir?", "answer": '
    '"İstanbul"}, {"question": "What is the most crowded city of the whole country?", "answer": "İstanbul"}, {"question": "Hangi',
    "東京": "I cannot do that.",
}


def writer(**settings):
    """Return a model that answers by the passage it sees."""
    return saying(lambda text: next((reply for word, reply in ANSWERS.items() if word in text), "?"), **settings)


@pytest.fixture
def corpus(tmp_path):
    """Texts in three languages, one of them with item, source and licence."""
    rows = [
        {"language": "sw", "text": SWAHILI, "item": "wiki:1", "source": "wiki", "licence": "CC-BY-SA-4.0"},
        {"language": "tr", "text": TURKISH},
        {"language": "ja", "text": JAPANESE},
    ]
    return table(tmp_path / "corpus.jsonl", rows)


def test_questions_keep_their_evidence(corpus, tmp_path):
    """A supported question in the right language becomes a prompt with answer, passage, item, source and licence."""
    manifest = ground(corpus, writer(), tmp_path / "out", fewest=10)
    rows = {row["language"]: row for row in read(tmp_path / "out")}
    assert rows["sw"]["text"] == "Mji mkuu wa nchi ya Kenya unaitwaje?"
    assert (rows["sw"]["references"], rows["sw"]["evidence"]) == (["Nairobi"], SWAHILI)
    assert (rows["sw"]["item"], rows["sw"]["source"], rows["sw"]["licence"]) == ("wiki:1", "wiki", "CC-BY-SA-4.0")
    assert rows["tr"]["references"] == ["İstanbul"]
    assert manifest["rows"]["made_by_language"] == {"sw": 1, "tr": 1}
    assert manifest["passages"] == 3
    assert [row.kind for row in tables.read(tmp_path / "out" / "prompts.parquet", Prompt)] == ["grounded"] * 2


def test_what_is_refused_keeps_its_reason(corpus, tmp_path):
    """Unsupported answers, repeated and foreign questions, cut and missing JSON are each counted by their reason."""
    manifest = ground(corpus, writer(), tmp_path / "out", fewest=10)
    assert manifest["rows"]["rejected_by_reason"] == {
        "JSON cut off": 1,
        "answer is not in the passage": 1,
        "no JSON": 1,
        "same question again": 1,
        "wrong language": 1,
    }
    rejected = tables.read(tmp_path / "out" / "rejected.parquet", Rejected)
    assert next(row.text for row in rejected if row.reason == "no JSON") == "I cannot do that."


def test_a_second_run_asks_nothing(corpus, tmp_path):
    """Answers come from the store, also when another question is asked of the output."""
    first = ground(corpus, writer(), tmp_path / "out", fewest=10)
    model = writer()
    again = ground(corpus, model, tmp_path / "out", fewest=10)
    assert model.calls == 0
    assert again["requests"]["reused"] == 3
    assert again["rows"] == first["rows"]


def test_failed_requests_are_rejected_rows(corpus, tmp_path):
    """What the model could not be asked is a row with the model's reason."""
    manifest = ground(corpus, writer(faults={"400": 1.0}), tmp_path / "out", fewest=10)
    assert manifest["rows"]["rejected_by_reason"] == {"400: bad request": 3}


def test_languages_and_instructions(corpus, tmp_path):
    """--languages limits the corpus; the language is named in English and natively; a template of one's own replaces it."""
    seen = []
    own = tmp_path / "own.yaml"
    own.write_text('sw: "Soma: {passage} Andika maswali {count} kama [{{\\"question\\": 1}}]."', encoding="utf-8")
    for templates in (None, own):
        model = saying(lambda text: seen.append(text) or "[]", name=str(templates))
        ground(corpus, model, tmp_path / str(len(seen)), only=["swa"], questions=2, fewest=10, templates=templates)
    assert "in Swahili (Kiswahili)" in seen[0]
    assert "Write 2 different questions" in seen[0]
    assert seen[1] == f'Soma: {SWAHILI} Andika maswali 2 kama [{{"question": 1}}].'


def test_cut_answers_give_their_whole_objects(corpus, tmp_path):
    """An answer cut at the limit of tokens still gives what was finished."""
    manifest = ground(corpus, writer(), tmp_path / "out", only=["sw"], fewest=10, sampling=Sampling(max_tokens=25))
    assert manifest["rows"]["made"] == 1
    assert manifest["rows"]["rejected_by_reason"] == {"JSON cut off": 1}


def test_bad_input_is_named(corpus, tmp_path):
    """No passage, and templates with unknown keys, fields or braces, say what is wrong."""
    with pytest.raises(DataError, match="no passage of at least 5000 characters in sw"):
        ground(corpus, writer(), tmp_path / "out", only=["sw"], fewest=5000)
    for text, says in (
        ("xx: '{passage} {count}'", "'xx'"),
        ("sw: '{passage}'", r"field \{count\} is missing"),
        ("sw: '{passage} {cuont}'", r"unknown field \{cuont\}.*Did you mean 'count'"),
        ("sw: '{passage} {count} {'", "braces do not match"),
        ("- a", "list found"),
        ("sw: 3", "3 is not a text"),
    ):
        (tmp_path / "t.yaml").write_text(text)
        with pytest.raises(RecipeError, match=says):
            load_templates("ground", GROUND, tmp_path / "t.yaml")


@pytest.mark.parametrize(
    ("question", "answer", "passage", "language", "reason"),
    [
        ("Mji mkuu wa nchi ya Kenya unaitwaje?", "Nairobi", SWAHILI, "sw", None),
        ("Mji mkuu wa nchi ya Kenya unaitwaje?", "Mombasa", SWAHILI, "sw", "answer is not in the passage"),
        ("Nairobi ilianzishwa mwaka gani?", "1899", SWAHILI, "sw", None),
        ("Nairobi ilianzishwa mwaka gani?", "mwaka 1963", SWAHILI, "sw", "answer is not in the passage"),
        ("Nairobi ni mji mkuu wa Kenya?", "reli ya Uganda", SWAHILI, "sw", "question copies the passage"),
        ("Je, Nairobi ulijengwa kwa ajili ya nini?", "Nairobi", SWAHILI, "sw", "question holds the answer"),
        ("Marmara'nın en büyük şehri hangisi?", "İstanbul'dur", TURKISH, "tr", None),
        ("İstanbul hangi bölgededir?", "Marmara Bölgesinde", TURKISH, "tr", None),
        ("日本の首都はどこですか？", "東京です", JAPANESE, "ja", None),
        ("日本の首都はどこですか？", "大阪です", JAPANESE, "ja", "answer is not in the passage"),
        ("东京的人口是多少？", "１４００万人", JAPANESE.replace("は", "是"), "zh-Hans", None),
        ("哪里是中国的首都呢？", "是北京", CHINESE, "zh-Hans", None),
        ("哪里是中国的首都呢？", "上海市", CHINESE, "zh-Hans", "answer is not in the passage"),
        ("เมืองใดคือเมืองหลวงของไทย", "กรุงเทพมหานคร", THAI, "th", None),
        ("เมืองใดคือเมืองหลวงของไทย", "เชียงใหม่", THAI, "th", "answer is not in the passage"),
        ("대한민국의 수도는 어디인가?", "서울입니다", KOREAN, "ko", None),
        ("대한민국의 수도는 어디인가?", "부산", KOREAN, "ko", "answer is not in the passage"),
        ("ما هي عاصمة جمهورية مصر العربية؟", "القاهرة", ARABIC, "ar", None),
        ("ما هي عاصمة جمهورية مصر العربية؟", "الإسكندرية", ARABIC, "ar", "answer is not in the passage"),
    ],
)
def test_support_in_every_kind_of_script(question, answer, passage, language, reason):
    """Endings, digits of other scripts and texts without spaces do not hide an answer; one from elsewhere is found out."""
    assert wrong_with_question(question, answer, passage, language) == reason


def test_passages_are_cut_at_sentences():
    """Nothing is lost, nothing is longer than allowed, and cuts are between sentences where they can be."""
    text = " ".join(f"This is sentence number {number} of the text, by Dr. A. Smith." for number in range(40))
    parts = passages(text, most=300)
    assert " ".join(parts) == text
    assert all(len(part) <= 300 and part.endswith("Smith.") for part in parts)
    assert passages(f"{SWAHILI}\n\n{JAPANESE}", most=1000) == [f"{SWAHILI}\n\n{JAPANESE}"]
    assert passages("short", fewest=10) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (JAPANESE, 2), ("यह पहला है। यह दूसरा है।", 2), ("هل هذا سؤال؟ نعم هذا سؤال.", 2), ("ይህ አንድ ነው። ይህ ሁለት ነው።", 2), (THAI, 1),
        ("Dr. Ali geldi. J. R. R. Tolkien yazdı! Evet...", 3), ("It is 3.5 metres. Yes", 2), ("", 0),
    ],
)  # fmt: skip
def test_sentences_by_script(text, number):
    """Each script's own marks end a sentence; initials, titles and decimals do not."""
    assert len(sentences(text)) == number


def test_long_texts_without_spaces_are_cut():
    """A text with no mark and no space is cut by characters."""
    parts = passages("字" * 250, most=100)
    assert [len(part) for part in parts] == [100, 100, 50]


def test_json_in_prose():
    """Fences and prose around it, numbers as answers, an object alone, a list cut off, and lines instead of JSON are read."""
    keys = ("question", "answer")
    assert objects('Sure:\n```json\n[{"question": "A?", "answer": 3}]\n```', keys) == ([{"question": "A?", "answer": "3"}], None)
    assert objects('{"question": "A?", "answer": "b", "x": 1}', keys)[0] == [{"question": "A?", "answer": "b"}]
    two = '{"question": "A?", "answer": "b"}\n{"question": "C?", "answer": "d"} That is all.'
    assert [one["answer"] for one in objects(two, keys)[0]] == ["b", "d"]
    assert objects('[{"question": "A?", "answer": "x"}, {"que', keys) == ([{"question": "A?", "answer": "x"}], "JSON cut off")
    assert objects('[{"question": "A?"}]', keys) == ([], "JSON: no text under 'answer'")
    assert objects("[1, 2]", keys) == ([], "JSON: not a list of objects")
    assert objects("no", keys) == ([], "no JSON")
    assert listed('["a", "b"]') == (["a", "b"], None)
    assert listed("Here:\n1. Do this\n2) Do that\n- and more") == (["Do this", "Do that", "and more"], None)
    assert listed("1. Do this\n2. Do", cut=True) == (["Do this"], None)
    assert listed('[{"instruction": "x", "input": "y"}]') == (["x"], None)
    assert listed("hm") == ([], "no list")
