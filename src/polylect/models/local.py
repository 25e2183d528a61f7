"""Generation with a local checkpoint through transformers, in batches of prompts of like length."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError
from polylect.models import checkpoint
from polylect.models.choosing import noise_of
from polylect.models.decoding import Decoder, Interrupted, Prompt, Row
from polylect.models.interface import Price
from polylect.models.prompting import common_prefix, end_tokens, prompt_ids
from polylect.models.requests import Generated, Request, Sampling

if TYPE_CHECKING:
    import torch

__all__ = ["LocalModel", "best_dtype"]

_WORTH_SHARING = 8
"""Tokens that all prompts of a batch must begin with before a pass of their own pays for them."""
_FEW = 4
"""Requests with fewer companions of the same shots and system message are batched with others like them."""
_ROUNDS = 2
"""A batch has this many times the rows that are decoded together: finished rows are followed by waiting ones. More would
lose more when a run is killed, as a batch is stored when it is whole."""


def best_dtype(device: str = "cpu") -> torch.dtype:
    """Return bfloat16 where the device multiplies it natively (recent GPU, AMX, AVX512-BF16), else float32.

    Emulated bfloat16 is several times slower than float32 on a CPU.
    """
    import torch

    if device == "cpu":
        native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    elif device.startswith("cuda") and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = True
    return torch.bfloat16 if native else torch.float32


class LocalModel:
    """A causal language model in a local folder: a `polylect.models.interface.Model` that computes in this process.

    Args:
        path: checkpoint folder (config.json, safetensors, tokenizer).
        name: what the tables call it; None takes the folder's name.
        dtype: of the weights; None takes `best_dtype`.
        device: "cpu" or "cuda"; None takes a GPU when there is one.
        batch_size: most rows decoded together.
        batch_tokens: most tokens of the rows decoded together, each counted as the longest prompt and answer: what bounds the
            memory for keys and values. One row is always taken.
        price: of its tokens; None: unknown.
        licence: of its outputs; None takes the one that the folder's manifest or model card names.
        may_train: whether its outputs may train other models.

    Raises:
        ModelError: the folder holds no loadable model (see `polylect.models.checkpoint.check`).
    """

    in_flight: int | None = 1

    def __init__(
        self,
        path: Path | str,
        *,
        name: str | None = None,
        dtype: Any = None,
        device: str | None = None,
        batch_size: int = 64,
        batch_tokens: int = 32_768,
        price: Price | None = None,
        licence: str | None = None,
        may_train: bool | None = None,
    ) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        path = Path(path)
        self.path, self.name = path, name or path.name
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size, self.batch_tokens = batch_size, batch_tokens
        self.price, self.may_train = price or Price(), may_train
        checkpoint.check(path)
        self.licence = licence or checkpoint.origin(path)["licence"]
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path)
            self.model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype or best_dtype(self.device)).to(self.device)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{path}: cannot be loaded as a causal language model ({error}).") from error
        self.model.eval()
        self._thread: ThreadPoolExecutor | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The hash of the checkpoint's weights, configuration and tokenizer."""
        from polylect.models.answers import fingerprint

        return fingerprint(self.path)

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split `requests` into batches: same shots and system message together, long prompts first.

        The same requests in the same order give the same batches.
        """
        groups: dict[tuple[Any, ...], list[Request]] = {}
        for request in requests:
            groups.setdefault((request.shots, request.system), []).append(request)
        rare = [request for group in groups.values() if len(group) < _FEW for request in group]
        count = cache(self.count)
        return [
            batch
            for group in (*(group for group in groups.values() if len(group) >= _FEW), rare)
            for batch in self._cut({request: sum(count(text) for _, text in request.messages) for request in group}, sampling)
        ]

    def _cut(self, sizes: Mapping[Request, int], sampling: Sampling) -> Iterator[list[Request]]:
        """Yield batches of requests with their prompts' tokens, long ones first."""
        ordered = sorted(sizes, key=lambda request: (-sizes[request], request.key))
        start = 0
        while start < len(ordered):
            width = self._width(sizes[ordered[start]] + sampling.max_tokens)
            end = start + max(1, width * _ROUNDS // sampling.samples)
            yield ordered[start:end]
            start = end

    def _width(self, tokens: int) -> int:
        """Return how many rows of `tokens` are decoded together."""
        return max(1, min(self.batch_size, self.batch_tokens // tokens))

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer a batch in a thread, `sampling.samples` answers per request, in order; when cancelled, stop at the next token.

        Raises:
            ModelError: a prompt cannot be framed (see `polylect.models.prompting.prompt_ids`).
        """
        if self._thread is None:
            # One thread for all batches: each thread that computes keeps a set of helper threads of its own.
            self._thread = ThreadPoolExecutor(1, "polylect-local")
        cancelled = threading.Event()
        work = self._thread.submit(self.generate_batch, batch, sampling, cancelled)
        try:
            return await asyncio.wrap_future(work)
        finally:
            cancelled.set()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Generated]]:
        """Answer `requests` where no event loop runs; yield the answers batch by batch, `sampling.samples` per request."""
        for batch in self.batches(requests, sampling):
            yield self.generate_batch(batch, sampling)

    def generate_batch(
        self, batch: Sequence[Request], sampling: Sampling, cancelled: threading.Event | None = None
    ) -> list[Generated]:
        """Answer one batch in this thread; give up when `cancelled` is set."""
        if not batch:
            return []
        whole = [prompt_ids(self.tokenizer, request) for request in batch]
        shared = self._shared(whole)
        prompts = [Prompt(ids[shared:], self._rows(request, sampling)) for request, ids in zip(batch, whole, strict=True)]
        width = self._width(max(map(len, whole)) + sampling.max_tokens)
        try:
            self._decoder(cancelled).run(whole[0][:shared], prompts, sampling, width)
        except Interrupted:
            return []
        return [
            Generated(row.request.key, row.sample, row.text, row.finish_reason, len(ids), len(row.ids))
            for ids, prompt in zip(whole, prompts, strict=True)
            for row in prompt.rows
        ]

    def _rows(self, request: Request, sampling: Sampling) -> list[Row]:
        return [Row(request, n, noise_of(request, n, sampling, self.device)) for n in range(sampling.samples)]

    def _decoder(self, cancelled: threading.Event | None = None) -> Decoder:
        stopped = cancelled.is_set if cancelled is not None else lambda: False
        return Decoder(self.model, self.tokenizer, self.ends, stopped)

    @cached_property
    def ends(self) -> set[int]:
        """The ids that end an answer."""
        return end_tokens(self.tokenizer, self.model.generation_config)

    def _shared(self, prompts: Sequence[list[int]]) -> int:
        """Return how many ids all prompts begin with (shots, a chat template's head) and are read once; 0 for none.

        While prompts are read, padding lies between the shared ids and a shorter prompt, where a sliding window would count
        it: prompts of unequal length that outgrow the window share nothing.
        """
        shortest, longest = (pick(len(ids) for ids in prompts) for pick in (min, max))
        shared = min(common_prefix(prompts), shortest - 1)
        window = getattr(self.model.config.get_text_config(), "sliding_window", None)
        if len(prompts) == 1 or shared < _WORTH_SHARING or (window is not None and shortest < longest and longest > window):
            return 0
        return shared

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, without special ones."""
        return len(self.tokenizer.tokenize(text))

    async def close(self) -> None:
        """Let the weights go; the model cannot be asked any more."""
        if self._thread is not None:
            self._thread.shutdown()
        self._thread, self.model = None, None
