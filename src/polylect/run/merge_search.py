"""The weights of a merge from per-language validation: `polylect merge search` as a function.

The validation items are divided in two. On the first part every candidate is merged, asked and scored; the second part, which
the search never sees, says whether the weights it recommends beat uniform ones and the best single checkpoint, and what each
language lost against the checkpoint that serves it best.
"""

from __future__ import annotations

import json
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polylect import __version__, tables
from polylect.errors import RunError
from polylect.merge.search import Evaluation, Objective, SearchResult, Weights, text
from polylect.merge.search import search as optimise
from polylect.models.requests import Sampling
from polylect.progress import StepProgress
from polylect.records import MULTIPLE, Difference, Prompt, Result, Trial, content_hash
from polylect.run.keys import library_version
from polylect.run.lock import FolderLock
from polylect.run.merge_search_candidates import MERGING, Candidates, Mixture, discard
from polylect.run.merge_search_items import Items, divide
from polylect.run.merge_search_verdict import Heldout, beats, check_metric, scored, verdict
from polylect.run.outputs import MANIFEST, write_manifest

__all__ = ["SearchReport", "search"]

RECOMMENDED, UNIFORM, SOUP = "recommended", "uniform", "soup"
"""Names of stages in the tables of held-out results; a single checkpoint is "single/<its name>"."""

_STORE = "answers.sqlite"
_MODEL = "model"

"""Called with answers done, answers in all, and a note."""


@dataclass(frozen=True)
class SearchReport:
    """What a search found; report.json holds the same.

    Attributes:
        models: name -> folder of each checkpoint.
        method: of the merge.
        objective: what was maximised.
        metric: of which the objective is made.
        budget: evaluations that were allowed.
        evaluations: evaluations that were made.
        items: per part ("search", "heldout"), the number of items and prompts; "dropped", by reason.
        weights: the recommended ones, one per model.
        candidates: the recommended, uniform, soup and single weights, with the objective on both parts and its interval.
        beats_uniform: whether the recommended weights beat uniform ones on held-out items: the whole interval lies above 0.
        verdicts: against uniform weights and against the best single checkpoint: "beats uniform weights by ...".
        differences: the numbers behind them: recommended minus the other, per language, and the objective.
        regret: per language, its best single checkpoint (chosen on the search part) minus the recommended merge.
        out: the output folder.
    """

    models: Mapping[str, str]
    method: str
    objective: str
    metric: str
    budget: int
    evaluations: int
    items: Mapping[str, Mapping[str, int]]
    weights: Weights
    candidates: Sequence[Mapping[str, Any]]
    beats_uniform: bool
    verdicts: Sequence[str]
    differences: Sequence[Difference]
    regret: Sequence[Difference]
    out: Path

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "out": str(self.out)}


def search(
    models: Sequence[Path],
    *,
    validation: Path | Sequence[Prompt],
    out: Path,
    objective: Objective | str = "mean",
    budget: int = 40,
    method: str = "linear",
    base: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    metric: str = "score",
    items: int | None = None,
    splits: Sequence[str] = (),
    heldout_splits: Sequence[str] = (),
    heldout_share: float = 0.5,
    seed: int = 0,
    sampling: Sampling | None = None,
    batch_size: int = 64,
    threads: int | None = None,
    progress: StepProgress | None = None,
) -> SearchReport:
    """Find the weights of a merge and write the merged model, the trials and the evidence to `out`.

    A search that was killed goes on when it is called again with the same `out`: no prompt that a candidate has answered is
    asked of it again. `out` gets model/ (the recommended merge), trials.parquet (`Trial`), results.parquet (`Result`, held-out
    items), differences.parquet and regret.parquet (`Difference`), report.json and, last, manifest.json.

    Args:
        models: checkpoint folders, at least two, of one architecture and one vocabulary.
        validation: a table of prompts with references, or the prompts.
        out: output folder, new or of an earlier search.
        objective: what to maximise: an `Objective`, or "mean" or "worst".
        budget: different weights to evaluate, the single checkpoints and the uniform average included.
        method: of the merge.
        base: what task vectors are taken against.
        settings: further arguments of `polylect.merge.merge`.
        metric: "score" (half exact match, half chrF), "exact_match" or "chrf".
        items: at most so many items per language for the search; None: all.
        splits: splits of the table to use; none: "validation" where the table has it, else all.
        heldout_splits: splits to keep from the search for the verdict; none: `heldout_share` of the items.
        heldout_share: share of the items that the search does not see.
        seed: of the division, the candidates and the intervals.
        sampling: how candidates answer; None is greedy with at most 64 new tokens.
        batch_size: prompts that are answered together.
        threads: of merging and, for this process from now on, of torch; None: as many as there are cores. Where other work
            keeps the cores busy, one is several times faster than several that wait for each other.
        progress: called with answers done, answers in all, and a note.

    Raises:
        MergeError: fewer than two models, a budget below their number + 1, or models that cannot be merged.
        ModelError: a folder that holds no model.
        DataError: validation prompts that cannot be divided.
        RunError: `out` holds something else, or another search works in it.
    """
    began = time.monotonic()
    objective = Objective(objective) if isinstance(objective, str) else objective
    check_metric(metric)
    mixture = Mixture(tuple(Path(model) for model in models), method, base, dict(settings or {}))
    mixture.check()
    divided = divide(
        validation, splits=splits, heldout_splits=heldout_splits, heldout_share=heldout_share, per_language=items, seed=seed
    )
    _prepare(out)
    from polylect.models import Store

    with FolderLock(out), Store(out / _STORE) as store:
        _clear(out)
        candidates = Candidates(mixture, out, store, sampling or Sampling(), batch_size, threads)
        work = _Work(candidates, divided, objective, metric, budget, seed, out, progress)
        found = optimise(work.scores, len(models), objective=objective, budget=budget, seed=seed, on_evaluation=work.tell)
        report = work.judge(found)
        work.save(found, report)
        write_manifest(out, _manifest(report, candidates, seed, time.monotonic() - began))
    return report


class _Work:
    """One search: asks candidates, keeps the trials, and judges what was found."""

    def __init__(
        self,
        candidates: Candidates,
        items: Items,
        objective: Objective,
        metric: str,
        budget: int,
        seed: int,
        out: Path,
        progress: StepProgress | None,
    ) -> None:
        self.candidates, self.items, self.objective, self.metric = candidates, items, objective, metric
        self._budget, self._seed, self._out, self._progress = budget, seed, out, progress
        self.labels = candidates.mixture.labels
        prompts = [prompt.id for prompt in items.search]
        self._key = content_hash(candidates.key, asdict(candidates.sampling), prompts, metric, asdict(objective))
        self._evaluations: Sequence[Evaluation] = ()
        self._n: dict[str, int] = {}
        self._answered = 0
        self._total = budget * len(items.search) + (len(self.labels) + 3) * len(items.heldout)

    def scores(self, weights: Weights) -> dict[str, float]:
        """Return the mean of the metric in each language, on the items of the search."""
        best = max((one.value for one in self._evaluations), default=None)
        note = f"evaluation {len(self._evaluations) + 1} of {self._budget}: {text(weights)}"
        note += f" (best so far {best:.4g})" if best is not None else ""
        rows = scored(self._results(weights, self.items.search, text(weights), note), self.metric)
        values: dict[str, list[float]] = {language: [] for language in self.items.languages}
        for _, language, value in rows:
            values[language].append(value)
        self._n = {language: len(part) for language, part in values.items()}
        return {language: sum(part) / len(part) for language, part in values.items()}

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Keep the evaluations so far, so that trials.parquet shows how far a running or killed search is."""
        self._evaluations = evaluations
        tables.write(self._out / "trials.parquet", self._trials(evaluations), Trial)

    def judge(self, found: SearchResult) -> SearchReport:
        """Evaluate what was found on the held-out items."""
        singles = {one.weights: f"single/{label}" for one, label in zip(found.singles, self.labels, strict=True)}
        stages = {RECOMMENDED: found.recommended, UNIFORM: found.uniform, SOUP: found.soup}
        stages |= {name: one for one, name in zip(found.singles, singles.values(), strict=True)}
        results = []
        for name, one in stages.items():
            results += self._results(one.weights, self.items.heldout, name, f"held-out items: {name}")
        tables.write(self._out / "results.parquet", results, Result)
        weights = {name: one.weights for name, one in stages.items()}
        heldout = Heldout(results, list(singles.values()), self.items.languages, self.metric, self.objective, self._seed, weights)
        others = {UNIFORM: "uniform weights", singles[found.best_single.weights]: "the best single checkpoint"}
        gains = {other: heldout.objective_difference(RECOMMENDED, other) for other in others}
        best = _best_singles(found, singles)
        return SearchReport(
            models={label: str(model) for label, model in zip(self.labels, self.candidates.mixture.models, strict=True)},
            method=self.candidates.mixture.method,
            objective=str(self.objective),
            metric=self.metric,
            budget=self._budget,
            evaluations=len(found.evaluations),
            items=_counts(self.items),
            weights=found.recommended.weights,
            candidates=[_candidate(name, one, heldout) for name, one in stages.items()],
            beats_uniform=found.recommended.weights != found.uniform.weights and beats(gains[UNIFORM]),
            verdicts=[_sentence(found, stages[other], gains[other], what, heldout) for other, what in others.items()],
            differences=[row for other in others for row in (gains[other], *heldout.differences(RECOMMENDED, other))],
            regret=heldout.regret(best, RECOMMENDED),
            out=self._out,
        )

    def save(self, found: SearchResult, report: SearchReport) -> None:
        """Write the recommended model and all tables."""
        temporary, model = self._out / f".{_MODEL}", self._out / _MODEL
        discard(temporary)
        self.candidates.write(found.recommended.weights, temporary)
        shutil.rmtree(model, ignore_errors=True)
        temporary.rename(model)
        tables.write(self._out / "trials.parquet", self._trials(found.evaluations), Trial)
        tables.write(self._out / "differences.parquet", report.differences, Difference)
        tables.write(self._out / "regret.parquet", report.regret, Difference)
        (self._out / "report.json").write_text(json.dumps(report.as_dict(), indent=1, ensure_ascii=False) + "\n")
        if self._progress is not None:
            self._progress(self._total, self._total, "done")

    def _results(self, weights: Weights, prompts: Sequence[Prompt], stage: str, note: str) -> list[Result]:
        from polylect.evaluate import results

        before = self._answered

        def show(done: int, _: int, __: str) -> None:
            if self._progress is not None:
                self._progress(before + done, self._total, note)

        completions = self.candidates.answers(weights, prompts, stage, show)
        self._answered = before + len(prompts)
        return results(stage, prompts, completions)

    def _trials(self, evaluations: Sequence[Evaluation]) -> list[Trial]:
        rows = []
        for number, one in enumerate(evaluations, start=1):
            values = {tag: (value, one.expected_scores.get(tag)) for tag, value in one.scores.items()}
            values[MULTIPLE] = (one.value, one.expected)
            for language, (value, expected) in values.items():
                rows.append(
                    Trial(
                        search=self._key,
                        number=number,
                        origin=one.origin,
                        models=self.labels,
                        weights=tuple(text(one.weights).split(",")),
                        language=language,
                        objective=str(self.objective),
                        metric=self.metric,
                        value=value,
                        expected=expected,
                        n=sum(self._n.values()) if language == MULTIPLE else self._n[language],
                    )
                )
        return rows


def _prepare(out: Path) -> None:
    """Make the output folder, or take one that a search has made."""
    if out.exists() and not out.is_dir():
        raise RunError(f"{out}: is a file. Choose a new folder with --out.")
    if out.is_dir() and any(out.iterdir()) and not (out / _STORE).is_file():
        raise RunError(f"{out}: holds files that no search has written. Choose a new folder with --out, or empty this one.")
    out.mkdir(parents=True, exist_ok=True)


def _clear(out: Path) -> None:
    """Remove what a killed search left half done, and what says that the folder is whole."""
    for name in (f".{_MODEL}", MERGING):
        discard(out / name)
    for name in (MANIFEST, "report.json"):
        (out / name).unlink(missing_ok=True)


def _best_singles(found: SearchResult, names: Mapping[Weights, str]) -> dict[str, str]:
    """Return the stage name of each language's best single checkpoint on the items of the search."""
    languages = found.recommended.scores
    best = {language: max(found.singles, key=lambda one: one.scores[language]) for language in languages}
    return {language: names[one.weights] for language, one in best.items()}


def _counts(items: Items) -> dict[str, dict[str, int]]:
    sides = {"search": items.search, "heldout": items.heldout}
    counts = {name: {"items": len({row.item for row in rows}), "prompts": len(rows)} for name, rows in sides.items()}
    return {**counts, "dropped": dict(items.dropped)}


def _candidate(name: str, one: Evaluation, heldout: Heldout) -> dict[str, Any]:
    value, low, high = heldout.value(name)
    return {
        "name": name,
        "weights": one.weights,
        "origin": one.origin,
        "search": one.value,
        "expected": one.expected,
        "search_scores": dict(one.scores),
        "heldout": value,
        "low": low,
        "high": high,
        "heldout_scores": heldout.scores(name),
    }


def _sentence(found: SearchResult, other: Evaluation, gain: Difference, what: str, heldout: Heldout) -> str:
    if found.recommended.weights == other.weights:
        return f"does not beat {what}: it has the same weights"
    return verdict(gain, what, heldout.items)


def _manifest(report: SearchReport, candidates: Candidates, seed: int, seconds: float) -> dict[str, Any]:
    licences = candidates.mixture.licences()
    return {
        "name": "merge search",
        "inputs": candidates.fingerprints,
        "settings": {
            "method": candidates.mixture.method,
            "base": None if candidates.mixture.base is None else str(candidates.mixture.base),
            **candidates.mixture.settings,
            "objective": report.objective,
            "metric": report.metric,
            "budget": report.budget,
            "sampling": asdict(candidates.sampling),
        },
        "seed": seed,
        "items": report.items,
        "weights": report.weights,
        "licence": next(iter(licences)) if len(licences) == 1 else None,
        "merges": candidates.merges,
        "seconds": round(seconds, 3),
        "polylect": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": {name: library_version(name) for name in ("scikit-learn", "torch", "transformers")},
    }
