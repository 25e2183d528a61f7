"""How much of the reward router's mean reward each router keeps, on the answers of a finished run's arbitrage.

Run: python benchmarks/routers.py RUN [--seeds 10] [--probe 0.25] [--without TEACHER ...] [--declare TEACHER=LANG,LANG ...]
     [--translation] [--writers STEP ...] [--store FILE]

Every teacher has answered every prompt of the run, so what a router would have got is looked up. For each seed a share of the
items is what the routers learn from, and the others are what they are measured on; a prompt's reward under a router is its
mean over the seeds that measured it. Intervals are 95 %, by a bootstrap over items. `--declare` gives teachers the languages
that a pool file would give them: nobody, the reward router included, asks them elsewhere. The rates of choices that know the
rewards (the best teacher for each language, for each kind of question, for both) are made on the measured prompts themselves:
no router can be expected to reach them.

`--translation` adds the translation baseline to the table, and for Spanish one through Apertium where that is installed;
`--writers base teacher/WEST` adds the router `fuse` with these checkpoints of the run as writers. Both ask models on the CPU,
some minutes each on the 704 prompts of the quickstart (see routers_written.py); `--store` keeps their answers. All rows are
of the same prompts: those that a seed measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from polylect import tables
from polylect.arbitrage.routers import router
from polylect.records import MULTIPLE, Prompt, Score
from polylect.resampling import means, replicates, tabulate

ROUTERS = ("random", "single", "fixed", "learned", "learned, two layers")


@dataclass(frozen=True)
class Named:
    """A teacher with its languages."""

    name: str
    languages: tuple[str, ...] | None


def answers(run: Path, pool: Sequence[Named]) -> tuple[list[Prompt], list[dict[str, float]]]:
    """Return the prompts of the run's arbitrage, and for each: teacher -> score, of the teachers that serve its language."""
    prompts = {prompt.id: prompt for prompt in tables.read(run / "steps/prompts/prompts.parquet", Prompt)}
    allowed = {teacher.name: teacher.languages for teacher in pool}
    rewards: dict[str, dict[str, float]] = {}
    for score in tables.read(run / "steps/arbitrage/scores.parquet", Score):
        languages = allowed.get(score.model, ())
        if score.value is not None and (languages is None or score.language in languages):
            rewards.setdefault(score.prompt_id, {})[score.model] = score.value
    return [prompts[key] for key in rewards], list(rewards.values())


def teachers(run: Path, without: Sequence[str], declared: Mapping[str, tuple[str, ...]]) -> list[Named]:
    """Return the run's pool."""
    scores = tables.read(run / "steps/arbitrage/scores.parquet", Score)
    return [Named(name, declared.get(name)) for name in sorted({score.model for score in scores} - set(without))]


def measured(
    prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]], pool: Sequence[Named], seeds: int, probe: float
) -> dict[str, np.ndarray]:
    """Return router -> mean reward of each prompt over the seeds that measured it, shape (prompts,); NaN: none did."""
    totals = {name: np.zeros(len(prompts)) for name in ROUTERS}
    counts = np.zeros(len(prompts))
    for seed in range(seeds):
        split = router("fixed", pool, {"probe": probe, "seed": seed})
        learn = np.array([split.probed(prompt.item) for prompt in prompts])
        rest = np.flatnonzero(~learn)
        counts[rest] += 1
        for name, total in totals.items():
            kind, _, head = name.partition(", ")
            settings = {"seed": seed} if kind == "random" else {"seed": seed, "probe": probe}
            if kind == "learned":
                settings |= {"epsilon": 0.0, "head": "two-layer" if head else "linear"}
            made = router(kind, pool, settings)
            made.learn([prompts[i] for i in np.flatnonzero(learn)], [rewards[i] for i in np.flatnonzero(learn)])
            plans = made.plan([prompts[i] for i in rest])
            for index, plan in zip(rest, plans, strict=True):
                # A single teacher that does not serve the language gives nothing there.
                total[index] += rewards[index].get(plan[0], 0.0) if plan else 0.0
    with np.errstate(invalid="ignore"):
        return {name: total / counts for name, total in totals.items()}


def informed(prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]], group: Callable[[Prompt], object]) -> np.ndarray:
    """Return each prompt's reward when every group of prompts gets the teacher that was best on the group itself."""
    members: dict[object, list[int]] = {}
    for index, prompt in enumerate(prompts):
        members.setdefault(group(prompt), []).append(index)
    found = np.zeros(len(prompts))
    for part in members.values():
        common = set.intersection(*(set(rewards[i]) for i in part))
        best = max(sorted(common), key=lambda name: sum(rewards[i][name] for i in part))
        found[part] = [rewards[i][best] for i in part]
    return found


def ratio(prompts: Sequence[Prompt], one: np.ndarray, other: np.ndarray, language: str) -> tuple[float, float, float, float]:
    """Return the mean of `one` (macro average for "mul"), and its ratio to that of `other` with a 95 % interval."""
    known = [i for i, p in enumerate(prompts) if language in (MULTIPLE, p.language) and not np.isnan(one[i])]
    names = sorted({prompts[i].language for i in known})
    cells = [tabulate([(prompts[i].item, prompts[i].language, float(v[i])) for i in known], names) for v in (one, other)]
    drawn = [np.nanmean(replicates(table, 0), axis=1) for table in cells]
    low, high = np.nanpercentile(drawn[0] / drawn[1], (2.5, 97.5))
    value = float(means(cells[0]).mean())
    return value, value / float(means(cells[1]).mean()), float(low), float(high)


def show(prompts: Sequence[Prompt], policies: Mapping[str, np.ndarray], asked: Mapping[str, float]) -> None:
    """Print one table of policies, and one of the learned router per language."""
    best = policies["reward"]
    spanish = np.array([prompt.language == "es" for prompt in prompts])
    partly = {name for name, values in policies.items() if np.isnan(values[~spanish]).all()}
    for language in (MULTIPLE, *(("es",) if partly else ())):
        where = "mean over languages" if language == MULTIPLE else f"{language} alone"
        print(f"\n{where:36} {'answers/prompt':>14} {'mean reward':>12} {'share of reward router':>28}")
        for name in (name for name in policies if language != MULTIPLE or name not in partly):
            value, part, low, high = ratio(prompts, policies[name], best, language)
            print(
                f"{name:36} {asked.get(name, 1.0):14.2f} {value:12.3f} {100 * part:10.1f} % ({100 * low:.1f} to {100 * high:.1f})"
            )
    print(f"\n{'language':10} {'reward router':>13} {'learned':>9} {'learned / reward':>26} {'fixed / reward':>24}")
    for language in (*sorted({p.language for p in prompts}), MULTIPLE):
        value, part, low, high = ratio(prompts, policies["learned"], best, language)
        _, other, least, most = ratio(prompts, policies["fixed"], best, language)
        print(
            f"{language:10} {value / part:13.3f} {value:9.3f} {100 * part:10.1f} % ({100 * low:.1f} to {100 * high:.1f})"
            f" {100 * other:9.1f} % ({100 * least:.1f} to {100 * most:.1f})"
        )


def generated(
    given: argparse.Namespace, prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]]
) -> dict[str, np.ndarray]:
    """Return the rewards of what models are asked for here: translation and fused answers, as the command line says."""
    found: dict[str, np.ndarray] = {}
    with TemporaryDirectory() as folder:
        store = given.store or Path(folder) / "answers.sqlite"
        if given.translation:
            found |= translated(given.run, prompts, rewards, store)
        for writer in given.writers:
            found |= written(given.run, prompts, writer, store)
    return found


def translated(
    run: Path, prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]], store: Path
) -> dict[str, np.ndarray]:
    """Return the rewards of the translation baseline; by Apertium too, for Spanish alone (elsewhere NaN)."""
    from routers_written import PIVOT, FewShotTranslator, through_english

    from polylect.errors import ModelError
    from polylect.models.local import LocalModel
    from polylect.models.translators import translator

    english = [row for prompt, row in zip(prompts, rewards, strict=True) if prompt.language == PIVOT]
    best = max(sorted(english[0]), key=lambda name: sum(row[name] for row in english))
    model = LocalModel(run / "steps/teacher" / best, name=best)
    seeds = [prompt for prompt in tables.read(run / "steps/prompts/prompts.parquet", Prompt) if prompt.split == "seed"]
    languages = sorted({prompt.language for prompt in prompts} - {PIVOT})
    own = FewShotTranslator(LocalModel(run / "steps/base", name="base"), seeds, languages, store)
    ways = {"translation": (own, prompts)}
    try:
        ways["translation (Apertium)"] = (translator("apertium"), [p for p in prompts if p.language == "es"])
    except ModelError as error:
        print(f"no row for Apertium: {error}")
    print(f"translation: {best}, the best in English, answers")
    found = {}
    for name, (through, part) in ways.items():
        one = through_english(part, model, through, store)
        by_id = dict(zip((prompt.id for prompt in part), one.values, strict=True))
        found[name] = np.array([by_id.get(prompt.id, np.nan) for prompt in prompts])
        print(f"{name}: {len(part)} prompts; {told(one.verdicts)}")
    return found


def written(run: Path, prompts: Sequence[Prompt], writer: str, store: Path) -> dict[str, np.ndarray]:
    """Return the rewards of what a checkpoint of the run writes from the teachers' answers, and of the router `fuse` with it."""
    from routers_written import fused

    from polylect.models.local import LocalModel

    alone, taken = fused(run, prompts, LocalModel(run / "steps" / writer, name=writer), store)
    print(f"fuse, {writer} writes: {told(alone.verdicts)}; {told(taken.verdicts)}")
    return {f"fuse: {writer}": taken.values, f"fuse: {writer}, always taken": alone.values}


def told(counts: Mapping[str, int]) -> str:
    """Return counts by what they are of, the most frequent first."""
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items(), key=lambda one: -one[1]))


def speed(prompts: Sequence[Prompt], rewards: Sequence[Mapping[str, float]], pool: Sequence[Named]) -> str:
    """Return how many prompts the learned router plans per second."""
    made = router("learned", pool, {"epochs": 1})
    made.learn(prompts, rewards)
    asked = list(prompts) * (20_000 // len(prompts) + 1)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        made.plan(asked)
        seconds.append(time.perf_counter() - began)
    length = sum(len(prompt.text) for prompt in asked) / len(asked)
    return f"the learned router plans {len(asked) / min(seconds):,.0f} prompts/s on one core ({length:.0f} characters on average)"


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--probe", type=float, default=0.25)
    parser.add_argument("--without", nargs="*", default=[], metavar="TEACHER")
    parser.add_argument("--declare", nargs="*", default=[], metavar="TEACHER=LANG,LANG")
    parser.add_argument("--translation", action="store_true")
    parser.add_argument("--writers", nargs="*", default=[], metavar="STEP")
    parser.add_argument("--store", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    declared = {name: tuple(tags.split(",")) for name, _, tags in (text.partition("=") for text in given.declare)}
    pool = teachers(given.run, given.without, declared)
    prompts, rewards = answers(given.run, pool)
    items = len({prompt.item for prompt in prompts})
    print(f"{len(prompts)} prompts of {items} items; {given.seeds} seeds, {100 * given.probe:.0f} % of the items to learn from")
    print(", ".join(f"{t.name} ({','.join(t.languages) if t.languages else 'all languages'})" for t in pool) + "\n")
    policies = measured(prompts, rewards, pool, given.seeds, given.probe)
    groups: dict[str, Callable[[Prompt], object]] = {
        "language": lambda p: p.language,
        "language and kind": lambda p: (p.language, p.kind),
    }
    policies |= {f"knows rewards: {name}": informed(prompts, rewards, group) for name, group in groups.items()}
    policies["reward"] = np.array([max(row.values()) for row in rewards])
    everyone = sum(map(len, rewards)) / len(rewards)
    found = generated(given, prompts, rewards)
    policies |= found
    asked = {"reward": everyone, **{name: everyone + 1 for name in found if name.startswith("fuse")}}
    # With few seeds there are prompts that no seed measured: they leave every row.
    for values in policies.values():
        values[np.isnan(policies["random"])] = np.nan
    show(prompts, policies, asked)
    print("\n" + speed(prompts, rewards, pool))


if __name__ == "__main__":
    main()
