"""Safety rows among the rows of training: how many make the share, and which harmless answers stand beside the refusals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from polylect.records import Example, Pair, content_hash
from polylect.safety.mixing import mix

__all__ = ["Mixture", "Source", "mixed_pairs", "mixed_rows"]

R = TypeVar("R", Example, Pair)
Place = tuple[str, str]
"""Item and language, which name a prompt."""


@dataclass(frozen=True)
class Source:
    """What the prompts of the safety rows say of themselves, by item and language.

    Attributes:
        harmless: the prompts that are there to be answered.
        categories: of every prompt.
        twin: harmful prompt -> its harmless twin.
    """

    harmless: frozenset[Place]
    categories: Mapping[Place, tuple[str, ...]]
    twin: Mapping[Place, Place]


@dataclass(frozen=True)
class Mixture(Generic[R]):
    """Rows to train on, how many of each sort there are, and what was left out.

    Attributes:
        rows: in random order.
        share: of safety rows (refusals, or safety pairs), as asked for.
        safety: number of refusals or safety pairs.
        anchors: number of answers to harmless prompts.
        general: number of the other rows.
        dropped: what was left out, by reason.
        languages: per language the numbers of safety rows, anchors and other rows.
        short: categories whose refusals have fewer anchors than asked for, by language.
    """

    rows: list[R]
    share: float
    safety: int
    anchors: int
    general: int
    dropped: Counter[str]
    languages: dict[str, dict[str, int]] = field(default_factory=dict)
    short: Mapping[str, int] = field(default_factory=dict)

    @property
    def reached(self) -> float:
        """The share of safety rows that the data has."""
        return self.safety / max(len(self.rows), 1)

    @property
    def met(self) -> bool:
        """Whether one safety row more would not bring the share nearer to what was asked for."""
        return abs(self.reached - self.share) <= 1 / max(len(self.rows), 1)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the rows and what was dropped."""
        counts = {"rows": len(self.rows), "safety": self.safety, "anchors": self.anchors, "general": self.general}
        found = {"share": self.share, "reached": self.reached, "met": self.met}
        return {**counts, **found, "languages": self.languages, "short_of_anchors": dict(self.short)}


def mixed_rows(
    general: Sequence[Example],
    safety: Sequence[Example],
    source: Source,
    share: float,
    *,
    anchors: int = 1,
    keep_general: bool = True,
    seed: int = 0,
) -> Mixture[Example]:
    """Return rows of fine-tuning of which `share` are refusals, with up to `anchors` harmless answers beside each refusal.

    Refusals are drawn from the languages in turn (`polylect.safety.mixing.mix`). Where they are too few, all are taken, and
    either the share falls short or other rows are left out. An anchor is the answer to the refusal's twin, else one of the
    same language and category, else one of the same language; none is used twice.

    Args:
        general: rows without safety.
        safety: refusals and harmless answers; `source` tells the two apart, and which belong together.
        source: what the prompts say of themselves.
        share: of refusals in the result, below 1.
        anchors: harmless answers per refusal, as far as there are.
        keep_general: keep all general rows where refusals are too few.
        seed: of the draw and the order.
    """
    refusals = [row for row in safety if _place(row) not in source.harmless]
    calm = [row for row in safety if _place(row) in source.harmless]
    drawn, beside = _fitting(general, refusals, calm, source, share, anchors, seed)
    kept = list(general)
    if drawn and len(drawn) == len(refusals) and not keep_general:
        room = round(len(drawn) / share) - len(drawn)
        beside = beside[:room]
        kept = _drawn(general, min(len(general), room - len(beside)), drawn, seed)
    return Mixture(
        rows=sorted([*kept, *beside, *drawn], key=lambda row: content_hash(seed, row.id)),
        share=share,
        safety=len(drawn),
        anchors=len(beside),
        general=len(kept),
        dropped=_left_out(refusals=(refusals, drawn), harmless=(calm, beside), general=(general, kept)),
        languages=_by_language(safety=drawn, anchors=beside, general=kept),
        short=_short(drawn, beside, source, anchors),
    )


def mixed_pairs(
    general: Sequence[Pair], safety: Sequence[Pair], share: float, *, keep_general: bool = True, seed: int = 0
) -> Mixture[Pair]:
    """Return pairs of which `share` are safety pairs (`polylect.safety.mixing.mix`); at a share of 1 there are no others.

    Where safety pairs are too few, all are taken, and either the share falls short or other pairs are left out.
    """
    wanted = share
    if keep_general and general and share < 1:
        wanted = min(share, len(safety) / (len(general) + len(safety)))
    rows = mix(general, safety, wanted, seed=seed) if wanted or general else []
    ids = {row.id for row in safety}
    drawn = [row for row in rows if row.id in ids]
    kept = [row for row in rows if row.id not in ids]
    counts = _by_language(safety=drawn, anchors=(), general=kept)
    return Mixture(rows, share, len(drawn), 0, len(kept), _left_out(pairs=(safety, drawn), general=(general, kept)), counts)


_REASONS = {
    "refusals": "refusals above the share",
    "pairs": "safety pairs above the share",
    "harmless": "harmless answers not needed",
    "general": "other rows left out to meet the share",
}


def _left_out(**rows: tuple[Sequence[Any], Sequence[Any]]) -> Counter[str]:
    """Return how many rows of each sort were left out, of (all, taken)."""
    return +Counter({_REASONS[sort]: len(there) - len(taken) for sort, (there, taken) in rows.items()})


def _fitting(
    general: Sequence[Example],
    refusals: Sequence[Example],
    calm: Sequence[Example],
    source: Source,
    share: float,
    anchors: int,
    seed: int,
) -> tuple[list[Example], list[Example]]:
    """Return the refusals that make the share, and the anchors beside them.

    Anchors are rows too, so that each refusal that is added asks for more of both. The number is sought from above: from what
    it would be, were there anchors for all.
    """
    if not share or not refusals or not general:
        return [], []
    rest = 1 - share * (1 + anchors)
    count = min(len(refusals), max(1, round(len(general) * share / rest))) if rest > 0 else len(refusals)
    while True:
        drawn = _drawn(refusals, count, general, seed)
        beside = _beside(drawn, calm, source, anchors, seed)
        fitting = max(1, round((len(general) + len(beside)) * share / (1 - share)))
        if fitting >= count:
            return drawn, beside
        count = fitting


def _drawn(rows: Sequence[R], count: int, others: Sequence[R], seed: int) -> list[R]:
    """Return `count` rows, languages in turn: those that `mix` takes to make their share beside the others."""
    if count in (0, len(rows)):
        return list(rows[:count])
    ids = {row.id for row in rows}
    return [row for row in mix(others, rows, count / (count + len(others)), seed=seed) if row.id in ids]


def _place(row: Example) -> Place:
    return row.item, row.language


def _beside(drawn: Sequence[Example], calm: Sequence[Example], source: Source, anchors: int, seed: int) -> list[Example]:
    """Return up to `anchors` harmless answers per refusal, those of its twin and of its category first."""
    ordered = sorted(calm, key=lambda row: content_hash(seed, "anchor", row.item))
    pools: dict[Any, list[Example]] = defaultdict(list)
    for row in ordered:
        for name in (_place(row), row.language, *((row.language, one) for one in source.categories.get(_place(row), ()))):
            pools[name].append(row)
    found: dict[str, Example] = {}
    for number in range(anchors):
        for row in sorted(drawn, key=lambda row: content_hash(seed, row.id)):
            twin = source.twin.get(_place(row)) if number == 0 else None
            names = [twin, *((row.language, one) for one in source.categories.get(_place(row), ())), row.language]
            one = next((one for name in names if (one := _unused(pools[name], found)) is not None), None)
            if one is not None:
                found[one.id] = one
    return list(found.values())


def _unused(pool: list[Example], found: Mapping[str, Example]) -> Example | None:
    """Return the last row of a pool that is not found yet; those behind it leave the pool, which is emptied only once."""
    while pool and pool[-1].id in found:
        pool.pop()
    return pool[-1] if pool else None


def _by_language(**rows: Sequence[Example] | Sequence[Pair]) -> dict[str, dict[str, int]]:
    counts = {sort: Counter(row.language for row in own) for sort, own in rows.items()}
    tags = sorted({tag for found in counts.values() for tag in found})
    return {tag: {sort: found[tag] for sort, found in counts.items()} for tag in tags}


def _short(drawn: Sequence[Example], beside: Sequence[Example], source: Source, anchors: int) -> dict[str, int]:
    """Return category -> how many anchors are missing beside its refusals, over all languages.

    A small student declines the categories that have none (docs/safety-distillation.md).
    """
    wanted, there = (_in_category(rows, source) for rows in (drawn, beside))
    missing: Counter[str] = Counter()
    for (tag, category), count in wanted.items():
        missing[category] += max(0, anchors * count - there[tag, category])
    return dict((+missing).most_common())


def _in_category(rows: Sequence[Example], source: Source) -> Counter[tuple[str, str]]:
    return Counter((row.language, one) for row in rows for one in source.categories.get(_place(row), ()))
