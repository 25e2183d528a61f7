"""Generation with a local checkpoint through transformers: length-sorted batches, shared prefixes, finished rows leave.

The decoding loop is ours because three things that `generate` does not do decide the speed on small machines:
few-shot examples that many prompts share are computed once per group, rows that are finished leave the batch, and
each row's sampling noise depends on the row alone, never on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import ModelError
from polylect.models.checkpoint import check
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import content_hash

if TYPE_CHECKING:
    import torch

__all__ = ["LocalModel", "best_dtype"]

_WORTH_SHARING = 8
"""Tokens that all prompts of a batch must begin with before a pass of their own pays for them."""


def best_dtype(device: str = "cpu") -> torch.dtype:
    """Return bfloat16 where the device multiplies it natively (GPU, AMX, AVX512-BF16), else float32.

    Emulated bfloat16 is several times slower than float32 on a CPU.
    """
    import torch

    if device != "cpu":
        return torch.bfloat16
    native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


@dataclass
class _Row:
    """A prompt that is being answered: `ids` grows by one token a step."""

    request: Request
    sample: int
    prompt: list[int]
    prompt_tokens: int
    noise: Any
    ids: list[int] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""


class LocalModel:
    """A causal language model in a local folder.

    Args:
        path: checkpoint folder (config.json, safetensors, tokenizer).
        dtype: of the weights; None takes `best_dtype`.
        device: "cpu" or "cuda"; None takes a GPU when there is one.
        batch_size: rows decoded together.

    Raises:
        ModelError: the folder holds no loadable model (see `polylect.models.checkpoint.check`).
    """

    def __init__(self, path: Path, *, dtype: Any = None, device: str | None = None, batch_size: int = 64) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_size = batch_size
        check(path)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path)
            self.model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype or best_dtype(self.device)).to(self.device)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{path}: cannot be loaded as a causal language model ({error}).") from error
        self.model.eval()
        self._end = _end_tokens(self.tokenizer, self.model)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Generated]]:
        """Answer `requests`; yield the answers batch by batch, `sampling.samples` per request.

        Batches hold requests with the same shots and similar length, so their order is not that of `requests`.
        The same requests in the same order give the same batches: what is stored per batch can be resumed exactly.
        """
        for batch in self.batches(requests, sampling):
            yield self.answer(batch, sampling)

    def batches(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """Split `requests` into batches: same shots together, long prompts first."""
        groups: dict[tuple[Any, ...], list[Request]] = {}
        for request in requests:
            groups.setdefault((request.shots, request.system), []).append(request)
        size = max(1, self.batch_size // sampling.samples)
        batches = []
        for group in groups.values():
            group.sort(key=lambda request: (-len(self.tokenizer.tokenize(request.text)), request.key))
            batches += [group[start : start + size] for start in range(0, len(group), size)]
        return batches

    def answer(self, batch: Sequence[Request], sampling: Sampling) -> list[Generated]:
        """Answer requests that share their shots, in one batch."""
        import torch

        if not batch:
            return []
        prefix, prompts = self._encode(batch, sampling.max_tokens)
        rows = [
            _Row(request, sample, ids, len(prefix) + len(ids), self._noise(request, sample, sampling))
            for request, ids in zip(batch, prompts, strict=True)
            for sample in range(sampling.samples)
        ]
        with torch.inference_mode():
            self._decode(prefix, rows, sampling)
        return [
            Generated(row.request.key, row.sample, row.text, row.finish_reason, row.prompt_tokens, len(row.ids)) for row in rows
        ]

    def _encode(self, batch: Sequence[Request], max_tokens: int) -> tuple[list[int], list[list[int]]]:
        """Return the token ids that all prompts of the batch begin with (shots, a chat template's head) and the rest of each.

        Padding then lies between the prefix and a shorter prompt, where a sliding window would count it: prompts of
        unequal length that may outgrow the window share nothing.
        """
        prompts = [self._prompt_ids(request) for request in batch]
        shortest, longest = (pick(len(ids) for ids in prompts) for pick in (min, max))
        shared = min(_common_prefix(prompts), shortest - 1)
        window = getattr(self.model.config.get_text_config(), "sliding_window", None)
        if shared < _WORTH_SHARING or (window is not None and shortest < longest and longest + max_tokens > window):
            return [], prompts
        return prompts[0][:shared], [ids[shared:] for ids in prompts]

    def _prompt_ids(self, request: Request) -> list[int]:
        if request.shots:
            return list(self.tokenizer(few_shot_text(request))["input_ids"])
        messages = [{"role": "system", "content": request.system}] if request.system else []
        messages.append({"role": "user", "content": request.text})
        if self.tokenizer.chat_template is None:
            raise ModelError(
                f"{self.tokenizer.name_or_path}: the tokenizer has no chat template, so a prompt cannot be framed. "
                "Give one in the recipe (model.chat_template) or ask with few-shot examples."
            )
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _noise(self, request: Request, sample: int, sampling: Sampling) -> Any:
        import torch

        if sampling.temperature <= 0:
            return None
        seed = int(content_hash(sampling.seed, request.key, sample)[:15], 16)
        return torch.Generator(device=self.device).manual_seed(seed)

    def _decode(self, prefix: list[int], rows: list[_Row], sampling: Sampling) -> None:
        import torch

        cache, mask = self._prefill(prefix, len(rows))
        width = max(len(row.prompt) for row in rows)
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[pad] * (width - len(row.prompt)) + row.prompt for row in rows], device=self.device)
        own = torch.tensor([[0] * (width - len(row.prompt)) + [1] * len(row.prompt) for row in rows], device=self.device)
        mask = torch.cat([mask, own], dim=1)  # (B, prefix + width)
        active = list(rows)
        for _ in range(sampling.max_tokens):
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            output = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            tokens = _choose(output.logits[:, -1].float(), active, sampling)  # (B,)
            for row, token in zip(active, tokens.tolist(), strict=True):
                self._append(row, token, sampling)
            keep = [index for index, row in enumerate(active) if not row.finish_reason]
            if not keep:
                return
            if len(keep) < len(active):
                index = torch.tensor(keep, device=self.device)
                cache.batch_select_indices(index)
                tokens, mask = tokens[index], mask[index]
                active = [active[i] for i in keep]
            ids = tokens[:, None]
            mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
        for row in active:
            row.text, row.finish_reason = row.text.strip(), "length"

    def _prefill(self, prefix: list[int], rows: int) -> tuple[Any, torch.Tensor]:
        """Compute the shared prefix once and repeat its cache for every row."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache(config=self.model.config)
        if prefix:
            ids = torch.tensor([prefix], device=self.device)
            self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.batch_repeat_interleave(rows)
        return cache, torch.ones(rows, len(prefix), dtype=torch.long, device=self.device)

    def _append(self, row: _Row, token: int, sampling: Sampling) -> None:
        """Add one token to a row; set its text and finish reason when it ends."""
        if token in self._end:
            row.finish_reason = "stop"
        else:
            row.ids.append(token)
            row.text = self.tokenizer.decode(row.ids, skip_special_tokens=True)
            # A stop text ends an answer that has begun: line breaks before the first character are passed over.
            begin = len(row.text) - len(row.text.lstrip())
            cuts = [cut for stop in sampling.stop if (cut := row.text.find(stop, begin)) >= 0]
            if cuts:
                row.text, row.finish_reason = row.text[: min(cuts)], "stop"
        if row.finish_reason:
            row.text = row.text.strip()


def few_shot_text(request: Request) -> str:
    """Return the plain text of a few-shot prompt: question and answer on a line each, a blank line between examples.

    Used for base models, which know no chat template; the answer ends at the line break.
    """
    blocks = [request.system] if request.system else []
    blocks += [f"{prompt}\n{answer}" for prompt, answer in request.shots]
    return "\n\n".join([*blocks, f"{request.text}\n"])


def _choose(logits: torch.Tensor, rows: Sequence[_Row], sampling: Sampling) -> torch.Tensor:
    """Choose the next token of each row from `logits` (B, V): the best, or a sample by the Gumbel-max trick."""
    import torch

    if sampling.temperature <= 0:
        return logits.argmax(-1)
    logits = logits / sampling.temperature
    if sampling.top_p < 1:
        logits = _nucleus(logits, sampling.top_p)
    noise = torch.empty_like(logits)
    for index, row in enumerate(rows):
        noise[index].exponential_(generator=row.noise)
    return (logits - noise.log()).argmax(-1)


def _nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the smallest set of tokens whose probability reaches `top_p`; the best token always stays."""
    ordered, order = logits.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    ordered = ordered.masked_fill(before >= top_p, float("-inf"))
    return logits.scatter(-1, order, ordered)


def _end_tokens(tokenizer: Any, model: Any) -> set[int]:
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return {token for token in [*ids, tokenizer.eos_token_id] if token is not None}


def _common_prefix(sequences: Sequence[list[int]]) -> int:
    first, last = min(sequences), max(sequences)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
