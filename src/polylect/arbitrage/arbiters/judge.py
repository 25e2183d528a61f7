"""A language model as the arbiter: marks from 1 to 10, or the share of games won against the pool's other answers.

Pairwise games are played in both orders, since judges favour a place (Zheng et al. 2023, arXiv 2306.05685). An answer in the
wrong language loses before the judge sees it. A verdict that cannot be read leaves the answer unscored with its reason; it is
never a tie.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean
from typing import Any, Literal

from polylect import languages
from polylect.arbitrage.arbiters.base import Arbiter, scored, unscored, why_unscored
from polylect.arbitrage.arbiters.judge_asking import Ask, through_engine
from polylect.arbitrage.arbiters.judge_prompts import PAIRWISE, POINTWISE, fill, read_preference, read_score
from polylect.arbitrage.arbiters.registry import Context, arbiter
from polylect.arbitrage.arbiters.settings import read
from polylect.arbitrage.checks import Checks, language_finding
from polylect.models.requests import Generated, Request, Sampling
from polylect.records import Completion, Prompt, Score, content_hash
from polylect.verifiable import is_reference

__all__ = ["Judge", "JudgeSettings", "judge"]

LOWEST = {"pointwise": 1.0, "pairwise": 0.0}
POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}


@dataclass(frozen=True)
class JudgeSettings:
    """Keys of a judge.

    Attributes:
        model: spec of the judge: `served:URL#name`, a local name or folder (docs/pool.md). Best of another family than the
            pool's, as models favour their own answers.
        mode: "pointwise": one request per answer, 1 to 10. "pairwise": two requests per pair of answers to a prompt, the share
            of games won, in [0, 1]; n answers take n (n - 1) requests.
        settings: further settings of the model, as for a member of a pool.
        max_tokens: of a verdict; a judge that thinks aloud needs more.
        temperature: 0 gives the same verdict again.
        gate: whether an answer in the wrong language gets the lowest score unseen.
        exempt: patterns of `Prompt.kind` whose answers may be in any language, as for tasks of translation.
        template: a text file with {language}, {instruction}, {a} and, for pairs, {b} instead of ours; the judge must be told to
            end in "Score: N" or "Preferred: A|B|TIE".
        name: of the arbiter in the scores; empty: "judge:" and the model's name.
    """

    model: str
    mode: Literal["pointwise", "pairwise"] = "pointwise"
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int = 256
    temperature: float = 0.0
    gate: bool = True
    exempt: tuple[str, ...] = ()
    template: str | None = None
    name: str = ""


class Judge:
    """The arbiter; see `JudgeSettings`.

    Args:
        ask: gets the judge's answers.
        name: of the arbiter.
        mode: "pointwise" or "pairwise".
        template: with the fields of `judge_prompts.fill`; None takes ours.
        gate: how the language is checked before; None: not at all.

    Attributes:
        counts: verdicts asked for ("asked"), those without a reading by reason, and pairs whose two orders agree or not
            ("consistent", "inconsistent"): what the judge is worth.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        name: str = "judge",
        mode: Literal["pointwise", "pairwise"] = "pointwise",
        template: str | None = None,
        gate: Checks | None = None,
    ) -> None:
        self.name, self.mode, self.counts = name, mode, Counter[str]()
        self._ask, self._gate = ask, gate
        self._template = template or (POINTWISE if mode == "pointwise" else PAIRWISE)

    def score(self, prompts: Mapping[str, Prompt], completions: Sequence[Completion]) -> list[Score]:
        """Return one score per answer, in order; "pairwise" needs all answers to a prompt in one call."""
        verdicts = [self._before(prompts[completion.prompt_id], completion) for completion in completions]
        if self.mode == "pointwise":
            return self._pointwise(prompts, completions, verdicts)
        return self._pairwise(prompts, completions, verdicts)

    def _before(self, prompt: Prompt, completion: Completion) -> Score | None:
        """Return the score of an answer that the judge does not see, or None."""
        reason = why_unscored(completion)
        if reason:
            return unscored(completion, self.name, reason)
        if not completion.text.strip():
            return scored(completion, self.name, LOWEST[self.mode], reason="empty answer")
        if self._gate and not is_reference(completion.text, prompt.references, prompt.language):
            finding = language_finding(completion.text, prompt, self._gate)
            if finding:
                return scored(completion, self.name, LOWEST[self.mode], language_ok=False, reason=finding.reason)
        return None

    def _pointwise(
        self, prompts: Mapping[str, Prompt], completions: Sequence[Completion], verdicts: Sequence[Score | None]
    ) -> list[Score]:
        seen = [completion for completion, verdict in zip(completions, verdicts, strict=True) if verdict is None]
        requests = {request.key: request for one in seen for request in [self._request(prompts[one.prompt_id], one.text)]}
        answers = self._ask(list(requests.values()))
        self.counts["asked"] += len(requests)
        scores = []
        for completion, verdict in zip(completions, verdicts, strict=True):
            if verdict is None:
                # The text decides the verdict, so answers with one text have one request.
                answer = answers[self._request(prompts[completion.prompt_id], completion.text).key]
                value, reason = (None, f"judge: {answer.reason}") if answer.reason else _cut(answer, *read_score(answer.text))
                if reason:
                    self.counts[reason] += 1
                verdict = scored(completion, self.name, value, reason=reason)
            scores.append(verdict)
        return scores

    def _pairwise(
        self, prompts: Mapping[str, Prompt], completions: Sequence[Completion], verdicts: Sequence[Score | None]
    ) -> list[Score]:
        games = _Games(completions, verdicts)
        asked = {
            (a, b): (self._request(prompt, x, y), self._request(prompt, y, x))
            for a, b in games.open
            for prompt, x, y in [(prompts[completions[a].prompt_id], completions[a].text, completions[b].text)]
        }
        answers = self._ask(list({one.key: one for two in asked.values() for one in two}.values()))
        self.counts["asked"] += 2 * len(asked)
        for (a, b), (forth, back) in asked.items():
            games.enter(a, b, *self._game(answers[forth.key], answers[back.key]))
        return [verdict or games.score(i, completions[i], self.name) for i, verdict in enumerate(verdicts)]

    def _game(self, forth: Generated, back: Generated) -> tuple[float | None, str | None]:
        """Return the points of the first answer over both orders, in [0, 1], or why there are none."""
        total, seen = 0.0, []
        for answer, swapped in ((forth, False), (back, True)):
            choice, reason = (None, f"judge: {answer.reason}") if answer.reason else _cut(answer, *read_preference(answer.text))
            if choice is None:
                self.counts[str(reason)] += 1
                return None, reason
            seen.append(1 - POINTS[choice] if swapped else POINTS[choice])
            total += seen[-1] / 2
        self.counts["consistent" if seen[0] == seen[1] else "inconsistent"] += 1
        return total, None

    def _request(self, prompt: Prompt, a: str, b: str = "") -> Request:
        turns = [f"[{role}] {content}" for role, content in json.loads(prompt.messages)] if prompt.messages else []
        instruction = "\n".join([*turns, f"[user] {prompt.text}"] if turns else [prompt.text])
        text = fill(self._template, language=languages.get(prompt.language).name, instruction=instruction, a=a, b=b)
        return Request(content_hash(self.name, text), text)


class _Games:
    """The games between the answers to each prompt: points in [0, 1] by pair, and why others have none.

    Args:
        completions: all answers of a call.
        verdicts: what is said of them beforehand: one without a value takes no part, one with a value loses.
    """

    def __init__(self, completions: Sequence[Completion], verdicts: Sequence[Score | None]) -> None:
        groups: dict[str, list[int]] = defaultdict(list)
        for index, verdict in enumerate(verdicts):
            if verdict is None or verdict.value is not None:
                groups[completions[index].prompt_id].append(index)
        self.open: list[tuple[int, int]] = []
        self._points: dict[int, list[float]] = defaultdict(list)
        self._faults: dict[int, str] = {}
        for a, b in (pair for group in groups.values() for pair in combinations(group, 2)):
            unseen = (verdicts[a] is not None) - (verdicts[b] is not None)
            if unseen or verdicts[a] is not None or completions[a].text == completions[b].text:
                self.enter(a, b, 0.5 - 0.5 * unseen, None)
            else:
                self.open.append((a, b))

    def enter(self, a: int, b: int, points: float | None, reason: str | None) -> None:
        """Enter the points of `a` against `b`, or why there are none."""
        if points is None:
            self._faults[a] = self._faults[b] = str(reason)
        else:
            self._points[a].append(points)
            self._points[b].append(1 - points)

    def score(self, index: int, completion: Completion, name: str) -> Score:
        """Return the mean over the games of one answer; unscored where none was decided."""
        points, fault = self._points[index], self._faults.get(index)
        if not points:
            return unscored(completion, name, fault or "no other answer to compare with")
        return scored(completion, name, fmean(points), reason=f"partly: {fault}" if fault else None)


def _cut(answer: Generated, value: Any, reason: str | None) -> tuple[Any, str | None]:
    """Say of a verdict that cannot be read whether it was cut off."""
    return (None, "verdict cut off") if reason and answer.finish_reason == "length" else (value, reason)


@arbiter("judge", "a language model gives marks or compares answers in pairs")
def judge(settings: Mapping[str, Any], context: Context) -> Arbiter:
    """Build the arbiter from its keys, see `JudgeSettings`."""
    values = read(JudgeSettings, settings, context)
    if context.store is None:
        raise context.refuse("model", values.model, "a judge needs a store for its verdicts. Pass `store=`.")
    if values.max_tokens < 1 or values.temperature < 0:
        raise context.refuse("max_tokens", values.max_tokens, "expected max_tokens of 1 or more and temperature of 0 or more.")
    template = _template(values, context)
    from polylect.models.spec import open_model

    key = f"judge {content_hash(values.model, dict(values.settings))}"
    if key not in context.cache:
        context.cache[key] = open_model(values.model, **values.settings)
    model = context.cache[key]
    sampling = Sampling(max_tokens=values.max_tokens, temperature=values.temperature)
    gate = Checks(exempt=values.exempt) if values.gate else None
    name = values.name or f"judge:{model.name}"
    return Judge(through_engine(model, sampling, context.store), name=name, mode=values.mode, template=template, gate=gate)


def _template(values: JudgeSettings, context: Context) -> str | None:
    if values.template is None:
        return None
    try:
        text = context.path(values.template).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise context.refuse("template", values.template, f"cannot be read ({error}). Give a text file.") from error
    fields = ["{instruction}", "{a}", *(["{b}"] if values.mode == "pairwise" else [])]
    missing = [one for one in fields if one not in text]
    if missing:
        raise context.refuse("template", values.template, f"the text lacks {', '.join(missing)}. Put it in.")
    return text
