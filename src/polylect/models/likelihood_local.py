"""Log-likelihood with a local checkpoint: what options share is read once, and logits are made only where they are needed.

Three things make up the speed. The options of a question lie in one row behind their common context, each seeing that and
itself alone. Rows that begin with the same examples are read after these were read once. The head of the model, which for a small
model with a large vocabulary is most of the work (Gemma 3 270M: 168 of 268 million parameters), is applied only to the states
that predict a token of an option.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError
from polylect.models.kv_slots import windows
from polylect.models.likelihood import OptionScore, Question
from polylect.models.likelihood_masks import PrefixCache, masks
from polylect.models.likelihood_rows import Batch, Encoded, Row, batched, encode_options, pack
from polylect.models.passes import in_order, side_by_side

if TYPE_CHECKING:
    import torch

    from polylect.models.local import LocalModel

__all__ = ["LocalLikelihood"]

_LOGITS = 64_000_000
"""Most logits of a pass: 256 MB in float32."""
_TOKENS = {"cpu": 1024, "cuda": 16_384}
_AGREE = 1e-3
"""Largest difference of a log-probability, per token, between packed and plain rows in float32; bfloat16 has its own."""


class LocalLikelihood:
    """Scores continuations with a local model; a `polylect.models.likelihood.Likelihood`.

    Before the first batch one question is scored in two ways, packed and option by option. Where they differ (a model whose
    attention does not heed the masks that packed rows need), all is scored option by option, and `notes` says so.

    Args:
        model: an open local model.
        batch_tokens: most tokens of a pass, padding included; None: 1,024 on a CPU, 16,384 on a GPU.
        batch_rows: most questions of a pass; None: any number.
    """

    def __init__(self, model: LocalModel, *, batch_tokens: int | None = None, batch_rows: int | None = None) -> None:
        self.model, self.name = model, model.name
        self.batch_tokens = batch_tokens or _TOKENS.get(str(model.device).partition(":")[0], 4096)
        self.batch_rows = batch_rows
        self.packed: bool | None = None
        self._longest = getattr(model.model.config.get_text_config(), "max_position_embeddings", None)
        self._workers = side_by_side(model.device)
        self._head = model.model.get_output_embeddings()
        if self._head is None:
            raise ModelError(
                f"{model.path}: the model has no output layer that can be found, so tokens have no probability here."
            )
        self._wanted = _Wanted()
        self._hook = self._head.register_forward_pre_hook(self._pick)

    @property
    def fingerprint(self) -> str:
        """The hash of the checkpoint's weights, configuration and tokenizer."""
        return self.model.fingerprint

    @property
    def notes(self) -> dict[str, Any]:
        """How scores are computed."""
        dtype = str(self.model.model.dtype).removeprefix("torch.")
        return {
            "device": str(self.model.device),
            "dtype": dtype,
            "batch_tokens": self.batch_tokens,
            "batch_rows": self.batch_rows,
            "packed": self.packed,
        }

    def close(self) -> None:
        """Let the weights go."""
        self._hook.remove()
        self.model.model = None

    def score(self, questions: Sequence[Question]) -> Iterator[list[tuple[int, list[OptionScore]]]]:
        """Yield the scores batch by batch.

        A question with an option that is empty or longer than the model reads is unscored, with the reason.
        """
        encoded = self._encode(questions)
        refused = {index: reason for index, options in enumerate(encoded) if (reason := self._refusal(options))}
        if refused:
            yield [(index, _unscored(encoded[index], reason)) for index, reason in refused.items()]
        asked = {index: options for index, options in enumerate(encoded) if index not in refused}
        if asked and self.packed is None:
            self.packed = self._agrees(min(asked.values(), key=lambda options: sum(len(one.read) for one in options)))
        yield from self._packed(asked) if self.packed else self._plain(asked)

    def _encode(self, questions: Sequence[Question]) -> list[list[Encoded]]:
        flat = iter(encode_options(self.model.tokenizer, [option for question in questions for option in question]))
        return [[next(flat) for _ in question] for question in questions]

    def _refusal(self, options: Sequence[Encoded]) -> str | None:
        if any(not option.continuation or not option.context for option in options):
            return "an option has no tokens"
        longest = max(len(option.read) for option in options)
        if self._longest is not None and longest > self._longest:
            return f"too long: over {self._longest} tokens, the most this model reads"
        return None

    def _packed(self, asked: dict[int, list[Encoded]]) -> Iterator[list[tuple[int, list[OptionScore]]]]:
        rows = [pack(index, options) for index, options in asked.items()]

        def scored(read: tuple[Batch, PrefixCache | None]) -> list[tuple[int, list[OptionScore]]]:
            batch, shared = read
            return [(row.index, scores) for row, scores in zip(batch.rows, self._pass(batch, shared), strict=True)]

        yield from in_order(scored, self._with_prefixes(self._batches(rows, sharing=True)), self._workers)

    def _with_prefixes(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, PrefixCache | None]]:
        """Yield each batch with what was read of the tokens that its rows share."""
        for prefix, group in groupby(batches, key=lambda batch: batch.prefix):
            shared = self._read_prefix(prefix) if prefix else None
            for batch in group:
                yield batch, shared

    def _plain(self, asked: dict[int, list[Encoded]]) -> Iterator[list[tuple[int, list[OptionScore]]]]:
        """Score every option in a row of its own, the way that every model understands."""
        places = [(index, number) for index, options in asked.items() for number in range(len(options))]
        rows = [pack(place, [asked[index][number]]) for place, (index, number) in enumerate(places)]
        found: dict[int, dict[int, OptionScore]] = {index: {} for index in asked}
        batches = self._batches(rows, sharing=False)
        for batch, scores in zip(batches, in_order(self._plain_pass, batches, self._workers), strict=True):
            whole = []
            for row, (score,) in zip(batch.rows, scores, strict=True):
                index, number = places[row.index]
                found[index][number] = score
                if len(found[index]) == len(asked[index]):
                    whole.append((index, [found[index][n] for n in range(len(asked[index]))]))
            yield whole

    def _agrees(self, options: list[Encoded]) -> bool:
        """Whether packed rows score as plain ones do, on one question; a model that refuses the masks does not."""
        try:
            windows(self.model.model)
        except ModelError:
            return False
        ((_, plain),) = (whole for batch in self._plain({0: options}) for whole in batch)
        try:
            ((_, packed),) = (whole for batch in self._packed({0: options}) for whole in batch)
        except (RuntimeError, TypeError, ValueError, AttributeError):
            return False
        rough = 1 if str(self.model.model.dtype) == "torch.float32" else 100
        pairs = [(a.logprob, b.logprob, a.tokens) for a, b in zip(plain, packed, strict=True)]
        return all(a is not None and b is not None and abs(a - b) <= rough * _AGREE * n for a, b, n in pairs)

    def _batches(self, rows: Sequence[Row], *, sharing: bool) -> list[Batch]:
        states = max(1, _LOGITS // self._workers // self._head.weight.shape[0])
        return batched(rows, tokens=self.batch_tokens, most_rows=self.batch_rows, states=states, sharing=sharing)

    def _read_prefix(self, prefix: Sequence[int]) -> PrefixCache:
        """Read the ids that rows share; return their keys and values."""
        import torch

        cache = PrefixCache(self.model.model)
        ids = torch.tensor([prefix], device=self.model.device)
        with torch.inference_mode(), self._states(torch.zeros(1, dtype=torch.long, device=self.model.device)):
            self.model.model(
                input_ids=ids,
                attention_mask=masks(
                    self.model.model, [Row(0, list(prefix), list(range(len(prefix))), [0] * len(prefix), (), 0)], 0
                ),
                position_ids=torch.arange(len(prefix), device=self.model.device)[None],
                past_key_values=cache.cache,
                use_cache=True,
            )
        cache.freeze()
        return cache

    def _plain_pass(self, batch: Batch) -> list[list[OptionScore]]:
        return self._pass(batch, None, plain=True)

    def _pass(self, batch: Batch, shared: PrefixCache | None, *, plain: bool = False) -> list[list[OptionScore]]:
        """Return the scores of the options of each row of a batch."""
        import torch

        rows, width, device = batch.rows, batch.width, self.model.device
        predicting = [(number, column) for number, row in enumerate(rows) for option in row.scored for column, _ in option]
        places = {place: state for state, place in enumerate(dict.fromkeys(predicting))}
        index = torch.tensor([number * width + column for number, column in places], device=device)
        arguments: dict[str, Any]
        if plain:
            mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in rows], device=device)
            arguments = {"attention_mask": mask, "use_cache": False}
        else:
            arguments = {
                "attention_mask": masks(self.model.model, rows, len(batch.prefix)),
                "position_ids": torch.tensor([row.positions + [0] * (width - len(row.ids)) for row in rows], device=device),
                "past_key_values": shared.cache if shared else None,
                "use_cache": shared is not None,
            }
        ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in rows], device=device)  # (B, T)
        with torch.inference_mode(), self._states(index):
            logits = self.model.model(input_ids=ids, **arguments).logits[0]  # (states, V)
            return _options(logits, rows, places)

    @contextmanager
    def _states(self, index: torch.Tensor) -> Iterator[None]:
        """Let the head see only the states at `index` of the flattened (B, T), as one row.

        What the model does to the logits afterwards (scaling, soft caps) stays its own affair.
        """
        self._wanted.index = index
        try:
            yield
        finally:
            self._wanted.index = None

    def _pick(self, _: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Cut the head's input down to the states that this thread's pass wants; to other uses of the model it does nothing."""
        index = self._wanted.index
        if index is None:
            return arguments
        states = arguments[0]
        return (states.reshape(-1, states.shape[-1])[index][None], *arguments[1:])


class _Wanted(threading.local):
    """Which states of the flattened (B, T) a thread's pass wants; None: all."""

    index: torch.Tensor | None = None


def _options(logits: torch.Tensor, rows: Sequence[Row], places: dict[tuple[int, int], int]) -> list[list[OptionScore]]:
    """Return the scores of each row's options from the logits (states, V) of all places that predict."""
    import torch

    wanted = [
        (places[number, column], target) for number, row in enumerate(rows) for option in row.scored for column, target in option
    ]
    state, target = torch.tensor(wanted, device=logits.device).T
    peak, best = logits.max(dim=-1)
    found = logits[state, target].float()
    # In place, since the exponentials of all logits would double the memory; in float32 whatever the weights are.
    total = torch.cat([_log_total(block, top) for block, top in zip(torch.split(logits, 32), torch.split(peak, 32), strict=True)])
    gained = (found - total[state]).double().tolist()
    greedy = (best[state] == target).tolist()
    taken = iter(zip(gained, greedy, strict=True))
    return [[_score([next(taken) for _ in option]) for option in row.scored] for row in rows]


def _log_total(logits: torch.Tensor, peak: torch.Tensor) -> torch.Tensor:
    """Return log(sum(exp(logits))) in float32, shape (states,); float32 logits are overwritten."""
    top = peak.float()
    return logits.float().sub_(top[:, None]).exp_().sum(dim=-1).log_().add_(top)


def _score(tokens: Sequence[tuple[float, bool]]) -> OptionScore:
    total = sum(gained for gained, _ in tokens)
    if total != total or total in (float("inf"), float("-inf")):
        return OptionScore(None, len(tokens), None, "the model gave no finite probability")
    return OptionScore(total, len(tokens), all(greedy for _, greedy in tokens))


def _unscored(options: Sequence[Encoded], reason: str) -> list[OptionScore]:
    return [OptionScore(None, len(option.continuation), None, reason) for option in options]
