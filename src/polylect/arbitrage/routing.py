"""Reward-based routing: every teacher answers, the arbiter scores, the best answer wins (Aya Expanse 2.1).

All candidates and their scores stay in the tables; what is chosen here are the targets of supervised fine-tuning and
the account of which teacher is good at which language.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from polylect.records import MULTIPLE, Completion, Example, Prompt, Route, Score

__all__ = ["Candidate", "best_single", "candidates", "examples", "routes", "single_examples"]


@dataclass(frozen=True)
class Candidate:
    """One teacher's answer to one prompt with its score."""

    completion: Completion
    score: Score

    @property
    def value(self) -> float:
        """The score; an unscored answer never wins."""
        return self.score.value if self.score.value is not None else float("-inf")


def candidates(completions: Iterable[Completion], scores: Iterable[Score]) -> dict[str, list[Candidate]]:
    """Join completions with their scores; return the candidates of each prompt, best first.

    Ties go to the shorter answer, then to the model's name, so that the choice does not depend on the order of rows.
    """
    by_id = {score.completion_id: score for score in scores}
    pools: dict[str, list[Candidate]] = defaultdict(list)
    for completion in completions:
        pools[completion.prompt_id].append(Candidate(completion, by_id[completion.id]))
    for pool in pools.values():
        pool.sort(key=lambda c: (-c.value, len(c.completion.text), c.completion.model, c.completion.sample))
    return dict(pools)


def examples(
    prompts: Sequence[Prompt], pools: Mapping[str, Sequence[Candidate]], *, min_score: float
) -> tuple[list[Example], Counter[str]]:
    """Take the best answer of the pool for every prompt; return the rows and what was dropped, by reason."""
    return _examples(prompts, lambda prompt: pools.get(prompt.id, [])[:1], min_score)


def single_examples(
    prompts: Sequence[Prompt], pools: Mapping[str, Sequence[Candidate]], model: str, *, min_score: float
) -> tuple[list[Example], Counter[str]]:
    """Take the answers of one teacher: the single-teacher baseline that arbitrage must beat."""
    return _examples(prompts, lambda prompt: [c for c in pools.get(prompt.id, []) if c.completion.model == model], min_score)


def _examples(
    prompts: Sequence[Prompt], choose: Callable[[Prompt], Sequence[Candidate]], min_score: float
) -> tuple[list[Example], Counter[str]]:
    rows: list[Example] = []
    dropped: Counter[str] = Counter()
    for prompt in prompts:
        chosen = choose(prompt)
        reason = _refuse(chosen[0], min_score) if chosen else "no answer"
        if reason:
            dropped[reason] += 1
            continue
        best = chosen[0]
        rows.append(
            Example(
                prompt_id=prompt.id,
                item=prompt.item,
                language=prompt.language,
                prompt=prompt.text,
                completion=best.completion.text,
                model=best.completion.model,
                score=best.score.value,
            )
        )
    return rows, dropped


def _refuse(candidate: Candidate, min_score: float) -> str | None:
    """Return why an answer is no training target, or None."""
    if candidate.score.value is None:
        return "best answer unscored"
    if candidate.score.language_ok is False:
        return "best answer in the wrong language"
    if candidate.completion.finish_reason == "length":
        return "best answer unfinished"
    if not candidate.completion.text:
        return "best answer empty"
    return "best answer under the minimum score" if candidate.score.value < min_score else None


def best_single(pools: Mapping[str, Sequence[Candidate]]) -> str:
    """Return the teacher with the highest mean score over all prompts it answered, languages weighted equally.

    A teacher that answered in fewer languages than others is no candidate: a baseline must serve every language.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for pool in pools.values():
        for c in pool:
            if c.score.value is not None:
                values[c.completion.model][c.completion.language].append(c.score.value)
    most = max(len(languages) for languages in values.values())
    means = {m: fmean(fmean(v) for v in languages.values()) for m, languages in values.items() if len(languages) == most}
    return min(means, key=lambda model: (-means[model], model))


def routes(pools: Mapping[str, Sequence[Candidate]]) -> list[Route]:
    """Return, per language and teacher, its share and mean score beside the oracle, random and best-single policies.

    `routed` is the mean score of the answers chosen, `oracle` of the best answer per prompt by the arbiter (for
    reward-based routing the two are the same by construction; a learned router falls short by its regret).
    """
    languages = sorted({pool[0].completion.language for pool in pools.values()})
    rows = []
    for language in [*languages, MULTIPLE]:
        chosen = [pool for pool in pools.values() if language in (MULTIPLE, pool[0].completion.language)]
        rows += _routes(language, chosen)
    return rows


def _routes(language: str, pools: Sequence[Sequence[Candidate]]) -> list[Route]:
    scores: dict[str, list[float]] = defaultdict(list)
    for pool in pools:
        for c in pool:
            scores[c.completion.model].append(c.score.value if c.score.value is not None else 0.0)
    won = Counter(pool[0].completion.model for pool in pools)
    best = fmean(max(c.value for c in pool) for pool in pools)
    return [
        Route(
            language=language,
            model=model,
            answered=len(values),
            won=won[model],
            share=won[model] / len(pools),
            mean_score=fmean(values),
            routed=fmean(pool[0].value for pool in pools),
            oracle=best,
            random=fmean(fmean(c.score.value or 0.0 for c in pool) for pool in pools),
            best_single=max(fmean(v) for v in scores.values()),
        )
        for model, values in sorted(scores.items())
    ]
