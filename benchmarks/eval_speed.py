"""Scoring options: ours against lm-evaluation-harness, on the same pairs of texts, model, machine and batch size.

Run: python tests/evaluate/invented_sets.py SETS
     python benchmarks/eval_speed.py MODEL SETS [--limit 50] [--batch 8] [--harness PYTHON] [--plain]

MODEL is a folder. PYTHON is the interpreter of an environment with lm_eval, torch and transformers; its model class scores
the pairs that our prompts consist of, so that both do the same work. Printed per set: pairs, wall and CPU seconds of both
(without loading the model), the largest difference of a log-likelihood and how many questions have another best option.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from polylect.evaluate.benchmarks import get
from polylect.evaluate.example_choice import ExamplePool
from polylect.evaluate.prompting import Prompter, load_examples
from polylect.evaluate.task_types import ChoiceTask
from polylect.models.likelihood_local import LocalLikelihood
from polylect.models.local import LocalModel

SETS = ("xcopa", "xstorycloze", "xwinograd", "global-mmlu")

HARNESS = """
import json, os, sys, time
import torch
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
job = json.load(open(sys.argv[1]))
model = HFLM(pretrained=job["model"], dtype="float32", batch_size=job["batch"], device="cpu")
for name, pairs in job["sets"].items():
    asked = [Instance("loglikelihood", {}, tuple(pair), i) for i, pair in enumerate(pairs)]
    wall, cpu = time.perf_counter(), time.process_time()
    found = model.loglikelihood(asked, disable_tqdm=True)
    times = [time.perf_counter() - wall, time.process_time() - cpu]
    print("RESULT" + json.dumps([name, times, [value for value, _ in found], [bool(flag) for _, flag in found]]), flush=True)
"""


def tasks_of(name: str, folder: Path, limit: int) -> list[ChoiceTask]:
    """Return the tasks of a set, at most `limit` items per language."""
    entry, tasks = get(name), []
    for language in sorted({item.language for item in entry.load(folder / name)}):
        items = list(islice(entry.load(folder / name, [language]), limit))
        pool = load_examples(entry, folder / name, [language]) if entry.shots else ExamplePool()
        tasks += Prompter(entry, examples=pool).tasks(items)
    return [task for task in tasks if isinstance(task, ChoiceTask)]


def ours(model: LocalModel, tasks: list[ChoiceTask], batch: int, *, plain: bool) -> tuple[list[float], list[Any]]:
    """Return (wall, CPU) seconds and the scores of every option in order."""
    likelihood = LocalLikelihood(model, batch_rows=batch)
    if plain:
        likelihood.packed = False
    wall, cpu = time.perf_counter(), time.process_time()
    found: dict[int, list[Any]] = {}
    for part in likelihood.score([task.options for task in tasks]):
        found.update(part)
    times = [time.perf_counter() - wall, time.process_time() - cpu]
    return times, [score for place in range(len(tasks)) for score in found[place]]


def theirs(python: str, model: str, batch: int, sets: dict[str, list[ChoiceTask]]) -> dict[str, Any]:
    """Return per set [seconds, log-likelihoods, greedy flags] of the harness."""
    pairs = {name: [pair for task in tasks for pair in task.options] for name, tasks in sets.items()}
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps({"model": model, "batch": batch, "sets": pairs}), encoding="utf-8")
        done = subprocess.run([python, "-c", HARNESS, str(job)], capture_output=True, text=True, check=False)
    lines = [line.removeprefix("RESULT") for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if len(lines) < len(sets):
        raise SystemExit(f"the harness failed:\n{done.stderr[-2000:]}")
    return {name: rest for name, *rest in map(json.loads, lines)}


def best(tasks: list[ChoiceTask], values: list[float]) -> list[int]:
    """Return the first best option of every task."""
    rest, found = iter(values), []
    for task in tasks:
        own = [next(rest) for _ in task.options]
        found.append(own.index(max(own)))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("sets", type=Path)
    parser.add_argument("--limit", type=int, default=50, help="items per language")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--harness", help="Python with lm_eval")
    parser.add_argument("--only", default=",".join(SETS))
    parser.add_argument("--plain", action="store_true", help="one row per option, logits where needed: what packing adds")
    options = parser.parse_args()
    threads = int(os.environ.setdefault("OMP_NUM_THREADS", "2"))

    import torch

    torch.set_num_threads(threads)
    sets = {name: tasks_of(name, options.sets, options.limit) for name in options.only.split(",")}
    model = LocalModel(Path(options.model), dtype=torch.float32, device="cpu")
    mine = {name: ours(model, tasks, options.batch, plain=options.plain) for name, tasks in sets.items()}
    other = theirs(options.harness, options.model, options.batch, sets) if options.harness else {}
    print(f"{threads} threads, batch {options.batch}, float32; seconds are wall (CPU)")
    for name, tasks in sets.items():
        (wall, cpu), scores = mine[name]
        line = f"{name:12} {len(tasks):5} questions {len(scores):6} pairs  ours {wall:7.1f} ({cpu:.1f})"
        if name in other:
            (their_wall, their_cpu), values, flags = other[name]
            own = [score.logprob for score in scores]
            apart = max(abs(a - b) for a, b in zip(own, values, strict=True))
            changed = sum(a != b for a, b in zip(best(tasks, own), best(tasks, values), strict=True))
            greedy = sum(score.greedy != flag for score, flag in zip(scores, flags, strict=True))
            line += f"  harness {their_wall:7.1f} ({their_cpu:.1f})  x{their_wall / wall:.1f} (x{their_cpu / cpu:.1f})"
            line += f"  largest difference {apart:.1e}, best option differs {changed}, greedy differs {greedy}"
        print(line)


if __name__ == "__main__":
    main()
