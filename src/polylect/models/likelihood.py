"""Log-likelihood of texts after contexts: what multiple-choice benchmarks ask of a model.

    likelihood = open_likelihood("models/mine")
    for batch in likelihood.score([[("The sky is", " blue"), ("The sky is", " green")]]):
        print(batch)  # (index of the question, scores of its options)

Local checkpoints compute it in this process (`polylect.models.likelihood_local`), endpoints that give log-probabilities of the
prompt are asked for them (`polylect.models.likelihood_served`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from polylect.errors import ModelError
from polylect.models.spec import parse_spec

__all__ = ["Likelihood", "OptionScore", "Question", "open_likelihood"]

Question: TypeAlias = Sequence[tuple[str, str]]
"""The options of one question: pairs of context and continuation."""


@dataclass(frozen=True)
class OptionScore:
    """What a model thinks of one continuation.

    Attributes:
        logprob: natural logarithm of its probability after the context; None where it could not be had.
        tokens: number of its tokens.
        greedy: whether each of them is the most probable one at its place; None where nobody says.
        reason: why `logprob` is None.
    """

    logprob: float | None
    tokens: int
    greedy: bool | None = None
    reason: str | None = None


class Likelihood(Protocol):
    """Scores continuations.

    Attributes:
        name: what the tables call the model.
    """

    name: str

    @property
    def fingerprint(self) -> str:
        """What decides its scores besides the texts."""

    @property
    def notes(self) -> dict[str, Any]:
        """How scores are computed, as plain values."""

    def score(self, questions: Sequence[Question]) -> Iterator[list[tuple[int, list[OptionScore]]]]:
        """Yield, batch by batch and in an order that suits the model, (index of a question, scores of its options).

        Raises:
            PolylectError: the model cannot score anything.
        """

    def close(self) -> None:
        """Give back what the model holds."""


def open_likelihood(
    spec: str,
    *,
    dtype: str | None = None,
    batch_tokens: int | None = None,
    batch_rows: int | None = None,
    **settings: Any,
) -> Likelihood:
    """Open a model for scoring.

    Args:
        spec: a local model by name or folder, or `served:URL#model`; see `polylect.models.spec`.
        dtype: of a local model's weights, such as "float32"; None: what its device computes natively.
        batch_tokens: most tokens of a pass of a local model, padding included; None: what suits the device.
        batch_rows: most questions of a pass; None: any number.
        settings: further ones of the model's kind.

    Raises:
        ModelError: a kind of model that gives no log-probabilities, or a model that cannot be had.
    """
    parsed = parse_spec(spec)
    given = {key: value for key, value in settings.items() if value is not None}
    if parsed.local:
        from polylect.models.hub import resolve
        from polylect.models.likelihood_local import LocalLikelihood
        from polylect.models.local import LocalModel

        folder = resolve(parsed.target, given.pop("revision", None))
        model = LocalModel(folder, dtype=as_dtype(dtype), **{"name": parsed.target, **given})
        return LocalLikelihood(model, batch_tokens=batch_tokens, batch_rows=batch_rows)
    if parsed.kind == "served":
        from polylect.models.likelihood_served import ServedLikelihood

        url, _, name = parsed.target.partition("#")
        return ServedLikelihood(url, name, **given)
    raise ModelError(
        f"{spec}: a model of the kind {parsed.kind!r} gives no log-probabilities of a prompt, which multiple-choice benchmarks "
        "need. Name a local checkpoint, or serve the model with vLLM or llama-cpp-python and name it as served:URL#MODEL."
    )


def as_dtype(name: str | None) -> Any:
    """Return the torch type of a name, None for None.

    Raises:
        ModelError: it is none of float32, bfloat16, float16.
    """
    if name is None:
        return None
    if name not in {"float32", "bfloat16", "float16"}:
        raise ModelError(f"dtype {name!r}: expected float32, bfloat16 or float16.")
    import torch

    return getattr(torch, name)
