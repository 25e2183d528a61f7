"""A language model as translator: asked through the engine, kept in a store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from polylect.models.engine import Job, run
from polylect.models.fakes import FakeModel
from polylect.models.interface import RequestError
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.store import Store
from polylect.models.translators import Failure, LlmTranslator, translator
from polylect.models.translators.base import Translated
from polylect.models.translators.together import Together


class Scripted(FakeModel):
    """A fake that answers with what `replies` has for the text to translate, and remembers what it was asked."""

    def __init__(self, replies: dict[str, str]) -> None:
        super().__init__("scripted")
        self.replies, self.asked = replies, []  # type: ignore[var-annotated]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer from the script; "FAIL" is a request that fails for good, "LONG" one that is cut off."""
        self.asked += [request.text for request in batch]
        found = []
        for request in batch:
            reply = self.replies[request.text.rpartition("\n\n")[2]]
            if reply == "FAIL":
                raise RequestError("HTTP 400: no", retry=False)
            found.append(Generated(request.key, 0, reply, "length" if reply == "LONG" else "stop", 1, 1))
        return found


REPLIES = {"a": "x", "b": '"y"', "c": "FAIL", "d": "LONG", "e": "", '"f"': '"z"'}


def test_a_base_model_is_told_where_to_stop() -> None:
    """The texts that end a translation reach the model."""
    seen = []

    class Watched(Scripted):
        async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
            """Note the sampling."""
            seen.append(sampling.stop)
            return await super().answer(batch, sampling)

    assert LlmTranslator(Watched(REPLIES), stop=["\n"]).translate(["a"], "en", "es") == ["x"]
    assert seen == [("\n",)]


def test_replies_become_translations(tmp_path: Path) -> None:
    """The prompt names both languages; quotes that the original lacks go; failures, cuts and empty replies have reasons."""
    model = Scripted(REPLIES)
    found = LlmTranslator(model, store=tmp_path / "s.sqlite").translate(
        ["a", "b", "c", "d", "e", '"f"', " ", "a"], "en", "zh-Hant"
    )
    assert found == [
        "x",
        "y",
        Failure("HTTP 400: no"),
        Failure("translation cut off"),
        Failure("empty translation"),
        '"z"',
        " ",
        "x",
    ]
    assert len(model.asked) == 6
    assert all("from English into Chinese (Traditional)" in text for text in model.asked)


def test_answers_are_kept_in_the_store(tmp_path: Path) -> None:
    """With a store nothing is asked twice; another target or another instruction is another question."""
    model = Scripted({"a": "x"})
    keeping = LlmTranslator(model, store=tmp_path / "s.sqlite")
    assert [keeping.translate(["a"], "en", "tr") for _ in range(2)] == [["x"], ["x"]]
    assert len(model.asked) == 1
    keeping.translate(["a"], "en", "es")
    assert len(model.asked) == 2
    other = LlmTranslator(model, instruction="{source} {target}\n\n{text}")
    assert other.fingerprint != keeping.fingerprint
    assert other.translate(["a"], "en", "tr") == ["x"]
    assert model.asked[-1] == "English Turkish\n\na"


def test_it_can_be_called_while_an_engine_runs(tmp_path: Path) -> None:
    """A translator inside a model that the engine asks runs an engine of its own in the translator's thread."""
    inner = LlmTranslator(Scripted({"a": "x"}))

    class Outer(FakeModel):
        async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
            (text,) = await asyncio.to_thread(inner.translate, ["a"], "en", "tr")
            return [Generated(batch[0].key, 0, str(text), "stop", 1, 1)]

    with Store(tmp_path / "s.sqlite") as store:
        assert run([Job(Outer(), [Request("1", "?")], Sampling())], store).stored == 1


def test_spec_opens_any_model() -> None:
    """`llm:SPEC` is a translator around the model that the spec names."""
    opened = translator("llm:fake:good?seed=3")
    assert isinstance(opened, LlmTranslator)
    assert opened.name == "good"
    opened.close()


class Slow:
    """A translator that remembers what it was given at a time."""

    name = fingerprint = "slow"
    licence = may_train = None

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.closed = False

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translated]:
        """Return the texts in upper case; "boom" breaks the call."""
        import time

        self.calls.append(list(texts))
        time.sleep(0.05)
        if "boom" in texts:
            raise ValueError("boom")
        return [text.upper() for text in texts]

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def test_texts_that_come_meanwhile_are_translated_together() -> None:
    """Forty callers at once make two calls: the first text, then all that came while it was translated."""
    slow = Slow()

    async def ask() -> list[list[Translated]]:
        together = Together(slow)
        found = await asyncio.gather(*(together.translate([f"t{n}"], "en", "tr") for n in range(40)))
        await together.close()
        return list(found)

    assert asyncio.run(ask()) == [[f"T{n}"] for n in range(40)]
    assert len(slow.calls) <= 3
    assert sorted(text for call in slow.calls for text in call) == sorted(f"t{n}" for n in range(40))
    assert slow.closed


def test_an_error_reaches_everyone_who_waits() -> None:
    """When the translator breaks, each caller gets its error instead of waiting for ever, and the next call works."""

    async def ask() -> None:
        together = Together(Slow())
        with pytest.raises(ValueError, match="boom"):
            await together.translate(["boom"], "en", "tr")
        assert await together.translate(["a"], "en", "tr") == ["A"]
        await together.close()

    asyncio.run(ask())
