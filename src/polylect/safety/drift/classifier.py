"""A sequence classifier as a scorer: the probability of one of its labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from polylect.errors import ModelError, nearest
from polylect.models.checkpoint import read_config
from polylect.models.hub import resolve
from polylect.models.reward import batches
from polylect.safety.drift.dated import DatedSet
from polylect.safety.drift.samples import Sample
from polylect.safety.drift.scorers import Scored

__all__ = ["ClassifierScorer"]

_HARM = ("toxic", "hate", "offensive", "unsafe", "harmful", "abusive")
_NOT = ("non", "not", "no_", "neutral", "safe")
_TOKENS = 8192
_MOST = 1 << 20


class ClassifierScorer:
    """Scores with the probability that a classifier gives to a label.

    Several outputs are probabilities of one choice (softmax) unless the configuration says that they are labels of their own
    (`problem_type` multi_label_classification); one output is a probability by itself (sigmoid). A text that is longer than the
    model reads is unscored, not cut.

    Args:
        model: a folder or a name on the Hugging Face hub.
        label: whose probability counts; None: the only one whose name says harm.

    Raises:
        ModelError: no such model, no classifier, it needs code of its own, its head is not in the checkpoint, or no such label.
    """

    def __init__(self, model: str, label: str | None = None) -> None:
        self._folder = resolve(model, None)
        self._config = read_config(self._folder)
        _check(self._folder, self._config)
        self._place, chosen = _label(self._folder, self._config, label)
        self.name = f"{Path(model).name}#{chosen}"
        self.sets: Sequence[DatedSet] = ()

    @cached_property
    def fingerprint(self) -> str:
        """Hash of weights, configuration and tokenizer, and of the label."""
        from polylect.models.answers import fingerprint

        return f"{fingerprint(self._folder)}#{self._place}"

    def score(self, samples: Sequence[Sample]) -> list[Scored]:
        """Return one score per sample; batches are made of like lengths."""
        model, tokenizer = self._loaded
        rows: list[list[int]] = [tokenizer(one.text or " ")["input_ids"] for one in samples]
        most = min(int(getattr(model.config, "max_position_embeddings", _MOST)), int(tokenizer.model_max_length))
        scores: list[Scored | None] = [
            Scored(None, f"too long: over {most} tokens, the most this classifier reads") if len(row) > most else None
            for row in rows
        ]
        order = sorted((index for index, score in enumerate(scores) if score is None), key=lambda index: -len(rows[index]))
        for batch in batches(order, [len(row) for row in rows], _TOKENS):
            for index, value in zip(batch, self._values([rows[index] for index in batch]), strict=True):
                scores[index] = Scored(value) if value == value else Scored(None, "the classifier gave no number")
        return [score for score in scores if score is not None]

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Open model and tokenizer: they take memory that the model that answered has given back by then."""
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            model, info = AutoModelForSequenceClassification.from_pretrained(self._folder, output_loading_info=True)
            tokenizer = AutoTokenizer.from_pretrained(self._folder)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(f"{self._folder}: cannot be loaded as a sequence classifier ({error}).") from error
        if missing := sorted(info["missing_keys"]):
            raise ModelError(f"{self._folder}: {', '.join(missing[:3])} is not in the weight files. Download it again, whole.")
        if tokenizer.pad_token_id is None:
            raise ModelError(f"{self._folder}: the tokenizer has no padding token. Set one and save it again.")
        if model.config.get_text_config().pad_token_id is None:
            model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        return model.float().eval(), tokenizer

    def _values(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """Return the label's probability for token ids (B rows of any length), computed in one batch."""
        import torch

        model, tokenizer = self._loaded
        width, pad = max(map(len, rows)), int(tokenizer.pad_token_id)
        ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])  # (B, T)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask).logits.double()  # (B, labels)
        own = logits.shape[1] == 1 or self._config.get("problem_type") == "multi_label_classification"
        found = torch.sigmoid(logits) if own else torch.softmax(logits, dim=-1)
        return [float(value) for value in found[:, self._place]]


def _check(folder: Path, config: dict[str, Any]) -> None:
    architecture = (config.get("architectures") or ["no architecture"])[0]
    if "auto_map" in config:
        raise ModelError(f"{folder}: config.json asks for code of the checkpoint's own (auto_map), which is never run.")
    if not architecture.endswith("ForSequenceClassification"):
        raise ModelError(f"{folder}: {architecture} is no ...ForSequenceClassification. Take a classifier, or another scorer.")


def _label(folder: Path, config: dict[str, Any], wanted: str | None) -> tuple[int, str]:
    """Return place and name of the label that counts."""
    names = {int(place): str(name) for place, name in (config.get("id2label") or {0: "LABEL_0", 1: "LABEL_1"}).items()}
    if wanted is not None:
        found = [place for place, name in names.items() if wanted.lower() in (name.lower(), str(place))]
    elif len(names) == 1:
        found = list(names)
    else:
        found = [place for place, name in names.items() if _harmful(name.lower())]
    if len(found) != 1:
        told = f"no label {wanted!r}.{nearest(wanted, names.values())}" if wanted else "its labels do not say which one is harm."
        raise ModelError(f"{folder}: {told} Name one with classifier:MODEL#LABEL: {', '.join(names.values())}.")
    return found[0], names[found[0]]


def _harmful(name: str) -> bool:
    return any(word in name for word in _HARM) and not name.startswith(_NOT)
