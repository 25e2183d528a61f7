"""Local generation: the same answers as transformers', whatever else is in the batch."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from polylect.errors import ModelError
from polylect.models import Generated, LocalModel, Request, Sampling, choosing, decoding, local
from polylect.models.prompting import few_shot_text, prompt_ids

GREEDY = Sampling(max_tokens=12)
SAMPLED = Sampling(max_tokens=8, temperature=1.0, top_p=0.9, samples=3, seed=5)
TEXTS = (
    "Which month comes after May?",
    "In which country is the city of Ankara?",
    "Hangi ülkede?",
    "June?",
    "В какой стране находится город Анкара, столица Турции?",
)
SHOTS = (("Which month comes after June?", "July"), ("Which weekday comes after Monday?", "Tuesday"))
PLAIN = tuple(Request(f"p{number}", text) for number, text in enumerate(TEXTS))
FEW_SHOT = tuple(Request(f"f{number}", text, SHOTS) for number, text in enumerate(TEXTS))
BOTH = (*PLAIN, *FEW_SHOT)
NAMES = ("llama", "gemma")


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest) -> Path:
    """Each tiny checkpoint in turn."""
    path: Path = request.getfixturevalue(request.param)
    return path


def load(folder: Path, batch_size: int = 64) -> LocalModel:
    """Load a checkpoint in float32 on the processor."""
    return LocalModel(folder, dtype=torch.float32, device="cpu", batch_size=batch_size)


def ask(model: LocalModel, requests: Sequence[Request], sampling: Sampling = GREEDY) -> dict[tuple[str, int], Generated]:
    """Return the answers by (request, sample)."""
    return {(one.key, one.sample): one for batch in model.generate(requests, sampling) for one in batch}


def reference(model: LocalModel, request: Request, sampling: Sampling = GREEDY) -> list[int]:
    """Return the tokens that transformers' own `generate` gives to one prompt alone, without the end token."""
    ids = torch.tensor([prompt_ids(model.tokenizer, request)])
    out = model.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=sampling.max_tokens
    )
    tokens: list[int] = out[0, ids.shape[1] :].tolist()
    return [token for token in tokens if token not in model.ends]


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


def test_sampling_follows_the_probabilities(llama: Path) -> None:
    """The share of each first token over many samples is its softmax probability at that temperature."""
    model = load(llama, batch_size=2000)
    sampling = Sampling(max_tokens=1, temperature=2.0, samples=2000, seed=1)
    ids = torch.tensor([prompt_ids(model.tokenizer, PLAIN[0])])
    with torch.no_grad():
        expected = (model.model(ids).logits[0, -1].float() / 2.0).softmax(-1)
    noise = [choosing.noise_of(PLAIN[0], sample, sampling, "cpu") for sample in range(2000)]
    with torch.no_grad():
        logits = model.model(ids).logits[0, -1].float().repeat(2000, 1)
    drawn = choosing.choose(logits, noise, sampling).bincount(minlength=len(expected)) / 2000
    # Four standard errors of a share.
    assert ((drawn - expected).abs() <= 4 * (expected * (1 - expected) / 2000).sqrt() + 1e-9).all()


def test_nucleus_keeps_the_best_tokens() -> None:
    """The smallest set whose probability reaches top_p stays: of .5 .3 .15 .05 two for .6, one for a tiny top_p."""
    logits = torch.tensor([[0.3, 0.05, 0.5, 0.15]]).log()
    assert (choosing.nucleus(logits, 0.6)[0] > float("-inf")).tolist() == [True, False, True, False]
    assert (choosing.nucleus(logits, 1e-6)[0] > float("-inf")).tolist() == [False, False, True, False]
    assert torch.equal(choosing.nucleus(logits, 1.0), logits)


def test_stop_text_is_cut_off(folder: Path) -> None:
    """An answer ends before the first stop text, finished by "stop", and costs no more tokens than it took to see it."""
    model = load(folder)
    whole = ask(model, PLAIN)["p1", 0]
    stop = whole.text[3:5]
    cut = ask(model, PLAIN, replace(GREEDY, stop=(stop, "never in any text")))["p1", 0]
    assert cut.text == whole.text[: whole.text.index(stop)].strip()
    assert cut.finish_reason == "stop"
    assert cut.completion_tokens < whole.completion_tokens


@pytest.mark.parametrize(
    ("pieces", "stop", "text", "reason"),
    [
        (["\n", "June", "\n", "May"], "\n", "June", "stop"),
        (["\n", " ", "\n"], "\n", "", ""),
        (["June", " ?"], "\n", "", ""),
        (["June", "\n"], "\n", "June", "stop"),
        (["?", "June"], "?", "", "stop"),
    ],
)
def test_stop_text_before_the_answer_is_passed_over(llama: Path, pieces: list[str], stop: str, text: str, reason: str) -> None:
    """Line breaks before the first character of an answer do not end it; the next one does."""
    model = load(llama)
    row = decoding.Row(PLAIN[0], 0, None)
    for token in model.tokenizer("".join(pieces), add_special_tokens=False)["input_ids"]:
        if not row.finish_reason:
            model._decoder().append(row, token, Sampling(stop=(stop,)))
    assert (row.text, row.finish_reason) == (text, reason)


def test_finished_rows_leave_the_batch(llama: Path, make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows end at the end token at different steps; no work is done for them afterwards, and the others go on unchanged."""
    free = load(llama)
    tokens = {request.key: reference(free, request) for request in PLAIN}
    end = next(ids[3] for ids in tokens.values() if ids[3] not in ids[:3])
    model = load(make_model("llama", ends=(2, end)))
    widths: list[int] = []
    forward = model.model.forward

    def watched(*args: Any, **kwargs: Any) -> Any:
        widths.append(kwargs["input_ids"].shape[0])
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.model, "forward", watched)
    answers = ask(model, PLAIN)
    monkeypatch.undo()
    assert {answer.finish_reason for answer in answers.values()} == {"stop", "length"}
    for request in PLAIN:
        expected = reference(model, request)
        assert answers[request.key, 0].completion_tokens == len(expected)
        assert answers[request.key, 0].text == model.tokenizer.decode(expected, skip_special_tokens=True).strip()
    steps = [min(a.completion_tokens + (a.finish_reason == "stop"), GREEDY.max_tokens) for a in answers.values()]
    decoded = widths[-max(steps) :]
    assert sum(decoded) == sum(steps)


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
