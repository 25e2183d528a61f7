"""Are merged values right on a real model: every element against a plain float64 reference, and logits against merging in memory.

Run: python benchmarks/merge_values.py runs/quickstart [--stage sft]

Takes the cluster checkpoints of a finished run and their base, merges them with `polylect.merge`, and compares each element of
each tensor with formulas written out in float64 (whole tensors in memory, a stable sort for TIES). For DARE it compares 1, 2 and
4 threads, and the share and the mean of what is kept with their expectation. Then the run's merged checkpoint is loaded with
transformers and its logits are compared with those of a model averaged in memory. Exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import polylect.merge
from polylect.models.safetensors_file import SINGLE_FILE

SENTENCES = ("In which country is the city of Ankara?", "Mayıs'tan sonra hangi ay gelir?", "Какой язык говорят в Бразилии?")
Tensors = dict[str, torch.Tensor]


def rounded(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """Round float64 to bfloat16 once, half to even: of the two bfloat16 around each value, the nearer."""
    exact = torch.from_numpy(values)
    guess = exact.to(torch.bfloat16)
    bits = guess.view(torch.int16)
    best, distance = guess, (guess.double() - exact).abs()
    for step in (-1, 1):
        other = (bits + step).view(torch.bfloat16)
        away = (other.double() - exact).abs()
        even = (other.view(torch.int16) & 1) == 0
        better = (away < distance) | ((away == distance) & even)
        best, distance = torch.where(better, other, best), torch.where(better, away, distance)
    return best.view(like.shape)


def linear(inputs: Sequence[np.ndarray], base: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Return sum(w x) / sum(w)."""
    return sum(w * x for w, x in zip(weights, inputs, strict=True)) / math.fsum(weights)


def slerp(inputs: Sequence[np.ndarray], base: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Return the point at 0.3 on the arc from the first to the second (Shoemake 1985), straight where they are parallel."""
    a, b = inputs[:2]
    cosine = float(a @ b) / (math.sqrt(float(a @ a)) * math.sqrt(float(b @ b)))
    if cosine > 0.9995:
        return 0.7 * a + 0.3 * b
    theta = math.acos(cosine)
    return math.sin(0.7 * theta) / math.sin(theta) * a + math.sin(0.3 * theta) / math.sin(theta) * b


def ties(inputs: Sequence[np.ndarray], base: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Trim to the largest 30 % (earlier entries first among equals), elect, average what agrees (Yadav et al. 2023)."""
    trimmed = []
    for x in inputs:
        tau = x - base
        kept = np.argsort(-np.abs(tau), kind="stable")[: int(0.3 * tau.size)]
        sparse = np.zeros_like(tau)
        sparse[kept] = tau[kept]
        trimmed.append(sparse)
    sign = np.sign(sum(w * tau for w, tau in zip(weights, trimmed, strict=True)))
    agreeing = [(np.sign(tau) == sign) & (tau != 0) for tau in trimmed]
    total = sum(w * tau * agrees for w, tau, agrees in zip(weights, trimmed, agreeing, strict=True))
    divisor = sum(w * agrees for w, agrees in zip(weights, agreeing, strict=True))
    return base + total / np.where(divisor == 0, 1, divisor)


def wrong(path: Path, base: Tensors, models: Sequence[Tensors], weights: Sequence[float], formula: Callable) -> tuple[int, int]:
    """Return how many elements of a merged checkpoint differ from the formula, and how many there are."""
    merged = load_file(path / SINGLE_FILE)
    differing = count = 0
    for name, value in merged.items():
        vectors = [model[name].double().numpy().ravel() for model in (*models, base)]
        expected = rounded(formula(vectors[:-1], vectors[-1], weights), value)
        differing += int((expected != value).sum())
        count += value.numel()
    return differing, count


def dare(folders: Sequence[Path], base_folder: Path, base: Tensors, model: Tensors, out: Path) -> bool:
    """Compare threads, and for one model alone the share that is kept and the mean of it with their expectation."""
    merged = []
    for threads in (1, 2, 4):
        path = out / f"dare{threads}"
        polylect.merge(
            folders, base=base_folder, method="dare-ties", density=0.3, threads=threads, max_memory=threads * 10**8, out=path
        )
        merged.append((path / SINGLE_FILE).read_bytes())
    same = merged[0] == merged[1] == merged[2]
    polylect.merge(folders[:1], base=base_folder, method="dare-linear", density=0.3, dtype="float32", out=out / "alone")
    alone = load_file(out / "alone" / SINGLE_FILE)
    tau = np.concatenate([(model[n].double() - base[n].double()).numpy().ravel() for n in alone])
    found = np.concatenate([(alone[n].double() - base[n].double()).numpy().ravel() for n in alone])
    changed = tau != 0
    n = int(changed.sum())
    share = float((found[changed] != 0).mean())
    sigma = math.sqrt(0.3 * 0.7 / n)
    # The sum of masked tau / 0.3 has mean sum(tau) and variance sum(tau^2) * 0.7 / 0.3.
    apart = abs(found.sum() - tau.sum()) / math.sqrt((tau**2).sum() * 0.7 / 0.3)
    print(f"dare-ties   1, 2 and 4 threads give {'the same bytes' if same else 'OTHER BYTES'}")
    print(
        f"dare-linear keeps {share:.6f} of {n:,} entries at density 0.3: {abs(share - 0.3) / sigma:.1f} sigma off, "
        f"their mean {apart:.1f} sigma"
    )
    return same and abs(share - 0.3) < 4 * sigma and apart < 4


def logits(folder: Path, tensors: Tensors | None) -> torch.Tensor:
    """Return the logits of some sentences by the checkpoint in `folder`, its weights replaced by `tensors` if given."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    if tensors is not None:
        missing = model.load_state_dict(tensors, strict=False)
        assert not missing.unexpected_keys, missing.unexpected_keys
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return torch.cat([model(**tokenizer(text, return_tensors="pt")).logits[0] for text in SENTENCES])


def main() -> None:
    """Check everything and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--stage", default="sft")
    arguments = parser.parse_args()
    steps = arguments.run / "steps"
    folders, base_folder = sorted((steps / arguments.stage).iterdir()), steps / "base"
    folders = [path for path in folders if path.name != "baseline"]
    base, *models = (load_file(path / SINGLE_FILE) for path in (base_folder, *folders))
    weights = [1.0 + number for number in range(len(models))]
    good = True
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        for formula, options in (
            (linear, {"weights": weights}),
            (slerp, {"t": 0.3}),
            (ties, {"weights": weights, "density": 0.3}),
        ):
            name = formula.__name__
            polylect.merge(folders, base=base_folder, method=name, out=out / name, **options)
            differing, count = wrong(out / name, base, models, weights, formula)
            print(f"{name:11} {differing} of {count:,} elements differ from the float64 reference")
            good &= differing == 0
        good &= dare(folders, base_folder, base, models[0], out)
    mean = {
        name: rounded(sum(model[name].double().numpy().ravel() for model in models) / len(models), base[name]) for name in base
    }
    merged = steps / "merge" / arguments.stage
    same = torch.equal(logits(merged, None), logits(folders[0], mean))
    print(f"logits of {merged} and of averaging in memory are {'equal' if same else 'NOT EQUAL'}")
    raise SystemExit(0 if good and same else 1)


if __name__ == "__main__":
    main()
