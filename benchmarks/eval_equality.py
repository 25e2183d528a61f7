"""Four public sets by lm-evaluation-harness and by us: equal answers, item by item, and the time of both.

XCOPA, XStoryCloze, XWinograd and Global-MMLU. Both sides read the same invented items (tests/evaluate/invented_sets.py), load
the same checkpoint in float32 and have the same batch size. The harness runs its own task configurations; only where their data
comes from is overridden. Every measurement is a new process. Times: the whole process by the wall clock and in CPU seconds, and
what it did after its imports (loading, scoring, writing). Global-MMLU is asked with five examples, which the harness takes from
the same subject.

Run: python benchmarks/eval_equality.py MODEL --lm-eval-python PYTHON [--batch 8] [--scale 1] [--sets xcopa,...] [--keep DIR]

With the model of tests/evaluate/byte_model.py and --record tests/evaluate/lm_eval_recorded.json it makes the numbers that
tests/evaluate/test_lm_eval_equality.py holds us against.

PYTHON is an interpreter with lm_eval, in an environment of its own:
    python -m venv --system-site-packages VENV && VENV/bin/pip install -c constraints.txt 'lm_eval==0.4.13'
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# A library that imports `requests` shall not find the file of that name beside this one.
sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent]

ROOT = Path(__file__).parents[1]
SETS = ("xcopa", "xstorycloze", "xwinograd", "global-mmlu")
_CONFIGS = {"xcopa": "xcopa/default_{}", "xstorycloze": "xstorycloze/default_{}", "xwinograd": "xwinograd/xwinograd_{}"}
_SHOTS = 5


def theirs(sets: Path, model: str, out: Path, names: Sequence[str], batch: int) -> dict[str, float]:
    """Score with lm-evaluation-harness and log the samples under `out`; return seconds of loading, scoring and writing."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_CACHE=str(out / "cache"))
    import lm_eval
    from lm_eval.loggers import EvaluationTracker

    tasks = [_task(out, task, base, sets / name / language) for name in names for task, base, language in _tasks(sets, name)]
    began = time.perf_counter()
    tracker = EvaluationTracker(output_path=str(out / "harness"))
    results = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": model, "dtype": "float32"},
        tasks=tasks,
        batch_size=batch,
        device="cpu",
        evaluation_tracker=tracker,
        log_samples=True,
        bootstrap_iters=0,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    return {"work": time.perf_counter() - began}


def _tasks(sets: Path, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield (task, path of its configuration without .yaml, language); Global-MMLU has one task per subject."""
    for folder in sorted((sets / name).iterdir()):
        language = folder.name
        if name in _CONFIGS:
            yield f"{name}_{language}", _CONFIGS[name].format(language), language
            continue
        lines = (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()
        for subject in sorted({json.loads(line)["subject"] for line in lines}):
            task = f"global_mmlu_full_{language}_{subject}"
            yield task, f"global_mmlu/full/{language}/{task}", language


def _task(out: Path, task: str, base: str, data: Path) -> str:
    """Write a configuration that includes the harness's own and reads local files; return its path."""
    import lm_eval
    import yaml

    path = out / "tasks" / f"{task}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    files = {file.stem: str(file.resolve()) for file in data.glob("*.jsonl")}
    config: dict[str, Any] = {
        "include": str(Path(lm_eval.__file__).parent / "tasks" / f"{base}.yaml"),
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
    }
    if task.startswith("global_mmlu"):
        config["num_fewshot"] = _SHOTS
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return str(path)


def ours(sets: Path, model: str, out: Path, names: Sequence[str], batch: int) -> dict[str, float]:
    """Score with Polylect into `out/ours`; return seconds of loading, scoring and writing."""
    from polylect.evaluate import evaluate

    began = time.perf_counter()
    # With one benchmark the data is its own folder, with several the one above.
    data = sets / names[0] if len(names) == 1 else sets
    evaluate(model, names, out=out / "ours", data=data, dtype="float32", batch_rows=batch)
    return {"work": time.perf_counter() - began}


def measured(python: str, side: str, sets: Path, model: str, out: Path, names: Sequence[str], batch: int) -> dict[str, float]:
    """Run one side in a new process; return its own times, and wall and CPU seconds of the process."""
    command = [python, __file__, model, "--side", side, "--work", str(out), "--fixtures", str(sets)]
    command += ["--sets", ",".join(names), "--batch", str(batch)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    times: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**times, "process": wall, "cpu": after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime}


def options(path: Path) -> dict[tuple[str, str, str], list[tuple[float, bool]]]:
    """Map (benchmark, language, item) to (log-likelihood, chosen) of each option."""
    import polars as pl

    found: dict[tuple[str, str, str], list[tuple[float, bool]]] = {}
    frame = pl.read_parquet(path).sort("benchmark", "language", "item", "option")
    for row in frame.iter_rows(named=True):
        found.setdefault((row["benchmark"], row["language"], row["item"]), []).append((row["logprob"], row["chosen"]))
    return found


def compare(harness: Mapping[tuple[str, str, str], Any], mine: Mapping[tuple[str, str, str], Any]) -> int:
    """Print equal answers per set, and every difference with the numbers behind it; return the number of differences."""
    different = 0
    for name in sorted({key[0] for key in (*harness, *mine)}):
        shared = [key for key in harness if key[0] == name and key in mine]
        only = sum(key[0] == name for key in (*harness, *mine)) - 2 * len(shared)
        unequal = [key for key in shared if _answer(harness[key]) != _answer(mine[key])]
        furthest = max(
            (abs(a - b) for key in shared for (a, _), (b, _) in zip(harness[key], mine[key], strict=True)), default=0.0
        )
        languages = sorted({key[1] for key in shared})
        print(
            f"{name:12} equal {len(shared) - len(unequal)}/{len(shared)} ({', '.join(languages)}); on one side only {only}; "
            f"largest difference of a log-likelihood {furthest:.2e}"
        )
        for key in unequal:
            print(f"  {key[1]} {key[2]}: {_shown(harness[key])} against {_shown(mine[key])}; {_why(harness[key], mine[key])}")
        different += len(unequal) + only
    return different


def _answer(options: Sequence[tuple[float, bool]]) -> int:
    return [chosen for _, chosen in options].index(True)


def _shown(options: Sequence[tuple[float, bool]]) -> str:
    return "[" + ", ".join(f"{'*' if chosen else ''}{value:.6f}" for value, chosen in options) + "]"


def _why(harness: Sequence[tuple[float, bool]], mine: Sequence[tuple[float, bool]]) -> str:
    """Say whether the two best options lie nearer to each other than the two sides' roundings."""
    best = sorted((value for value, _ in harness), reverse=True)
    furthest = max(abs(a - b) for (a, _), (b, _) in zip(harness, mine, strict=True))
    tie = best[0] - best[1] <= 2 * furthest
    return f"margin {best[0] - best[1]:.1e}, sides differ by {furthest:.1e}: " + ("a tie up to rounding" if tie else "NOT a tie")


def record(path: Path, harness: Path, found: Mapping[tuple[str, str, str], Sequence[tuple[float, bool]]]) -> None:
    """Write the harness's log-likelihoods, with the versions that made them, for tests where it is not installed."""
    results = json.loads(next(harness.rglob("results_*.json")).read_text(encoding="utf-8"))
    sets: dict[str, dict[str, dict[str, list[float]]]] = {}
    for (name, language, item), values in found.items():
        sets.setdefault(name, {}).setdefault(language, {})[item] = [round(value, 4) for value, _ in values]
    versions = {key: results[key] for key in ("lm_eval_version", "transformers_version")}
    path.write_text(json.dumps({"versions": versions, "sets": sets}, ensure_ascii=False) + "\n", encoding="utf-8")


def run(given: argparse.Namespace, folder: Path) -> int:
    """Make the fixtures, run both sides, print what came out; return the number of differences."""
    from polylect.evaluate.interop import import_lm_eval

    sets, names = folder / "sets", given.sets.split(",")
    subprocess.run([sys.executable, ROOT / "tests/evaluate/invented_sets.py", sets, "--scale", str(given.scale)], check=True)
    mine = measured(sys.executable, "ours", sets, given.model, folder, names, given.batch)
    harness = measured(given.lm_eval_python, "theirs", sets, given.model, folder, names, given.batch)
    imported = folder / "imported"
    import_lm_eval(folder / "harness", imported)
    different = compare(options(imported / "options.parquet"), options(folder / "ours" / "options.parquet"))
    if given.record:
        record(given.record, folder / "harness", options(imported / "options.parquet"))
    for name, times in (("harness", harness), ("ours", mine)):
        print(f"{name:8} " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in times.items()))
    print(f"ours / harness: process {mine['process'] / harness['process']:.2f}, CPU {mine['cpu'] / harness['cpu']:.2f}")
    return different


def main() -> int:
    """Run one side (as a process of its own) or the whole comparison; 1 where an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--lm-eval-python", default=sys.executable)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a new folder for what both sides write; else it is deleted")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the harness's log-likelihoods to FILE")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--fixtures", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        side = ours if given.side == "ours" else theirs
        print(json.dumps(side(given.fixtures, given.model, given.work, given.sets.split(","), given.batch)))
        return 0
    if given.keep:
        return int(run(given, given.keep) > 0)
    with tempfile.TemporaryDirectory() as folder:
        return int(run(given, Path(folder)) > 0)


if __name__ == "__main__":
    sys.exit(main())
