"""The translation baseline: English in the middle, both translations named, failures with reasons."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from polylect.models.engine import Job, run
from polylect.models.fakes import FakeModel
from polylect.models.interface import Model, RequestError
from polylect.models.local import LocalModel
from polylect.models.pivot import PivotModel
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.spec import open_model
from polylect.models.store import Keys, Store
from polylect.models.translators import Failure
from polylect.models.translators.base import Translated
from polylect.models.wrappers import with_system


class Words:
    """A translator that writes the direction before each text; a text with "stumm" into, and "mute" out of, English fails."""

    name, fingerprint, licence, may_train = "words", "w1", "cc0-1.0", True

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Translate by writing a mark."""
        self.asked += [(source, target, text) for text in texts]
        return [Failure("lost for words") if "stumm" in text or "mute" in text else f"{target}({text})" for text in texts]

    def close(self) -> None:
        """Nothing is held."""


class Echo(FakeModel):
    """A fake that answers with the conversation it was shown."""

    def respond(self, request: Request, sampling: Sampling, sample: int = 0) -> Generated:
        """Return the conversation."""
        said = " | ".join(f"{role}: {content}" for role, content in request.messages)
        return Generated(request.key, sample, f"{sample} {said}", "stop", 7, 3)


def ask(model: Model, requests: Sequence[Request], sampling: Sampling | None = None) -> list[Generated]:
    """Ask in one batch."""
    return asyncio.run(model.answer(requests, sampling or Sampling()))


def test_question_and_answer_are_translated() -> None:
    """The model sees English, the caller gets its own language; counts are the model's."""
    (answer,) = ask(PivotModel(Echo(), Words()), [Request("1", "Wo?", language="de")])
    assert answer == Generated("1", 0, "de(0 user: en(Wo?))", "stop", 7, 3)


def test_all_turns_are_translated_once() -> None:
    """Examples, system message and history are in English too; what was translated before is known."""
    words = Words()
    model = PivotModel(Echo(), words)
    shots = (("Ja?", "Ja!"),)
    request = Request("1", "Wo?", shots, "Kurz.", (("user", "Hallo"), ("assistant", "Na?")), "de")
    (answer,) = ask(model, [request])
    assert answer.text == (
        "de(0 system: en(Kurz.) | user: en(Ja?) | assistant: en(Ja!) | user: en(Hallo) | assistant: en(Na?) | user: en(Wo?))"
    )
    asked = len(words.asked)
    ask(model, [request])
    assert [source for source, *_ in words.asked[asked:]] == ["en"]


def test_requests_in_english_pass_through() -> None:
    """What is in the pivot language is neither translated there nor back."""
    words = Words()
    (answer,) = ask(PivotModel(Echo(), words), [Request("1", "Where?", language="en")])
    assert answer.text == "0 user: Where?"
    assert words.asked == []


def test_a_batch_of_many_languages_keeps_its_order() -> None:
    """Every request and sample comes back in its place and language; a direction is one call."""
    words = Words()
    requests = [Request(f"{n}", f"t{n}", language=language) for n, language in enumerate(("de", "tr", "en", "de"))]
    answers = ask(PivotModel(Echo(), words), requests, Sampling(samples=2))
    assert [(one.key, one.sample) for one in answers] == [(f"{n}", sample) for n in range(4) for sample in range(2)]
    assert [one.text for one in answers[::2]] == ["de(0 user: en(t0))", "tr(0 user: en(t1))", "0 user: t2", "de(0 user: en(t3))"]


def test_failures_of_either_translation_have_reasons() -> None:
    """There, back, and a language that nobody knows: failed answers that say which step failed; the others are answered."""
    requests = [
        Request("there", "stumm", language="de"),
        Request("back", "mute", language="en"),
        Request("unknown", "12 + 5"),
        Request("fine", "Wo?", language="de"),
    ]
    model = PivotModel(Echo(), Words())
    there, back, unknown, fine = ask(model, requests)
    assert there == Generated("there", 0, "", "", 0, 0, "pivot: de to en: lost for words")
    assert back.text == "0 user: mute"  # English is not translated back
    assert unknown.reason == "pivot: the prompt's language is not known, and its text does not tell"
    assert fine.text == "de(0 user: en(Wo?))"

    class Mute(Echo):
        def respond(self, request: Request, sampling: Sampling, sample: int = 0) -> Generated:
            return Generated(request.key, sample, "mute", "stop", 7, 3)

    (back,) = ask(PivotModel(Mute(), Words()), requests[3:])
    assert back == Generated("fine", 0, "", "", 7, 3, "pivot: en to de: lost for words")


def test_language_is_told_or_identified() -> None:
    """`Request.language` or `language_of` tells the language; else the text does, when it is long enough."""
    text = "In welchem Land liegt die Stadt Ankara, und wie viele Menschen wohnen dort heute?"
    assert ask(PivotModel(Echo(), Words()), [Request("1", text)])[0].text.startswith("de(")
    told = PivotModel(Echo(), Words(), language_of=lambda request: "gsw" if request.key == "x" else "nl")
    assert ask(told, [Request("1", text)])[0].text.startswith("nl(")


def test_provenance_names_both() -> None:
    """Name, fingerprint, licence and permission are of model and translator together."""
    inner = Echo("echo")
    inner.licence, inner.may_train = "apache-2.0", None
    words = Words()
    model = PivotModel(inner, words)
    assert isinstance(model, Model)
    assert model.name == "echo via en (words)"
    assert (model.licence, model.may_train, model.in_flight) == ("apache-2.0 AND cc0-1.0", None, inner.in_flight)
    fingerprints = {model.fingerprint, inner.fingerprint, PivotModel(inner, words, "fr").fingerprint}
    words.fingerprint = "w2"
    assert len(fingerprints | {PivotModel(inner, words).fingerprint}) == 4
    words.licence = ""  # sets no terms
    assert PivotModel(inner, words).licence == "apache-2.0"
    words.licence = None  # type: ignore[assignment]
    assert PivotModel(inner, words).licence is None
    inner.may_train = True
    assert PivotModel(inner, words, name="mt").may_train is True
    words.may_train = False
    assert PivotModel(inner, words, name="mt").may_train is False
    assert PivotModel(inner, words, name="mt").name == "mt"


def test_engine_asks_it_like_any_model(tmp_path: Path) -> None:
    """Through the engine every request has one row; a request that failed inside is tried again and not translated again."""
    words = Words()

    class Flaky(Echo):
        failures = 0

        async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
            if self.failures < 3:
                self.failures += 1
                raise RequestError("HTTP 500", retry=True, after=0.0)
            return await super().answer(batch, sampling)

    model = PivotModel(Flaky(), words)
    requests = [Request(f"{n}", "stumm" if n == 3 else f"t{n}", language="de") for n in range(12)]
    with Store(tmp_path / "s.sqlite") as store:
        counts = run([Job(model, requests, Sampling())], store)
        keys = [key for request in requests for key in Keys(model.fingerprint, Sampling()).of(request)]
        found = store.get(keys, Sampling().max_tokens)
    assert (counts.stored, counts.failed) == (11, 1)
    assert sum(one.reason is None for one in found.values()) == 11
    assert sorted(text for source, _, text in words.asked if source == "de") == sorted(request.text for request in requests)


def test_one_text_in_two_languages_has_two_answers(tmp_path: Path) -> None:
    """What is written alike in two languages is asked, stored and found for each; a wrapper keeps them apart too."""
    requests = [Request(tag, "Radio?", language=tag) for tag in ("de", "nl")]
    for number, model in enumerate((PivotModel(Echo(), Words()), with_system(PivotModel(Echo(), Words()), "Kurz."))):
        with Store(tmp_path / f"{number}.sqlite") as store:
            assert run([Job(model, requests, Sampling())], store).stored == 2
            keys = [Keys(model.fingerprint, Sampling()).of(request)[0] for request in requests]
            texts = [store.get([key], Sampling().max_tokens)[key].text for key in keys]
            assert [text.partition("(")[0] for text in texts] == ["de", "nl"]
            assert run([Job(model, requests, Sampling())], store).reused == 2


def test_around_a_local_model(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is asked in batches of what it can hold; the answers are its own, translated."""
    inner = LocalModel(llama, device="cpu", batch_size=2)
    model = PivotModel(inner, Words())
    requests = [Request(f"{n}", f"Frage {n}", language="de") for n in range(6)]
    english = [Request(f"{n}", f"en(Frage {n})") for n in range(6)]
    sampling = Sampling(max_tokens=6)
    alone = {one.key: one.text for batch in inner.generate(english, sampling) for one in batch}
    answers = [one for batch in model.batches(requests, sampling) for one in ask(model, batch, sampling)]
    assert {one.key: one.text for one in answers} == {key: f"de({text})" if text else text for key, text in alone.items()}
    asyncio.run(model.close())


def test_spec_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pivot:SPEC` with a translator is a pivot around the model that the spec names."""
    model: Any = open_model("pivot:fake:good", translator="llm:fake:good", name="through English")
    assert isinstance(model, PivotModel)
    assert (model.name, model.model.name, model.translator.name) == ("through English", "good", "good")
