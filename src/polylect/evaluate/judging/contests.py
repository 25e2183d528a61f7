"""What a judge is shown and what comes of it: contests, games (one order of one contest), outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from polylect.records import Record

__all__ = ["POINTS", "Contest", "Game", "Outcome"]

POINTS = {"a": 1.0, "tie": 0.5, "b": 0.0}
"""What a contest is worth to contestant a: the win rate is win + tie / 2."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Two answers to one prompt.

    Attributes:
        item: the same for all translations of the prompt.
        language: canonical tag; the language the answers should be in.
        subset: part of the set that is reported apart, "" if it has none.
        text: the prompt (of a conversation, its last turn).
        history: (role, content) turns before `text`.
        a: answer of contestant a, None where there is none.
        b: answer of contestant b.
        a_reason: why `a` is None ("no answer: ...").
        b_reason: why `b` is None.
        any_language: the answer may be in any language, as for tasks of translation: the gate lets it pass.
    """

    item: str
    language: str
    text: str
    a: str | None
    b: str | None
    subset: str = ""
    history: tuple[tuple[str, str], ...] = ()
    a_reason: str | None = None
    b_reason: str | None = None
    any_language: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the contest: subset, language, item."""
        return self.subset, self.language, self.item


@dataclass(frozen=True, kw_only=True)
class Game(Record):
    """One verdict, kept raw. `order` is "ab" where the answer of a is shown first, "ba" where it comes second.

    `shown` is the preferred place ("first", "second", "tie") and `winner` the contestant that holds it; both are None where
    the verdict has no reading, with the `reason`. `status` is "ok", "unparsed" (the judge said something else) or "failed" (it
    said nothing). `battles` is what the verdict counts: 3 where one answer is much better, else 1 (see `parsing`). Tokens are
    those of prompt and verdict.
    """

    identity = ("judge", "a", "b", "subset", "language", "item", "order")
    judge: str
    a: str
    b: str
    language: str
    item: str
    order: str
    raw: str
    shown: str | None
    winner: str | None
    status: str
    prompt_tokens: int
    completion_tokens: int
    subset: str = ""
    reason: str | None = None
    battles: int = 1


@dataclass(frozen=True, kw_only=True)
class Outcome(Record):
    """What came of one contest before one judge (or a panel).

    `points` of a are in [0, 1] after the language gate, None where unscored, with the `reason`; `winner` says the same in a word
    ("a", "b", "tie"). `ungated` are the points without the gate. `decided` says how: "judge"; "gate" (a wrong-language answer
    loses to one that is not; two of them tie); "empty" (the same for empty answers); "identical" (equal texts tie);
    "missing" (an answer is not there); "unscored" (the verdicts cannot be read).
    `consistent` tells whether both orders gave one verdict, None where that is not known. `a_language` and `b_language` tell
    whether the answers are in the right language, None where that cannot be told.
    """

    identity = ("judge", "a", "b", "subset", "language", "item")
    judge: str
    a: str
    b: str
    language: str
    item: str
    points: float | None
    winner: str | None
    ungated: float | None
    decided: str
    consistent: bool | None
    a_language: bool | None
    b_language: bool | None
    subset: str = ""
    reason: str | None = None
