"""The decoding of local models: rows that come and go, tokens chosen, stop texts found, no work for what is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from local_asking import BOTH, GREEDY, PLAIN, SAMPLED, TEXTS, ask, load, reference

from polylect.errors import ModelError
from polylect.models import Request, Sampling, choosing, decoding, local
from polylect.models.kv_slots import Slots
from polylect.models.prompting import prompt_ids


@pytest.fixture(params=["llama", "gemma"])
def folder(request: pytest.FixtureRequest) -> Path:
    """Each tiny checkpoint in turn."""
    path: Path = request.getfixturevalue(request.param)
    return path


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


def test_waiting_rows_take_the_place_of_finished_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than run together: as soon as some are finished others begin, and all get the answers they get alone."""
    alone = ask(load(folder, batch_size=1), BOTH, SAMPLED)
    model = load(folder, batch_size=4)
    monkeypatch.setattr(local, "_ROUNDS", 100)
    requests = [replace(request, shots=()) for request in PLAIN]
    (batch,) = model.batches(requests, SAMPLED)
    widths: list[int] = []
    forward = model.model.forward

    def watched(*args: Any, **kwargs: Any) -> Any:
        if kwargs["input_ids"].shape[1] == 1:
            widths.append(kwargs["input_ids"].shape[0])
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.model, "forward", watched)
    answers = {(one.key, one.sample): one for one in model.generate_batch(batch, SAMPLED)}
    assert answers == {key: one for key, one in alone.items() if key[0].startswith("p")}
    assert max(widths) <= 4
    assert sum(widths) == sum(
        min(one.completion_tokens + (one.finish_reason == "stop"), SAMPLED.max_tokens) - 1 for one in answers.values()
    )


def test_rows_of_many_lengths_come_and_go(llama: Path, make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that leave at different steps make columns free, which are used again; no answer changes."""
    free = load(llama)
    end = next(iter(reference(free, PLAIN[4])[4:5]))
    model = load(make_model("llama", ends=(2, end)), batch_size=3)
    monkeypatch.setattr(local, "_ROUNDS", 100)
    requests = [Request(f"r{n:02}", "May June " * (n % 7) + TEXTS[n % 5]) for n in range(24)]
    sampling = Sampling(max_tokens=20)
    shifts: list[int] = []
    shift = Slots._shift
    monkeypatch.setattr(Slots, "_shift", lambda self: (shifts.append(self.start), shift(self))[1])
    (batch,) = model.batches(requests, sampling)
    answers = {one.key: one for one in model.generate_batch(batch, sampling)}
    assert shifts, "no row was moved, so that nothing was tried"
    assert len({one.completion_tokens for one in answers.values()}) > 2
    for request in requests:
        expected = reference(model, request, sampling)
        assert answers[request.key].completion_tokens == len(expected)
        assert answers[request.key].text == model.tokenizer.decode(expected, skip_special_tokens=True).strip()


def test_best_is_argmax() -> None:
    """The block-wise maximum has argmax's index, ties too, for any vocabulary and both types."""
    generator = torch.Generator().manual_seed(0)
    for size in (7, 512, 1000, 5120):
        logits = torch.randn(6, size, generator=generator)
        for values in (logits, logits.bfloat16(), logits.round(), -torch.ones(6, size)):
            assert torch.equal(choosing.best(values), values.float().argmax(-1))


def test_stop_texts_cost_the_same_at_every_token(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an answer grows only its last tokens are decoded, the whole once at its end."""
    model = load(llama)
    decoded: list[int] = []
    decode = model.tokenizer.decode

    def watched(ids: list[int], **more: Any) -> Any:
        decoded.append(len(ids))
        return decode(ids, **more)

    monkeypatch.setattr(model.tokenizer, "decode", watched)
    ask(model, PLAIN[:1], Sampling(max_tokens=100, stop=("never there",)))
    assert len(decoded) == 100
    assert max(decoded[:-1]) <= 4 * len("never there") + 4


def test_models_with_other_states_are_refused(tmp_path: Path, llama: Path) -> None:
    """A model whose layers keep a running state cannot share them between rows: the error says what to do."""
    from transformers import AutoTokenizer, Lfm2Config, Lfm2ForCausalLM

    config = Lfm2Config(
        vocab_size=350, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, layer_types=["conv", "full_attention"], pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    Lfm2ForCausalLM(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(llama).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"keep more than keys and values of each token \(conv\).*served:"):
        ask(load(tmp_path), PLAIN)
