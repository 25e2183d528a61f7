"""The learned router's arithmetic: from features of prompts to one logit per teacher, trained with a KL loss in torch.

The target of a prompt is softmax(reward / temperature) over the teachers whose answers are scored, the loss is
KL(target || prediction) over the same teachers (Lu et al. 2023, "Routing to the Expert", arXiv 2311.08692; used by
arXiv 2408.14960 for multilingual arbitrage).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from polylect.arbitrage.features import NgramSettings, ngrams

if TYPE_CHECKING:
    import torch

__all__ = ["Encoder", "HashedEncoder", "Labels", "Parameters", "Training", "initial", "logits", "loss", "train"]

Parameters: TypeAlias = "dict[str, torch.Tensor]"
Batch: TypeAlias = Any
"""What an encoder makes of B prompts: a tuple of tensors that its `embed` understands."""


class Encoder(Protocol):
    """How prompts become features. `rows` of its table are learned; a frozen network has them as dimensions of its output."""

    rows: int

    def encode(self, texts: Sequence[str]) -> Batch:
        """Return the features of B texts."""

    def embed(self, table: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the features times the table (rows, H): shape (B, H)."""


class HashedEncoder:
    """Character n-grams, see `polylect.arbitrage.features`."""

    def __init__(self, settings: NgramSettings) -> None:
        self.settings = settings
        self.rows = 1 << settings.bits

    def encode(self, texts: Sequence[str]) -> Batch:
        """Return (indices, signs, offsets) per order and the scale of each text."""
        import torch

        found = ngrams(texts, self.settings)
        parts = zip(found.indices, found.signs, found.offsets, strict=True)
        return [tuple(map(torch.from_numpy, part)) for part in parts], torch.from_numpy(found.scale)

    def embed(self, table: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the scaled sums of the table's rows, (B, H)."""
        import torch
        from torch.nn.functional import embedding_bag

        orders, scale = batch
        total = torch.zeros(len(scale), table.shape[1], dtype=table.dtype)
        for indices, signs, offsets in orders:
            if len(indices):
                total = total + embedding_bag(indices, table, offsets, mode="sum", per_sample_weights=signs)
        scaled: torch.Tensor = total * scale[:, None]
        return scaled


@dataclass(frozen=True)
class Labels:
    """What the teachers' answers to N prompts were worth: `targets` sum to 1 over the teachers with `scored`; both (N, T)."""

    targets: torch.Tensor
    scored: torch.Tensor

    def __getitem__(self, rows: torch.Tensor | list[int]) -> Labels:
        """Return some rows."""
        return Labels(self.targets[rows], self.scored[rows])


@dataclass(frozen=True)
class Training:
    """How the head is trained.

    Attributes:
        hidden: units of the hidden layer; 0: linear.
        epochs: most passes over the training part.
        patience: passes without a better held-out loss after which training ends; the best state is kept.
        learning_rate: of Adam (Kingma and Ba 2015).
        weight_decay: decoupled (Loshchilov and Hutter 2019), on the table of features only: bias and language stay free.
        batch_size: prompts per step.
        pseudo: prompts that a language's mean target is drawn to the mean of all by, before training.
        seed: of initial weights and of the order of batches.
    """

    hidden: int = 0
    epochs: int = 60
    patience: int = 6
    learning_rate: float = 0.005
    weight_decay: float = 0.0
    batch_size: int = 64
    pseudo: float = 2.0
    seed: int = 0


def initial(rows: int, labels: Labels, languages: torch.Tensor, training: Training) -> Parameters:
    """Return parameters that know languages and no texts yet: the fixed router's knowledge, from which training begins.

    `languages` are the rows of the language tags of the N labelled prompts; row 0 stands for languages never seen and stays
    0. A language's mean target is drawn towards the mean of all languages as if by `training.pseudo` prompts more.
    """
    import torch

    generator = torch.Generator().manual_seed(training.seed)
    teachers = labels.targets.shape[1]
    wide = training.hidden or teachers
    # Of the teachers that were not scored for a prompt nothing is known: it counts for the others alone.
    counts = labels.scored.float()
    shape = (int(languages.max()) + 1, teachers)
    total = torch.zeros(shape).index_add_(0, languages, labels.targets)
    number = torch.zeros(shape).index_add_(0, languages, counts)
    prior = (labels.targets.sum(dim=0) / counts.sum(dim=0).clamp_min(1)).clamp_min(1e-4)
    means = (total + training.pseudo * prior) / (number + training.pseudo)
    parameters = {"bias": prior.log(), "language": means.clamp_min(1e-6).log() - prior.log()}
    if training.hidden:
        # The output starts at 0, and the hidden units differ: training can begin, and begins at the prior.
        parameters |= {"hidden_bias": torch.zeros(wide), "output": torch.zeros(wide, teachers)}
        return parameters | {"table": torch.randn(rows, wide, generator=generator)}
    return parameters | {"table": torch.zeros(rows, wide)}


def logits(parameters: Parameters, encoder: Encoder, batch: Batch, languages: torch.Tensor) -> torch.Tensor:
    """Return one logit per prompt and teacher, (B, T); `languages` are the rows of the language tags, (B,)."""
    import torch

    hidden = encoder.embed(parameters["table"], batch)
    if "output" in parameters:
        hidden = torch.relu(hidden + parameters["hidden_bias"]) @ parameters["output"]
    scores: torch.Tensor = hidden + parameters["language"][languages] + parameters["bias"]
    return scores


def loss(predicted: torch.Tensor, labels: Labels) -> torch.Tensor:
    """Return the mean KL(target || softmax(logits)) over the scored teachers of each prompt."""
    import torch

    masked = predicted.masked_fill(~labels.scored, float("-inf"))
    logs = torch.log_softmax(masked, dim=1).masked_fill(~labels.scored, 0.0)
    entropy = torch.special.entr(labels.targets).sum(dim=1)
    divergence: torch.Tensor = -(labels.targets * logs).sum(dim=1) - entropy
    return divergence.mean()


def train(
    encoder: Encoder,
    texts: Sequence[str],
    languages: torch.Tensor,
    labels: Labels,
    held: Sequence[bool],
    training: Training,
) -> tuple[Parameters, dict[str, float]]:
    """Fit the head to the prompts that are not `held`; stop when the loss on those that are no longer falls.

    Returns the parameters with the least held-out loss, and the numbers of the training. Batches are cut once and visited
    in a new order each epoch: their features are made once.
    """
    import torch

    generator = torch.Generator().manual_seed(training.seed)
    kept = torch.tensor([not h for h in held])
    order = torch.nonzero(kept).flatten()
    order = order[torch.randperm(len(order), generator=generator)]
    parameters = initial(encoder.rows, labels[order], languages[order], training)

    def encoded(part: torch.Tensor) -> tuple[Batch, torch.Tensor, Labels]:
        return encoder.encode([texts[i] for i in part.tolist()]), languages[part], labels[part]

    batches = [encoded(part) for part in torch.split(order, training.batch_size)]
    tests = [encoded(part) for part in torch.split(torch.nonzero(~kept).flatten(), 4096)]

    def test() -> float:
        with torch.no_grad():
            losses = [float(loss(logits(parameters, encoder, b, r), y)) * len(r) for b, r, y in tests]
        return sum(losses) / sum(len(r) for _, r, _ in tests)

    epochs = _descend(parameters, encoder, batches, test, training, generator)
    return parameters, {"train_prompts": len(order), "held_out_prompts": int((~kept).sum()), **epochs}


def _descend(
    parameters: Parameters,
    encoder: Encoder,
    batches: Sequence[tuple[Batch, torch.Tensor, Labels]],
    test: Callable[[], float],
    training: Training,
    generator: torch.Generator,
) -> dict[str, float]:
    """Run Adam with early stopping in place; return the losses."""
    import torch

    for tensor in parameters.values():
        tensor.requires_grad_(True)
    decayed = [{"params": [parameters["table"]], "weight_decay": training.weight_decay}]
    free = [{"params": [tensor for name, tensor in parameters.items() if name != "table"], "weight_decay": 0.0}]
    adam = torch.optim.AdamW(decayed + free, lr=training.learning_rate)
    start = least = test()
    best, since, epoch = {name: t.detach().clone() for name, t in parameters.items()}, 0, 0
    while epoch < training.epochs and since < training.patience:
        for index in torch.randperm(len(batches), generator=generator).tolist():
            batch, languages, labels = batches[index]
            adam.zero_grad()
            torch.autograd.backward(loss(logits(parameters, encoder, batch, languages), labels))
            adam.step()
        epoch, now = epoch + 1, test()
        if now < least - 1e-6:
            best, least, since = {name: t.detach().clone() for name, t in parameters.items()}, now, 0
        else:
            since += 1
    parameters.update(best)
    return {"epochs": epoch, "held_out_kl_start": start, "held_out_kl": least}
