"""Translation of prompt tables: spans, checks, the second try, reasons, resuming, and a real translator."""

import json
import shutil
import subprocess
from dataclasses import dataclass

import pytest
from prompt_making import Dictionary, read, table

from polylect import tables
from polylect.errors import DataError, EndpointError, LanguageError, RunError
from polylect.prompts.lengths import plausible, ratio
from polylect.prompts.output import Rejected
from polylect.prompts.translate import translate
from polylect.prompts.translation_checks import wrong_with
from polylect.records import Prompt

ROWS = [
    {
        "item": "a",
        "language": "en",
        "text": "Hello my dear friends, please open https://a.b/c and buy 12 apples.",
        "reference": "12",
    },
    {"item": "b", "language": "en", "text": "The house of my aunt has 3 windows and a very big door.", "reference": "yes"},
    {"item": "c", "language": "en", "text": "Nothing in this sentence is going to be translated at all."},
    {"item": "d", "language": "en", "text": "12 + 5 = ?", "reference": "17"},
    {"item": "e", "language": "es", "text": "¿Dónde está la estación de tren más cercana?"},
    {"item": "f", "language": "en", "text": "And what else?", "messages": '[["user","Hi"],["assistant","Hello"]]'},
]
SPANISH = {
    "Hello my dear friends, please open [[0]] and buy 12 apples.": "Hola mis queridos amigos, abran [[0]] y compren 12 manzanas.",
    "The house of my aunt has 3 windows and a very big door.": "La casa de mi tía tiene ventanas y una puerta grande.",
    "The house of my aunt has XPH0X windows and a very big door.": "La casa de mi tía tiene XPH0X ventanas y una puerta.",
}


@dataclass
class Failure:
    """What a translator gives for a text that it cannot do."""

    reason: str


@pytest.fixture
def prompts(tmp_path):
    """A table of questions."""
    return table(tmp_path / "prompts.jsonl", ROWS)


def test_rows_become_rows_of_the_same_item(prompts, tmp_path):
    """Spans come back, language and translator are named, references without letters stay, what has no words is kept as it is."""
    manifest = translate(prompts, ["es"], Dictionary(SPANISH), tmp_path / "out", source="en")
    rows = {row["item"]: row for row in read(tmp_path / "out")}
    assert rows["a"]["text"] == "Hola mis queridos amigos, abran https://a.b/c y compren 12 manzanas."
    assert (rows["a"]["language"], rows["a"]["translator"], rows["a"]["references"]) == ("es", "dictionary", ["12"])
    assert (rows["d"]["text"], rows["d"]["translator"]) == ("12 + 5 = ?", None)
    assert rows["b"]["references"] == []
    assert manifest["rows"]["made"] == len(rows) == 3
    assert manifest["unchanged"] == 1
    assert {row.item for row in tables.read(tmp_path / "out" / "prompts.parquet", Prompt)} == set(rows)


def test_a_failing_row_is_tried_once_more_with_other_marks(prompts, tmp_path):
    """A lost number is masked in the second try, whose result is taken when it is right."""
    manifest = translate(prompts, ["es"], Dictionary(SPANISH), tmp_path / "out", source="en")
    rows = {row["item"]: row["text"] for row in read(tmp_path / "out")}
    assert rows["b"] == "La casa de mi tía tiene 3 ventanas y una puerta."
    assert manifest["second_tries"] == {"made": 1, "helped": 1}


def test_what_is_refused_keeps_its_reason(prompts, tmp_path):
    """A copy and a conversation are rejected rows, with text and reason, and counted per language."""
    manifest = translate(prompts, ["es", "sw"], Dictionary(SPANISH), tmp_path / "out", source="en")
    rejected = {(row.item, row.language): row for row in tables.read(tmp_path / "out" / "rejected.parquet", Rejected)}
    assert rejected["c", "es"].reason == "copy of the source"
    assert rejected["c", "es"].text == ROWS[2]["text"]
    assert rejected["f", "sw"].reason == "conversation: earlier turns are not translated"
    assert rejected["a", "sw"].reason == "wrong language"
    assert manifest["rows"]["rejected_by_language"]["es"]["copy of the source"] == 1
    assert manifest["rows"]["rejected"] == len(rejected)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == json.loads(json.dumps(manifest))


def test_a_failure_of_the_translator_is_a_reason(prompts, tmp_path):
    """What the translator could not do is a rejected row with its own reason."""
    failing = Dictionary({ROWS[2]["text"]: Failure("text too long for the model")})
    manifest = translate(prompts, ["es"], failing, tmp_path / "out", source="en")
    assert manifest["rows"]["rejected_by_reason"]["text too long for the model"] == 1


def test_a_stopped_run_goes_on(prompts, tmp_path):
    """What the store holds is not translated again; the output is the same as that of an unbroken run."""

    class Breaking(Dictionary):
        def translate(self, texts, source, target):
            if target == "sw":
                raise EndpointError("gone")
            return super().translate(texts, source, target)

    with pytest.raises(EndpointError, match="gone"):
        translate(prompts, ["es", "sw"], Breaking(SPANISH), tmp_path / "out", source="en")
    again = Dictionary(SPANISH)
    translate(prompts, ["es", "sw"], again, tmp_path / "out", source="en")
    translate(prompts, ["es", "sw"], Dictionary(SPANISH), tmp_path / "whole", source="en")
    assert read(tmp_path / "out") == read(tmp_path / "whole")
    assert again.asked.count(ROWS[2]["text"]) == 1
    once_more = Dictionary(SPANISH)
    translate(prompts, ["es", "sw"], once_more, tmp_path / "out", source="en")
    assert once_more.asked == []


def test_source_rows_can_be_kept_and_every_language_is_translated(prompts, tmp_path):
    """Without --from Spanish is translated into English too; with --keep-source the output holds the sources."""
    translate(prompts, ["en", "es"], Dictionary(SPANISH), tmp_path / "out", keep_source=True)
    assert {row["text"] for row in ROWS} <= {row["text"] for row in read(tmp_path / "out")}
    assert {(row["item"], row["language"]) for row in read(tmp_path / "out", "rejected")} >= {("e", "en"), ("c", "es")}


def test_bad_input_is_named(prompts, tmp_path):
    """Unknown languages, nothing to translate, a folder of other settings and bad rows each say what is wrong."""
    with pytest.raises(LanguageError, match="'xx'"):
        translate(prompts, ["xx"], Dictionary({}), tmp_path / "out")
    with pytest.raises(DataError, match="no prompt to translate into es"):
        translate(prompts, ["es"], Dictionary({}), tmp_path / "out2", source="sw")
    translate(prompts, ["es"], Dictionary({}), tmp_path / "out3")
    with pytest.raises(RunError, match=r"'to' was \['es'\], now \['sw'\]"):
        translate(prompts, ["sw"], Dictionary({}), tmp_path / "out3")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="holds something else"):
        translate(prompts, ["sw"], Dictionary({}), tmp_path / "full")
    bad = table(tmp_path / "bad.jsonl", [{"language": "en", "texts": "a"}])
    with pytest.raises(DataError, match=r"row 1: column 'text' is missing; .* Did you mean 'texts'"):
        translate(bad, ["es"], Dictionary({}), tmp_path / "out4")


GERMAN = "Bitte beschreibe in drei Sätzen, wie ein Regenbogen am Himmel entsteht."
ENGLISH = "Please describe in three sentences how a rainbow comes about in the sky."


@pytest.mark.parametrize(
    ("translation", "reason"),
    [
        (GERMAN, None),
        ("", "empty"),
        ("...", "empty"),
        (ENGLISH, "copy of the source"),
        (ENGLISH.replace("three", "3"), "copy of the source"),
        ("Décris en trois phrases comment un arc-en-ciel se forme dans le ciel, s'il te plaît.", "wrong language"),
        ("Beschreibe den Himmel.", "too short"),
        (f"{GERMAN} Und dann erkläre auch, {GERMAN[6:-1]}, und warum {GERMAN[6:]}", "too long"),
        ("Bitte beschreibe " + "wie der Regen " * 6, "repetition"),
    ],
)
def test_checks_of_a_translation(translation, reason):
    """Each way in which a translation can be wrong has its reason, and a right one has none."""
    assert wrong_with(ENGLISH, translation, "en", "de") == reason


def test_lengths_know_the_script():
    """A quarter of the characters is right for Chinese and too short for German; short texts may vary more."""
    assert ratio("zh-Hans") < 0.35 < 0.9 < ratio("de")
    assert plausible(400, 110, "en", "zh-Hans")
    assert not plausible(400, 110, "en", "de")
    assert plausible(10, 24, "en", "de")
    assert not plausible(1000, 2400, "en", "de")
    assert ratio("or") == pytest.approx(1.0, abs=0.2)


class Apertium:
    """Apertium as a filter of lines."""

    name = "apertium"

    def translate(self, texts, source, target):
        """Translate English to Spanish."""
        lines = "\n".join(text.replace("\n", " ") for text in texts) + "\n"
        done = subprocess.run(["apertium", "-u", "eng-spa"], input=lines, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("apertium") is None, reason="Apertium is not installed")
def test_spans_survive_a_real_translator(tmp_path):
    """Through Apertium, English to Spanish: every span of every row comes back, and the rows are Spanish."""
    texts = [
        "Please open the window and read `print('hello')` to your friends before the evening.",
        "The old man bought 12 red apples and 1,250 green ones at https://example.org/shop?id=7 for his family.",
        "Write a short letter to {name} and send it to the teacher of the school at anna@example.org.",
    ]
    rows = [{"item": str(number), "language": "en", "text": text} for number, text in enumerate(texts)]
    translate(table(tmp_path / "en.jsonl", rows), ["es"], Apertium(), tmp_path / "out")
    made = {row["item"]: row["text"] for row in read(tmp_path / "out")}
    assert "`print('hello')`" in made["0"]
    assert "ventana" in made["0"]
    assert {"12", "1,250", "https://example.org/shop?id=7"} <= set(made["1"].split())
    assert "{name}" in made["2"]
    assert "anna@example.org." in made["2"]
