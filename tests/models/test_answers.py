"""From prompts to completions: what the store holds is not asked again, and a killed run goes on with the same batches."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from polylect.models import Generated, LocalModel, Request, Sampling, Store, answer, fingerprint
from polylect.models.interface import RequestError
from polylect.records import Completion, Prompt

SAMPLING = Sampling(max_tokens=4, temperature=1.0, samples=2, seed=3)


def prompt(number: int, language: str = "en") -> Prompt:
    """Return a prompt of its own item."""
    return Prompt(
        item=f"item{number}",
        language=language,
        kind="test",
        split="prompt",
        text=f"Question {number}?",
        references=("answer",),
        source="here",
        licence="CC0-1.0",
    )


PROMPTS = [prompt(number) for number in range(7)]


class KilledError(Exception):
    """Stands for a kill: nothing in the engine expects it."""


@dataclass
class Echo:
    """A model that repeats what it is asked, in batches of three prompts, and is killed before batch `dies`."""

    dies: int | None = None
    asked: list[list[str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Cut the requests, the last one first, into batches of three."""
        ordered = list(reversed(requests))
        return [ordered[start : start + 3] for start in range(0, len(ordered), 3)]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer with the text, so that an answer that lands at another prompt is seen."""
        if len(self.asked) == self.dies:
            raise KilledError
        self.asked.append([request.key for request in batch])
        return [
            Generated(r.key, sample, f"{r.shots} {r.text} {sample}", "stop", 5, 2)
            for r in batch
            for sample in range(sampling.samples)
        ]


def ask(model: object, folder: Path, prompts: Sequence[Prompt] = PROMPTS, **more: object) -> list[Completion]:
    """Answer prompts with the store in `folder`."""
    settings = {"name": "echo", "key": "weights", "sampling": SAMPLING, **more}
    with Store(folder / "answers.sqlite") as store:
        return answer(prompts, model, store=store, **settings)  # type: ignore[arg-type]


def test_completions_come_in_the_order_of_the_prompts(tmp_path: Path) -> None:
    """Every prompt has its samples, in order, with item, language, model and tokens, although batches are cut otherwise."""
    rows = ask(Echo(), tmp_path)
    assert [(row.prompt_id, row.sample) for row in rows] == [(p.id, sample) for p in PROMPTS for sample in range(2)]
    assert [row.text for row in rows] == [f"() {p.text} {sample}" for p in PROMPTS for sample in range(2)]
    assert {
        (row.model, row.language, row.prompt_tokens, row.completion_tokens, row.status, row.reason, row.revision) for row in rows
    } == {("echo", "en", 5, 2, "ok", None, "weights")}
    assert [row.item for row in rows[::2]] == [p.item for p in PROMPTS]


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    """A second run asks nothing and returns the same; another model, setting or question is asked."""
    first = ask(Echo(), tmp_path)
    again = Echo()
    assert ask(again, tmp_path) == first
    assert again.asked == []
    for change in ({"key": "other weights"}, {"sampling": Sampling(max_tokens=9)}, {"prompts": [prompt(99)]}):
        other = Echo()
        ask(other, tmp_path, **change)  # type: ignore[arg-type]
        assert other.asked


def test_killed_run_goes_on_with_the_same_batches(tmp_path: Path) -> None:
    """After a kill before the third batch only that batch is asked, as the very batch an unbroken run would ask."""
    unbroken = Echo()
    expected = ask(unbroken, tmp_path / "unbroken")
    with pytest.raises(KilledError):
        ask(Echo(dies=2), tmp_path)
    resumed = Echo()
    assert ask(resumed, tmp_path) == expected
    assert resumed.asked == unbroken.asked[2:]
    assert len(unbroken.asked) == 3


def test_progress_counts_answers(tmp_path: Path) -> None:
    """Progress says at the end how many answers are there and how many of them are new."""
    with pytest.raises(KilledError):
        ask(Echo(dies=1), tmp_path)
    seen: list[tuple[int, int, str]] = []
    ask(Echo(), tmp_path, progress=lambda *message: seen.append(message))
    assert seen[-1] == (14, 14, "8 new")


def test_plain_function_may_answer(tmp_path: Path) -> None:
    """A model whose `answer` is no coroutine is asked all the same."""

    class Plain(Echo):
        def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:  # type: ignore[override]
            return [Generated(r.key, sample, "plain", "stop", 5, 2) for r in batch for sample in range(sampling.samples)]

    assert {row.text for row in ask(Plain(), tmp_path)} == {"plain"}


def test_failed_request_is_a_completion_with_its_reason(tmp_path: Path) -> None:
    """A batch that fails for good gives rows with status "failed"; the others are answered."""

    class Failing(Echo):
        async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
            if len(batch) == 1:
                raise RequestError("does not fit", retry=False)
            return await super().answer(batch, sampling)

    rows = ask(Failing(), tmp_path)
    assert [(row.status, row.reason, row.text) for row in rows[:2]] == [("failed", "does not fit", "")] * 2
    assert {row.status for row in rows[2:]} == {"ok"}


def test_turns_before_a_prompt_are_asked_with_it(tmp_path: Path) -> None:
    """The messages of a prompt reach the model as the conversation's history."""

    class History(Echo):
        async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
            return [Generated(r.key, s, repr(r.history), "stop", 5, 2) for r in batch for s in range(sampling.samples)]

    turns = replace(PROMPTS[0], messages='[["user", "Hi"], ["assistant", "Hello"]]')
    assert ask(History(), tmp_path, [turns])[0].text == "(('user', 'Hi'), ('assistant', 'Hello'))"


def test_shots_are_those_of_the_prompt_s_language(tmp_path: Path) -> None:
    """Each prompt is asked with the examples of its own language."""
    shots = {"en": [("May?", "June")], "tr": [("Mayıs?", "Haziran")]}
    rows = ask(Echo(), tmp_path, [prompt(1), prompt(2, "tr")], shots=shots)
    assert [row.text.startswith(f"{(tuple(shots[row.language][0]),)}") for row in rows] == [True] * 4


def test_no_prompts_give_no_completions(tmp_path: Path) -> None:
    """Nothing to ask is not an error."""
    assert ask(Echo(), tmp_path, []) == []


def test_local_model_answers_into_the_store(tmp_path: Path, llama: Path) -> None:
    """A real model's answers come back from the store bit for bit, and the model is not asked again."""
    model = LocalModel(llama, batch_size=4)
    first = ask(model, tmp_path, key=fingerprint(llama))
    assert len({row.text for row in first}) > 1
    assert ask(_Silent(model), tmp_path, key=fingerprint(llama)) == first


class _Silent:
    """A model that knows its batches and must not be asked."""

    def __init__(self, model: LocalModel) -> None:
        self.batches = model.batches

    def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        raise AssertionError(f"asked again: {[request.key for request in batch]}")


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
)
def test_fingerprint_changes_with_every_part_of_a_checkpoint(tmp_path: Path, llama: Path, name: str) -> None:
    """A copy has the same fingerprint; a change of weights, configuration, tokenizer or template changes it; notes do not."""
    copy = tmp_path / "copy"
    shutil.copytree(llama, copy)
    (copy / "manifest.json").write_text("{}")
    (copy / "README.md").write_text("# A model")
    assert fingerprint(copy) == fingerprint(llama)
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    assert fingerprint(copy) != fingerprint(llama)
