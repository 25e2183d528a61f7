"""How well a trained reward model agrees with the verifiable arbiter on items that it never saw.

Run: polylect train reward --model RUN/steps/base --pairs RUN/steps/arbitrage/pairs.parquet --heldout 0.2 --epochs 3 \
         --batch-size 16 --learning-rate 2e-4 --seed 7 --out REWARD
     python benchmarks/reward_model.py RUN REWARD

RUN is a finished run of the quickstart, REWARD the reward model's folder. Per language: the area under the ROC curve of the
reward for exact answers; the share of pairs of answers to one prompt, more than 0.3 apart by the verifiable score, that both
order alike, with a 95 % interval over items; and the mean verifiable score of the answer that the reward model likes best,
beside a random answer's and the best one's.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from polylect import tables
from polylect.models.reward import RewardModel
from polylect.models.reward_inputs import dialogue
from polylect.records import Completion, Pair, Prompt, Verdict
from polylect.verifiable import score

GAP = 0.3


def rows(run: Path, folder: Path) -> list[tuple[str, str, str, float, float, bool]]:
    """Return (language, item, prompt, reward, verifiable score, exact) of answers about items that were not trained on."""
    steps = run / "steps"
    heldout = {row.item for row in tables.read(folder / "heldout.parquet", Verdict)}
    trained = {row.item for row in tables.read(steps / "arbitrage/pairs.parquet", Pair)} - heldout
    prompts = {prompt.id: prompt for prompt in tables.read(steps / "prompts/prompts.parquet", Prompt)}
    answers = tables.read(steps / "arbitrage/completions.parquet", Completion)
    answers = [answer for answer in answers if answer.item not in trained and answer.text.strip()]
    model = RewardModel(str(folder))
    start = time.perf_counter()
    rewards = model.score([dialogue(prompts[answer.prompt_id].text, answer.text) for answer in answers])
    print(f"{len(answers)} answers scored at {len(answers) / (time.perf_counter() - start):.1f} per second")
    found = []
    for answer, reward in zip(answers, rewards, strict=True):
        known = score(answer, prompts[answer.prompt_id])
        if reward.value is not None and known.value is not None:
            found.append((answer.language, answer.item, answer.prompt_id, reward.value, known.value, known.exact == 1.0))
    print(f"{len(answers) - len(found)} of them unscored by one of the two")
    return found


def report(language: str, chosen: list[tuple[str, str, str, float, float, bool]]) -> None:
    """Print one language's line."""
    prompts = defaultdict(list)
    for row in chosen:
        prompts[row[2]].append(row)
    agreed = defaultdict(list)
    for group in prompts.values():
        for a, b in combinations(group, 2):
            if abs(a[4] - b[4]) > GAP:
                agreed[a[1]].append(0.5 if a[3] == b[3] else float((a[3] > b[3]) == (a[4] > b[4])))
    sums, counts = (np.array([f(part) for part in agreed.values()], float) for f in (sum, len))
    draws = np.random.default_rng(0).integers(len(sums), size=(2000, len(sums)))
    low, high = np.percentile(sums[draws].sum(1) / counts[draws].sum(1), [2.5, 97.5])
    exact, reward = [row[5] for row in chosen], [row[3] for row in chosen]
    area = f"{roc_auc_score(exact, reward):.3f}" if 0 < sum(exact) < len(exact) else "n/a"
    best = np.mean([max(group, key=lambda row: row[3])[4] for group in prompts.values()])
    random = np.mean([np.mean([row[4] for row in group]) for group in prompts.values()])
    oracle = np.mean([max(row[4] for row in group) for group in prompts.values()])
    print(
        f"{language:8} {len(chosen):5} answers  AUC {area}  pairs {sums.sum() / counts.sum():.3f} [{low:.3f}, {high:.3f}] of "
        f"{counts.sum():.0f}  chosen {best:.3f}  random {random:.3f}  best {oracle:.3f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("reward", type=Path)
    arguments = parser.parse_args()
    found = rows(arguments.run, arguments.reward)
    for language in sorted({row[0] for row in found}):
        report(language, [row for row in found if row[0] == language])
    report("all", found)


if __name__ == "__main__":
    main()
