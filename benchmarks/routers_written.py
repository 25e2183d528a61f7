"""Answers that no teacher of a finished run gave: through English and back, and written from the teachers' answers.

Both come from the run's own models, on its own prompts, with its sampling, and are scored as its arbiter scores:

- *translation* (Odumakinde et al. 2024, arXiv 2408.14960): the prompt goes into English, the teacher that is best in English
  answers, the answer goes back. The translator is the run's base model with five parallel examples for each direction from the
  split "seed", which no measured prompt is in; English prompts are answered as they are.
- *fused*: a model writes one answer from all teachers' answers (the router `fuse`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from polylect import tables
from polylect.arbitrage.arbiters import load_arbiter
from polylect.arbitrage.routers import router
from polylect.arbitrage.routing import candidates
from polylect.languages import get
from polylect.models.answers import answer
from polylect.models.engine import Job
from polylect.models.engine import run as ask
from polylect.models.interface import Model
from polylect.models.pivot import PivotModel
from polylect.models.requests import Request, Sampling
from polylect.models.store import Keys, Store
from polylect.models.translators import Failure, LlmTranslator, Translator
from polylect.models.wrappers import with_shots
from polylect.prompts import few_shot
from polylect.records import Completion, Prompt, Score

SHOTS = 5
PIVOT = "en"
SAMPLING = Sampling(max_tokens=24, stop=("\n",))
"""That of recipes/quickstart.yaml."""


@dataclass
class Written:
    """Mean reward of each prompt, shape (prompts,), and how the answers came about; NaN: not asked, 0: failed or unscored."""

    values: np.ndarray
    answers: list[Completion] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)


class FewShotTranslator:
    """A base model that translates after examples of its direction; a `polylect.models.translators.Translator`.

    Args:
        model: the base model.
        seeds: prompts of the split "seed": questions are examples of the way into English, their answers of the way back.
        languages: all of the prompts.
        store: keeps the translations.
    """

    def __init__(self, model: Model, seeds: Sequence[Prompt], languages: Sequence[str], store: Path) -> None:
        self.name, self.fingerprint = f"{model.name}, {SHOTS} examples", model.fingerprint
        self.licence, self.may_train = model.licence, model.may_train
        english = {p.item: p for p in few_shot(seeds, PIVOT, SHOTS)}
        self._ways: dict[tuple[str, str], LlmTranslator] = {}
        for language in languages:
            pairs = [(p, english[p.item]) for p in few_shot(seeds, language, SHOTS) if p.item in english]
            into = [(p.text, other.text) for p, other in pairs]
            back = [(other.references[0], p.references[0]) for p, other in pairs]
            for way, examples in (((language, PIVOT), into), ((PIVOT, language), back)):
                self._ways[way] = _translator(model, *way, examples, store)

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str | Failure]:
        """Translate texts; see `polylect.models.translators.Translator`."""
        return self._ways[source, target].translate(texts, source, target)

    def close(self) -> None:
        """Nothing of its own is held."""


def _translator(model: Model, source: str, target: str, examples: Sequence[tuple[str, str]], store: Path) -> LlmTranslator:
    frame = "{source}: {text}\n{target}:"
    names = {"{source}": get(source).name, "{target}": get(target).name}
    shots = []
    for text, translation in examples:
        asked = frame
        for mark, name in {**names, "{text}": text}.items():
            asked = asked.replace(mark, name)
        shots.append((asked, translation))
    return LlmTranslator(with_shots(model, shots), store=store, instruction=frame, max_tokens=64, stop=("\n",))


def through_english(prompts: Sequence[Prompt], model: Model, translator: Translator, store: Path) -> Written:
    """Return the translation baseline's rewards: the prompts in English, answered by `model`, translated back."""
    found: list[Completion] = []
    with Store(store) as answers:
        for language in sorted({prompt.language for prompt in prompts}):
            own = [prompt for prompt in prompts if prompt.language == language]
            told = PivotModel(model, translator, PIVOT, language_of=lambda _, tag=language: tag)
            found += answer(own, told, name=told.name, key=f"{told.fingerprint} {language}", sampling=SAMPLING, store=answers)
    return _rewarded(prompts, found)


def fused(run: Path, prompts: Sequence[Prompt], writer: Model, store: Path) -> tuple[Written, Written]:
    """Return the rewards of the writer's answers alone, and those of the router `fuse`, which takes them where not worse.

    Where the teachers gave fewer than two different answers that are fit to be fused nothing is written: the pool's best stands.
    """
    completions = tables.read(run / "steps/arbitrage/completions.parquet", Completion)
    scores = tables.read(run / "steps/arbitrage/scores.parquet", Score)
    pools = candidates(completions, scores)
    names = sorted({completion.model for completion in completions})
    made = router("fuse", [_Teacher(name) for name in names], {"model": writer.name})
    requests = {p.id: request for p in prompts if (request := made.second(p, pools[p.id])) is not None}
    written = _ask(writer, [p for p in prompts if p.id in requests], requests, made.fused, store)
    rewarded = {row.prompt_id: row for row in _scored(prompts, written)}
    both = candidates([*completions, *written], [*scores, *rewarded.values()])
    taken = [made.choose(prompt, both[prompt.id]) for prompt in prompts]
    best = Written(np.array([0.0 if one is None else one.value for one in taken]))
    best.verdicts.update(made.account()["languages"]["mul"]["verdicts"])
    alone = _rewarded(prompts, written)
    alone.values = np.where(np.isnan(alone.values), best.values, alone.values)
    return alone, best


@dataclass(frozen=True)
class _Teacher:
    name: str
    languages: None = None


def _ask(model: Model, prompts: Sequence[Prompt], requests: Mapping[str, Request], name: str, store: Path) -> list[Completion]:
    keys = Keys(model.fingerprint, SAMPLING)
    with Store(store) as answers:
        ask([Job(model, list(requests.values()), SAMPLING)], answers)
        wanted = {prompt.id: keys.of(requests[prompt.id])[0] for prompt in prompts}
        found = answers.get(list(wanted.values()), SAMPLING.max_tokens)
    rows = []
    for prompt in prompts:
        one = found[wanted[prompt.id]]
        rows.append(
            Completion(
                prompt_id=prompt.id,
                item=prompt.item,
                language=prompt.language,
                model=name,
                sample=0,
                text=one.text,
                finish_reason=one.finish_reason,
                prompt_tokens=one.prompt_tokens,
                completion_tokens=one.completion_tokens,
                status="ok" if one.reason is None else "failed",
                reason=one.reason,
            )
        )
    return rows


def _scored(prompts: Sequence[Prompt], answers: Sequence[Completion]) -> list[Score]:
    return load_arbiter({"kind": "verifiable"}).score({prompt.id: prompt for prompt in prompts}, answers)


def _rewarded(prompts: Sequence[Prompt], answers: Sequence[Completion]) -> Written:
    """Return the rewards of answers; a prompt that was not asked has none, a failed or unscored answer is worth 0."""
    place = {prompt.id: at for at, prompt in enumerate(prompts)}
    written = Written(np.full(len(prompts), np.nan), list(answers))
    for row in _scored(prompts, answers):
        written.values[place[row.prompt_id]] = row.value or 0.0
        written.verdicts["scored" if row.value is not None else str(row.reason)] += 1
    return written
