"""What the report shows of a judge that is a language model, as plain frozen records, and the same as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from polylect.records import Comparison

__all__ = ["JudgeData", "JudgeRow", "from_judge", "to_judge"]


@dataclass(frozen=True)
class JudgeRow:
    """The judge's certificate in one language.

    `status` is "fit", "unfit" (no win rate is shown) or "uncertified" (too few contests to tell), `why` the reason. `consistency`
    is the share of contests in which both orders give one verdict, with its 95 % interval; `unreadable` the share of verdicts
    that cannot be read; `first_place` by how many points the answer shown first does better than half; `english` is Cohen's kappa
    with the judge's own English verdicts on `english_n` shared items. None where there is nothing to tell it from.
    """

    language: str
    status: str
    why: str
    contests: int
    consistency: float | None
    consistency_low: float | None
    consistency_high: float | None
    unreadable: float | None
    first_place: float | None
    ties: float | None
    english: float | None
    english_n: int


@dataclass(frozen=True)
class JudgeData:
    """A judge and what it is worth.

    Attributes:
        name: of the model.
        rows: one per language.
        ungated: win rates without the language gate, of the same pairs as the report's `comparisons`.
        wrong_language: (a, b, language) -> answers of a and of b that are in a wrong language.
        verdicts: asked for in all, two per contest.
        tokens: of all verdicts, with what was read for them.
        cost: US dollars, as far as prices are known.
    """

    name: str
    rows: list[JudgeRow]
    ungated: list[Comparison]
    wrong_language: Mapping[tuple[str, str, str], tuple[int, int]]
    verdicts: int
    tokens: int
    cost: float


def to_judge(data: JudgeData) -> dict[str, Any]:
    """Return a judge as plain JSON values."""
    return {
        "name": data.name,
        "languages": [asdict(row) for row in data.rows],
        "ungated": [{name: value for name, value in row.as_dict().items() if name != "id"} for row in data.ungated],
        "wrong_language": [
            {"a": a, "b": b, "language": tag, "a_wrong": ours, "b_wrong": theirs}
            for (a, b, tag), (ours, theirs) in data.wrong_language.items()
        ],
        "verdicts": data.verdicts,
        "tokens": data.tokens,
        "cost": data.cost,
    }


def from_judge(document: Mapping[str, Any]) -> JudgeData:
    """Return the judge that `to_judge` made into `document`; a missing field is a KeyError or TypeError."""
    return JudgeData(
        name=document["name"],
        rows=[JudgeRow(**{field.name: row[field.name] for field in fields(JudgeRow)}) for row in document["languages"]],
        ungated=[Comparison(**row) for row in document["ungated"]],
        wrong_language={
            (row["a"], row["b"], row["language"]): (row["a_wrong"], row["b_wrong"]) for row in document["wrong_language"]
        },
        verdicts=document["verdicts"],
        tokens=document["tokens"],
        cost=document["cost"],
    )
