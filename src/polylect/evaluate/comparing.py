"""`compare`: two models, or what is recorded of them, on the same items; scores, a judge's verdicts, or both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import languages as known_languages
from polylect.errors import EvaluationError
from polylect.evaluate.compare_contests import Question, answer_all, make_contests, read_benchmark, read_questions
from polylect.evaluate.compare_scores import ScoreComparison, compare_scores
from polylect.evaluate.compare_sources import Side, read_side
from polylect.evaluate.judging import JudgeSettings, Judging, Votes, read_votes
from polylect.evaluate.judging import judge as run_judges
from polylect.evaluate.judging.contests import Game, Outcome
from polylect.models.interface import Model

if TYPE_CHECKING:
    from polylect.models.engine import Counts, Limits, Retries

__all__ = ["Compared", "compare"]

Progress = Callable[[str, "Counts"], None]


@dataclass(frozen=True)
class Compared:
    """What came of comparing `a` with `b`.

    Attributes:
        a: name of the first.
        b: name of the second.
        scores: one per benchmark, metric and subset that both were measured on.
        judging: what the judges said; None without a judge.
        notes: what was left out or is odd, counted.
    """

    a: str
    b: str
    scores: tuple[ScoreComparison, ...] = ()
    judging: Judging | None = None
    notes: Mapping[str, int] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """The verdict in words: of the judge first, then of every benchmark and metric."""
        scored = [f"{' '.join(filter(None, (one.benchmark, one.subset, one.metric)))}: {one.words}" for one in self.scores]
        return (*([f"judged: {self.judging.rates.words}"] if self.judging else []), *scored)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but single verdicts as JSON values."""
        return {
            "a": self.a,
            "b": self.b,
            "words": list(self.words),
            "scores": [one.as_dict() for one in self.scores],
            "judging": self.judging.as_dict() if self.judging else None,
            "notes": dict(self.notes),
        }


def compare(
    a: str | Path | Model,
    b: str | Path | Model,
    *,
    benchmark: Sequence[str] = (),
    metric: Sequence[str] = (),
    languages: Sequence[str] = (),
    judge: Sequence[str | Model] = (),
    prompts: Path | str | None = None,
    data: Path | str | None = None,
    votes: Path | str | None = None,
    settings: JudgeSettings | None = None,
    max_tokens: int = 1024,
    unparsed_wrong: bool = False,
    out: Path | str | None = None,
    store: Path | str | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    retries: Retries | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Compare two models, or what is recorded of them.

    Without a judge, the scores of both on the same items are compared. With one, the answers of both are judged in pairs;
    scores are then compared, too, where both have the same metrics.

    Args:
        a: a result folder, recorded outputs (.jsonl, .parquet), or a model by name, folder or spec; or an open model.
        b: the same, to compare with.
        benchmark: names to keep. With models and a judge, the one whose prompts are asked.
        metric: metrics to keep.
        languages: tags to keep.
        judge: models that judge; several make a panel.
        prompts: table of prompts with item, language and text; needed for models, and for outputs recorded without prompts.
        data: where the benchmark's data lies.
        votes: table of people's votes, for the certificate.
        settings: how to judge.
        max_tokens: of an answer, where a model is asked.
        unparsed_wrong: give answers that no rule could read a score of 0 instead of leaving them out.
        out: folder for comparison.json and, with a judge, outcomes.parquet and games.parquet (every verdict, raw).
        store: of answers and verdicts; None: in `out`, else in Polylect's cache.
        seed: of the bootstrap.
        limits: of the request engine.
        retries: of the request engine.
        progress: called with what is done ("a", "b", "judge") and the engine's counts.

    Raises:
        EvaluationError: nothing to compare, or a model without prompts or judge.
        DataError: a table breaks a rule.
        ModelError: a model cannot be opened.
        EndpointError: an endpoint refused the key or the model, or nothing works there any more.
    """
    only = tuple(known_languages.canonical(tag) for tag in languages)
    read = [_read(given, benchmark, only, unparsed_wrong) for given in (a, b)]
    judging: Judging | None = None
    notes: Counter[str] = Counter()
    if judge:
        settings, engine = settings or JudgeSettings(seed=seed), {"limits": limits, "retries": retries}
        questions = _questions(prompts, benchmark, data, only, read)
        with _open_store(store, out) as opened:
            sides = _answered((a, b), read, questions, opened, max_tokens, progress, engine)
            names = _names(*sides)
            judging, notes = _judge(sides, names, judge, questions, votes, settings, opened, _told(progress, "judge"), engine)
    else:
        sides = _recorded(read, (a, b))
        names = _names(*sides)
    scores: list[ScoreComparison] = []
    if not judge or _measured(sides):
        scores = compare_scores((names[0], sides[0].scores), (names[1], sides[1].scores), metrics=metric, seed=seed)
    for name, side in zip(names, sides, strict=True):
        notes.update({f"{name}: {note}": count for note, count in side.notes.items()})
    compared = Compared(*names, tuple(scores), judging, dict(notes))
    if out is not None:
        _write(Path(out), compared)
    return compared


def _read(given: str | Path | Model, benchmark: Sequence[str], only: Sequence[str], unparsed_wrong: bool) -> Side | None:
    if not isinstance(given, (str, Path)):
        return None
    return read_side(str(given), benchmarks=benchmark, only=only, unparsed_wrong=unparsed_wrong)


def _recorded(read: Sequence[Side | None], given: Sequence[Any]) -> list[Side]:
    """Return both sides, which need scores where nobody judges.

    Raises:
        EvaluationError: a side is a model, or has outputs only.
    """
    sides = []
    for side, name in zip(read, given, strict=True):
        if side is None:
            raise EvaluationError(
                f"{getattr(name, 'name', name)}: a model has to be asked first. Name a judge and prompts (--judge MODEL "
                "--prompts TABLE), or run `polylect eval` for both and compare the folders."
            )
        if all(row.score is None for row in side.scores):
            raise EvaluationError(
                f"{name}: outputs without scores. Name a judge (--judge MODEL), or score them with `polylect eval` and "
                "compare the folders."
            )
        sides.append(side)
    return sides


def _measured(sides: Sequence[Side]) -> bool:
    """Tell whether both sides have a score for one benchmark and metric."""
    first, second = ({(row.benchmark, row.metric) for row in side.scores if row.score is not None} for side in sides)
    return bool(first & second)


def _names(a: Side, b: Side) -> tuple[str, str]:
    return (a.name, b.name) if a.name != b.name else (f"{a.name} (a)", f"{b.name} (b)")


def _questions(
    prompts: Path | str | None,
    benchmark: Sequence[str],
    data: Path | str | None,
    only: Sequence[str],
    read: Sequence[Side | None],
) -> dict[Any, Question] | None:
    """Return the prompts by item; None where those that were recorded with the outputs will do.

    Raises:
        EvaluationError: a model is to be asked, and there are no prompts; or outputs of several benchmarks were recorded.
    """
    if prompts is not None:
        return read_questions(Path(prompts), only)
    if None in read:
        if len(benchmark) != 1:
            raise EvaluationError("a model has to be asked, but there are no prompts. Give --prompts TABLE, or one --benchmark.")
        return read_benchmark(benchmark[0], None if data is None else Path(data), only)
    found = {answer.benchmark for side in read if side for answer in side.answers.values()}
    if len(found) > 1:
        raise EvaluationError(f"outputs of several benchmarks: {', '.join(sorted(found))}. Choose one with --benchmark.")
    return None


def _answered(
    given: Sequence[Any],
    read: Sequence[Side | None],
    questions: Mapping[Any, Question] | None,
    store: Any,
    max_tokens: int,
    progress: Progress | None,
    engine: Mapping[str, Any],
) -> list[Side]:
    """Return both sides with their answers: those that were recorded, else those of the model."""
    return [
        side or _ask(one, questions, store, max_tokens, _told(progress, what), engine)
        for what, one, side in zip("ab", given, read, strict=True)
    ]


def _ask(
    given: Any, questions: Mapping[Any, Question] | None, store: Any, max_tokens: int, progress: Any, engine: Mapping[str, Any]
) -> Side:
    model = _open(given)
    try:
        return answer_all(model, questions or {}, store, max_tokens=max_tokens, progress=progress, **engine)
    finally:
        _close([model] if model is not given else [])


def _open(given: Any) -> Model:
    from polylect.models.spec import open_model

    model: Model = open_model(str(given)) if isinstance(given, (str, Path)) else given
    return model


def _judge(
    sides: Sequence[Side],
    names: tuple[str, str],
    judges: Sequence[str | Model],
    questions: Mapping[Any, Question] | None,
    votes: Path | str | None,
    settings: JudgeSettings,
    store: Any,
    progress: Any,
    engine: Mapping[str, Any],
) -> tuple[Judging, Counter[str]]:
    contests, notes = make_contests(sides[0], sides[1], questions)
    said = read_votes(Path(votes), *names) if votes is not None else Votes()
    models = [_open(one) for one in judges]
    try:
        judging = run_judges(
            contests, models, store, a=names[0], b=names[1], settings=settings, votes=said, progress=progress, **engine
        )
    finally:
        _close([model for model, one in zip(models, judges, strict=True) if model is not one])
    return judging, notes


def _close(models: Sequence[Model]) -> None:
    """Let the memory of models that were opened here go: the next one may need it."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    async def close() -> None:
        for model in models:
            await model.close()

    # In a thread of its own, since the caller's may have an event loop that runs (a notebook).
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(close())).result()


def _told(progress: Progress | None, what: str) -> Callable[[Counts], None] | None:
    return None if progress is None else lambda counts: progress(what, counts)


def _open_store(store: Path | str | None, out: Path | str | None) -> Any:
    from polylect.models.bundled import cache_folder
    from polylect.models.store import Store

    if store is not None:
        return Store(Path(store))
    return Store(Path(out) / ".store" / "answers.sqlite" if out is not None else cache_folder() / "compare" / "answers.sqlite")


def _write(out: Path, compared: Compared) -> None:
    from polylect import tables

    out.mkdir(parents=True, exist_ok=True)
    if compared.judging is not None:
        tables.write(out / "outcomes.parquet", compared.judging.outcomes, Outcome)
        tables.write(out / "games.parquet", compared.judging.games, Game)
    text = json.dumps(compared.as_dict(), ensure_ascii=False, indent=2)
    (out / "comparison.json").write_text(text + "\n", encoding="utf-8")
