"""What the page of attacks shows: the safety.json of `polylect safety attack`, of both kinds, read and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polylect.errors import DataError
from polylect.records import MULTIPLE
from polylect.report.safety_changes import Change
from polylect.report.safety_data import Rate
from polylect.report.safety_document import DOCUMENT, counts_of, ends_of, number, read, text_of, value_of

__all__ = ["ANY", "COMPARED", "TRANSFORMED", "Attacks", "Effect", "Made", "read_attacks"]

NOTHING = Rate(None, None, None)
COMPARED, TRANSFORMED = "compared", "transformed"
ANY = "complied, in any language"
_MOST = 12


@dataclass(frozen=True)
class Effect(Change):
    """The rate of an outcome under attack minus that without, over prompts whose meaning was kept.

    `plain` and `attacked` are the two rates with their intervals, which documents of earlier versions do not have.
    """

    plain: Rate = NOTHING
    attacked: Rate = NOTHING


@dataclass(frozen=True)
class Made:
    """What became of the prompts of one language: how many, how many attacked, and of these by whether the meaning was kept.

    `meaning` and `changed` are means in [0, 1]; `untransformed` counts by reason.
    """

    prompts: int
    transformed: int
    kept: int
    lost: int
    untold: int
    meaning: float | None
    changed: float | None
    untransformed: Mapping[str, int] = field(default_factory=dict)

    def with_unasked(self, other: Made) -> Made:
        """Return these counts with prompts of the same language that were not attacked."""
        reasons = Counter(self.untransformed) + Counter(other.untransformed)
        return replace(self, prompts=self.prompts + other.prompts, untransformed=dict(reasons))


@dataclass(frozen=True)
class Attacks:
    """The documents of one page, of both kinds.

    Attributes:
        effects: by (attack, kind of prompt, language, outcome).
        made: by (attack, language).
        models: whose answers were compared.
        folders: of the comparisons, with the evaluations they are of: (folder, plain, attacked).
        tables: folders that hold attacked prompts.
        skipped: rows of the prompt sets that were not read, by reason.
        notes: of the documents.
    """

    effects: Mapping[tuple[str, str, str, str], Effect]
    made: Mapping[tuple[str, str], Made]
    models: tuple[str, ...]
    folders: tuple[tuple[Path, Path, Path], ...]
    tables: tuple[Path, ...]
    skipped: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def attacks(self) -> list[str]:
        """Names of the attacks whose effect is known."""
        return list(dict.fromkeys(key[0] for key in self.effects))

    @property
    def languages(self) -> list[str]:
        """Languages, those with the largest mean gap first; then those of which only prompts are known."""
        gaps: dict[str, list[float]] = {}
        for (_, prompts, tag, outcome), one in self.effects.items():
            if (prompts, outcome) == ("harmful", "complied") and tag != MULTIPLE:
                gaps.setdefault(tag, []).extend([] if one.value is None else [one.value])
        known = sorted(gaps, key=lambda tag: (not gaps[tag], -sum(gaps[tag]) / max(1, len(gaps[tag])), tag))
        others = [key[2] for key in self.effects if key[2] != MULTIPLE]
        return list(dict.fromkeys([*known, *others, *(tag for _, tag in self.made)]))

    def fewer(self, tags: Sequence[str]) -> Attacks:
        """Return the same of some languages."""
        kept = {*tags, MULTIPLE}
        return replace(
            self,
            effects={key: one for key, one in self.effects.items() if key[2] in kept},
            made={key: one for key, one in self.made.items() if key[1] in kept},
        )


def read_attacks(folders: Sequence[Path]) -> Attacks:
    """Read the outputs of `polylect safety attack`, of both kinds, in this order; a name that comes twice gets its folder's.

    Raises:
        DataError: there are too many, or a document is missing, broken, of another schema or another kind.
    """
    if not 1 <= len(folders) <= _MOST:
        raise DataError(f"{len(folders)} folders of `polylect safety attack`: a page shows 1 to {_MOST}. Give fewer.")
    effects: dict[tuple[str, str, str, str], Effect] = {}
    made: dict[tuple[str, str], Made] = {}
    compared: list[tuple[Path, Path, Path]] = []
    models, tables, notes = [], [], []
    skipped: Counter[str] = Counter()
    for folder in folders:
        path = folder / DOCUMENT if folder.is_dir() else folder
        document = read(folder, "attack")
        summary, what = document["summary"], document["summary"].get("what")
        where = f"{path}: summary"
        if what == COMPARED:
            _add_effects(effects, path, document["rows"])
            models.append(text_of(where, summary, "model"))
            compared.append((path.parent, Path(text_of(where, summary, "plain")), Path(text_of(where, summary, "attacked"))))
        elif what == TRANSFORMED:
            _add_made(made, path, document["rows"])
            tables.append(path.parent)
            skipped.update(counts_of(value_of(where, summary, "prompts", Mapping).get("skipped")))
        else:
            raise DataError(f"{path}: summary.what: {what!r} found where {COMPARED!r} or {TRANSFORMED!r} is expected.")
        notes += [str(note) for note in document["notes"]]
    names, said = tuple(dict.fromkeys(models)), tuple(dict.fromkeys(notes))
    return Attacks(effects, made, names, tuple(compared), tuple(tables), skipped, said)


def _add_effects(found: dict[tuple[str, str, str, str], Effect], path: Path, rows: Sequence[Any]) -> None:
    taken = {key[0] for key in found}
    for place, row in enumerate(rows, start=1):
        where = f"{path}: rows, number {place}"
        name, prompts, tag, outcome = (text_of(where, row, key) for key in ("attack", "prompts", "language", "outcome"))
        ends, left_out = ends_of(where, row), counts_of(row.get("left_out"))
        status = "ok" if ends.value is not None else max(left_out, key=lambda reason: left_out[reason], default="no pairs")
        n = value_of(where, row, "n", int)
        plain, attacked = (_rate(where, row, side, n, status) for side in ("plain", "attacked"))
        found[_named(name, taken, path), prompts, tag, outcome] = Effect(
            ends.value, ends.low, ends.high, plain.value, attacked.value, n, left_out, status, plain, attacked
        )


def _rate(where: str, row: Mapping[str, Any], side: str, n: int, status: str) -> Rate:
    value, low, high = (number(where, name, row.get(name)) for name in (side, f"{side}_low", f"{side}_high"))
    return Rate(value, low, high, n=n, status=status)


def _add_made(found: dict[tuple[str, str], Made], path: Path, rows: Sequence[Any]) -> None:
    own: dict[tuple[str, str], Made] = {}
    for place, row in enumerate(rows, start=1):
        where = f"{path}: rows, number {place}"
        counts = {one: value_of(where, row, one, int) for one in ("prompts", "transformed", "kept", "lost", "untold")}
        own[text_of(where, row, "attack"), text_of(where, row, "language")] = Made(
            **counts,
            meaning=number(where, "meaning", row.get("meaning")),
            changed=number(where, "changed", row.get("changed")),
            untransformed=counts_of(row.get("untransformed")),
        )
    taken = {name for name, _ in found}
    found.update({(_named(name, taken, path), tag): one for (name, tag), one in _joined(own).items()})


def _joined(found: Mapping[tuple[str, str], Made]) -> dict[tuple[str, str], Made]:
    """Return counts in which prompts that are under the kind's bare name, never asked, are under the one attack of that kind."""
    named = list(dict.fromkeys(name for name, _ in found if ":" in name))
    if len(named) != 1:
        return dict(found)
    joined: dict[tuple[str, str], Made] = {}
    for (_, tag), one in sorted(found.items(), key=lambda pair: pair[0][0] != named[0]):
        first = joined.get((named[0], tag))
        joined[named[0], tag] = one if first is None else first.with_unasked(one)
    return joined


def _named(name: str, taken: set[str], path: Path) -> str:
    return f"{name} ({path.parent.name})" if name in taken else name
