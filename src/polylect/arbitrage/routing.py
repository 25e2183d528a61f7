"""Reward-based routing: every teacher answers, the arbiter scores, the best answer wins (Aya Expanse 2.1).

All candidates and their scores stay in the tables; what is chosen here are the targets of supervised fine-tuning and
the account of which teacher is good at which language.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from polylect.errors import DataError
from polylect.records import MULTIPLE, Completion, Example, Prompt, Route, Score, content_hash

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

    Ties are drawn by a hash of prompt and model: the same in every run and order of rows, and no teacher's name wins more.
    """
    by_id = {score.completion_id: score for score in scores}
    pools: dict[str, list[Candidate]] = defaultdict(list)
    for completion in completions:
        pools[completion.prompt_id].append(Candidate(completion, by_id[completion.id]))
    for pool in pools.values():
        pool.sort(key=lambda c: (-c.value, content_hash(c.completion.prompt_id, c.completion.model), c.completion.sample))
    return dict(pools)


def examples(
    prompts: Sequence[Prompt], pools: Mapping[str, Sequence[Candidate]], *, min_score: float
) -> tuple[list[Example], Counter[str]]:
    """Take the best acceptable answer of the pool for every prompt; return the rows and what was dropped, by reason."""
    return _examples(prompts, lambda prompt: pools.get(prompt.id, []), min_score)


def single_examples(
    prompts: Sequence[Prompt], pools: Mapping[str, Sequence[Candidate]], model: str
) -> tuple[list[Example], Counter[str]]:
    """Take the answers of one teacher whatever their scores: the single-teacher baseline, which has no arbiter."""

    def own(prompt: Prompt) -> Sequence[Candidate]:
        return [c for c in pools.get(prompt.id, []) if c.completion.model == model]

    return _examples(prompts, own, float("-inf"))


def _examples(
    prompts: Sequence[Prompt], pool: Callable[[Prompt], Sequence[Candidate]], min_score: float
) -> tuple[list[Example], Counter[str]]:
    rows: list[Example] = []
    dropped: Counter[str] = Counter()
    for prompt in prompts:
        found = pool(prompt)
        reasons = [_refuse(candidate, min_score) for candidate in found] or ["no answer"]
        if None not in reasons:
            # The best answer's reason stands for the prompt: the others are worse.
            dropped[str(reasons[0])] += 1
            continue
        rows.append(_example(prompt, found[reasons.index(None)]))
    return rows, dropped


def _example(prompt: Prompt, chosen: Candidate) -> Example:
    return Example(
        prompt_id=prompt.id,
        item=prompt.item,
        language=prompt.language,
        prompt=prompt.text,
        completion=chosen.completion.text,
        model=chosen.completion.model,
        score=chosen.score.value,
    )


def _refuse(candidate: Candidate, min_score: float) -> str | None:
    """Return why an answer is no training target, or None."""
    if candidate.score.value is None:
        return "best answer unscored"
    if candidate.score.value < min_score:
        return "best answer under the minimum score"
    if candidate.score.language_ok is False:
        return "best answer in the wrong language"
    if candidate.completion.finish_reason == "length":
        return "best answer unfinished"
    return None if candidate.completion.text else "best answer empty"


def best_single(pools: Mapping[str, Sequence[Candidate]]) -> str:
    """Return the teacher with the highest mean score over all prompts it answered, languages weighted equally.

    A teacher that answered in fewer languages than others is no candidate: a baseline must serve every language.

    Raises:
        DataError: no answer has a score.
    """
    values = _values(pools.values())
    if not values:
        raise DataError("arbitrage: no answer of any teacher has a score, so none is the best. See the scores' column `reason`.")
    means = {model: fmean(fmean(v) for v in values[model].values()) for model in _serving_all(values)}
    return min(means, key=lambda model: (-means[model], model))


def routes(pools: Mapping[str, Sequence[Candidate]]) -> list[Route]:
    """Return, per language and teacher, its share and mean score beside the oracle, random and best-single policies.

    `routed` is the mean score of the answers chosen, `oracle` of the best answer per prompt by the arbiter (for
    reward-based routing the two are the same by construction; a learned router falls short by its regret).
    An unscored answer is no answer here: it wins nothing and enters no mean. A prompt without any scored answer has no
    winner and counts for no policy; a language without any such prompt has no rows.
    """
    won = [pool for pool in pools.values() if pool[0].score.value is not None]
    languages = sorted({pool[0].completion.language for pool in won})
    rows = []
    for language in [*languages, MULTIPLE] if languages else []:
        rows += _routes(language, [pool for pool in won if language in (MULTIPLE, pool[0].completion.language)])
    return rows


def _routes(language: str, pools: Sequence[Sequence[Candidate]]) -> list[Route]:
    """Return the rows of one language from its pools, each best first and with a scored winner."""
    values = {model: [v for part in by.values() for v in part] for model, by in _values(pools).items()}
    won = Counter(pool[0].completion.model for pool in pools)
    routed = fmean(pool[0].value for pool in pools)
    oracle = fmean(max(c.value for c in pool) for pool in pools)
    random = fmean(fmean(c.value for c in pool if c.score.value is not None) for pool in pools)
    best = max(fmean(values[model]) for model in _serving_all(_values(pools)))
    return [
        Route(
            language=language,
            model=model,
            answered=len(values.get(model, [])),
            won=won[model],
            share=won[model] / len(pools),
            mean_score=fmean(values[model]) if model in values else 0.0,
            routed=routed,
            oracle=oracle,
            random=random,
            best_single=best,
        )
        for model in sorted({c.completion.model for pool in pools for c in pool})
    ]


def _values(pools: Iterable[Sequence[Candidate]]) -> dict[str, dict[str, list[float]]]:
    """Return the scores by model and language, unscored answers left out."""
    values: dict[str, dict[str, list[float]]] = {}
    for pool in pools:
        for c in pool:
            if c.score.value is not None:
                values.setdefault(c.completion.model, {}).setdefault(c.completion.language, []).append(c.score.value)
    return values


def _serving_all(values: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """Return the models with scored answers in the most languages."""
    most = max(len(languages) for languages in values.values())
    return [model for model, languages in values.items() if len(languages) == most]
