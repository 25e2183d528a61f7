"""A reward model from preference pairs with TRL's RewardTrainer: a table and a checkpoint in, a sequence classifier out.

What is trained is what `polylect.models.reward.RewardModel` reads: the same framing gives the token ids of both, and the
accuracy on held-out pairs is measured with that class on the checkpoint that was written.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import tables
from polylect.errors import ModelError, TrainError
from polylect.models.checkpoint import check, origin, read_config
from polylect.models.links import copy_notices
from polylect.models.reward_inputs import dialogue, encode
from polylect.records import Pair, Verdict, content_hash
from polylect.train import trainer as habits

if TYPE_CHECKING:
    from polylect.progress import StepProgress
    from polylect.train.settings import Reward

__all__ = ["RewardReport", "train_reward"]

_KEY = "key.txt"
"""In the folder of checkpoints: what they were trained from. They are resumed by the same training only."""


@dataclass(frozen=True)
class RewardReport:
    """What a training did: pairs trained on and held out, what was dropped and why, and how held-out pairs were ordered.

    `tokens` are those trained on, padding left out; `loss` is the mean over the run. `verdicts` has one row per held-out pair:
    "a" where the chosen answer got the higher reward, "b" where the rejected one did, with the pair's id as `prompt_id`.
    """

    pairs: int
    heldout: int
    dropped: dict[str, int]
    steps: int
    resumed: int
    tokens: int
    loss: float
    seconds: float
    verdicts: tuple[Verdict, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values; of the verdicts, right ones and their number per language."""
        figures = asdict(self)
        del figures["verdicts"]
        languages = sorted({verdict.language for verdict in self.verdicts})
        tally = Counter((verdict.language, verdict.winner) for verdict in self.verdicts)
        figures["languages"] = {
            language: {"right": tally[language, "a"], "tied": tally[language, "tie"], "wrong": tally[language, "b"]}
            for language in languages
        }
        return figures


def train_reward(
    model: Path, pairs: Sequence[Pair], settings: Reward, out: Path, *, seed: int, progress: StepProgress | None = None
) -> RewardReport:
    """Train a reward model on `pairs` and write it whole (adapters merged) to `out`: a sequence classifier with one output.

    Items, with all their translations, are either trained on or held out. `out` appears when everything in it is there: the
    model, heldout.parquet (`Verdict` rows) and manifest.json. What was stopped begins again from its last checkpoint if
    `settings.save_every` made some and model, pairs, settings and seed are the same, else from the start.

    Args:
        model: a causal language model, or a reward model to train further.
        pairs: preferences.
        settings: schedule, adapters, the share to hold out.
        out: a folder that does not exist yet.
        seed: of the head's and the adapters' initialisation, the order of the data and the choice of held-out items.
        progress: called after every step.

    Raises:
        TrainError: nothing to train on, or the loss is not finite.
        ModelError: the model cannot be loaded with a reward head, has no chat template, or `out` exists.
    """
    if out.exists():
        raise ModelError(f"{out}: already exists. Delete it, or choose another folder.")
    check(model)
    began = time.monotonic()
    partial = out.with_name(f".{out.name}.partial")
    tokenizer = _tokenizer(model, settings)
    rows, dropped = _encoded(tokenizer, pairs, settings.max_length)
    held = _held_out([pair.item for pair, _ in rows], settings.heldout, seed)
    training = [ids for pair, ids in rows if pair.item not in held]
    heldout = [pair for pair, _ in rows if pair.item in held]
    if not training:
        why = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or f"{len(heldout)} held out"
        raise TrainError(f"{model}: no pairs to train on, of {len(pairs)}: {why}. Give more pairs, or lower heldout.")
    resume = _prepare(partial, content_hash(_fingerprint(model), [pair.id for pair in pairs], settings.model_dump_json(), seed))
    report = _train(model, tokenizer, training, settings, partial, resume, seed, progress)
    verdicts = _verdicts(partial, heldout, settings.max_length)
    tables.write(partial / "heldout.parquet", verdicts, Verdict)
    full = RewardReport(len(training), len(heldout), dropped, *report, time.monotonic() - began, tuple(verdicts))
    _write_manifest(partial, model, settings, seed, full)
    shutil.rmtree(partial / ".trainer", ignore_errors=True)
    partial.rename(out)
    return full


def _fingerprint(model: Path) -> str:
    from polylect.models.answers import fingerprint

    return fingerprint(model)


def _tokenizer(model: Path, settings: Reward) -> Any:
    """Return the tokenizer, with a chat template and a padding token other than the end token where it has one to offer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    if settings.chat_template is not None:
        tokenizer.chat_template = settings.chat_template
    if tokenizer.pad_token is None or tokenizer.pad_token == tokenizer.eos_token:
        # Padding with the end token would make transformers score the token before the end of each text.
        unused = [token for token in tokenizer.get_added_vocab() if any(word in token for word in ("pad", "reserved", "unused"))]
        tokenizer.pad_token = (sorted(unused, key=lambda token: ("pad" not in token, token)) or [tokenizer.eos_token])[0]
    return tokenizer


def _encoded(tokenizer: Any, pairs: Sequence[Pair], most: int) -> tuple[list[tuple[Pair, dict[str, Any]]], dict[str, int]]:
    """Return the pairs with their token ids, and how many were dropped by reason."""
    rows, dropped = [], Counter[str]()
    for pair in pairs:
        chosen, rejected = (
            encode(tokenizer, dialogue(pair.prompt, answer, pair.messages)) for answer in (pair.chosen, pair.rejected)
        )
        length = max(len(chosen), len(rejected))
        if length > most:
            dropped[f"longer than {most} tokens"] += 1
        elif chosen == rejected:
            dropped["chosen and rejected are the same tokens"] += 1
        else:
            rows.append((pair, {"chosen_ids": chosen, "rejected_ids": rejected, "length": length}))
    return rows, dict(dropped)


def _held_out(items: Sequence[str], share: float, seed: int) -> set[str]:
    """Return a share of the items, at least one where a share is asked for; chosen by hash, whatever the order of the rows."""
    ordered = sorted(set(items), key=lambda item: content_hash(seed, item))
    return set(ordered[: max(1, round(share * len(ordered)))]) if share else set()


def _prepare(folder: Path, key: str) -> str | None:
    """Make the folder of a training ready; return the checkpoint to go on from, if an equal training left one."""
    from transformers.trainer_utils import get_last_checkpoint

    mark = folder / ".trainer" / _KEY
    if mark.is_file() and mark.read_text(encoding="utf-8") == key:
        found: str | None = get_last_checkpoint(str(mark.parent))
        return found
    shutil.rmtree(folder, ignore_errors=True)
    mark.parent.mkdir(parents=True)
    mark.write_text(key, encoding="utf-8")
    return None


def _train(
    model: Path,
    tokenizer: Any,
    rows: list[dict[str, Any]],
    settings: Reward,
    out: Path,
    resume: str | None,
    seed: int,
    progress: StepProgress | None,
) -> tuple[int, int, int, float]:
    """Train and save model and tokenizer to `out`; return steps, the step resumed from, tokens and mean loss."""
    from transformers import PrinterCallback
    from trl import RewardConfig, RewardTrainer

    policy, adapter = _load(model, settings, seed)
    arguments = {**habits._arguments(settings, out, seed), "center_rewards_coefficient": settings.center or None}
    if settings.save_every is not None:
        arguments |= {"save_strategy": "steps", "save_steps": settings.save_every, "save_total_limit": 1}
    # Rows are encoded already. The collator picks the columns it needs; "length" must reach the sampler.
    config = RewardConfig(**arguments, max_length=None, remove_unused_columns=False)
    trainer = RewardTrainer(
        model=policy,
        args=config,
        train_dataset=habits._dataset(rows),
        processing_class=tokenizer,
        peft_config=adapter,
        callbacks=[habits._callback(progress)],
    )
    # Prints every step's figures as a dictionary; `progress` tells them.
    trainer.remove_callback(PrinterCallback)
    result = trainer.train(resume_from_checkpoint=resume)
    habits._save(trainer.accelerator.unwrap_model(trainer.model), out)
    tokenizer.save_pretrained(out)
    copy_notices(model, out)
    tokens = [log["num_tokens"] for log in trainer.state.log_history if "num_tokens" in log]
    done = int(resume.rpartition("-")[2]) if resume else 0
    return result.global_step, done, int(tokens[-1]) if tokens else 0, float(result.training_loss)


def _load(model: Path, settings: Reward, seed: int) -> tuple[Any, Any]:
    """Load the model with a reward head and make the adapter's configuration; seeds before anything is initialised."""
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForSequenceClassification, set_seed
    from transformers.utils import logging

    from polylect.models.local import best_dtype
    from polylect.models.reward import float32_head

    set_seed(seed)
    lora, device = settings.lora, "cuda" if torch.cuda.is_available() else "cpu"
    dtype = best_dtype(device) if lora.rank or device != "cpu" else torch.float32
    verbosity = logging.get_verbosity()
    # That the head is new is no news.
    logging.set_verbosity_error()
    try:
        policy = AutoModelForSequenceClassification.from_pretrained(model, dtype=dtype, num_labels=1)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        kind = read_config(model)["model_type"]
        raise ModelError(f"{model}: transformers has no classifier for {kind!r}, or cannot load it ({error}).") from error
    finally:
        logging.set_verbosity(verbosity)
    if not hasattr(policy, "score"):
        raise ModelError(f"{model}: {type(policy).__name__} is an encoder; reward models are trained from decoders here.")
    float32_head(policy)
    adapter = LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules="all-linear", task_type="SEQ_CLS"
    )
    return policy, adapter if lora.rank else None


def _verdicts(model: Path, pairs: Sequence[Pair], most: int) -> list[Verdict]:
    """Return which answer of each held-out pair the trained model gives the higher reward."""
    from polylect.models.reward import RewardModel

    if not pairs:
        return []
    texts = [dialogue(pair.prompt, answer, pair.messages) for pair in pairs for answer in (pair.chosen, pair.rejected)]
    scores = RewardModel(model, max_length=most).score(texts)
    verdicts = []
    for pair, chosen, rejected in zip(pairs, scores[::2], scores[1::2], strict=True):
        winner = None
        if chosen.value is not None and rejected.value is not None:
            margin = chosen.value - rejected.value
            winner = "tie" if margin == 0 else "a" if margin > 0 else "b"
        verdicts.append(
            Verdict(
                prompt_id=pair.id,
                item=pair.item,
                language=pair.language,
                a="chosen",
                b="rejected",
                judge="reward model",
                winner=winner,
                reason=chosen.reason or rejected.reason,
            )
        )
    return verdicts


def _write_manifest(folder: Path, model: Path, settings: Reward, seed: int, report: RewardReport) -> None:
    source = origin(model)
    manifest = {
        "stage": "train_reward",
        "model": str(model),
        "origin": source["source"] or str(model),
        "licence": source["licence"],
        "settings": settings.model_dump(),
        "seed": seed,
        **report.as_dict(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
