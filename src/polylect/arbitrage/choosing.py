"""The last stage: whose answer is taken, the tables of fine-tuning and preferences, and the account of it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from polylect.arbitrage.accounts import Accounts, Outcome, Usage
from polylect.arbitrage.outputs import TableWriter, read_part
from polylect.arbitrage.pairs import pairs, translated_pairs
from polylect.arbitrage.plans import Plan
from polylect.arbitrage.preparing import load_repeats
from polylect.arbitrage.routing import Candidate, candidates
from polylect.arbitrage.teachers import Teacher
from polylect.records import Completion, Example, Pair, Prompt, Record, Score

if TYPE_CHECKING:
    from polylect.arbitrage.router_base import BaseRouter
    from polylect.arbitrage.settings import Settings
    from polylect.arbitrage.stages import Work

__all__ = ["Written", "write_tables"]


@dataclass
class Written:
    """What the tables hold: rows by table, statuses, reasons of what was left out of each table, licences of what was taken."""

    rows: Counter[str] = field(default_factory=Counter)
    status: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, Counter[str]] = field(default_factory=lambda: {"scores": Counter(), "sft": Counter(), "pairs": Counter()})
    licences: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


def write_tables(work: Work, router: BaseRouter, accounts: Accounts, prompts: int, extra: Teacher | None = None) -> Written:
    """Write completions, scores, sft and pairs, and add every prompt to the accounts.

    Args:
        work: what the stages share; its answers are scored.
        router: chooses.
        accounts: added to.
        prompts: their number.
        extra: the writer of fused answers, if there is one.
    """
    chooser = _Chooser(work.settings, router, [*work.teachers, *([extra] if extra else [])], load_repeats(work.folder.path))
    out, done = work.folder.path, 0
    tables = {"completions": Completion, "scores": Score, "sft": Example, "pairs": Pair}
    writers = {name: TableWriter(out / f"{name}.parquet", kind) for name, kind in tables.items()}
    with writers["completions"], writers["scores"], writers["sft"], writers["pairs"]:
        for number, window, plans in work.planned("plan"):
            answers = read_part(work.part(f"{work.scored}answers", number), Completion)
            scores = read_part(work.part(f"{work.scored}scores", number), Score)
            rows: dict[str, Sequence[Record]] = {"completions": answers, "scores": scores}
            rows |= chooser.window(window, plans, answers, scores, accounts)
            for name, found in rows.items():
                writers[name].write(found)
            done += len(window)
            work.tell("write", done, prompts)
    written = chooser.written
    written.rows.update({name: writer.rows for name, writer in writers.items()})
    return written


class _Chooser:
    """Chooses window by window, and counts."""

    def __init__(self, settings: Settings, router: BaseRouter, teachers: Sequence[Teacher], repeats: frozenset[str]) -> None:
        self.settings, self.router, self.repeats = settings, router, repeats
        self.teachers = {teacher.name: teacher for teacher in teachers}
        self.names = [teacher.name for teacher in teachers]
        self.barred = {t.name for t in teachers if t.may_train is False and not settings.allow_no_train}
        self.translated = {teacher.name for teacher in teachers if teacher.translated}
        self.written = Written()

    def window(
        self,
        prompts: Sequence[Prompt],
        plans: Sequence[Plan],
        answers: Sequence[Completion],
        scores: Sequence[Score],
        accounts: Accounts,
    ) -> dict[str, Sequence[Record]]:
        """Return the rows of sft and pairs of a window."""
        self._count(answers, scores)
        pools = candidates(answers, scores)
        taken = {prompt.id: self.router.choose(prompt, pools.get(prompt.id, ())) for prompt in prompts}
        accounts.add(
            self._outcome(prompt, plan, pools.get(prompt.id, ()), taken[prompt.id])
            for prompt, plan in zip(prompts, plans, strict=True)
        )
        fresh = self._unrepeated(prompts)
        allowed = self._allowed(pools)
        rows = [row for prompt in fresh if (row := self._example(prompt, allowed.get(prompt.id, ()), taken[prompt.id], pools))]
        return {"sft": rows, "pairs": self._pairs(fresh, allowed)}

    def _count(self, answers: Iterable[Completion], scores: Iterable[Score]) -> None:
        written = self.written
        for one in answers:
            written.status[one.status] += 1
            if one.reason is not None:
                written.reasons[one.reason] += 1
            written.prompt_tokens += one.prompt_tokens
            written.completion_tokens += one.completion_tokens
            written.cost += self._cost(one)
        written.dropped["scores"].update(score.reason or "unscored" for score in scores if score.value is None)

    def _cost(self, one: Completion) -> float:
        return self.teachers[one.model].model.price.of(one.prompt_tokens if one.sample == 0 else 0, one.completion_tokens)

    def _outcome(self, prompt: Prompt, plan: Plan, pool: Sequence[Candidate], taken: Candidate | None) -> Outcome:
        rewards: dict[str, float | None] = {}
        wrong: dict[str, bool] = {}
        usage: dict[str, Usage] = {}
        for candidate in pool:
            one, value = candidate.completion, candidate.score.value
            best = rewards.get(one.model)
            rewards[one.model] = value if best is None else best if value is None else max(best, value)
            known = _wrong_language(candidate)
            if known is not None:
                wrong[one.model] = wrong.get(one.model, False) or known
            used = usage.get(one.model, Usage(0, 0))
            usage[one.model] = Usage(
                used.prompt_tokens + one.prompt_tokens,
                used.completion_tokens + one.completion_tokens,
                used.cost + self._cost(one),
            )
        router = self.router
        probed = router.probed(prompt.item)
        return Outcome(
            item=prompt.item,
            language=prompt.language,
            rewards=rewards,
            taken=taken.completion.model if taken else None,
            usage=usage,
            wrong_language=wrong,
            compare=(router.everyone or probed) and not router.learned_from(prompt.item) and len(rewards) >= len(plan.now),
            routed=self.names[plan.order[0]] if probed and not router.everyone and plan.order else None,
            explored=not router.everyone and not probed and router.explored(prompt),
            rerouted=plan.asked == 1 and len(rewards) > 1,
            reason=None if taken else _why_nothing(plan, pool),
        )

    def _unrepeated(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        fresh = [prompt for prompt in prompts if prompt.id not in self.repeats]
        if left := len(prompts) - len(fresh):
            self.written.dropped["sft"]["repeats another prompt"] += left
            self.written.dropped["pairs"]["repeats another prompt"] += left
        return fresh

    def _allowed(self, pools: Mapping[str, Sequence[Candidate]]) -> Mapping[str, Sequence[Candidate]]:
        """Return the pools without the answers of teachers whose outputs may not train models."""
        if not self.barred:
            return pools
        return {key: [c for c in pool if c.completion.model not in self.barred] for key, pool in pools.items()}

    def _example(
        self, prompt: Prompt, allowed: Sequence[Candidate], taken: Candidate | None, pools: Mapping[str, Sequence[Candidate]]
    ) -> Example | None:
        """Return the row to learn, or None with a reason counted; where the answer taken may not train, the best allowed one."""
        dropped = self.written.dropped["sft"]
        if taken is not None and taken.completion.model in self.barred:
            taken = next((c for c in allowed if c.score.value is not None), None)
            if taken is None:
                dropped["the teacher's outputs may not train models"] += 1
                return None
        reason = _refuse(taken, self.settings.min_score) if taken else _why_nothing(None, pools.get(prompt.id, ()))
        if reason is not None or taken is None:
            dropped[str(reason)] += 1
            return None
        one, teacher = taken.completion, self.teachers[taken.completion.model]
        licence = _licence(prompt.licence, teacher.licence)
        self.written.licences[licence] += 1
        return Example(
            prompt_id=prompt.id,
            item=prompt.item,
            language=prompt.language,
            prompt=prompt.text,
            completion=one.text,
            model=one.model,
            score=taken.score.value,
            messages=prompt.messages,
            revision=one.revision,
            translator=prompt.translator,
            licence=licence,
            may_train=teacher.may_train,
        )

    def _pairs(self, prompts: Sequence[Prompt], pools: Mapping[str, Sequence[Candidate]]) -> list[Pair]:
        """Return the preference pairs of the kinds asked for, each once."""
        wanted, rules = self.settings.pairs, self.settings.rules
        found: dict[str, Pair] = {}
        dropped = self.written.dropped["pairs"]
        if wanted in ("best-worst", "both"):
            rows, reasons = pairs(prompts, pools, rules)
            found.update((row.id, row) for row in rows)
            dropped.update(reasons)
        if wanted in ("translated", "both"):
            rows, reasons = translated_pairs(prompts, pools, rules, self.translated)
            found.update((row.id, row) for row in rows)
            dropped.update({f"translated: {reason}": count for reason, count in reasons.items()})
        licences = {prompt.id: prompt.licence for prompt in prompts}
        return [self._marked(row, licences[row.prompt_id]) for row in found.values()]

    def _marked(self, row: Pair, licence: str) -> Pair:
        """Return a pair with what is known of its teachers' outputs."""
        chosen, rejected = self.teachers[row.chosen_model], self.teachers[row.rejected_model]
        known = {chosen.may_train, rejected.may_train}
        may = False if False in known else None if None in known else True
        return replace(row, licence=_licence(licence, chosen.licence, rejected.licence), may_train=may)


def _wrong_language(candidate: Candidate) -> bool | None:
    """Tell whether an answer is in a wrong language, by its check or its score; None: not known."""
    one = candidate.completion
    if one.status == "failed":
        return None
    if one.reason is not None and one.reason.startswith("wrong language"):
        return True
    known = candidate.score.language_ok
    return (False if one.status == "ok" else None) if known is None else not known


def _why_nothing(plan: Plan | None, pool: Sequence[Candidate]) -> str:
    if plan is not None and not plan.order:
        return "no teacher serves the language"
    if not pool:
        return "nobody was asked"
    first = pool[0]
    if all(c.completion.status == "failed" for c in pool):
        return "no answer"
    if all(c.completion.status != "ok" for c in pool):
        return "every answer refused by a check"
    return f"no scored answer: {first.score.reason}" if first.score.value is None else "none chosen"


def _refuse(taken: Candidate, least: float | None) -> str | None:
    """Return why an answer is no training target, or None."""
    if taken.score.value is None:
        return "best answer unscored"
    if least is not None and taken.score.value < least:
        return "best answer under the minimum score"
    if taken.score.language_ok is False:
        return "best answer in the wrong language"
    if taken.completion.finish_reason == "length":
        return "best answer unfinished"
    return None if taken.completion.text.strip() else "best answer empty"


def _licence(prompt: str, *answers: str | None) -> str:
    """Return the licences of a row, joined as in SPDX expressions."""
    return " AND ".join(dict.fromkeys((prompt, *(answer or "unknown" for answer in answers))))
