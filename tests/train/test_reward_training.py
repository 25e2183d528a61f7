"""A tiny reward model is trained on pairs, measured on items that it never saw, stopped and resumed, and used as an arbiter."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from polylect import tables
from polylect.arbitrage.arbiters import load_arbiter
from polylect.cli.train_reward import command
from polylect.errors import ModelError, TrainError
from polylect.models.reward import RewardModel
from polylect.models.reward_inputs import dialogue
from polylect.records import Completion, Pair, Prompt, Verdict
from polylect.train.reward import RewardReport, train_reward
from polylect.train.settings import Lora, Reward

# transformers renamed these within the 5 series; our argument and PEFT still use the names that all of it knows.
pytestmark = pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated:FutureWarning")

SETTINGS = Reward(
    steps=25, batch_size=8, learning_rate=1e-2, warmup_steps=0, heldout=0.25, lora=Lora(rank=8, alpha=16), max_length=200
)
QUESTIONS = {"en": "Which number comes after {}?", "tr": "Hangi sayı {} sayısından sonra gelir?"}


def pair(number: int, language: str, rejected: str | None = None) -> Pair:
    """Return a preference for a short answer over one that repeats itself: a rule that holds for items never seen."""
    question = QUESTIONS[language].format(number)
    return Pair(
        prompt_id=f"{language}{number}",
        item=f"after:{number}",
        language=language,
        prompt=question,
        chosen=str(number + 1),
        rejected=rejected or f"{number + 1} " * 6,
        chosen_score=1.0,
        rejected_score=0.0,
        chosen_model="a",
        rejected_model="b",
    )


PAIRS = [pair(number, language) for number in range(24) for language in QUESTIONS]


@pytest.fixture(autouse=True)
def same_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in float32 on every machine, so that what is measured does not depend on its processor."""
    from polylect.models import local

    monkeypatch.setattr(local, "best_dtype", lambda device="cpu": torch.float32)


@pytest.fixture(scope="module")
def trained(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RewardReport, list[tuple[int, int, str]]]:
    """A reward model trained on three quarters of the items, its report, and what progress said."""
    out = tmp_path_factory.mktemp("reward") / "model"
    seen: list[tuple[int, int, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("polylect.models.local.best_dtype", lambda device="cpu": torch.float32)
        report = train_reward(llama, PAIRS, SETTINGS, out, seed=1, progress=lambda *told: seen.append(told))
    return out, report, seen


def digest(folder: Path) -> str:
    """Return the SHA-256 of a checkpoint's weights."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_held_out_pairs_are_ordered(llama: Path, trained: tuple[Path, RewardReport, Any]) -> None:
    """The trained model orders the pairs of items that it never saw; its loss falls far below that of guessing."""
    _, report, seen = trained
    assert (report.pairs, report.heldout, report.steps) == (36, 12, 25)
    right = sum(verdict.winner == "a" for verdict in report.verdicts)
    assert right >= 11
    assert [done for done, _, _ in seen] == list(range(1, 26))
    assert float(seen[-1][2].removeprefix("loss ")) < 0.2
    assert report.tokens > 25 * 8 * 2 * 10


def test_items_are_held_out_with_all_their_translations(trained: tuple[Path, RewardReport, Any]) -> None:
    """Both languages of an item are on the same side, and every held-out pair has a verdict, in the table too."""
    out, report, _ = trained
    held = {verdict.item for verdict in report.verdicts}
    assert len(held) == 6
    assert {verdict.prompt_id for verdict in report.verdicts} == {row.id for row in PAIRS if row.item in held}
    assert tables.read(out / "heldout.parquet", Verdict) == list(report.verdicts)


def test_output_is_a_plain_classifier(llama: Path, trained: tuple[Path, RewardReport, Any]) -> None:
    """The folder loads with transformers alone, with one output, tokenizer, template and padding token, and scores the same."""
    out, _, _ = trained
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "manifest.json"} <= names
    assert not {name for name in names if "adapter" in name or name.endswith((".bin", ".pt")) or name.startswith(".")}
    model = AutoModelForSequenceClassification.from_pretrained(out, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert model.config.num_labels == 1
    assert model.config.pad_token_id == tokenizer.pad_token_id == 0
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(llama).chat_template
    messages = [{"role": "user", "content": PAIRS[0].prompt}, {"role": "assistant", "content": PAIRS[0].chosen}]
    ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt")
    with torch.no_grad():
        value = float(model(**ids).logits[0, 0])
    (ours,) = RewardModel(out, dtype=torch.float32).score([dialogue(PAIRS[0].prompt, PAIRS[0].chosen)])
    assert ours.value == pytest.approx(value, abs=1e-4)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["stage"] == "train_reward"
    assert manifest["settings"]["heldout"] == 0.25
    assert manifest["languages"].keys() == {"en", "tr"}


def test_head_and_adapters_move_and_nothing_else(llama: Path, trained: tuple[Path, RewardReport, Any]) -> None:
    """Adapters are merged into every linear layer; embedding and norms are as they were, but for rounding to bfloat16."""
    new = AutoModelForSequenceClassification.from_pretrained(trained[0], dtype=torch.float32).state_dict()
    old = AutoModelForSequenceClassification.from_pretrained(llama, num_labels=1, dtype=torch.float32).state_dict()
    for name, tensor in new.items():
        moved = not torch.equal(tensor, old[name].bfloat16().float())
        assert moved == ("_proj" in name or name == "score.weight"), name


def test_pairs_that_teach_nothing_are_dropped_and_counted(llama: Path, tmp_path: Path) -> None:
    """A pair that does not fit, and one of equal answers, are left out with their reasons; nothing is cut."""
    odd = [pair(40, "en", "no " * 300), pair(41, "en", "42")]
    short = SETTINGS.model_copy(update={"steps": 1})
    report = train_reward(llama, [*PAIRS, *odd], short, tmp_path / "out", seed=0)
    assert report.dropped == {"longer than 200 tokens": 1, "chosen and rejected are the same tokens": 1}
    assert report.pairs + report.heldout == len(PAIRS)
    with pytest.raises(TrainError, match=r"no pairs to train on, of 1: 1 longer than 200 tokens\. Give more pairs"):
        train_reward(llama, odd[:1], short, tmp_path / "none", seed=0)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ModelError, match=r"out: already exists\. Delete it"):
        train_reward(llama, PAIRS, short, tmp_path / "out", seed=0)


class StopError(Exception):
    """Stops a training from its progress."""


def stop_at(step: int) -> Any:
    """Return a progress that stops the training after a step."""

    def progress(done: int, total: int, note: str) -> None:
        if done == step:
            raise StopError

    return progress


def test_stopped_training_resumes_exactly(llama: Path, tmp_path: Path) -> None:
    """After a stop the same call goes on from the checkpoint to the very same weights; another seed starts anew."""
    settings = SETTINGS.model_copy(update={"steps": 6, "save_every": 2})
    whole = train_reward(llama, PAIRS, settings, tmp_path / "whole", seed=1)
    assert (whole.steps, whole.resumed) == (6, 0)
    for name, seed, resumed in (("same", 1, 4), ("other", 2, 0)):
        with pytest.raises(StopError):
            train_reward(llama, PAIRS, settings, tmp_path / name, seed=1, progress=stop_at(5))
        assert not (tmp_path / name).exists()
        report = train_reward(llama, PAIRS, settings, tmp_path / name, seed=seed)
        assert (report.steps, report.resumed) == (6, resumed)
    assert digest(tmp_path / "same") == digest(tmp_path / "whole")
    assert digest(tmp_path / "other") != digest(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "same", "whole"]


def test_all_weights_train_without_adapters(llama: Path, tmp_path: Path) -> None:
    """Rank 0 trains every weight."""
    settings = SETTINGS.model_copy(update={"steps": 2, "lora": Lora(rank=0)})
    train_reward(llama, PAIRS, settings, tmp_path / "out", seed=0)
    new = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", dtype=torch.float32).state_dict()
    old = AutoModelForSequenceClassification.from_pretrained(llama, num_labels=1, dtype=torch.float32).state_dict()
    assert [name for name, tensor in new.items() if torch.equal(tensor, old[name].bfloat16().float())] == []


def test_model_without_template_or_padding_gets_them(make_model: Any, tmp_path: Path) -> None:
    """A chat template can be given; a model that pads with its end token gets another padding token where it has one."""
    base = make_model(template=None)
    config = json.loads((base / "tokenizer_config.json").read_text())
    (base / "tokenizer_config.json").write_text(json.dumps({**config, "pad_token": "<eos>"}))
    settings = SETTINGS.model_copy(update={"steps": 1})
    with pytest.raises(ModelError, match="no chat template"):
        train_reward(base, PAIRS, settings, tmp_path / "out", seed=0)
    template = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{{ eos_token }}{% endfor %}"
    train_reward(base, PAIRS, settings.model_copy(update={"chat_template": template}), tmp_path / "out", seed=0)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert (tokenizer.pad_token, tokenizer.chat_template) == ("<pad>", template)
    assert RewardModel(tmp_path / "out").self_test(["en"]).difference < 1e-4


def rows() -> tuple[dict[str, Prompt], list[Completion], list[bool]]:
    """Return prompts that no pair has, a good and a bad answer to each, and which are good."""
    prompts, completions, good = {}, [], []
    for number in range(30, 40):
        for language, question in QUESTIONS.items():
            text = question.format(number)
            prompt = Prompt(
                item=f"after:{number}",
                language=language,
                kind="after",
                split="prompt",
                text=text,
                references=(str(number + 1),),
                source="here",
                licence="CC0-1.0",
            )
            prompts[prompt.id] = prompt
            for model, answer in (("a", str(number + 1)), ("b", f"{number + 1} " * 6)):
                completions.append(
                    Completion(
                        prompt_id=prompt.id,
                        item=prompt.item,
                        language=language,
                        model=model,
                        sample=0,
                        text=answer,
                        finish_reason="stop",
                        prompt_tokens=9,
                        completion_tokens=2,
                    )
                )
                good.append(model == "a")
    return prompts, completions, good


def test_trained_model_is_an_arbiter(trained: tuple[Path, RewardReport, Any], tmp_path: Path) -> None:
    """As `kind: reward_model` it passes its self-test and agrees with the verifiable arbiter on prompts it never saw."""
    out, _, _ = trained
    canary = [
        {"language": tag, "question": text.format(n), "good": str(n + 1), "bad": f"{n + 1} " * 6}
        for tag, text in QUESTIONS.items()
        for n in range(50, 54)
    ]
    (tmp_path / "canaries.jsonl").write_text("\n".join(map(json.dumps, canary)))
    (tmp_path / "arbiter.yaml").write_text(f"kind: reward_model\nmodel: {out}\ncanaries: canaries.jsonl\nname: tiny\n")
    arbiter = load_arbiter(tmp_path / "arbiter.yaml")
    prompts, completions, good = rows()
    scores = arbiter.score(prompts, completions)
    exact = load_arbiter({"kind": "verifiable"}).score(prompts, completions)
    assert [(score.exact or 0) == 1 for score in exact] == good
    pairs = list(zip(scores[::2], scores[1::2], strict=True))
    assert sum(a.value > b.value for a, b in pairs if a.value is not None and b.value is not None) >= 19


def test_command_prints_accuracy_per_language(llama: Path, tmp_path: Path) -> None:
    """`polylect train reward` trains and prints right, tied and wrong per language with intervals; --json has the same."""
    tables.write(tmp_path / "pairs.parquet", PAIRS, Pair)
    arguments = ["--model", str(llama), "--pairs", str(tmp_path / "pairs.parquet"), "--heldout", "0.25", "--steps", "12"]
    arguments += ["--batch-size", "8", "--learning-rate", "0.01", "--lora-rank", "8"]
    shown = CliRunner().invoke(command, [*arguments, "--out", str(tmp_path / "a")], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    assert "Trained on 36 pairs" in shown.output
    assert "step 12 of 12: loss" in shown.stderr
    assert {"en", "tr", "mean"} <= set(shown.stdout.split())
    found = CliRunner().invoke(command, [*arguments, "--out", str(tmp_path / "b"), "--json"], catch_exceptions=False)
    report = json.loads(found.stdout)
    assert report["heldout"] == 12
    assert [row["language"] for row in report["accuracy"]] == ["en", "tr", "mul"]
    assert all(row["low"] <= row["win_rate"] <= row["high"] for row in report["accuracy"])


def test_command_explains_options_that_do_not_fit(llama: Path, tmp_path: Path) -> None:
    """A batch size that the micro batch does not divide is the user's mistake, with the rule."""
    tables.write(tmp_path / "pairs.parquet", PAIRS, Pair)
    arguments = ["--model", str(llama), "--pairs", str(tmp_path / "pairs.parquet"), "--out", str(tmp_path / "out")]
    with pytest.raises(TrainError, match="batch_size 32 is no multiple of micro_batch_size 5"):
        CliRunner().invoke(command, [*arguments, "--micro-batch-size", "5"], catch_exceptions=False)
