"""Groups of languages that share one checkpoint: by family, with shared languages in every group.

Source: Aya Expanse (Dang et al. 2024), section 2.3: checkpoints trained for different language families are diverse enough
to merge well, and languages shared by all clusters (there English, Spanish and French) make the merge robust.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from polylect.errors import LanguageError
from polylect.languages.table import Language, get

__all__ = ["clusters"]

_Group = tuple[Language, ...]


def clusters(tags: Iterable[str], shared: Iterable[str] = ("en",), max_clusters: int | None = None) -> dict[str, tuple[str, ...]]:
    """Group languages by family; each group also gets the `shared` languages that are among `tags`.

    A family of which only one language is present is pooled with the group that is nearest on the globe (mean distance
    between members), so that a lone language has company; two scripts of one language count as one. With
    `max_clusters`, the smallest group joins its nearest until the limit is kept. The result does not depend on the
    order of `tags`.

    Args:
        tags: languages to group, in any spelling that `canonical` accepts; repeated ones count once.
        shared: languages that every group gets, where they are among `tags`.
        max_clusters: upper limit of the number of groups; None for no limit.

    Returns:
        Name of the group ("indo-european", "japonic-and-koreanic", "sino-tibetan-and-others") to its sorted tags,
        sorted by name.

    Raises:
        LanguageError: a tag is unknown, there is no tag, or `max_clusters` is below 1.
    """
    languages = {row.tag: row for row in map(get, tags)}
    if not languages:
        raise LanguageError("no language to group: give at least one tag. `polylect languages` lists the known tags.")
    if max_clusters is not None and max_clusters < 1:
        raise LanguageError(f"max_clusters is {max_clusters}: at least 1 cluster is needed. Leave it out for no limit.")
    common = {row.tag: row for row in map(get, shared) if row.tag in languages}
    groups = _families([row for tag, row in sorted(languages.items()) if tag not in common])
    if not groups:
        return {_name(tuple(common.values())): tuple(sorted(common))}
    _pool_lone(groups, {row.family for row in common.values()})
    while max_clusters is not None and len(groups) > max_clusters:
        _join(groups, *_nearest_pair(groups, [min(groups, key=lambda group: (len(group), group[0].tag))]))
    members = {_name(group): tuple(sorted({row.tag for row in group} | common.keys())) for group in groups}
    return dict(sorted(members.items()))


def _families(rows: Sequence[Language]) -> list[_Group]:
    by_family: dict[str, list[Language]] = {}
    for row in rows:
        by_family.setdefault(row.family, []).append(row)
    return [tuple(group) for _, group in sorted(by_family.items())]


def _pool_lone(groups: list[_Group], shared_families: set[str]) -> None:
    """Join lone languages, in place, to their nearest group, the nearest pair first, until none is lone."""

    def is_lone(group: _Group) -> bool:
        return len({row.iso639_3 for row in group}) == 1 and group[0].family not in shared_families

    while len(groups) > 1 and (lone := [group for group in groups if is_lone(group)]):
        _join(groups, *_nearest_pair(groups, lone))


def _nearest_pair(groups: Sequence[_Group], one_of: Sequence[_Group]) -> tuple[_Group, _Group]:
    """Return the two nearest groups of which at least one is in `one_of`; ties go to the earlier tags."""
    pairs = [(a, b) for a, b in combinations(groups, 2) if a in one_of or b in one_of]
    return min(pairs, key=lambda pair: (_distance(*pair), pair[0][0].tag, pair[1][0].tag))


def _join(groups: list[_Group], a: _Group, b: _Group) -> None:
    groups.remove(a)
    groups.remove(b)
    groups.append(tuple(sorted(a + b, key=lambda row: row.tag)))


def _distance(a: _Group, b: _Group) -> float:
    """Mean great-circle distance in degrees between the members of two groups (average linkage)."""
    return sum(_angle(x, y) for x in a for y in b) / (len(a) * len(b))


def _angle(x: Language, y: Language) -> float:
    north_x, north_y = math.radians(x.latitude), math.radians(y.latitude)
    east = math.radians(x.longitude - y.longitude)
    cosine = math.sin(north_x) * math.sin(north_y) + math.cos(north_x) * math.cos(north_y) * math.cos(east)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def _name(group: _Group) -> str:
    """Return a lower-case ASCII name made of the group's families, the one with most members first."""
    sizes = Counter(row.family for row in group)
    ranked = sorted(sizes, key=lambda family: (-sizes[family], family))
    slugs = [re.sub(r"[^a-z]+", "-", family.lower()) for family in ranked]
    return "-and-".join(sorted(slugs)) if len(slugs) <= 2 else f"{slugs[0]}-and-others"
