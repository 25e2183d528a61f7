"""Local generation: `LocalModel` against the text-generation pipeline of transformers at batch size 8, on the same prompts.

Both are greedy, in one process, on the same weights, and take turns. Prompts are world-facts questions with their answers,
strung together to 10 to 300 tokens, in an order that has nothing to do with their length. Two workloads: "open" lets the model
write up to 64 tokens, "line" ends an answer at the first line break, as few-shot answers of base models do.

Run: python benchmarks/generation.py [MODEL] [--dtype float32|bfloat16] [--threads 1] [--prompts 64] [--tokens 64] [--rounds 3]
MODEL is a name or folder (default gemma-3-270m); nothing is downloaded. Tokens per second are given by the clock and by the
processor's time, which other programs on the machine disturb less. Answers count as the same when text and number of tokens are.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import pipeline
from transformers.utils import logging

from polylect.models import LocalModel, Request, Sampling, resolve
from polylect.models.local import best_dtype
from polylect.prompts import world_facts

Answers = dict[str, tuple[str, int]]
WORKLOADS: dict[str, tuple[str, ...]] = {"open": (), "line": ("\n",)}


def requests(tokenizer: Any, count: int) -> list[Request]:
    """Return prompts of 10 to 300 tokens: questions with answers, then a question; lengths in a shuffled order."""
    facts = [prompt for prompt in world_facts(["en", "tr", "es"]).prompts if prompt.references]
    made, start = [], 0
    for number in range(count):
        wanted = 10 + 290 * (number * 37 % count) / count
        blocks: list[str] = []
        while True:
            prompt = facts[start % len(facts)]
            start += 1
            text = "\n\n".join([*blocks, f"{prompt.text}\n"])
            if len(tokenizer(text)["input_ids"]) >= wanted:
                break
            blocks.append(f"{prompt.text}\n{prompt.references[0]}")
        made.append(Request(f"{number:04}", text))
    return made


def ours(model: LocalModel, asked: list[Request], sampling: Sampling) -> Answers:
    """Answer by `LocalModel`."""
    return {one.key: (one.text, one.completion_tokens) for batch in model.generate(asked, sampling) for one in batch}


def theirs(model: LocalModel, asked: list[Request], sampling: Sampling) -> Answers:
    """Answer by the pipeline, batch size 8."""
    tokenizer = model.tokenizer
    pipe = pipeline("text-generation", model=model.model, tokenizer=tokenizer)
    stop = {"stop_strings": list(sampling.stop), "tokenizer": tokenizer} if sampling.stop else {}
    texts = [request.text for request in asked]
    found = pipe(texts, batch_size=8, max_new_tokens=sampling.max_tokens, do_sample=False, return_tensors=True, **stop)
    widths = [max(len(tokenizer(text)["input_ids"]) for text in texts[first : first + 8]) for first in range(0, len(texts), 8)]
    answers = {}
    for number, (request, (one,)) in enumerate(zip(asked, found, strict=True)):
        ids = one["generated_token_ids"]
        ids = list(ids[widths[number // 8] :])
        ends = [place for place, token in enumerate(ids) if token in model.ends or token == tokenizer.pad_token_id]
        ids = ids[: min(ends, default=None)]
        text = tokenizer.decode(ids, skip_special_tokens=True)
        begin = len(text) - len(text.lstrip())
        cuts = [cut for mark in sampling.stop if (cut := text.find(mark, begin)) >= 0]
        answers[request.key] = (text[: min(cuts, default=None)].strip(), len(ids))
    return answers


def timed(work: Callable[[], Answers]) -> tuple[Answers, float, float]:
    """Return the answers, and seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    answers = work()
    return answers, time.perf_counter() - clock, time.process_time() - processor


def compare(model: LocalModel, asked: list[Request], name: str, tokens: int, rounds: int) -> None:
    """Let both answer by turns; print their rates, the ratio of medians, and how many answers are the same."""
    sampling = Sampling(max_tokens=tokens, stop=WORKLOADS[name])
    runs: dict[str, list[tuple[Answers, float, float]]] = {"ours": [], "pipeline": []}
    for _ in range(rounds):
        runs["ours"].append(timed(lambda: ours(model, asked, sampling)))
        runs["pipeline"].append(timed(lambda: theirs(model, asked, sampling)))
    answers = {who: done[0][0] for who, done in runs.items()}
    rates = {}
    for who, done in runs.items():
        produced = sum(count for _, count in answers[who].values())
        rates[who] = [produced / statistics.median(run[place] for run in done) for place in (1, 2)]
        print(f"{name:5} {who:9} {produced:6} tokens  {rates[who][0]:7.1f}/s clock  {rates[who][1]:7.1f}/s processor", flush=True)
    clock, processor = (mine / other for mine, other in zip(rates["ours"], rates["pipeline"], strict=True))
    same = sum(answers["ours"][key] == answers["pipeline"][key] for key in answers["ours"])
    print(f"{name:5} ratio {clock:.2f} clock, {processor:.2f} processor; same answers: {same} of {len(asked)}", flush=True)


def main() -> None:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="gemma-3-270m")
    parser.add_argument("--dtype", default=None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workload", choices=WORKLOADS, default=None)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    logging.set_verbosity_error()
    dtype = getattr(torch, given.dtype) if given.dtype else best_dtype()
    model = LocalModel(resolve(given.model), dtype=dtype, device="cpu")
    model.tokenizer.chat_template = "{{ bos_token }}{{ messages[0]['content'] }}"  # the plain text, as the pipeline reads it
    asked = requests(model.tokenizer, given.prompts)
    lengths = sorted(len(model.tokenizer(request.text)["input_ids"]) for request in asked)
    print(f"{given.model}, {dtype}, {given.threads} thread(s), {len(asked)} prompts of {lengths[0]} to {lengths[-1]} tokens")
    ours(model, asked[:8], Sampling(max_tokens=4))
    theirs(model, asked[:8], Sampling(max_tokens=4))
    for name in [given.workload] if given.workload else WORKLOADS:
        compare(model, asked, name, given.tokens, given.rounds)


if __name__ == "__main__":
    main()
