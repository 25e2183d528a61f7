"""Local generation: the same answers as transformers', whatever else is in the batch; a model like every other."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from local_asking import BOTH, FEW_SHOT, GREEDY, PLAIN, SAMPLED, SHOTS, TEXTS, ask, load, reference

from polylect.errors import ModelError
from polylect.models import LocalModel, Request, Sampling, local
from polylect.models.answers import fingerprint
from polylect.models.interface import Model, Price
from polylect.models.prompting import few_shot_text, prompt_ids

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
)


@pytest.fixture(params=["llama", "gemma"])
def folder(request: pytest.FixtureRequest) -> Path:
    """Each tiny checkpoint in turn."""
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.mark.parametrize("requests", [PLAIN, FEW_SHOT], ids=["chat", "few-shot"])
def test_greedy_answers_are_those_of_transformers(folder: Path, requests: tuple[Request, ...]) -> None:
    """In one left-padded batch with a shared prefix every row is what `generate` gives to its prompt alone."""
    model = load(folder)
    answers = ask(model, requests)
    for request in requests:
        expected = reference(model, request)
        assert answers[request.key, 0].text == model.tokenizer.decode(expected, skip_special_tokens=True).strip()
        assert answers[request.key, 0].completion_tokens == len(expected)
        assert answers[request.key, 0].prompt_tokens == len(prompt_ids(model.tokenizer, request))


def test_sharing_a_prefix_changes_nothing(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few-shot prompts whose examples are computed once get the answers they get when every row computes its own."""
    model = load(llama)
    whole = [prompt_ids(model.tokenizer, request) for request in FEW_SHOT]
    assert model._shared(whole) > 30, "the examples are not shared, so that nothing would be compared"
    shared = ask(model, FEW_SHOT)
    monkeypatch.setattr(local, "_WORTH_SHARING", 10**6)
    assert model._shared(whole) == 0
    assert ask(model, FEW_SHOT) == shared


def test_prefix_longer_than_a_sliding_window(gemma: Path) -> None:
    """Beyond the window only prompts of equal length share their prefix: padding after it would use up the window."""
    model = load(gemma)
    assert model._shared([prompt_ids(model.tokenizer, request) for request in FEW_SHOT]) == 0
    alike = tuple(Request(text, text, SHOTS) for text in ("123", "456", "789"))  # a token per digit
    whole = [prompt_ids(model.tokenizer, request) for request in alike]
    assert len(set(map(len, whole))) == 1
    assert model._shared(whole) > 30
    answers = ask(model, alike, SAMPLED)
    assert answers == {key: one for request in alike for key, one in ask(model, [request], SAMPLED).items()}


def test_neighbours_in_the_batch_change_nothing(folder: Path) -> None:
    """Alone, in small batches, in one batch, in another order: the same answers in float32."""
    together = ask(load(folder), BOTH)
    assert ask(load(folder, batch_size=1), BOTH) == together
    assert ask(load(folder, batch_size=2), tuple(reversed(BOTH))) == together


def test_samples_depend_on_the_row_alone(folder: Path) -> None:
    """A sample is decided by (seed, request, number): not by batch, order, or how many samples are drawn."""
    model, narrow = load(folder), load(folder, batch_size=4)
    drawn = ask(model, BOTH, SAMPLED)
    assert ask(model, BOTH, SAMPLED) == drawn
    assert ask(narrow, tuple(reversed(BOTH)), SAMPLED) == drawn
    first = ask(model, BOTH, replace(SAMPLED, samples=1))
    assert first == {key: answer for key, answer in drawn.items() if key[1] == 0}
    assert len({drawn["p0", sample].text for sample in range(3)}) > 1, "samples of one prompt are all alike"
    assert ask(model, BOTH, replace(SAMPLED, seed=6)) != drawn
    twin = ask(model, [replace(PLAIN[0], key="twin"), PLAIN[0]], SAMPLED)
    assert [twin["twin", n].text for n in range(3)] != [twin["p0", n].text for n in range(3)], "requests share their noise"


def test_answer_that_does_not_end_is_marked(folder: Path) -> None:
    """Without an end token an answer has max_tokens tokens and says "length"."""
    answers = ask(load(folder), PLAIN, Sampling(max_tokens=3)).values()
    assert {(one.finish_reason, one.completion_tokens) for one in answers} == {("length", 3)}
    assert all(one.text == one.text.strip() for one in answers)


def test_every_request_is_answered_once(llama: Path) -> None:
    """Batches hold requests of one set of shots, at most twice the rows that run together, and every request exactly once."""
    model = load(llama, batch_size=4)
    batches = model.batches(BOTH, Sampling(samples=2))
    assert sorted(request.key for batch in batches for request in batch) == sorted(request.key for request in BOTH)
    assert max(map(len, batches)) == 2 * 4 // 2
    assert all(len({request.shots for request in batch}) == 1 for batch in batches)
    assert asyncio.run(model.answer([], GREEDY)) == []


def test_system_message_reaches_the_prompt(llama: Path) -> None:
    """A system message comes before the question, in chat and in few-shot prompts."""
    model = load(llama)
    for request in (PLAIN[0], FEW_SHOT[0]):
        text = model.tokenizer.decode(prompt_ids(model.tokenizer, replace(request, system="Answer in one word.")))
        assert text.startswith("<bos>Answer in one word.\n")
        assert text.endswith(f"{request.text}\n")
        assert text.count("<bos>") == 1


def test_chat_without_template_is_refused(make_model: Callable[..., Path]) -> None:
    """A tokenizer without chat template cannot frame a prompt; few-shot prompts need none."""
    model = load(make_model("llama", template=None))
    with pytest.raises(ModelError, match=r"no chat template.*model\.chat_template.*few-shot"):
        ask(model, PLAIN)
    assert len(ask(model, FEW_SHOT)) == len(FEW_SHOT)


def test_folder_that_is_no_model_is_named(tmp_path: Path, llama: Path) -> None:
    """No configuration, no weights, weights cut off, an unknown architecture: one error that names the folder or file."""
    with pytest.raises(ModelError, match=f"{tmp_path}/config.json: missing"):
        load(tmp_path)
    for name, damage, says in (
        ("hollow", Path.unlink, "no \\*.safetensors file"),
        ("cut", lambda path: path.write_bytes(path.read_bytes()[:-100]), "model.safetensors: .*bytes"),
    ):
        shutil.copytree(llama, tmp_path / name)
        damage(tmp_path / name / "model.safetensors")
        with pytest.raises(ModelError, match=f"{tmp_path / name}.*{says}"):
            load(tmp_path / name)
    shutil.copytree(llama, tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text('{"model_type": "no-such-architecture"}')
    with pytest.raises(ModelError, match="other: cannot be loaded as a causal language model"):
        load(tmp_path / "other")


@pytest.mark.parametrize(("amx", "avx", "expected"), [(True, False, "bf16"), (False, True, "bf16"), (False, False, "f32")])
def test_dtype_is_what_the_machine_multiplies(monkeypatch: pytest.MonkeyPatch, amx: bool, avx: bool, expected: str) -> None:
    """bfloat16 is taken where the processor has instructions for it, and always on a GPU."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    dtypes = {"bf16": torch.bfloat16, "f32": torch.float32}
    assert local.best_dtype() == dtypes[expected]
    assert local.best_dtype("cuda") == torch.bfloat16


def test_rows_together_are_bounded_by_their_tokens(llama: Path) -> None:
    """batch_tokens bounds rows times the longest prompt and answer; a single long row is taken all the same."""
    model = LocalModel(llama, dtype=torch.float32, device="cpu", batch_tokens=100)
    requests = [*PLAIN, Request("long", "May " * 60)]
    batches = model.batches(requests, GREEDY)
    assert [request.key for request in batches[0]] in (["long"], ["long", batches[0][-1].key])
    assert sorted(request.key for batch in batches for request in batch) == sorted(request.key for request in requests)
    sizes = [max(model.count(request.text) for request in batch) + GREEDY.max_tokens for batch in batches]
    assert all(len(batch) <= max(1, 100 // size) * 2 for batch, size in zip(batches, sizes, strict=True))
    assert ask(model, requests) == ask(load(llama), requests)


def test_requests_with_rare_shots_share_a_batch(llama: Path) -> None:
    """Requests whose shots hardly any other has do not end up in a batch each; their answers do not change."""
    model = load(llama)
    requests = [Request(f"q{n}", TEXTS[n % 5], ((f"{n}?", "Turkey"),)) for n in range(8)]
    assert [len(batch) for batch in model.batches(requests, GREEDY)] == [8]
    assert ask(model, requests) == {key: one for request in requests for key, one in ask(model, [request]).items()}


def test_history_reaches_the_prompt(llama: Path) -> None:
    """Earlier turns stand before the question, in chat by the template, in few-shot prompts as blocks."""
    model = load(llama)
    turns = (("user", "May?"), ("assistant", "June"))
    chat = model.tokenizer.decode(prompt_ids(model.tokenizer, replace(PLAIN[3], history=turns)))
    assert chat == "<bos>May?\nJune<eos>\nJune?\n"
    assert few_shot_text(replace(FEW_SHOT[3], history=turns)).endswith("Tuesday\n\nMay?\nJune\n\nJune?\n")


def test_template_that_refuses_is_an_error_of_the_user(make_model: Callable[..., Path]) -> None:
    """A chat template that knows no system message is quoted, with the roles and what to do."""
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + TEMPLATE
    model = load(make_model("llama", template=refusing))
    assert len(ask(model, PLAIN)) == len(PLAIN)
    with pytest.raises(ModelError, match=r"request 'p0', whose roles are system, user \(no system here\)"):
        ask(model, [replace(PLAIN[0], system="Be brief.")])


def test_end_of_turn_token_of_the_template_ends_an_answer(make_model: Callable[..., Path]) -> None:
    """What a chat template writes after an assistant's turn is an end token, though no configuration names it."""
    template = TEMPLATE.replace("{{ eos_token }}", "<pad>")
    model = load(make_model("llama", template=template))
    assert model.ends == {0, 2}
    assert load(make_model("llama", template=None)).ends == {2}
    assert load(make_model("llama", ends=(2, 7))).ends == {2, 7}


def test_it_is_a_model(llama: Path, tmp_path: Path) -> None:
    """A local model has what every model has; name and licence come from the folder unless they are given."""
    folder = tmp_path / "mine"
    shutil.copytree(llama, folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: [tr]\n---\n# Mine\n")
    model = load(folder)
    assert isinstance(model, Model)
    assert (model.name, model.licence, model.may_train, model.in_flight) == ("mine", "apache-2.0", None, 1)
    assert model.fingerprint == fingerprint(folder) == load(llama).fingerprint
    assert model.count("June") == len(model.tokenizer("June", add_special_tokens=False)["input_ids"])
    given = LocalModel(llama, name="x", licence="mit", may_train=True, price=Price(1.0, 2.0))
    assert (given.name, given.licence, given.may_train, given.price) == ("x", "mit", True, Price(1.0, 2.0))
    asyncio.run(model.close())
    assert model.model is None


def test_answer_leaves_the_event_loop_free_and_stops_when_cancelled(llama: Path) -> None:
    """Others run while the model computes in its thread; a cancelled answer ends at the next token; the model stays usable."""
    model = load(llama)
    endless = Sampling(max_tokens=100_000)

    async def impatient() -> float:
        task = asyncio.create_task(model.answer(PLAIN, endless))
        await asyncio.sleep(0.3)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        began = time.perf_counter()
        assert len(await model.answer(PLAIN, GREEDY)) == len(PLAIN)
        return time.perf_counter() - began

    assert asyncio.run(impatient()) < 5
