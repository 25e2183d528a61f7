"""What the tests of local generation share: prompts, a loaded checkpoint, and what transformers gives to one prompt alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from polylect.models import Generated, LocalModel, Request, Sampling
from polylect.models.prompting import prompt_ids

GREEDY = Sampling(max_tokens=12)
SAMPLED = Sampling(max_tokens=8, temperature=1.0, top_p=0.9, samples=3, seed=5)
TEXTS = (
    "Which month comes after May?",
    "In which country is the city of Ankara?",
    "Hangi ülkede?",
    "June?",
    "В какой стране находится город Анкара, столица Турции?",
)
SHOTS = (("Which month comes after June?", "July"), ("Which weekday comes after Monday?", "Tuesday"))
PLAIN = tuple(Request(f"p{number}", text) for number, text in enumerate(TEXTS))
FEW_SHOT = tuple(Request(f"f{number}", text, SHOTS) for number, text in enumerate(TEXTS))
BOTH = (*PLAIN, *FEW_SHOT)


def load(folder: Path, batch_size: int = 64) -> LocalModel:
    """Load a checkpoint in float32 on the processor."""
    return LocalModel(folder, dtype=torch.float32, device="cpu", batch_size=batch_size)


def ask(model: LocalModel, requests: Sequence[Request], sampling: Sampling = GREEDY) -> dict[tuple[str, int], Generated]:
    """Return the answers by (request, sample)."""
    return {(one.key, one.sample): one for batch in model.generate(requests, sampling) for one in batch}


def reference(model: LocalModel, request: Request, sampling: Sampling = GREEDY) -> list[int]:
    """Return the tokens that transformers' own `generate` gives to one prompt alone, without the end token."""
    ids = torch.tensor([prompt_ids(model.tokenizer, request)])
    out = model.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=sampling.max_tokens
    )
    tokens: list[int] = out[0, ids.shape[1] :].tolist()
    return [token for token in tokens if token not in model.ends]
