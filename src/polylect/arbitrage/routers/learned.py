"""The teacher is predicted from the prompt, so that one teacher generates (learned routing; arXiv 2408.14960).

Learned from the scored answers of all teachers to a probe share of the items; see `polylect.arbitrage.router_head` for the
arithmetic and `polylect.arbitrage.features` for what is seen of a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from polylect.arbitrage.features import NgramSettings
from polylect.arbitrage.router_base import BaseRouter, Teacher, uniform
from polylect.arbitrage.router_head import Encoder, HashedEncoder, Parameters, Training, logits, train
from polylect.arbitrage.router_labels import calibrated, labelled, report, within_prompt_spread
from polylect.arbitrage.router_settings import positive, share
from polylect.arbitrage.routers import register
from polylect.errors import DataError, RecipeError
from polylect.records import Prompt, content_hash

if TYPE_CHECKING:
    import torch

__all__ = ["Learned", "LearnedSettings"]

_BATCH = 1024
_WEIGHTS = "router.safetensors"


@dataclass(frozen=True)
class LearnedSettings:
    """How the router learns.

    Attributes:
        probe: share of the items whose prompts all teachers answer first.
        held_out: share of the probe items that is not trained on: early stopping, calibration and the account use it.
        epsilon: share of the other prompts whose teacher is drawn at random.
        temperature: of the target softmax(reward / temperature); empty: the standard deviation of rewards within prompts.
        head: on the features; "two-layer" has `hidden` units.
        hidden: units of the hidden layer.
        encoder: name or folder of a transformer whose mean last hidden state replaces the n-grams; it is not trained.
        bits: the n-grams are hashed into 2**bits rows.
        characters: how much of a long prompt is read.
        epochs: most passes over the training part.
        patience: passes without improvement on the held-out part before training ends.
        learning_rate: of Adam.
        weight_decay: on the weights of n-grams.
        batch_size: prompts per step.
        pseudo: how far a language's mean is drawn to the mean of all languages, in prompts.
        seed: of the probe share, exploration and training.
    """

    probe: float = 0.25
    held_out: float = 0.25
    epsilon: float = 0.05
    temperature: float | None = None
    head: Literal["linear", "two-layer"] = "linear"
    hidden: int = 64
    encoder: str | None = None
    bits: int = 16
    characters: int = 400
    epochs: int = 60
    patience: int = 6
    learning_rate: float = 0.005
    weight_decay: float = 0.0
    batch_size: int = 64
    pseudo: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        share("probe", self.probe)
        share("held_out", self.held_out, below=0.9)
        share("epsilon", self.epsilon)
        for name in ("hidden", "epochs", "patience", "learning_rate", "batch_size", "characters"):
            positive(name, getattr(self, name))
        if self.temperature is not None:
            positive("temperature", self.temperature)
        if not 8 <= self.bits <= 24:
            raise RecipeError(f"bits: {self.bits} must be from 8 to 24: the table of n-grams has 2**bits rows.")


@register("learned")
class Learned(BaseRouter):
    """Teachers by predicted probability; for a share `epsilon` of the prompts the first one is drawn at random."""

    Settings = LearnedSettings

    def __init__(self, teachers: Sequence[Teacher], settings: LearnedSettings) -> None:
        super().__init__(teachers, settings)
        self.held_out = settings.held_out
        self.columns = tuple(teacher.name for teacher in teachers)
        self._encoder: Encoder | None = None
        self._parameters: Parameters | None = None
        self._languages: tuple[str, ...] = ()
        self._account: dict[str, Any] = {}

    @property
    def encoder(self) -> Encoder:
        """What makes features of prompts; a transformer is loaded when it is first needed."""
        if self._encoder is None:
            if self.settings.encoder is None:
                self._encoder = HashedEncoder(NgramSettings(bits=self.settings.bits, characters=self.settings.characters))
            else:
                from polylect.arbitrage.router_encoder import TransformerEncoder

                self._encoder = TransformerEncoder(self.settings.encoder)
        return self._encoder

    def learn(self, prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]]) -> None:
        """Fit the head to the probe items; without any held-out item the training part is used for stopping, and told.

        Raises:
            DataError: no prompt of the training part has two scored answers: there is nothing to tell apart.
        """
        rows = [(p, r) for p, r in zip(prompts, rewards, strict=True) if len(r) > 1]
        held = [self.holds_out(p.item) for p, _ in rows]
        if all(held):
            raise DataError(
                f"router learned: of {len(prompts)} prompts with answers to learn from, {len(rows)} have two scored answers and "
                f"{sum(held)} of these are held out, so nothing is left. Raise `probe`, or give more items."
            )
        asked = [p for p, _ in rows]
        values = [r for _, r in rows]
        temperature = self.settings.temperature or within_prompt_spread(values)
        labels = labelled(values, self.columns, temperature)
        tested = held if any(held) else [False] * len(held)
        self._languages = tuple(sorted({p.language for p, h in zip(asked, tested, strict=True) if not h}))
        texts, rows_of = [p.text for p in asked], self._language_rows(asked)
        self._parameters, numbers = train(self.encoder, texts, rows_of, labels, tested, self._training())
        test = [i for i, h in enumerate(held) if h] or list(range(len(held)))
        predicted = self._logits([asked[i] for i in test])
        scale = calibrated(predicted, labels[test]) if any(held) else 1.0
        for name in ("bias", "language", "output" if "output" in self._parameters else "table"):
            self._parameters[name] = self._parameters[name] * scale
        self._account = {
            "temperature": temperature,
            "calibration_scale": scale,
            **numbers,
            **report(predicted * scale, labels[test], [values[i] for i in test], self.columns),
        }

    def _training(self) -> Training:
        """Return what of the settings concerns training."""
        s = self.settings
        return Training(
            hidden=s.hidden if s.head == "two-layer" else 0,
            epochs=s.epochs,
            patience=s.patience,
            learning_rate=s.learning_rate,
            weight_decay=s.weight_decay,
            pseudo=s.pseudo,
            batch_size=s.batch_size,
            seed=s.seed,
        )

    def _logits(self, prompts: Sequence[Prompt]) -> torch.Tensor:
        """Return the logits of prompts, (B, T)."""
        import torch

        if self._parameters is None:
            raise self.unlearned()
        parts = [torch.empty(0, len(self.columns))]
        with torch.inference_mode():
            for start in range(0, len(prompts), _BATCH):
                part = prompts[start : start + _BATCH]
                encoded = self.encoder.encode([p.text for p in part])
                parts.append(logits(self._parameters, self.encoder, encoded, self._language_rows(part)))
        return torch.cat(parts)

    def _language_rows(self, prompts: Sequence[Prompt]) -> torch.Tensor:
        """Return the rows of the language tags, (B,); 0 for a language that was not learned from."""
        import torch

        rows = {language: row for row, language in enumerate(self._languages, start=1)}
        return torch.tensor([rows.get(p.language, 0) for p in prompts])

    def probabilities(self, prompts: Sequence[Prompt]) -> list[dict[str, float]]:
        """Return for each prompt the predicted target of every teacher that serves its language; they sum to 1."""
        import torch

        found = []
        for prompt, row in zip(prompts, self._logits(prompts), strict=True):
            names = self.serving(prompt.language)
            part = torch.softmax(row[[self.columns.index(name) for name in names]], dim=0)
            found.append(dict(zip(names, part.tolist(), strict=True)))
        return found

    def plan(self, prompts: Sequence[Prompt]) -> list[tuple[str, ...]]:
        """Return the teachers by predicted probability; equal ones in the order of a hash; explored ones with another first."""
        return [self._explored(p, self._ordered(p, row)) for p, row in zip(prompts, self._logits(prompts).tolist(), strict=True)]

    def _ordered(self, prompt: Prompt, row: Sequence[float]) -> tuple[str, ...]:
        able = set(self.serving(prompt.language))
        values = {name: value for name, value in zip(self.columns, row, strict=True) if name in able}
        if len(set(values.values())) < len(values):
            return tuple(sorted(values, key=lambda name: (-values[name], content_hash(prompt.id, name))))
        return tuple(sorted(values, key=values.__getitem__, reverse=True))

    def _explored(self, prompt: Prompt, order: tuple[str, ...]) -> tuple[str, ...]:
        if not order or not self.explored(prompt):
            return order
        drawn = self.serving(prompt.language)[int(uniform("drawn", self.seed, prompt.id) * len(order))]
        return (drawn, *(name for name in order if name != drawn))

    def explored(self, prompt: Prompt) -> bool:
        """Tell whether the first teacher is drawn at random (it may be the one that would have been asked anyway).

        Never on a probe item: all teachers answer it, and its plan says what the router by itself would do.
        """
        return bool(uniform("explore", self.seed, prompt.id) < self.settings.epsilon) and not self.probed(prompt.item)

    def account(self) -> dict[str, Any]:
        """Return losses, calibration and rewards on the held-out probe items."""
        return self._account

    def state(self, folder: Path) -> dict[str, Any]:
        """Write the weights to router.safetensors; return the account and the teachers that the columns stand for."""
        from safetensors.torch import save_file

        if self._parameters is None:
            raise self.unlearned()
        save_file({name: tensor.contiguous() for name, tensor in self._parameters.items()}, folder / _WEIGHTS)
        return {"columns": list(self.columns), "languages": list(self._languages), "account": self._account}

    def restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Read the weights; teachers that are gone are never planned.

        Raises:
            DataError: a teacher is new, so nothing was learned of it, or the weights cannot be read.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        new = [teacher.name for teacher in self.teachers if teacher.name not in state["columns"]]
        if new:
            raise DataError(
                f"{folder}: this router has not learned about {', '.join(new)}; it knows {', '.join(state['columns'])}. "
                "Run the arbitrage with this pool, or remove the teacher."
            )
        try:
            self._parameters = load_file(folder / _WEIGHTS)
        except (OSError, SafetensorError) as error:
            raise DataError(f"{folder / _WEIGHTS}: cannot be read ({error}). Run the arbitrage that made it again.") from error
        self.columns, self._account = tuple(state["columns"]), dict(state["account"])
        self._languages = tuple(state["languages"])
