"""Training on a tiny random model: it learns what the rows say, gives a whole model, and the same one twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from polylect.errors import TrainError
from polylect.models import LocalModel, Request, Sampling
from polylect.records import Example, Pair
from polylect.train import Dpo, Lora, Sft, dpo, sft, trainer

# transformers renamed these within the 5 series; our argument and PEFT still use the names that all of it knows.
pytestmark = pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated:FutureWarning")

FACTS = (
    ("Which month comes after May?", "June"),
    ("Which weekday comes after Monday?", "Tuesday"),
    ("In which country is the city of Ankara?", "Turkey"),
    ("Hangi ülkede Ankara şehri var?", "Türkiye"),
)
SFT = Sft(steps=30, batch_size=4, learning_rate=2e-2, warmup_steps=0, schedule="constant", lora=Lora(rank=8, alpha=16))
DPO = Dpo(steps=15, batch_size=4, learning_rate=5e-3, warmup_steps=0, lora=Lora(rank=8, alpha=16))


def example(prompt: str, answer: str) -> Example:
    """Return a row of supervised fine-tuning."""
    return Example(prompt_id=prompt, item=prompt, language="en", prompt=prompt, completion=answer, model="human", score=None)


def pair(prompt: str, chosen: str, rejected: str) -> Pair:
    """Return a preference."""
    return Pair(
        prompt_id=prompt,
        item=prompt,
        language="en",
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        chosen_score=1.0,
        rejected_score=0.0,
        chosen_model="a",
        rejected_model="b",
    )


EXAMPLES = [example(*fact) for fact in FACTS]
PAIRS = [pair(question, answer, other) for (question, answer), (_, other) in zip(FACTS, reversed(FACTS), strict=True)]


def digest(folder: Path) -> str:
    """Return the SHA-256 of a checkpoint's weights."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def log_likelihoods(folder: Path, rows: Sequence[tuple[str, str]]) -> list[float]:
    """Return the summed log-probability of each answer with its end token, computed without TRL."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for question, answer in rows:
        start = [{"role": "user", "content": question}]
        whole = [*start, {"role": "assistant", "content": answer}]
        texts = [
            tokenizer.apply_chat_template(start, tokenize=False, add_generation_prompt=True),
            tokenizer.apply_chat_template(whole, tokenize=False).removesuffix("\n"),
        ]
        before, ids = (tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"] for text in texts)
        assert ids[0, -1] == tokenizer.eos_token_id
        with torch.no_grad():
            scores = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        found.append(scores[before.shape[1] - 1 :].sum().item())
    return found


@pytest.fixture(autouse=True)
def same_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in float32 on every machine, so that what is measured does not depend on its processor."""
    from polylect.models import local

    monkeypatch.setattr(local, "best_dtype", lambda device="cpu": torch.float32)


@pytest.fixture(scope="module")
def tuned(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[tuple[int, int, str]]]:
    """A model that was fine-tuned on four facts, the report, and what progress said."""
    out = tmp_path_factory.mktemp("sft") / "model"
    seen: list[tuple[int, int, str]] = []
    report = sft(llama, EXAMPLES, SFT, out, seed=3, progress=lambda *message: seen.append(message))
    return out, report, seen


def test_sft_learns_the_answers(llama: Path, tuned: tuple[Path, Any, Any]) -> None:
    """The answers become far likelier than before, and asked greedily the model gives them and stops."""
    out, report, _ = tuned
    before, after = sum(log_likelihoods(llama, FACTS)), sum(log_likelihoods(out, FACTS))
    assert after > before / 10, (before, after)
    assert report.rows == 4
    assert report.steps == 30
    answers = LocalModel(out, dtype=torch.float32, device="cpu").generate_batch(
        [Request(question, question) for question, _ in FACTS], Sampling(max_tokens=12)
    )
    assert {one.key: (one.text, one.finish_reason) for one in answers} == {q: (a, "stop") for q, a in FACTS}


def test_progress_is_told_after_every_step(tuned: tuple[Path, Any, list[tuple[int, int, str]]]) -> None:
    """Each step says its number, the total and the loss, which falls."""
    _, report, seen = tuned
    assert [(done, total) for done, total, _ in seen] == [(step, 30) for step in range(1, 31)]
    losses = [float(note.removeprefix("loss ")) for _, _, note in seen]
    assert losses[-1] < losses[0] / 5
    assert report.loss == pytest.approx(sum(losses) / 30, abs=0.01)


def test_output_is_a_whole_model(llama: Path, tuned: tuple[Path, Any, Any]) -> None:
    """The folder loads with transformers alone: full weights, the same tokenizer and template, no adapter, no trainer's files."""
    out, _, _ = tuned
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not {name for name in names if "adapter" in name or name.endswith((".bin", ".pt")) or name.startswith(".")}
    trained, original = (AutoModelForCausalLM.from_pretrained(folder) for folder in (out, llama))
    assert {name: p.shape for name, p in trained.named_parameters()} == {name: p.shape for name, p in original.named_parameters()}
    new, old = (AutoTokenizer.from_pretrained(folder) for folder in (out, llama))
    assert (new.chat_template, new.eos_token, new.get_vocab()) == (old.chat_template, old.eos_token, old.get_vocab())
    assert trained.generation_config.eos_token_id == original.generation_config.eos_token_id


def test_adapters_leave_embedding_and_norms_alone(llama: Path, tuned: tuple[Path, Any, Any]) -> None:
    """Every linear layer of the body has moved; what has no adapter is as it was, but for the rounding to bfloat16."""
    trained, original = (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (tuned[0], llama))
    for (name, new), (_, old) in zip(trained.named_parameters(), original.named_parameters(), strict=True):
        moved = not torch.equal(new, old.bfloat16().float())
        assert moved == ("_proj" in name), name


def test_same_seed_gives_the_same_weights(llama: Path, tmp_path: Path) -> None:
    """Training twice gives the same bytes; another seed gives others. For fine-tuning and for preferences."""
    short, gentle = SFT.model_copy(update={"steps": 3}), DPO.model_copy(update={"steps": 2})
    found = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        sft(llama, EXAMPLES, short, tmp_path / f"sft-{name}", seed=seed)
        dpo(llama, PAIRS, gentle, tmp_path / f"dpo-{name}", seed=seed)
        found[name] = (digest(tmp_path / f"sft-{name}"), digest(tmp_path / f"dpo-{name}"))
    assert found["a"] == found["b"]
    assert found["a"][0] != found["c"][0]
    assert found["a"][1] != found["c"][1]


def batches_of(monkeypatch: pytest.MonkeyPatch, llama: Path, out: Path) -> list[dict[str, Any]]:
    """Return the batches that fine-tuning feeds to the model."""
    from trl import SFTTrainer

    seen: list[dict[str, Any]] = []
    compute = SFTTrainer.compute_loss

    def watched(self: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        seen.append({name: value.clone() if hasattr(value, "clone") else value for name, value in inputs.items()})
        return compute(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(SFTTrainer, "compute_loss", watched)
    sft(llama, EXAMPLES, SFT.model_copy(update={"steps": 1}), out, seed=0)
    return seen


def test_only_the_answer_and_its_end_are_learned(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels cover the answer and the end token after it; prompt and padding have none."""
    tokenizer = AutoTokenizer.from_pretrained(llama)
    (batch,) = batches_of(monkeypatch, llama, tmp_path / "out")
    learned = sorted(tokenizer.decode(row[row != -100]) for row in batch["labels"])
    assert learned == sorted(f"{answer}<eos>\n" for _, answer in FACTS)
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        assert torch.equal(ids[labels != -100], labels[labels != -100])
        assert (labels == tokenizer.eos_token_id).sum() == 1


def margins(folder: Path) -> list[float]:
    """Return how much likelier the chosen answer is than the rejected one, per pair."""
    chosen = log_likelihoods(folder, [(row.prompt, row.chosen) for row in PAIRS])
    rejected = log_likelihoods(folder, [(row.prompt, row.rejected) for row in PAIRS])
    return [a - b for a, b in zip(chosen, rejected, strict=True)]


@pytest.mark.parametrize("settings", [DPO, DPO.model_copy(update={"sft_weight": 0.0, "ld_alpha": 0.5})], ids=["sft", "plain"])
def test_dpo_raises_the_margin(llama: Path, tmp_path: Path, settings: Dpo) -> None:
    """After training every chosen answer has gained on its rejected one, with and without the likelihood term."""
    report = dpo(llama, PAIRS, settings, tmp_path / "out", seed=0)
    assert all(after > before + 1 for before, after in zip(margins(llama), margins(tmp_path / "out"), strict=True))
    assert report.metrics["rewards/accuracies"] == 1.0
    assert not list((tmp_path / "out").glob("adapter*"))


def test_reference_is_the_leash(llama: Path, tuned: tuple[Path, Any, Any], tmp_path: Path) -> None:
    """The start model as explicit reference changes nothing; another reference changes the outcome, and is not trained."""
    short = DPO.model_copy(update={"steps": 3})
    tuned_before = digest(tuned[0])
    results = {}
    for name, reference in (("none", None), ("same", llama), ("other", tuned[0])):
        report = dpo(llama, PAIRS, short, tmp_path / name, reference=reference, seed=0)
        results[name] = (digest(tmp_path / name), report.metrics["rewards/chosen"])
    assert results["same"] == results["none"]
    assert results["other"][0] != results["none"][0]
    # The reference finds the chosen answers far likelier than the untrained policy does.
    assert results["other"][1] < -1 < results["none"][1]
    assert digest(tuned[0]) == tuned_before


def test_nothing_to_train_on_is_an_error(llama: Path, tmp_path: Path) -> None:
    """Empty rows are refused with the next step, before anything is loaded or written."""
    with pytest.raises(TrainError, match=r"no examples to train on.*lower the recipe's filters"):
        sft(llama, [], SFT, tmp_path / "out", seed=0)
    with pytest.raises(TrainError, match=r"no pairs to train on"):
        dpo(llama, [], DPO, tmp_path / "out", seed=0)
    assert not (tmp_path / "out").exists()


def test_loss_that_is_not_finite_stops_the_training(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss of NaN is an error that names the step, and no model is written."""
    from trl import SFTTrainer

    compute = SFTTrainer.compute_loss
    monkeypatch.setattr(SFTTrainer, "compute_loss", lambda *args, **kwargs: compute(*args, **kwargs) * float("nan"))
    with pytest.raises(TrainError, match=r"step 1: the loss is nan\. Lower the learning rate"):
        sft(llama, EXAMPLES, SFT, tmp_path / "out", seed=0)
    assert not (tmp_path / "out" / "model.safetensors").exists()


@pytest.fixture
def every_position(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let TRL score every position, as it does on a processor without our change."""
    from contextlib import nullcontext

    monkeypatch.setattr(trainer, "_score_answers_only", nullcontext)
    yield
    monkeypatch.undo()


def test_scoring_answers_only_gives_the_same_model(llama: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Losses and weights are those of scoring every position, up to the rounding of another order of sums."""
    short, gentle = SFT.model_copy(update={"steps": 3}), DPO.model_copy(update={"steps": 2})

    def both(name: str) -> tuple[list[float], list[Any]]:
        reports = [
            sft(llama, EXAMPLES, short, tmp_path / f"{name}-sft", seed=0),
            dpo(llama, PAIRS, gentle, tmp_path / f"{name}-dpo", seed=0),
        ]
        models = [AutoModelForCausalLM.from_pretrained(tmp_path / f"{name}-{kind}") for kind in ("sft", "dpo")]
        return [report.loss for report in reports], models

    losses, models = both("answers")
    request.getfixturevalue("every_position")
    expected, references = both("every")
    assert losses == pytest.approx(expected, rel=1e-4)
    for model, reference in zip(models, references, strict=True):
        for (name, ours), (_, theirs) in zip(model.named_parameters(), reference.named_parameters(), strict=True):
            assert torch.allclose(ours.float(), theirs.float(), atol=0.02), name


def test_trl_is_left_as_it_was(llama: Path, tmp_path: Path) -> None:
    """The switch of TRL that training turns is there, is turned while the model trains, and is turned back, after errors too."""
    from trl.trainer import utils

    original = utils._use_triton
    cpu = torch.device("cpu")
    assert original(cpu) is False
    with trainer._score_answers_only():
        assert utils._use_triton(cpu) is True
    assert utils._use_triton is original
    with pytest.raises(RuntimeError, match="out of patience"), trainer._score_answers_only():
        raise RuntimeError("out of patience")
    assert utils._use_triton is original
    scored: list[torch.Size] = []
    kernel = utils._ChunkedLogProbFunction.apply

    class Watched(utils._ChunkedLogProbFunction):  # type: ignore[misc]
        @classmethod
        def apply(cls, hidden: torch.Tensor, *rest: Any) -> Any:
            scored.append(hidden.shape)
            return kernel(hidden, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_ChunkedLogProbFunction", Watched)
        sft(llama, EXAMPLES, SFT.model_copy(update={"steps": 1}), tmp_path / "out", seed=0)
    tokenizer = AutoTokenizer.from_pretrained(llama)
    answers = sum(len(tokenizer(f"{answer}<eos>\n", add_special_tokens=False)["input_ids"]) for _, answer in FACTS)
    assert [shape[0] for shape in scored] == [answers]


def test_full_training_without_adapters(llama: Path, tmp_path: Path) -> None:
    """`rank: 0` trains every weight, embeddings included."""
    settings = SFT.model_copy(update={"steps": 2, "learning_rate": 1e-2, "lora": Lora(rank=0)})
    sft(llama, EXAMPLES, settings, tmp_path / "out", seed=0)
    trained, original = (AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (tmp_path / "out", llama))
    still = [
        name
        for (name, new), (_, old) in zip(trained.named_parameters(), original.named_parameters(), strict=True)
        if torch.equal(new, old.bfloat16().float())
    ]
    assert still == []
