"""The one module that knows TRL and PEFT: a table and a checkpoint in, a checkpoint out.

TRL's interfaces move between releases; everything else in Polylect calls `sft` and `dpo`. Its online trainers are not
used: an online iteration is generate, score, pair and `dpo`, every artefact a table.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import TrainError
from polylect.models.checkpoint import check
from polylect.models.links import copy_notices
from polylect.progress import StepProgress
from polylect.records import Example, Pair

if TYPE_CHECKING:
    from polylect.train.settings import Dpo, Lora, Sft, Training

__all__ = ["TrainReport", "dpo", "sft"]


@dataclass(frozen=True)
class TrainReport:
    """What a training run did: `tokens` are those it was trained on, padding left out; losses are means over the run."""

    rows: int
    steps: int
    tokens: int
    loss: float
    metrics: dict[str, float]


def sft(
    model: Path, examples: Sequence[Example], settings: Sft, out: Path, *, seed: int, progress: StepProgress | None = None
) -> TrainReport:
    """Fine-tune `model` on the answers of `examples` and write the whole model (adapters merged) to `out`.

    Raises:
        TrainError: there are no examples, or the loss is not finite.
    """
    from trl import SFTConfig, SFTTrainer

    rows = [{"prompt": _user(row.prompt), "completion": _assistant(row.completion)} for row in examples]
    _require(rows, model, "examples")
    policy, tokenizer, adapter = _load(model, settings.lora, seed)
    arguments = SFTConfig(
        **_arguments(settings, out, seed),
        max_length=settings.max_length,
        completion_only_loss=True,
        packing=False,
    )
    trainer = SFTTrainer(
        model=policy,
        args=arguments,
        train_dataset=_dataset(rows),
        processing_class=tokenizer,
        peft_config=adapter,
        callbacks=[_callback(progress)],
    )
    return _run(trainer, tokenizer, model, out, len(rows))


def dpo(
    model: Path,
    pairs: Sequence[Pair],
    settings: Dpo,
    out: Path,
    *,
    reference: Path | None = None,
    seed: int,
    progress: StepProgress | None = None,
) -> TrainReport:
    """Train `model` to prefer the chosen answers of `pairs` and write the whole model to `out`.

    Args:
        model: checkpoint to start from.
        pairs: preferences; chosen and rejected share their prompt.
        settings: beta, loss weights and schedule.
        out: folder to write.
        reference: checkpoint of the KL leash; None or `model` itself: the model at the start (with adapters: the
            model with its adapter switched off, which needs no second copy in memory).
        seed: of the adapter's initialisation and the order of the data.
        progress: called after every step.

    Raises:
        TrainError: there are no pairs, or the loss is not finite.
    """
    from trl import DPOConfig, DPOTrainer

    rows = [_preference(pair) for pair in pairs]
    _require(rows, model, "pairs")
    policy, tokenizer, adapter = _load(model, settings.lora, seed)
    leash = None if reference is None or reference == model else _load(reference, None, seed)[0]
    with_sft = settings.sft_weight > 0
    arguments = DPOConfig(
        **_arguments(settings, out, seed),
        max_length=settings.max_length,
        beta=settings.beta,
        loss_type=["sigmoid", "sft"] if with_sft else ["sigmoid"],
        loss_weights=[1.0, settings.sft_weight] if with_sft else None,
        ld_alpha=settings.ld_alpha,
        # The collator picks the columns it needs; "length" must reach the sampler.
        remove_unused_columns=False,
    )
    trainer = DPOTrainer(
        model=policy,
        ref_model=leash,
        args=arguments,
        train_dataset=_dataset(rows),
        processing_class=tokenizer,
        peft_config=adapter,
        callbacks=[_callback(progress)],
    )
    return _run(trainer, tokenizer, model, out, len(rows))


def _preference(pair: Pair) -> dict[str, Any]:
    return {
        "prompt": _user(pair.prompt),
        "chosen": _assistant(pair.chosen),
        "rejected": _assistant(pair.rejected),
        # Characters stand for tokens here: they only sort rows into batches of like length.
        "length": len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)),
    }


def _user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _assistant(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _require(rows: Sequence[Any], model: Path, what: str) -> None:
    if not rows:
        raise TrainError(
            f"{model}: no {what} to train on. The step's inputs say what was dropped and why; lower the recipe's filters."
        )


def _load(model: Path, lora: Lora | None, seed: int) -> tuple[Any, Any, Any]:
    """Load model and tokenizer, and make the adapter's configuration; seeds before the adapter is initialised."""
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

    from polylect.models.local import best_dtype

    check(model)
    set_seed(seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Frozen weights are kept in the dtype the machine multiplies fastest; PEFT keeps the adapters in float32.
    # Without adapters the weights themselves are trained: float32 on a CPU, which has no mixed-precision optimizer.
    frozen = lora is None or lora.rank > 0
    dtype = best_dtype(device) if frozen or device != "cpu" else torch.float32
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(model)
    if lora is None or lora.rank == 0:
        return policy, tokenizer, None
    return (
        policy,
        tokenizer,
        LoraConfig(
            r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )


def _arguments(settings: Training, out: Path, seed: int) -> dict[str, Any]:
    """Return the arguments that both trainers share; checkpoints, reports and cached data are off: a step is whole or absent."""
    import torch

    micro = settings.micro_batch_size or settings.batch_size
    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(out / ".trainer"),
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": max(1, math.ceil(settings.batch_size / (micro * max(1, torch.cuda.device_count())))),
        "max_steps": settings.steps or -1,
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup_steps,
        "lr_scheduler_type": settings.schedule,
        "weight_decay": settings.weight_decay,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "fsdp": settings.fsdp,
        "bf16": cuda,
        "use_cpu": not cuda,
        "seed": seed,
        "data_seed": seed,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_steps": 1,
        # A NaN must reach the callback that stops for it.
        "logging_nan_inf_filter": False,
        "logging_strategy": "steps",
        "dataloader_pin_memory": False,
        "train_sampling_strategy": "random" if settings.group_by_length is False else "group_by_length",
    }


@contextlib.contextmanager
def _score_answers_only() -> Iterator[None]:
    """Let TRL's output head score the answers' positions alone on a CPU too, as it does on a GPU.

    Elsewhere TRL scores every position, prompts included, to keep tensor shapes constant for compiling back ends; on a
    CPU nothing is compiled and the prompts' share of the head's work, most of it, is lost.
    """
    import torch
    from trl.trainer import utils

    if torch.cuda.is_available():
        yield
        return
    original = utils._use_triton
    utils._use_triton = lambda device: True
    try:
        yield
    finally:
        utils._use_triton = original


def _dataset(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    return Dataset.from_list(rows)


def _callback(progress: StepProgress | None) -> Any:
    """Return a callback that reports progress and stops when the loss is not finite."""
    from transformers import TrainerCallback

    class _Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            if not math.isfinite(float(loss)):
                raise TrainError(f"step {state.global_step}: the loss is {loss}. Lower the learning rate or raise beta.")
            if progress is not None:
                progress(state.global_step, state.max_steps, f"loss {float(loss):.3f}")

    return _Watch()


def _run(trainer: Any, tokenizer: Any, source: Path, out: Path, rows: int) -> TrainReport:
    """Train, merge the adapters into the weights and save model and tokenizer to `out`."""
    import shutil

    with _score_answers_only():
        result = trainer.train()
    history = [log for log in trainer.state.log_history if "loss" in log]
    model = trainer.accelerator.unwrap_model(trainer.model)
    _save(model, out)
    tokenizer.save_pretrained(out)
    copy_notices(source, out)
    shutil.rmtree(out / ".trainer", ignore_errors=True)
    last = {
        key: float(value)
        for key, value in (history[-1] if history else {}).items()
        if isinstance(value, (int, float, str)) and _is_number(value)
    }
    return TrainReport(rows, result.global_step, int(last.get("num_tokens", 0)), float(result.training_loss), last)


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _save(model: Any, out: Path) -> None:
    """Save a model with its adapters merged in float32, rounded once to half precision (bfloat16 unless it was float16)."""
    import torch

    dtype = model.dtype
    if hasattr(model, "merge_and_unload"):
        model = model.float().merge_and_unload()
    kept = dtype if dtype in (torch.bfloat16, torch.float16) else torch.bfloat16
    model.to(kept).save_pretrained(out)
