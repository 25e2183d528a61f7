"""Wrappers: what they add to requests, and that stores keep them apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from polylect.errors import ModelError
from polylect.models.engine import Job, run
from polylect.models.fakes import FakeModel
from polylect.models.interface import Model, Price
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store import Keys, Store
from polylect.models.wrappers import Wrapped, with_shots, with_system

LANGUAGES = {"a": "de", "b": "fr"}


class Echo(FakeModel):
    """A fake that answers with the conversation it was shown."""

    def respond(self, request: Request, sampling: Sampling, sample: int = 0) -> Generated:
        """Return the conversation."""
        return Generated(
            request.key, sample, " | ".join(f"{role}: {content}" for role, content in request.messages), "stop", 1, 1
        )


def shown(model: Model, requests: Sequence[Request]) -> list[str]:
    """Return what the model inside was shown."""
    return [answer.text for answer in asyncio.run(model.answer(requests, Sampling()))]


def test_system_message_per_language() -> None:
    """A system message is chosen by language, "mul" for the others; a request with one keeps its own."""
    model = with_system(Echo(), {"de": "Kurz!", "mul": "Short!"}, lambda request: LANGUAGES[request.key])
    requests = [Request("a", "x"), Request("b", "x"), Request("a", "x", system="own")]
    assert shown(model, requests) == ["system: Kurz! | user: x", "system: Short! | user: x", "system: own | user: x"]


def test_one_system_message_needs_no_language() -> None:
    """One text for all needs nothing that tells the language."""
    assert shown(with_system(Echo(), "Hi"), [Request("a", "x")]) == ["system: Hi | user: x"]


def test_shots_per_language_without_the_question_itself() -> None:
    """Examples come in the request's language; one with the same text is left out."""
    shots = {"de": [("eins", "1"), ("zwei", "2")], "fr": [("un", "1")]}
    model = with_shots(Echo(), shots, lambda request: LANGUAGES[request.key])
    assert shown(model, [Request("a", "eins"), Request("b", "deux")]) == [
        "user: zwei | assistant: 2 | user: eins",
        "user: un | assistant: 1 | user: deux",
    ]


def test_wrappers_nest() -> None:
    """A few-shot wrapper around a system wrapper adds both."""
    model = with_shots(with_system(Echo(), "Hi"), [("q", "a")])
    assert shown(model, [Request("a", "x")]) == ["system: Hi | user: q | assistant: a | user: x"]


def test_language_must_be_told() -> None:
    """What differs by language needs a request that names its own; a language without examples is an error."""
    model = with_system(Echo(), {"de": "Kurz!"})
    assert shown(model, [Request("a", "x", language="de")]) == ["system: Kurz! | user: x"]
    with pytest.raises(ModelError, match="request 'a' names none"):
        shown(model, [Request("a", "x")])
    with pytest.raises(ModelError, match="no examples in 'fr'"):
        shown(with_shots(Echo(), {"de": [("q", "a")]}, lambda request: LANGUAGES[request.key]), [Request("b", "x")])


def test_all_else_is_the_inner_model() -> None:
    """Name, price, licence, permission, counting and batches are those of the model inside."""
    inner = FakeModel("t", price=Price(1, 2), licence="MIT", may_train=False, in_flight=3, batch_size=2)
    model = with_system(inner, "Hi")
    assert isinstance(model, Model)
    assert (model.name, model.price, model.licence, model.may_train, model.in_flight) == ("t", Price(1, 2), "MIT", False, 3)
    assert model.count("12345678") == inner.count("12345678") == 2
    requests = [Request(str(i), "x") for i in range(3)]
    batches = model.batches(requests, Sampling())
    assert [[id(request) for request in batch] for batch in batches] == [[id(r) for r in requests[:2]], [id(requests[2])]]
    asyncio.run(model.close())


def test_store_keeps_wrapped_answers_apart(tmp_path: Path) -> None:
    """Two wrappers around one model share no answers; the same wrapper made again finds its own."""
    inner = Echo()
    requests = [Request("a", "x")]
    with Store(tmp_path / "answers.sqlite") as store:
        models: list[Model] = [inner, with_system(inner, "A"), with_system(inner, "B"), with_shots(inner, [("q", "a")])]
        texts = [ask(store, model, requests) for model in models]
        assert len(set(texts)) == 4
        assert run([Job(with_system(inner, "A"), requests, Sampling())], store).reused == 1


def test_store_keeps_languages_apart_that_are_told_different_things(tmp_path: Path) -> None:
    """One text in two languages has two answers where the system message or the examples go by language, else one."""
    inner = Echo()
    requests = [Request(tag, "x", language=tag) for tag in ("en", "de")]
    apart: list[Model] = [
        with_system(inner, {"en": "A", "de": "B"}),
        with_shots(inner, {"en": [("q", "a")], "mul": [("f", "a")]}),
    ]
    with Store(tmp_path / "answers.sqlite") as store:
        assert [run([Job(model, requests, Sampling())], store).stored for model in apart] == [2, 2]
        assert run([Job(with_system(inner, {"mul": "C"}), requests, Sampling())], store).stored == 1


def test_dressed_requests_share_answers_with_whole_conversations(tmp_path: Path) -> None:
    """Asking the model inside with dressed requests stores them as if the caller had written the whole conversation."""
    inner = Echo()
    wrapped: Wrapped = with_system(inner, "A")
    with Store(tmp_path / "answers.sqlite") as store:
        ask(store, inner, [wrapped.dress(Request("a", "x"))])
        assert run([Job(inner, [Request("other", "x", system="A")], Sampling())], store).reused == 1


def ask(store: Store, model: Model, requests: list[Request]) -> str:
    """Ask through the engine and return the first answer from the store."""
    run([Job(model, requests, Sampling())], store)
    (key,) = Keys(model.fingerprint, Sampling()).of(requests[0])
    return store.get([key], Sampling().max_tokens)[key].text
