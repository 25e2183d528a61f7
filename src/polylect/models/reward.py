"""Reward models: one number for how good an answer to a prompt is, from a classifier with a single output.

`transformers` loads such models readily and scores them wrongly just as readily: a conversation gets two start tokens, a
batch is pooled at its padding, a head that the checkpoint lacks is made up, bfloat16 makes ties. `RewardModel` does these
duties itself, and `RewardModel.self_test` measures that they are done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from polylect.errors import ModelError
from polylect.models.canaries import Canary, SelfTest, self_test
from polylect.models.checkpoint import read_config
from polylect.models.hub import resolve
from polylect.models.reward_inputs import Dialogue, encode, text_limit
from polylect.progress import StepProgress

__all__ = ["Pooling", "RewardModel", "RewardScore", "float32_head"]

Pooling = Literal["model", "last"]
"""Which token's state is scored. "model": the rule of transformers, the last token that is not the padding token of the
model's configuration. "last": the last token of the text, be it that token or not."""


@dataclass(frozen=True)
class RewardScore:
    """The reward of one answer, higher is better; `value` is None when unscored, with the `reason`. `tokens` were read."""

    value: float | None
    tokens: int
    reason: str | None = None


class RewardModel:
    """A sequence classifier with one output, by name or folder.

    Args:
        model: a folder or a name on the Hugging Face hub (see `polylect.models.resolve`).
        revision: branch, tag or commit of a hub model.
        batch_tokens: most tokens of a batch, padding included; a single longer text is a batch of its own.
        max_length: longest conversation in tokens; None: what the model and its tokenizer take. A longer one is not cut but
            unscored, with the reason.
        device: "cpu" or "cuda"; None takes a GPU when there is one.
        dtype: of the weights, such as "bfloat16"; None takes bfloat16 for a decoder on a GPU, else float32: rounding in
            bfloat16 moves a reward by about 2 % of the rewards' spread, differently in every batch. The head always works in
            float32, since a reward of 20 in bfloat16 is a multiple of 0.125.
        sign: -1 for a model whose output is a cost: lower is better.
        pooling: see `Pooling`. It matters only where a text ends with the padding token (padding = end token).

    Raises:
        ModelError: nothing of that name; not a sequence classifier with one output; it needs code of its own; its head is not
            in the checkpoint; no way to frame a conversation.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        revision: str | None = None,
        batch_tokens: int = 8192,
        max_length: int | None = None,
        device: str | None = None,
        dtype: Any = None,
        sign: int = 1,
        pooling: Pooling = "model",
    ) -> None:
        import torch

        if sign not in (1, -1):
            raise ModelError(f"sign {sign!r} is neither 1 (higher is better) nor -1 (lower is better).")
        self.name = str(model)
        self.folder = resolve(model, revision)
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_tokens, self.sign = batch_tokens, sign
        _check_class(self.folder)
        self.model, self.tokenizer = _load(self.folder, self.device, dtype)
        self.dtype = str(self.model.dtype).removeprefix("torch.")
        self.max_length = text_limit(self.model, self.tokenizer, max_length)
        # Decoders score the state of one token, which transformers finds by the padding token; encoders have a token for it.
        self._last = hasattr(self.model, "score")
        self._ignored = self.model.config.get_text_config().pad_token_id if self._last and pooling == "model" else None
        if not self._last and self.tokenizer.pad_token_id is None:
            raise ModelError(f"{self.folder}: the tokenizer of this encoder has no padding token. Set one and save it again.")
        encode(self.tokenizer, Dialogue((("user", "?"),), "!"), pairs=not self._last)  # can a conversation be framed?

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what decides the scores: weights, configuration, tokenizer."""
        from polylect.models.answers import fingerprint

        return fingerprint(self.folder)

    def encode(self, dialogue: Dialogue) -> list[int]:
        """Return the token ids that the model reads; those after the token that is scored are left out."""
        ids = encode(self.tokenizer, dialogue, pairs=not self._last)
        # What follows the scored token does not change its state in a decoder.
        while self._ignored is not None and ids and ids[-1] == self._ignored:
            ids.pop()
        return ids

    def score(self, dialogues: Iterable[Dialogue], progress: StepProgress | None = None) -> list[RewardScore]:
        """Score answers, in order; batches are made of like lengths, longest first, bounded by `batch_tokens`.

        Args:
            dialogues: conversations with the answer to score.
            progress: called with (scored, all, note) after every batch.
        """
        rows = [self.encode(dialogue) for dialogue in dialogues]
        scores = [self._refusal(row) for row in rows]
        order = sorted((index for index, score in enumerate(scores) if score is None), key=lambda index: -len(rows[index]))
        done = len(rows) - len(order)
        for batch in batches(order, [len(row) for row in rows], self.batch_tokens):
            for index, value in zip(batch, self.rewards([rows[index] for index in batch]), strict=True):
                scores[index] = _scored(value, len(rows[index]))
            done += len(batch)
            if progress is not None:
                progress(done, len(rows), f"{len(rows[batch[0]])} tokens")
        return [score for score in scores if score is not None]

    def rewards(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Return the rewards of token ids (B rows of any length), computed in one batch."""
        import torch

        width = max(map(len, rows))
        pad = self._padding(rows)
        ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows], device=self.device)  # (B, T)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=self.device)
        options = {"use_cache": False} if self._last else {}
        with torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=mask, **options).logits  # (B, 1)
        values: list[float] = (self.sign * logits[:, 0].double()).tolist()
        return values

    def self_test(self, languages: Iterable[str], own: Mapping[str, Sequence[Canary]] | None = None) -> SelfTest:
        """Measure that a batch of N scores as N batches of 1, and that good answers beat bad ones in each language.

        `own` canaries (`polylect.models.canaries.read_canaries`) take the place of ours in their languages.

        Raises:
            ModelError: a batch of N scores otherwise than N batches of 1.
        """
        return self_test(self, languages, own)

    def _padding(self, rows: Sequence[Sequence[int]]) -> int:
        """Return the id to pad with: for a decoder one that ends no row, so that the last token is found by its place.

        The masked positions are read by nobody; the id only tells transformers where the text ends.
        """
        if not self._last:
            return int(self.tokenizer.pad_token_id)
        ends = {row[-1] for row in rows}
        pad = next(index for index in range(len(ends) + 1) if index not in ends)
        self.model.config.get_text_config().pad_token_id = pad
        return pad

    def _refusal(self, row: Sequence[int]) -> RewardScore | None:
        if not row:
            return RewardScore(None, 0, "nothing to score: the conversation has no tokens")
        if len(row) > self.max_length:
            return RewardScore(None, len(row), f"too long: over {self.max_length} tokens, the most this reward model reads")
        return None


def batches(order: Sequence[int], lengths: Sequence[int], most: int) -> list[list[int]]:
    """Split indices, longest row first, into batches of at most `most` tokens with padding, one row at least."""
    found: list[list[int]] = []
    for index in order:
        if found and (len(found[-1]) + 1) * lengths[found[-1][0]] <= most:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def float32_head(model: Any) -> None:
    """Let the head of a decoder (`score`) work in float32, whatever the dtype of the body and under autocast too.

    In bfloat16, with 8 bits of precision, close answers tie, and the updates of training are lost in rounding.
    """
    import torch

    class Float32Head(torch.nn.Linear):
        def forward(self, input: Any) -> Any:  # noqa: A002
            with torch.autocast(input.device.type, enabled=False):
                return torch.nn.functional.linear(input.float(), self.weight, self.bias)

    head = model.score.float()
    new = Float32Head(head.in_features, head.out_features, bias=head.bias is not None, device=head.weight.device)
    new.load_state_dict(head.state_dict())
    model.score = new


def _scored(value: float, tokens: int) -> RewardScore:
    if value != value or value in (float("inf"), float("-inf")):
        return RewardScore(None, tokens, f"the reward model gave {value}, no finite number")
    return RewardScore(value, tokens)


def _check_class(folder: Path) -> None:
    """Refuse what transformers would load by adding a random head, or by running code of the checkpoint."""
    config = read_config(folder)
    architecture = (config.get("architectures") or ["no architecture"])[0]
    if "auto_map" in config:
        raise ModelError(
            f"{folder}: config.json asks for code of the checkpoint's own (auto_map), which is never run. "
            "Take a reward model that transformers knows, such as Skywork/Skywork-Reward-V2-Qwen3-0.6B, or use an LLM judge."
        )
    if architecture.endswith("ForCausalLM"):
        raise ModelError(
            f"{folder}: {architecture} writes text and has no reward head. Train one (polylect train reward --model {folder}), "
            "or use the model as an LLM judge."
        )
    if not architecture.endswith("ForSequenceClassification"):
        raise ModelError(
            f"{folder}: {architecture} is no ...ForSequenceClassification, the only kind of reward model that is read. "
            "Take another one, or save its weights in that class."
        )
    labels = len(config.get("id2label") or {}) or config.get("num_labels") or 2  # 2: the default of transformers
    if labels != 1:
        raise ModelError(
            f"{folder}: a classifier with {labels} outputs; a reward model has 1. Take another model, or train one: "
            "polylect train reward."
        )


def _load(folder: Path, device: str, dtype: Any) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    chosen = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    chosen = chosen or (torch.float32 if device == "cpu" else torch.bfloat16)
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(folder, dtype=chosen, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"{folder}: cannot be loaded as a sequence classifier ({error}).") from error
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"{folder}: {', '.join(missing[:3])} is not in the weight files; transformers would fill it with noise. "
            "Download or write the checkpoint again, with its head."
        )
    if hasattr(model, "score"):
        float32_head(model)
    elif dtype is None:
        model.to(torch.float32)
    return model.to(device).eval(), tokenizer
