"""The offline engine's model against a stand-in that has the calls that are used of vLLM, and no others."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from polylect.errors import ModelError
from polylect.models.requests import Generated, Request, Sampling
from polylect.models.spec import open_model
from polylect.models.vllm import VllmModel

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}<assistant>"


@dataclass
class SamplingParams:
    """The fields that are used of vLLM's."""

    max_tokens: int
    temperature: float
    top_p: float
    stop: list[str] | None
    stop_token_ids: list[int]
    seed: int | None


@dataclass
class Tokenizer:
    """A tokenizer whose tokens are characters."""

    chat_template: str | None = TEMPLATE
    eos_token_id: int = 0
    added_tokens_decoder: dict[int, str] = field(default_factory=lambda: {1: "<end>"})
    name_or_path: str = "stand-in"

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Return one id per character."""
        return {"input_ids": [ord(character) for character in text]}

    def apply_chat_template(self, messages: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool = False) -> str:
        """Frame the conversation as TEMPLATE does."""
        assert not tokenize
        text = "".join(f"<{m['role']}>{m['content']}<end>" for m in messages)
        return text + ("<assistant>" if add_generation_prompt else "")


class LLM:
    """An engine that answers with the prompt's length, and fails as the real one does."""

    made: list[LLM] = []  # noqa: RUF012
    tokenizer = Tokenizer()

    def __init__(self, model: str, **settings: Any) -> None:
        if settings["dtype"] == "int3":
            raise ValueError("Unknown dtype: int3")
        self.model, self.settings, self.threads, self.calls = model, settings, {threading.get_ident()}, []
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=settings["max_model_len"] or 100))
        LLM.made.append(self)

    def get_tokenizer(self) -> Tokenizer:
        """Return the tokenizer."""
        return self.tokenizer

    def generate(self, prompts: list[Any], sampling_params: list[SamplingParams], *, use_tqdm: bool) -> list[SimpleNamespace]:
        """Answer every prompt with its length."""
        assert len(prompts) == len(sampling_params)
        self.threads.add(threading.get_ident())
        self.calls.append((prompts, sampling_params))
        texts = ["".join(map(chr, prompt["prompt_token_ids"])) for prompt in prompts]
        if any("crash" in text for text in texts):
            raise RuntimeError("EngineCore encountered an issue")
        reasons = ["abort" if "abort" in text else "stop" for text in texts]
        return [
            SimpleNamespace(outputs=[SimpleNamespace(text=f" {len(text)} ", token_ids=[7, 8], finish_reason=reason)])
            for text, reason in zip(texts, reasons, strict=True)
        ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in where vLLM would be, and make a folder that passes for a checkpoint."""
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setattr(LLM, "made", [])
    monkeypatch.setattr("polylect.models.hub.resolve", lambda name, revision=None: tmp_path)
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def ask(model: VllmModel, requests: list[Request], sampling: Sampling) -> list[Generated]:
    """Return the answers to one batch."""
    return asyncio.run(model.answer(requests, sampling))


def test_without_vllm_the_error_names_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a vllm spec where vLLM is missing says how to get it, before anything is downloaded."""
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ModelError, match=r"pip install 'polylect\[vllm\]'"):
        open_model("vllm:CohereLabs/aya-expanse-8b")


def test_engine_is_made_as_asked(folder: Path) -> None:
    """The resolved folder goes to the engine with prefix caching, without remote code, and with the settings given."""
    model = open_model("vllm:aya", tensor_parallel_size=2, engine={"quantization": "fp8"}, name="teacher", may_train=False)
    (llm,) = LLM.made
    assert llm.model == str(folder)
    assert llm.settings["enable_prefix_caching"] is True
    assert llm.settings["trust_remote_code"] is False
    assert (llm.settings["tensor_parallel_size"], llm.settings["quantization"]) == (2, "fp8")
    assert (model.name, model.may_train, model.in_flight) == ("teacher", False, 1)


def test_fingerprint_follows_weights_and_numbers(folder: Path) -> None:
    """Other weights, dtype or quantization are another model; the number of GPUs is not."""
    base = VllmModel("aya").fingerprint
    assert VllmModel("aya", tensor_parallel_size=4, batch_size=3).fingerprint == base
    assert VllmModel("aya", dtype="float16").fingerprint != base
    assert VllmModel("aya", engine={"quantization": "fp8"}).fingerprint != base
    (folder / "config.json").write_text('{"changed": 1}')
    assert VllmModel("aya").fingerprint != base


def test_answers_come_in_order_with_a_seed_per_row(folder: Path) -> None:
    """Each sample is a row with its own seed, that depends on the row alone; texts are stripped, tokens are the engine's."""
    model, sampling = VllmModel("aya"), Sampling(max_tokens=5, temperature=0.7, top_p=0.9, samples=2, stop=("\n",), seed=3)
    requests = [Request("a", "hello", system="be brief"), Request("b", "hi")]
    answers = ask(model, requests, sampling)
    assert [(a.key, a.sample) for a in answers] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    framed = "<system>be brief<end><user>hello<end><assistant>"
    assert answers[0] == Generated("a", 0, str(len(framed)), "stop", len(framed), 2)
    _, params = LLM.made[0].calls[0]
    assert len({p.seed for p in params}) == 4
    assert {(p.max_tokens, p.temperature, p.top_p, *p.stop) for p in params} == {(5, 0.7, 0.9, "\n")}
    ask(model, requests[1:], sampling)
    assert [p.seed for p in LLM.made[0].calls[1][1]] == [p.seed for p in params[2:]]
    # The template's end of a turn ends an answer, whatever the configuration says.
    assert params[0].stop_token_ids == [0, 1]


def test_engine_lives_in_one_thread_of_its_own(folder: Path) -> None:
    """The engine is made and called in the same thread, which is not the caller's."""
    model = VllmModel("aya")
    ask(model, [Request("a", "x")], Sampling())
    ask(model, [Request("b", "y")], Sampling())
    assert len(LLM.made[0].threads) == 1
    assert threading.get_ident() not in LLM.made[0].threads
    asyncio.run(model.close())


def test_too_long_prompt_is_a_row_with_its_reason(folder: Path) -> None:
    """A prompt that the model cannot take fails alone and is never sent; its neighbours are answered."""
    model = VllmModel("aya", max_model_len=60)
    answers = ask(model, [Request("long", "x" * 60), Request("short", "x")], Sampling())
    assert answers[0].reason is not None
    assert "the model takes 60" in answers[0].reason
    assert (answers[1].reason, answers[1].finish_reason) == (None, "stop")
    assert len(LLM.made[0].calls[0][0]) == 1


def test_aborted_and_crashed(folder: Path) -> None:
    """An aborted answer is a failure with its reason; an engine that stopped ends the run with an error that says so."""
    model = VllmModel("aya")
    (answer,) = ask(model, [Request("a", "abort")], Sampling())
    assert (answer.text, answer.reason) == ("", "vLLM ended it: abort")
    with pytest.raises(ModelError, match="vLLM stopped"):
        ask(model, [Request("b", "crash")], Sampling())


def test_engine_that_does_not_start_is_named(folder: Path) -> None:
    """What vLLM says against the settings is in the error."""
    with pytest.raises(ModelError, match=r"does not start .*int3"):
        VllmModel("aya", dtype="int3")


def test_batches_keep_shared_prefixes_together(folder: Path) -> None:
    """Requests with the same shots are neighbours, so that the prefix cache holds them; nothing is lost or doubled."""
    model = VllmModel("aya", batch_size=4)
    shots = ((("q", "a"),), (("q2", "a2"),))
    requests = [Request(str(i), f"text {i}", shots[i % 2]) for i in range(10)]
    batches = model.batches(requests, Sampling(samples=2))
    assert [len(batch) for batch in batches] == [2] * 5
    flat = [request for batch in batches for request in batch]
    assert [request.shots for request in flat] == [shots[0]] * 5 + [shots[1]] * 5
    assert sorted(request.key for request in flat) == sorted(request.key for request in requests)
