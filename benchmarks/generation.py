"""Few-shot answers by `LocalModel` against transformers' `generate` on the same prompts, greedy, as a ratio of medians.

Run: python benchmarks/generation.py [MODEL] (default gemma-3-270m; downloads nothing).
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from polylect.models import LocalModel, Request, Sampling, resolve
from polylect.models.local import best_dtype, few_shot_text
from polylect.prompts import few_shot, world_facts


def requests(count: int) -> list[Request]:
    """Return English world-facts questions with five examples each."""
    facts = world_facts(["en"]).prompts
    shots = tuple((p.text, p.references[0]) for p in few_shot(facts, "en", 5))
    return [Request(p.id, p.text, shots) for p in [p for p in facts if p.split == "prompt"][:count]]


def ours(model: LocalModel, asked: list[Request]) -> float:
    """Return seconds for all answers by our loop."""
    start = time.perf_counter()
    for _ in model.generate(asked, Sampling(max_tokens=24, stop=("\n",))):
        pass
    return time.perf_counter() - start


def theirs(path: str, asked: list[Request], batch: int) -> float:
    """Return seconds for all answers by `generate`, sorted by length in the same batches, with the same stop text."""
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(path, dtype=best_dtype()).eval()
    texts = sorted((few_shot_text(request) for request in asked), key=len, reverse=True)
    start = time.perf_counter()
    for first in range(0, len(texts), batch):
        inputs = tokenizer(texts[first : first + batch], return_tensors="pt", padding=True)
        with torch.inference_mode():
            model.generate(**inputs, max_new_tokens=24, do_sample=False, stop_strings=["\n"], tokenizer=tokenizer)
    return time.perf_counter() - start


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = resolve(sys.argv[1] if len(sys.argv) > 1 else "gemma-3-270m")
    asked = requests(128)
    local = LocalModel(folder)
    ours(local, asked[:8])
    mine = statistics.median(ours(local, asked) for _ in range(3))
    peer = statistics.median(theirs(str(folder), asked, 64) for _ in range(3))
    print(f"128 five-shot answers, 1 thread: LocalModel {mine:.1f} s, generate {peer:.1f} s, ratio {peer / mine:.2f}")
