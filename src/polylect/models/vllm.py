"""vLLM's offline engine as a model: continuous batching and prefix caching on this machine's GPUs, no server.

Needs the extra `vllm`. Used of vLLM's API: `LLM(...)`, `LLM.generate` with token ids, `LLM.get_tokenizer`, `SamplingParams`, and
`llm_engine.model_config.max_model_len` (docs.vllm.ai, Offline inference). A prompt is framed here as `LocalModel` frames it.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from polylect.errors import ModelError
from polylect.models.interface import Price
from polylect.models.prompting import end_tokens, prompt_ids
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import content_hash

__all__ = ["VllmModel"]


class VllmModel:
    """A causal language model in vLLM's offline engine; a `polylect.models.interface.Model`.

    Args:
        model: a bundled model's name, a folder, or owner/name on the hub, as everywhere (`polylect.models.resolve`).
        name: what the tables call it; None takes `model`.
        revision: of a model on the hub.
        batch_size: requests handed to the engine at once; it batches them by itself, and a kill loses at most these.
        tensor_parallel_size: GPUs that share one copy of the model.
        dtype: of the weights; "auto" takes the checkpoint's.
        max_model_len: longest prompt and answer together, in tokens; None takes the model's.
        gpu_memory_utilization: share of the GPU's memory that the engine takes.
        engine: further arguments of `vllm.LLM`.
        price: of its tokens.
        licence: of its outputs.
        may_train: whether its outputs may train models.

    Raises:
        ModelError: vLLM is not installed, the model cannot be had, or the engine does not start with it.
    """

    def __init__(
        self,
        model: str,
        *,
        name: str | None = None,
        revision: str | None = None,
        batch_size: int = 512,
        tensor_parallel_size: int = 1,
        dtype: str = "auto",
        max_model_len: int | None = None,
        gpu_memory_utilization: float = 0.9,
        engine: Mapping[str, Any] | None = None,
        price: Price | None = None,
        licence: str | None = None,
        may_train: bool | None = None,
    ) -> None:
        vllm = _vllm(model)
        from polylect.models.answers import fingerprint
        from polylect.models.hub import resolve

        folder = resolve(model, revision)
        self.name, self.in_flight, self.price = name or model, 1, price or Price()
        self.licence, self.may_train = licence, may_train
        self._batch_size, self._params = batch_size, vllm.SamplingParams
        # What changes numbers is part of the fingerprint; on how many GPUs it runs is not.
        self.fingerprint = content_hash("vllm", fingerprint(folder), dtype, sorted((engine or {}).items()))
        settings = {
            "tensor_parallel_size": tensor_parallel_size,
            "dtype": dtype,
            "max_model_len": max_model_len,
            "gpu_memory_utilization": gpu_memory_utilization,
            "enable_prefix_caching": True,
            "trust_remote_code": False,
            **(engine or {}),
        }
        # The engine is made and called in one thread of its own, so that it never stops the loop that awaits it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vllm")
        try:
            self._llm: Any = self._thread.submit(lambda: vllm.LLM(model=str(folder), **settings)).result()
        except (ValueError, RuntimeError, OSError, TypeError) as error:
            self._thread.shutdown()
            raise ModelError(f"vllm:{model}: the engine does not start ({' '.join(str(error).split())[:300]}).") from error
        self._tokenizer = self._llm.get_tokenizer()
        # vLLM knows the generation configuration's own end tokens.
        self._ends = sorted(end_tokens(self._tokenizer, SimpleNamespace(eos_token_id=None)))
        self._longest = int(self._llm.llm_engine.model_config.max_model_len)

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split requests into calls of `batch_size`; those with the same shots and system message stand together."""
        order = sorted(range(len(requests)), key=lambda i: (requests[i].system, requests[i].shots, i))
        size = max(1, self._batch_size // sampling.samples)
        return [[requests[i] for i in order[start : start + size]] for start in range(0, len(order), size)]

    async def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer a batch in the engine's thread; a prompt that is too long gets a reason, the others are answered.

        Raises:
            ModelError: the engine stopped, which only a new process can mend.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, batch, sampling)

    def count(self, text: str) -> int:
        """Return the number of tokens by the model's tokenizer, without special ones."""
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    async def close(self) -> None:
        """Drop the engine, which gives its memory back."""
        self._llm = None
        self._thread.shutdown()
        gc.collect()

    def _answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        rows = [
            (request, sample, ids)
            for request in batch
            for ids in [prompt_ids(self._tokenizer, request)]
            for sample in range(sampling.samples)
        ]
        # One row per sample, each with a seed of its own: the noise of a row then depends on the row alone.
        asked = [row for row in rows if len(row[2]) < self._longest]
        try:
            outputs = self._llm.generate(
                [{"prompt_token_ids": ids} for _, _, ids in asked],
                [self._sampling(request, sample, sampling) for request, sample, _ in asked],
                use_tqdm=False,
            )
        except RuntimeError as error:
            raise ModelError(f"{self.name}: vLLM stopped ({' '.join(str(error).split())[:300]}). Start again.") from error
        made = iter(outputs)
        return [self._generated(*row, next(made).outputs[0] if len(row[2]) < self._longest else None) for row in rows]

    def _sampling(self, request: Request, sample: int, sampling: Sampling) -> Any:
        seed = int(content_hash(sampling.seed, request.key, sample)[:15], 16)
        return self._params(
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            stop=list(sampling.stop) or None,
            stop_token_ids=self._ends,
            seed=seed if sampling.temperature > 0 else None,
        )

    def _generated(self, request: Request, sample: int, ids: list[int], output: Any) -> Generated:
        if output is None:
            reason = f"the prompt has {len(ids)} tokens, the model takes {self._longest} with the answer"
            return Generated(request.key, sample, "", "", len(ids), 0, reason)
        if output.finish_reason not in {"stop", "length"}:
            return Generated(request.key, sample, "", "", len(ids), 0, f"vLLM ended it: {output.finish_reason}")
        return Generated(request.key, sample, output.text.strip(), output.finish_reason, len(ids), len(output.token_ids))


def _vllm(model: str) -> Any:
    """Return the module vllm.

    Raises:
        ModelError: it is not installed, or does not load.
    """
    try:
        return import_module("vllm")
    except ImportError as error:
        raise ModelError(
            f"vllm:{model}: vLLM cannot be imported ({error}). Install it with: pip install 'polylect[vllm]', or serve the model "
            "elsewhere and write served:http://HOST:PORT/v1#NAME."
        ) from error
