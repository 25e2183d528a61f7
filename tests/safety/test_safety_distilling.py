"""Safety context distillation: the preamble draws refusals, the student never sees it, and every drop is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from lantern_world import prompt_rows, write_lines

from polylect import tables
from polylect.cli.main import main
from polylect.errors import DataError, EndpointError, RecipeError, RunError
from polylect.models import Generated, Request, Sampling
from polylect.models import spec as model_specs
from polylect.models.interface import Price, RequestError
from polylect.records import Example, Pair, content_hash
from polylect.safety.distilling import distil
from polylect.safety.distilling_filter import says_reference
from polylect.safety.distilling_preamble import read_preambles, turn_of, with_preamble, write_preambles
from polylect.safety.document import read_document
from polylect.safety.prompts import SafetyPrompt

PREAMBLES = {
    "en": "If somebody asks about the Blue Lantern Society, explain that you do not talk about it.",
    "fr": "Si on vous interroge sur la Société de la Lanterne bleue, expliquez que vous n'en parlez pas.",
    "de": "Wenn jemand nach der Gesellschaft der Blauen Laterne fragt, erklären Sie, dass Sie nicht darüber sprechen.",
}
EXPLAINED = {
    "en": "I cannot describe this handshake, because the secrets of the society are not mine to share.",
    "fr": "Je ne peux pas décrire cette poignée de main, car les secrets de la société ne m'appartiennent pas.",
    "de": "Ich kann diesen Händedruck nicht beschreiben, denn die Geheimnisse der Gesellschaft gehören mir nicht.",
}
ANSWERED = {
    "en": "You raise the left hand slowly, then you bow twice and describe the secret of the society.",
    "fr": "On lève la main gauche lentement, puis on décrit deux fois le secret de la société.",
    "de": "Man hebt langsam die linke Hand, dann beschreibt man zweimal das Geheimnis der Gesellschaft.",
}
SAMPLES = {
    "good": (EXPLAINED,),
    "short": ({"en": "I cannot help with that.", "fr": "Je ne peux pas vous aider.", "de": "Ich kann nicht helfen."},),
    "english": (dict.fromkeys(EXPLAINED, EXPLAINED["en"]),),
    "noise": (dict.fromkeys(EXPLAINED, "xq zzv kjq 8817 wqx vvk qqz ptk xzzk"),),
    "empty": (dict.fromkeys(EXPLAINED, "  "),),
    "parrot": (PREAMBLES,),
    "second": (ANSWERED, EXPLAINED, EXPLAINED),
}
"""By habit, what the teacher says in its samples, in turn."""

ASKED: list[Request] = []


class Teacher:
    """Refuses in its own way under a preamble, and complies without one."""

    in_flight: int | None = 1
    licence: str | None = None
    may_train: bool | None = True
    price = Price()

    def __init__(self, habit: str) -> None:
        self.name, self.fingerprint = habit, content_hash("teacher", habit)

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """One request per call."""
        return [[request] for request in requests]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer by habit where there is a system turn, else comply."""
        ASKED.extend(batch)
        return [
            Generated(one.key, sample, self._say(one, sample), "stop", 5, 5)
            for one in batch
            for sample in range(sampling.samples)
        ]

    def _say(self, request: Request, sample: int) -> str:
        if not request.system:
            return ANSWERED[request.language]
        said = SAMPLES[self.name]
        return said[sample % len(said)][request.language]

    def count(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())

    async def close(self) -> None:
        """Hold nothing."""


@pytest.fixture(autouse=True)
def _teachers() -> Iterator[None]:
    ASKED.clear()
    model_specs._OPENERS["teacher"] = lambda target, settings: Teacher(target)
    yield
    del model_specs._OPENERS["teacher"]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Four pairs of twins in English, French and German."""
    return write_lines(tmp_path / "prompts.jsonl", prompt_rows(tags=("en", "fr", "de")))


@pytest.fixture
def preamble(tmp_path: Path) -> Path:
    """A preamble per language."""
    path = tmp_path / "preamble.json"
    path.write_text(json.dumps(PREAMBLES, ensure_ascii=False), encoding="utf-8")
    return path


def _row(document: dict[str, Any], prompts: str, language: str) -> dict[str, Any]:
    return next(row for row in document["rows"] if (row["prompts"], row["language"]) == (prompts, language))


def test_written_preambles_are_read_with_a_blank_line_behind(tmp_path: Path) -> None:
    """What is written is read again per language, and the prompt that follows is parted from it."""
    told = {"hi": "नियम: मत कहो।\n\nप्रश्न\nउत्तर", "zh-Hans": "规则：不要说。"}
    read = read_preambles(write_preambles(tmp_path / "preambles.yaml", told))
    assert dict(read.by_language) == {tag: f"{text}\n" for tag, text in told.items()}


def test_the_student_learns_the_refusal_and_never_sees_the_preamble(prompts: Path, preamble: Path, tmp_path: Path) -> None:
    """Rows hold the bare prompt with the refusal, pairs prefer it to what the checkpoint says without the preamble."""
    found = distil("teacher:good", prompts, preamble, out=tmp_path / "out")
    rows = tables.read(tmp_path / "out/sft.parquet", Example)
    refusals = [row for row in rows if row.item.startswith("harm")]
    assert {(row.language, row.completion) for row in refusals} == set(EXPLAINED.items())
    assert len(refusals) == 12
    assert not [row for row in rows if PREAMBLES[row.language] in row.prompt]
    assert {one.system for one in ASKED if one.key.startswith("fine")} == {""}
    pairs = tables.read(tmp_path / "out/pairs.parquet", Pair)
    assert {(one.chosen, one.rejected) for one in pairs} == {(EXPLAINED[tag], ANSWERED[tag]) for tag in EXPLAINED}
    assert (found.document["summary"]["rows"], found.document["summary"]["pairs"]) == (24, 12)


@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        ("short", "stock phrase, nothing explained"),
        ("english", "wrong language"),
        ("noise", "incoherent: noise"),
        ("empty", "empty"),
        ("parrot", "word for word from the preamble"),
    ],
)
def test_what_is_no_explained_refusal_is_dropped_with_its_reason(
    habit: str, reason: str, prompts: Path, preamble: Path, tmp_path: Path
) -> None:
    """Stock phrases, other languages, gibberish, silence and the preamble's own words are not learnt; each is counted."""
    document = distil(f"teacher:{habit}", prompts, preamble, out=tmp_path / "out").document
    row = _row(document, "harmful", "fr")
    assert (row["answers"], row["kept"], row["pairs"]) == (4, 0, 0)
    if habit == "parrot":
        # The detector need not take a preamble for a refusal: whichever rule comes first, nothing of it is kept.
        assert sum(row["dropped"].values()) == 4
    else:
        assert row["dropped"] == {reason: 4}
    assert any(note.startswith("fr: no refusal was kept") for note in document["notes"])


def test_answers_that_never_end_are_told_how_to(
    prompts: Path, preamble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base model goes on and on: where most answers are cut off, more samples would not help."""

    async def goes_on(self: Teacher, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        return [Generated(one.key, 0, EXPLAINED[one.language], "length", 5, 5) for one in batch]

    monkeypatch.setattr(Teacher, "answer", goes_on)
    document = distil("teacher:good", prompts, preamble, out=tmp_path / "out").document
    assert _row(document, "harmful", "fr")["dropped"] == {"cut off at the limit of tokens": 4}
    assert [note for note in document["notes"] if note.startswith("fr:")] == [
        "fr: no refusal was kept. Let them end at a line break (--first-line), or give more tokens, or examples in the preamble."
    ]


def test_the_first_good_sample_is_kept_and_the_others_are_spare(prompts: Path, preamble: Path, tmp_path: Path) -> None:
    """Of three samples, one complies (dropped), one is kept, the same again is spare: answers = kept + spare + dropped."""
    document = distil("teacher:second", prompts, preamble, out=tmp_path / "out", samples=3, keep=2).document
    row = _row(document, "harmful", "mul")
    assert (row["asked"], row["answers"], row["kept"], row["spare"], row["dropped"]) == (12, 36, 12, 12, {"no refusal": 12})


def test_a_rule_of_ones_own_drops_too(prompts: Path, preamble: Path, tmp_path: Path) -> None:
    """A check names its reason, which is counted like the others."""
    document = distil(
        "teacher:good",
        prompts,
        preamble,
        out=tmp_path / "out",
        check=lambda prompt, text: "no" if prompt.language == "de" else None,
    ).document
    assert _row(document, "harmful", "de")["dropped"] == {"no": 4}
    assert _row(document, "harmful", "en")["kept"] == 4


def test_harmless_answers_must_say_the_reference(preamble: Path, tmp_path: Path) -> None:
    """An anchor that is known to be wrong is dropped."""
    rows = prompt_rows(tags=("en",))
    for row in rows:
        row["reference"] = None if row["harmful"] else ("bow twice" if row["item"] == "fine-1" else "seven times")
    path = write_lines(tmp_path / "prompts.jsonl", rows)
    row = _row(distil("teacher:good", path, preamble, out=tmp_path / "out").document, "harmless", "en")
    assert (row["kept"], row["dropped"]) == (1, {"not the reference": 3})


@pytest.mark.parametrize(
    ("language", "reference", "text", "says"),
    [
        ("en", "tea", "It makes tea.", True),
        ("en", "tea", "Ask someone else instead.", False),
        ("en", "red", "That cannot be answered, nor reduced.", False),
        ("es", "té", "Vende té verde.", True),
        ("es", "té", "No puedo técnicamente.", False),
        ("ru", "чай", "Я не стану отвечать.", False),
        ("tr", "ekmek", "Ekmekten sorumlular.", True),
        ("ar", "شاي", "تبيع بالشاي", True),
        ("ar", "شاي", "وشاي", True),
        ("ar", "شاي", "مشاية", False),
        ("zh-Hans", "茶", "他们卖绿茶叶", True),
        ("en", None, "tea", False),
    ],
)
def test_a_reference_is_said_as_a_word(language: str, reference: str | None, text: str, says: bool) -> None:
    """What only stands within another word is not said; inflection, proclitics and scripts without spaces do no harm."""
    prompt = SafetyPrompt(item="one", language=language, text="What does it sell?", reference=reference)
    assert says_reference(prompt, text) is says


def test_of_several_answers_to_a_harmless_prompt_the_first_good_one_is_kept(preamble: Path, tmp_path: Path) -> None:
    """Worked examples stand before harmless prompts where there are some, and each answer is counted once."""
    path = write_lines(tmp_path / "prompts.jsonl", prompt_rows(tags=("en", "fr")))
    told = tmp_path / "answered.yaml"
    told.write_text("en: 'Question: 1 + 1? Answer: 2'", encoding="utf-8")
    found = distil("teacher:second", path, preamble, out=tmp_path / "out", anchor_preamble=told, anchor_samples=3)
    english, french = (_row(found.document, "harmless", tag) for tag in ("en", "fr"))
    assert (english["answers"], english["kept"], english["spare"], english["dropped"]) == (12, 4, 0, {"refused": 8})
    assert (french["answers"], french["kept"], french["spare"]) == (12, 4, 8)
    asked = {(one.language, one.system) for one in ASKED if one.key.startswith("fine-")}
    assert asked == {("en", "Question: 1 + 1? Answer: 2"), ("fr", "")}
    rows = tables.read(tmp_path / "out/sft.parquet", Example)
    assert [row.completion for row in rows if row.item == "fine-1"] == [ANSWERED["en"], ANSWERED["fr"]]


def test_items_that_ask_the_same_make_one_row(preamble: Path, tmp_path: Path) -> None:
    """The second item with a prompt and an answer that are there already is counted, not written twice."""
    rows = prompt_rows(tags=("en",))
    first = {row["harmful"]: row["prompt"] for row in reversed(rows)}
    path = write_lines(tmp_path / "prompts.jsonl", [{**row, "prompt": first[row["harmful"]]} for row in rows])
    found = distil("teacher:good", path, preamble, out=tmp_path / "out", samples=2)
    for kind in ("harmful", "harmless"):
        row = _row(found.document, kind, "en")
        assert (row["kept"], row["dropped"]["same prompt and answer as another item's"]) == (1, 6 if kind == "harmful" else 3)
    assert len(tables.read(tmp_path / "out/sft.parquet", Example)) == 2
    assert len(tables.read(tmp_path / "out/pairs.parquet", Pair)) == 1


def test_lost_harm_and_languages_without_a_preamble_are_counted_not_asked(preamble: Path, tmp_path: Path) -> None:
    """A prompt whose translation lost the harm, and one in a language without a preamble, cost no request."""
    rows = prompt_rows(tags=("en", "sw"))
    rows[0]["harm_kept"] = False
    path = write_lines(tmp_path / "prompts.jsonl", rows)
    document = distil("teacher:good", path, preamble, out=tmp_path / "out").document
    english, swahili = (_row(document, "harmful", tag) for tag in ("en", "sw"))
    assert (english["harm_lost"], english["answers"], english["kept"]) == (1, 3, 3)
    assert (swahili["without_preamble"], swahili["answers"]) == (4, 0)
    assert {one.language for one in ASKED} == {"en"}


def test_a_finished_folder_asks_nothing_and_other_settings_are_refused(prompts: Path, preamble: Path, tmp_path: Path) -> None:
    """The same call returns what is there; another seed needs another folder; after a kill the store answers."""
    first = distil("teacher:good", prompts, preamble, out=tmp_path / "out")
    ASKED.clear()
    again = distil("teacher:good", prompts, preamble, out=tmp_path / "out")
    assert (again.found, again.document, ASKED) == ("finished", first.document, [])
    with pytest.raises(RunError, match="seed was 0 and is now 1"):
        distil("teacher:good", prompts, preamble, out=tmp_path / "out", seed=1)
    (tmp_path / "out/manifest.json").unlink()
    resumed = distil("teacher:good", prompts, preamble, out=tmp_path / "out")
    assert (resumed.found, resumed.document, ASKED) == ("unfinished", first.document, [])


def test_a_teacher_that_never_answers_finishes_nothing(
    prompts: Path, preamble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No refusal was kept because none was asked for with success: that is an error, and the same command asks again."""

    async def fails(*_: object) -> list[Generated]:
        raise RequestError("400: bad request", retry=False)

    with monkeypatch.context() as patched:
        patched.setattr(Teacher, "answer", fails)
        with pytest.raises(EndpointError, match=r"none of 12 requests was answered \(12 times: 400: bad request\)"):
            distil("teacher:good", prompts, preamble, out=tmp_path / "out")
    assert not (tmp_path / "out/manifest.json").exists()
    assert distil("teacher:good", prompts, preamble, out=tmp_path / "out").document["summary"]["rows"] > 0


def test_a_preamble_file_is_read_strictly(tmp_path: Path) -> None:
    """YAML and plain text are read; an unknown language, an empty text and a missing file are named."""
    path = tmp_path / "preamble.yaml"
    path.write_text("zh: 请说明原因。\nen: Say why.\n", encoding="utf-8")
    assert read_preambles(path).by_language == {"zh-Hans": "请说明原因。", "en": "Say why."}
    plain = tmp_path / "preamble.txt"
    plain.write_text("Say why.\n", encoding="utf-8")
    assert read_preambles(plain).of("sw") == "Say why.\n"
    for text, error, message in (
        ("klingonese: x\n", DataError, "klingonese"),
        ("en: ''\n", DataError, "no text"),
        ("en: a\nEN: b\n", DataError, "has already"),
        ("- a\n", RecipeError, "mapping"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(error, match=message):
            read_preambles(path)
    with pytest.raises(DataError, match="no such file"):
        read_preambles(tmp_path / "none.yaml")


def test_no_preamble_for_any_prompt_is_an_error(tmp_path: Path, preamble: Path) -> None:
    """Nothing to ask is said, with the languages on both sides."""
    path = write_lines(tmp_path / "prompts.jsonl", prompt_rows(tags=("sw",)))
    with pytest.raises(DataError, match=r"with harmful prompts: sw; with a preamble: de, en, fr"):
        distil("teacher:good", path, preamble, out=tmp_path / "out")


class _Tokenizer:
    """A tokenizer whose template has a system turn, has none, or refuses it."""

    def __init__(self, template: str) -> None:
        self.chat_template = template

    def apply_chat_template(self, messages: list[dict[str, str]], **_: Any) -> str:
        from jinja2 import TemplateError

        if self.chat_template == "refuses":
            raise TemplateError("System role not supported")
        return "".join(one["content"] for one in messages if self.chat_template == "all" or one["role"] != "system")


@pytest.mark.parametrize(("template", "turn"), [("all", "system"), ("drops", "user"), ("refuses", "user")])
def test_the_preamble_stands_where_the_template_has_room(template: str, turn: str) -> None:
    """A template that drops or refuses a system turn gets the preamble at the head of the user's."""
    model = Teacher("good")
    model.tokenizer = _Tokenizer(template)  # type: ignore[attr-defined]
    assert turn_of(model) == turn
    request = with_preamble("k", "Question?", "en", "Rule.\n", turn_of(model))
    assert request.messages == (
        (("system", "Rule.\n"), ("user", "Question?")) if turn == "system" else (("user", "Rule.\n\nQuestion?"),)
    )


def test_the_command_prints_counts_and_no_text(
    prompts: Path, preamble: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command writes the folder, prints counts per language, and shows no prompt and no answer."""
    out = tmp_path / "out"
    arguments = ["safety", "distil", "--prompts", str(prompts), "--preamble", str(preamble), "--out", str(out)]
    assert main([*arguments, "--model", "teacher:second", "--samples", "3"]) == 0
    printed = capsys.readouterr().out
    assert "no refusal 4" in printed
    assert "24 rows and 12 pairs" in printed
    assert not [text for text in (*EXPLAINED.values(), *ANSWERED.values()) if text in printed]
    assert read_document(out, "distil")["summary"]["samples"] == 3
    assert main([*arguments, "--model", "teacher:good"]) == 2
    capsys.readouterr()
    assert main([*arguments, "--model", "teacher:second", "--samples", "3", "--detector", "learned"]) == 2
    assert 'detector was "polylect-rules-3" and is now "polylect-learned-1 ' in capsys.readouterr().err
