"""The stages between the prompts and the scores: probe, plan, ask, check, ask again, score.

Each streams windows of prompts and keeps what it made in a file per window, so that memory does not grow with the table and a
killed run goes on where it stopped. Answers are in the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.asking import Windows, ask, count_stored
from polylect.arbitrage.folder import OutputFolder
from polylect.arbitrage.outputs import read_part, write_part
from polylect.arbitrage.plans import Plan, PlanFile
from polylect.arbitrage.prompt_table import windows
from polylect.arbitrage.settings import Settings
from polylect.arbitrage.teachers import LOST, Asked, Teacher, completions
from polylect.errors import EndpointError
from polylect.progress import StageProgress
from polylect.records import Completion, Prompt, Score

if TYPE_CHECKING:
    from polylect.arbitrage.arbiters import Arbiter
    from polylect.arbitrage.budget import Budget
    from polylect.arbitrage.checks import Checks
    from polylect.arbitrage.cluster import Cluster
    from polylect.arbitrage.router_base import BaseRouter
    from polylect.models.engine import Limits, Retries
    from polylect.models.store import Store

__all__ = ["Work", "ask_again", "ask_planned", "check_answers", "plan_prompts", "probe", "score_answers"]

"""Called with the stage, what is done of it, how much there is in all (None: not known), and a note."""

_OBSERVED = 5
"""Windows that an arbiter with two passes sees before it scores."""


_PLANS = {"ask": "plan", "reroute": "again"}
"""Files of plans by the stage that asks what they say, in their order."""


@dataclass
class Work:
    """What the stages share.

    Attributes:
        settings: of the arbitrage.
        teachers: who may be asked.
        store: keeps the answers.
        folder: the output folder, with the stages' own files.
        checks: of every answer; None: none are made.
        budget: what may be spent per language; None: nobody has a price and nothing is limited.
        limits: of the engine, for teachers without limits of their own.
        retries: of the engine.
        progress: told how far a stage is.
        cluster: asks in place of this process; None: this process does.
        scored: what the names of the last round of answers and scores begin with.
    """

    settings: Settings
    teachers: Sequence[Teacher]
    store: Store
    folder: OutputFolder
    checks: Checks | None
    budget: Budget | None = None
    limits: Limits | None = None
    retries: Retries | None = None
    progress: StageProgress | None = None
    cluster: Cluster | None = None
    scored: str = ""
    _counted: set[str] = field(default_factory=set)

    def prompts(self) -> Iterator[list[Prompt]]:
        """Yield the prompts, window by window, in the order of the table."""
        return windows(self.folder.work / "prompts.parquet")

    def planned(self, name: str) -> Iterator[tuple[int, list[Prompt], list[Plan]]]:
        """Yield (number, prompts, plans) of each window; `name` is of a file of plans."""
        with self.plans(name).open() as plans:
            for number, prompts in enumerate(self.prompts()):
                yield number, prompts, plans.read(len(prompts))

    def plans(self, name: str) -> PlanFile:
        """Return a file of plans."""
        return PlanFile(self.folder.work / f"{name}.bin", len(self.teachers))

    def for_teacher(self, name: str, index: int) -> Iterator[list[Prompt]]:
        """Yield the prompts that a teacher is asked at once by a file of plans."""
        for _, prompts, plans in self.planned(name):
            yield [prompt for prompt, plan in zip(prompts, plans, strict=True) if index in plan.now]

    def part(self, stage: str, number: int) -> Path:
        """Return the file of one window."""
        return self.folder.work / stage / f"{number:06}.parquet"

    def tell(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Say how far a stage is."""
        if self.progress is not None:
            self.progress(stage, done, total, note)

    def ask(self, stage: str, prompts: Windows, counts: Sequence[int]) -> dict[str, Any]:
        """Ask the teachers and say how far it is; what was paid before is counted first."""
        self._count_stored(stage, prompts)

        def tell(done: int, total: int, failed: int) -> None:
            costs = self.budget.costs if self.budget else {}
            self.tell(stage, done, total, ", ".join([*([f"{failed:,} failed"] if failed else []), *_dollars(costs)]))

        return ask(
            self.teachers,
            prompts,
            counts,
            self.store,
            budget=self.budget,
            limits=self.limits,
            retries=self.retries,
            progress=tell,
            cluster=self.cluster,
        )

    def ask_planned(self, stage: str, counts: Sequence[int]) -> dict[str, Any]:
        """Ask what the stage's file of plans says, after counting what the stages before it paid."""
        for earlier in _PLANS:
            if earlier == stage:
                break
            self.count_stored(earlier)
        return self.ask(stage, lambda index: self.for_teacher(_PLANS[stage], index), counts)

    def count_stored(self, stage: str) -> None:
        """Count what a stage that asks by plans paid, if an earlier process did it and there is a limit."""
        self._count_stored(stage, lambda index: self.for_teacher(_PLANS[stage], index))

    def _count_stored(self, stage: str, prompts: Windows) -> None:
        if self.budget is not None and self.budget.limits and stage not in self._counted:
            self._counted.add(stage)
            if len(self.store):
                count_stored(self.teachers, prompts, self.store, self.budget)

    def answers(self, prompts: Sequence[Prompt], asked: Sequence[Asked]) -> list[Completion]:
        """Return the checked answers of a window; a request over the budget was not made and has no row."""
        found = completions(prompts, asked, self.teachers, self.store)
        if self.budget is not None and self.budget.limits:
            found = [one for one in found if one.reason != LOST]
        return self.checked(found, {prompt.id: prompt for prompt in prompts})

    def checked(self, found: Sequence[Completion], prompts: Mapping[str, Prompt]) -> list[Completion]:
        """Return the completions, with status and reason of those that a check refuses."""
        if self.checks is None:
            return list(found)
        from polylect.arbitrage.checks import check_many

        reasons = check_many(found, prompts, self.checks)
        return [
            one if reason is None or one.status == "failed" else replace(one, status="rejected", reason=reason)
            for one, reason in zip(found, reasons, strict=True)
        ]


def _dollars(costs: Mapping[str, float]) -> list[str]:
    """Return "$1.20 (sw 0.80, tr 0.40)": the sum and the dearest languages."""
    if not any(costs.values()):
        return []
    dearest = sorted(costs.items(), key=lambda cost: -cost[1])[:5]
    return [f"${sum(costs.values()):,.2f} ({', '.join(f'{language} {cost:,.2f}' for language, cost in dearest)})"]


def probe(work: Work, router: BaseRouter, arbiter: Arbiter, prompts: int) -> dict[str, Any]:
    """Let all teachers answer the probe items, score the answers, and let the router learn from them.

    The probe share is lowered where more than `probe_most` of the `prompts` would be asked.
    """
    router.probe = min(router.probe, work.settings.probe_most / prompts)

    def chosen() -> Iterator[list[Prompt]]:
        for window in work.prompts():
            yield [prompt for prompt in window if router.probed(prompt.item)]

    def served(index: int) -> Iterator[list[Prompt]]:
        languages = work.teachers[index].languages
        for window in chosen():
            yield [prompt for prompt in window if languages is None or prompt.language in languages]

    counts = [sum(map(len, served(index))) for index in range(len(work.teachers))]
    notes = work.ask("probe", served, counts)
    asked: list[Prompt] = []
    rewards: list[Mapping[str, float]] = []
    for window in chosen():
        everyone = [_serving(work.teachers, prompt.language) for prompt in window]
        found = work.answers(window, everyone)
        rewards += _rewards(window, arbiter.score({prompt.id: prompt for prompt in window}, found))
        asked += window
    router.learn(asked, rewards)
    router.save(work.folder.work / "router")
    return {**notes, "share": router.probe, "prompts": len(asked)}


def _serving(teachers: Sequence[Teacher], language: str) -> Asked:
    return tuple(i for i, teacher in enumerate(teachers) if teacher.languages is None or language in teacher.languages)


def _rewards(prompts: Sequence[Prompt], scores: Iterable[Score]) -> list[Mapping[str, float]]:
    """Return teacher -> mean score per prompt, without those that are unscored."""
    values: dict[str, dict[str, list[float]]] = {prompt.id: {} for prompt in prompts}
    for score in scores:
        if score.value is not None:
            values[score.prompt_id].setdefault(score.model, []).append(score.value)
    return [{model: sum(found) / len(found) for model, found in values[prompt.id].items()} for prompt in prompts]


def plan_prompts(work: Work, router: BaseRouter, prompts: int) -> dict[str, Any]:
    """Write who is asked for each prompt; return how many prompts each teacher gets, and how many nobody serves by language."""
    index = {teacher.name: i for i, teacher in enumerate(work.teachers)}
    counts = [0] * len(work.teachers)
    unserved: Counter[str] = Counter()
    done = 0

    def plans() -> Iterator[list[Plan]]:
        nonlocal done
        for window in work.prompts():
            made = [
                _plan(work, router, prompt, [index[name] for name in order])
                for prompt, order in zip(window, router.plan(window), strict=True)
            ]
            for prompt, plan in zip(window, made, strict=True):
                unserved[prompt.language] += not plan.order
                for teacher in plan.now:
                    counts[teacher] += 1
            yield made
            done += len(window)
            work.tell("plan", done, prompts)

    work.plans("plan").write(plans())
    return {"counts": counts, "unserved": dict(+unserved)}


def _plan(work: Work, router: BaseRouter, prompt: Prompt, order: Sequence[int]) -> Plan:
    if router.probed(prompt.item):
        everyone = tuple(dict.fromkeys((*order, *_serving(work.teachers, prompt.language))))
        return Plan(len(everyone), everyone)
    return Plan(len(order) if router.everyone else min(1, len(order)), tuple(order))


def ask_planned(work: Work, counts: Sequence[int]) -> dict[str, Any]:
    """Ask everybody what the plan says.

    Raises:
        EndpointError: not one request was answered; what is stored is kept.
    """
    notes = work.ask_planned("ask", counts)
    if notes.get("failed") and not notes.get("stored") and not notes.get("reused"):
        reason, count = Counter(notes["reasons"]).most_common(1)[0]
        raise EndpointError(
            f"none of {notes['failed']:,} requests was answered; {count:,} of them: {reason}. See that the models are up, and "
            "run the same command again."
        )
    return notes


def check_answers(work: Work, prompts: int) -> dict[str, Any]:
    """Check the answers; write them by window, and who is asked again: where the only teacher asked has no good answer."""
    counts = [0] * len(work.teachers)
    (work.folder.work / "checked").mkdir(exist_ok=True)
    done = 0

    def again() -> Iterator[list[Plan]]:
        nonlocal done
        for number, window, plans in work.planned("plan"):
            found = _checked_part(work, number, window, plans)
            good = {one.prompt_id for one in found if one.status == "ok"}
            second = [
                _again(prompt, plan, good) if work.settings.reroute else _NOBODY
                for prompt, plan in zip(window, plans, strict=True)
            ]
            for plan in second:
                for teacher in plan.now:
                    counts[teacher] += 1
            yield second
            done += len(window)
            work.tell("check", done, prompts)

    work.plans("again").write(again())
    return {"counts": counts}


def _checked_part(work: Work, number: int, prompts: Sequence[Prompt], plans: Sequence[Plan]) -> list[Completion]:
    path = work.part("checked", number)
    if path.exists():
        return read_part(path, Completion)
    found = work.answers(prompts, [plan.now for plan in plans])
    write_part(path, found, Completion)
    return found


_NOBODY = Plan(0, ())


def _again(prompt: Prompt, plan: Plan, good: set[str]) -> Plan:
    return _NOBODY if plan.fallback is None or prompt.id in good else Plan(1, (plan.fallback,))


def ask_again(work: Work, counts: Sequence[int]) -> dict[str, Any]:
    """Ask the next teacher where the first one has no good answer."""
    return work.ask_planned("reroute", counts)


def gathered(work: Work, number: int, prompts: Sequence[Prompt], again: Sequence[Plan]) -> list[Completion]:
    """Return all answers of a window, checked: by prompt, first those that were asked at once."""
    found = read_part(work.part("checked", number), Completion)
    second = work.answers(prompts, [plan.now for plan in again])
    if not second:
        return found
    place = {prompt.id: number for number, prompt in enumerate(prompts)}
    return sorted([*found, *second], key=lambda one: place[one.prompt_id])


def score_answers(work: Work, arbiter: Arbiter, prompts: int) -> dict[str, Any]:
    """Score all answers; write answers and scores by window."""
    for stage in ("answers", "scores"):
        (work.folder.work / stage).mkdir(exist_ok=True)
    _observe(work, arbiter)
    done = 0
    for number, window, again in work.planned("again"):
        if not work.part("scores", number).exists():
            found = gathered(work, number, window, again)
            scores = arbiter.score({prompt.id: prompt for prompt in window}, found)
            write_part(work.part("answers", number), found, Completion)
            write_part(work.part("scores", number), scores, Score)
        done += len(window)
        work.tell("score", done, prompts)
    return {}


def _observe(work: Work, arbiter: Arbiter) -> None:
    """Show the first windows to an arbiter that wants to see a sample before it scores."""
    from polylect.arbitrage.arbiters import TwoPass

    if isinstance(arbiter, TwoPass):
        for number, window, again in work.planned("again"):
            if number >= _OBSERVED:
                break
            arbiter.observe({prompt.id: prompt for prompt in window}, gathered(work, number, window, again))
