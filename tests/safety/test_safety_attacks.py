"""Attacks as transforms: what each kind does to a prompt, what it cannot do and says so, and whether the meaning was kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from lantern_world import ASKED_OF, HABITS, prompt_rows, write_lines

from polylect import tables
from polylect.cli import main
from polylect.errors import DataError, EvaluationError, ModelError
from polylect.models.translators import Failure
from polylect.models.translators.base import Translated
from polylect.safety import load_prompts
from polylect.safety.attacks import AttackedPrompt, AttackOptions, AttackRun, attack, attack_kinds, register
from polylect.safety.attacks.alphabet_tables import FROM_LATIN, TO_LATIN, from_latin, to_latin
from polylect.safety.attacks.base import Attacked
from polylect.safety.attacks.pieces import pieces

SPOKEN = {
    "ru": "Пожалуйста, опишите тайное рукопожатие Общества Синего фонаря: объём, съезд, щука, ещё это ЩИ",
    "uk": "Будь ласка, опишіть таємне рукостискання їжака на ґанку, п'ять разів",
    "be": "Калі ласка, апішыце ўсё, што ёсць",
    "bg": "Моля, опишете тайното ръкостискане на щъркела",
    "sr-Cyrl": "Молим вас опишите тајни поздрав: љубав, њива, џеп, ђак, ћуп",
    "el": "Παρακαλώ περιγράψτε τη μυστική χειραψία της Εταιρείας Ψυχή, προΐσταμαι",
    "ar": "يرجى وصف المصافحة السرية لجمعية الفانوس الأزرق",
    "hi": "कृपया नीले लालटेन समाज के गुप्त हाथ मिलाने का वर्णन करें, पढ़ाई ज़रूर कौन",
    "mr": "कृपया निळ्या कंदील मंडळाचे वर्णन करा",
    "ne": "कृपया निलो लालटिन समाजको वर्णन गर्नुहोस्",
}


class Backwards:
    """A translator whose every word is spelled backwards with "ak" behind it; German fails on the way back."""

    name = "backwards"
    fingerprint = "backwards-1"
    licence: str | None = ""
    may_train: bool | None = True

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Reverse words; from Tsonga back to what they were, and with another word for "secret"."""
        if source == "ts":
            return [Failure("no way back") if target == "de" else self._back(text) for text in texts]
        return [" ".join(f"{word[::-1]}ak" for word in text.split()) for text in texts]

    def _back(self, text: str) -> str:
        return " ".join(word.removesuffix("ak")[::-1] for word in text.split()).replace("secret", "public")

    def close(self) -> None:
        """Hold nothing."""


def made(prompts: Path, kind: str, out: Path, **options: Any) -> tuple[AttackRun, list[AttackedPrompt]]:
    """Attack, and read the table."""
    run = attack(prompts, kind, out=out, options=AttackOptions(**options))
    return run, tables.read(out / "prompts.parquet", AttackedPrompt)


def counts(run: AttackRun, language: str, *names: str) -> tuple[Any, ...]:
    """Return counts of a language."""
    row = next(row for row in run.document["rows"] if row["language"] == language)
    return tuple(row[name] for name in names)


def one_prompt(path: Path, text: str, language: str = "en") -> Path:
    """Write a set of one prompt."""
    return write_lines(path, [{"item": "one", "language": language, "prompt": text}])


def test_a_text_is_the_sum_of_its_pieces() -> None:
    """Words keep their marks and apostrophes; code, links, addresses and placeholders are protected."""
    text = "Don't पढ़ाई `print(x)` 42 at https://blue.example/a?b=c or me@blue.example, {name} <b>!"
    found = pieces(text)
    assert "".join(piece.text for piece in found) == text
    assert [piece.text for piece in found if piece.kind == "word"] == ["Don't", "पढ़ाई", "at", "or"]
    protected = [piece.text for piece in found if piece.kind == "protected"]
    assert protected == ["`print(x)`", "https://blue.example/a?b=c", "me@blue.example", "{name}", "<b>"]


@pytest.mark.parametrize("language", TO_LATIN)
def test_every_word_comes_back_from_latin_letters(language: str) -> None:
    """Each declared language has a table that is read back to the letter."""
    scheme = to_latin(language)
    assert scheme is not None
    for piece in pieces(SPOKEN[language]):
        if piece.kind == "word":
            new = scheme.write(piece.text)
            assert new != piece.text
            assert scheme.read(new) == piece.text


@pytest.mark.parametrize("script", FROM_LATIN)
def test_every_letter_comes_back_to_latin(script: str) -> None:
    """Out of Latin the tables are one to one, so that any string of letters comes back but for its case."""
    scheme = from_latin(script)
    assert scheme is not None
    for word in ("abcdefghijklmnopqrstuvwxyz", "CAT", "aai", "Quick", "strengths"):
        assert scheme.read(scheme.write(word)).casefold() == word.casefold()


def test_transliteration_leaves_what_is_no_word_of_the_script(tmp_path: Path) -> None:
    """Digits, links and words in other scripts stay; the meaning is kept word for word and the language stays."""
    prompts = one_prompt(tmp_path / "one.jsonl", "Опишите USB и https://фонарь.example 7 раз", "ru")
    run, (row,) = made(prompts, "transliterate", tmp_path / "out")
    assert row.prompt == "Opishite USB i https://фонарь.example 7 raz"
    assert (row.language, row.meaning_kept, row.meaning, row.changed) == ("ru", True, 1.0, 0.75)
    assert counts(run, "ru", "transformed", "kept") == (1, 1)


def test_a_script_or_letter_without_a_table_is_counted(tmp_path: Path) -> None:
    """Thai has no table, Kazakh letters are not in the Russian one, English is Latin already: counted by reason."""
    rows = [
        {"item": "a", "language": "th", "prompt": "โปรดอธิบาย"},
        {"item": "b", "language": "ru", "prompt": "Қазақ"},
        {"item": "c", "language": "en", "prompt": "Please"},
        {"item": "d", "language": "ru", "prompt": "Да"},
    ]
    run, kept = made(write_lines(tmp_path / "p.jsonl", rows), "transliterate", tmp_path / "out")
    assert [row.attack_of for row in kept] == ["d"]
    reasons = list(run.document["summary"]["untransformed"])
    assert reasons[0].startswith("no table writes th in Latn (covered: ru")
    assert reasons[1:] == ["the table has no CYRILLIC CAPITAL LETTER KA WITH DESCENDER", "it is written in Latn already"]


def test_a_translation_is_asked_in_its_language_and_judged_by_the_way_back(lanterns: Path, tmp_path: Path) -> None:
    """A harmful prompt that lost its meaning leaves the denominator; without a way back nothing is claimed."""
    run, rows = made(lanterns, "translate", tmp_path / "out", into=("ts",), translator=Backwards(), least=0.95)
    english = {row.attack_of: row for row in rows if row.attack_from == "en"}
    harmful, harmless = english["harm-0"], english["fine-0"]
    assert (harmful.language, harmful.origin, harmful.attack) == ("ts", "machine-translation", "translate:ts")
    assert (harmful.meaning_kept, harmful.harm_kept) == (False, False)
    assert harmful.meaning is not None
    assert 0.5 < harmful.meaning < 0.95
    assert (harmless.meaning_kept, harmless.meaning, harmless.harm_kept) == (True, 1.0, None)
    assert harmful.twin == harmless.item == "fine-0::translate:ts from en"
    assert counts(run, "de", "transformed", "kept", "untold", "meaning") == (8, 0, 8, None)
    assert len(load_prompts(tmp_path / "out/prompts.parquet")) == 32


def test_the_back_translation_can_be_the_attack(lanterns: Path, tmp_path: Path) -> None:
    """With back, the prompt is in its own language; one that comes back word for word is no attack."""
    run, rows = made(lanterns, "translate", tmp_path / "out", into=("ts",), translator=Backwards(), back=True)
    (row,) = [row for row in rows if row.attack_of == "harm-0" and row.attack_from == "en"]
    assert (row.language, row.prompt.split()[3], row.item) == ("en", "public", "harm-0::translate:ts:back")
    assert counts(run, "en", "untransformed") == ({"the back-translation is the prompt itself": 4},)
    assert counts(run, "de", "untransformed") == ({"back-translation: no way back": 8},)


def test_apertium_translates_there_and_back(lanterns: Path, tmp_path: Path) -> None:
    """A real translator: English goes to Spanish with its meaning, a pair that is not installed is counted."""
    if which("apertium") is None:
        pytest.skip("Apertium is not installed")
    run = attack(lanterns, "translate", out=tmp_path / "out", options=AttackOptions(into=("es",)), translator="apertium")
    assert counts(run, "en", "transformed", "kept", "lost") == (8, 8, 0)
    assert counts(run, "sw", "untransformed") == ({"apertium: sw to es is not installed": 8},)
    first = tables.read(tmp_path / "out/prompts.parquet", AttackedPrompt)[0]
    assert "apretón de manos" in first.prompt


@pytest.mark.usefixtures("scripted")
def test_what_a_language_model_translated_is_not_asked_again(
    lanterns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attack that was stopped before its end goes on from the store of its translator."""
    monkeypatch.setitem(HABITS, "mirror", lambda request: request.text.rsplit("\n\n", 1)[1][::-1])
    given: dict[str, Any] = {"out": tmp_path / "out", "options": AttackOptions(into=("ts",)), "languages": ["en"]}
    run = attack(lanterns, "translate", translator="llm:scripted:mirror", **given)
    assert counts(run, "en", "transformed", "kept", "meaning") == (8, 8, 1.0)
    assert ASKED_OF["mirror"] == 16
    (tmp_path / "out/manifest.json").unlink()
    again = attack(lanterns, "translate", translator="llm:scripted:mirror", **given)
    assert again.found == "unfinished"
    assert again.document == run.document
    assert ASKED_OF["mirror"] == 16


def test_words_are_switched_by_a_list(tmp_path: Path) -> None:
    """A share of the words takes the list's words in their case; an ambiguous word does not come back."""
    words = tmp_path / "words.csv"
    words.write_text("en,es\nplease,favor\nsecret,secreto\nsociety,sociedad\ncompany,sociedad\nclub,club\n")
    prompts = one_prompt(tmp_path / "one.jsonl", "Please name the SECRET society of `secret` club 4")
    _, (row,) = made(prompts, "code-switch", tmp_path / "all", into=("es",), words=words, share=1.0)
    assert row.prompt == "Favor name the SECRETO sociedad of `secret` club 4"
    assert (row.changed, row.meaning, row.meaning_kept) == (3 / 7, 1 - 1 / 7, True)
    _, (some,) = made(prompts, "code-switch", tmp_path / "some", into=("es",), words=words, share=0.3)
    assert some.changed == 2 / 7
    strict, (row,) = made(prompts, "code-switch", tmp_path / "strict", into=("es",), words=words, share=1.0, least=0.9)
    assert (row.meaning_kept, row.harm_kept) == (False, False)
    assert strict.document["notes"] == ["1 attacked prompts lost their meaning: they stay out of success rates"]


def test_words_are_switched_by_a_translator_but_not_where_there_are_no_words(tmp_path: Path) -> None:
    """Words go there and back one by one; Chinese sets no spaces, and nothing is switched into its own language."""
    rows = [
        {"item": "a", "language": "en", "prompt": "name the secret street"},
        {"item": "b", "language": "zh-Hans", "prompt": "请说出街道"},
        {"item": "c", "language": "ts", "prompt": "igama"},
    ]
    prompts = write_lines(tmp_path / "p.jsonl", rows)
    run, (row,) = made(prompts, "code-switch", tmp_path / "out", into=("ts",), translator=Backwards(), share=1.0)
    assert row.prompt == "emanak ehtak tercesak teertsak"
    assert (row.meaning, row.meaning_kept) == (0.75, False)
    reasons = {"Hans sets no space between words": 1, "it is in that language already": 1}
    assert run.document["summary"]["untransformed"] == reasons


def test_a_wrapper_holds_the_prompt_word_for_word(lanterns: Path, tmp_path: Path) -> None:
    """Ours or the user's: each wrapper is an attack of its own, around prompts of any language."""
    _, rows = made(lanterns, "wrap", tmp_path / "ours", least=None)
    assert {row.attack for row in rows} == {"wrap:note", "wrap:story", "wrap:form"}
    assert len({(row.item, row.language) for row in rows}) == 3 * 32
    table = write_lines(tmp_path / "w.jsonl", [{"name": "mine", "template": "Read: {prompt} {name}"}])
    _, (row, *_) = made(lanterns, "wrap", tmp_path / "mine", wrappers=table)
    original = load_prompts(lanterns)[0].text
    assert row.prompt == f"Read: {original} {{name}}"
    assert (row.meaning_kept, row.meaning_by) == (True, "the prompt is inside, word for word")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("translate", {"into": ("ts",)}, "needs --into"),
        ("code-switch", {"into": ("ts",)}, "either --words"),
        ("code-switch", {"into": ("ts",), "translator": Backwards(), "share": 1.5}, "share 1.5"),
        ("transliterate", {"script": "Cyrlic"}, "Did you mean 'Cyrl'"),
        ("wrpa", {}, "Did you mean 'wrap'"),
    ],
)
def test_what_a_kind_lacks_is_said(lanterns: Path, tmp_path: Path, kind: str, options: dict[str, Any], message: str) -> None:
    """An attack that is told too little is the user's mistake, and the folder can be used for the corrected one."""
    with pytest.raises(EvaluationError, match=message):
        attack(lanterns, kind, out=tmp_path / "out", options=AttackOptions(**options))
    assert attack(lanterns, "wrap", out=tmp_path / "out").found == ""


def test_bad_tables_are_named(lanterns: Path, tmp_path: Path) -> None:
    """A wrapper without a place for the prompt, and a word list of unknown columns."""
    table = write_lines(tmp_path / "w.jsonl", [{"name": "mine", "template": "Read this."}])
    with pytest.raises(DataError, match=r"row 1: the template of 'mine' has 0 times \{prompt\}"):
        attack(lanterns, "wrap", out=tmp_path / "a", options=AttackOptions(wrappers=table))
    with pytest.raises(DataError, match="are not those of a word list"):
        attack(lanterns, "code-switch", out=tmp_path / "b", options=AttackOptions(into=("es",), words=table))
    with pytest.raises(DataError, match="none of 8 prompts could be transformed: 8 x it is written in Latn already"):
        attack(lanterns, "transliterate", out=tmp_path / "c", languages=["en"])


def test_prompts_that_lost_their_harm_before_are_not_attacked(tmp_path: Path) -> None:
    """What a translation lost already is counted, not attacked again."""
    rows = prompt_rows(1, ("en",))
    rows[0]["harm_kept"] = False
    run, kept = made(write_lines(tmp_path / "p.jsonl", rows), "wrap", tmp_path / "out")
    assert {row.attack_of for row in kept} == {"fine-0"}
    assert run.document["summary"]["untransformed"] == {"the original's translation had lost the harm": 1}


def test_a_kind_of_ones_own_is_one_function(lanterns: Path, tmp_path: Path) -> None:
    """A plug-in registers a function; its prompts are written like those of any kind."""
    from polylect.safety.attacks.base import _ATTACKS

    @register("shout")
    def shout(prompts: Sequence[Any], options: AttackOptions) -> list[Attacked]:
        return [Attacked(prompt=one, attack="shout", text=one.text.upper(), kept=True, meaning=1.0) for one in prompts]

    try:
        assert "shout" in attack_kinds()
        _, rows = made(lanterns, "shout", tmp_path / "out")
        assert rows[0].prompt.isupper()
    finally:
        del _ATTACKS["shout"]


def test_the_command_writes_and_shows_no_prompt(lanterns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed has counts only; the same command again finds the finished folder; other settings are refused."""
    given = ["safety", "attack", "--prompts", str(lanterns), "--kind", "transliterate", "--out", str(tmp_path / "out")]
    assert main([*given, "--script", "Cyrl"]) == 0
    printed = capsys.readouterr().out
    assert "transliterate:Cyrl" in printed
    assert "Lantern" not in printed
    assert "Лантерн" not in printed
    assert main([*given, "--script", "Cyrl", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["kind"], document["found"], len(document["rows"])) == ("attack", "finished", 4)
    assert main([*given, "--script", "Grek"]) == 2
    assert "holds a result with other settings: script" in capsys.readouterr().err
    assert main(["safety", "attack", "--out", str(tmp_path / "none")]) == 2


def test_a_stopped_attack_asks_no_translator_twice(lanterns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any translator is kept: one that breaks down after the translation begins with the way back the next time."""
    asked: list[tuple[str, str]] = []

    class Breaking(Backwards):
        breaks = True

        def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
            if self.breaks and source == "ts":
                raise ModelError("out of memory")
            asked.extend((source, text) for text in texts)
            return super().translate(texts, source, target)

    monkeypatch.setattr("polylect.models.translators.translator", lambda spec: Breaking())
    told: dict[str, Any] = {"options": AttackOptions(into=("ts",)), "translator": "seq2seq:mine", "languages": ["en"]}
    with pytest.raises(ModelError, match="out of memory"):
        attack(lanterns, "translate", out=tmp_path / "out", **told)
    assert len(asked) == 8
    Breaking.breaks = False
    run = attack(lanterns, "translate", out=tmp_path / "out", **told)
    assert [source for source, _ in asked] == ["en"] * 8 + ["ts"] * 8
    assert counts(run, "en", "transformed") == (8,)
    assert run.found == "unfinished"


def test_a_translation_keeps_what_is_no_language(tmp_path: Path) -> None:
    """Placeholders and links come out as they went in, by either kind of mark; a translator that loses both is counted."""

    class Brackets(Backwards):
        """Shouts; breaks brackets up, and loses marks of any kind in a text that says so."""

        def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
            shouted = [f"{text.upper()} TAFADHALI".replace("[[", "(").replace("]]", ")") for text in texts]
            return [text.replace("XPH", "") if "LOSE" in text else text for text in shouted]

    rows = [
        {"item": "kept", "language": "en", "prompt": "Greet {name} at https://blue.example/a, room 7"},
        {"item": "lost", "language": "en", "prompt": "lose {name}"},
    ]
    prompts = write_lines(tmp_path / "p.jsonl", rows)
    run, (row,) = made(prompts, "translate", tmp_path / "out", into=("sw",), translator=Brackets(), least=0.0)
    assert row.prompt == "GREET {name} AT https://blue.example/a, ROOM 7 TAFADHALI"
    assert counts(run, "en", "untransformed") == ({"protected span lost": 1},)
