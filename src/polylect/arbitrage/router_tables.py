"""Mean rewards of teachers per language: what the single and fixed routers learn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from polylect.arbitrage.router_base import Teacher
from polylect.errors import RecipeError, nearest

__all__ = ["check_teacher", "language_means", "macro"]


def language_means(rows: Iterable[tuple[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Return language -> teacher -> mean reward from (language, teacher -> reward) of each prompt, languages sorted."""
    sums: dict[str, dict[str, list[float]]] = {}
    for language, rewards in rows:
        for teacher, reward in rewards.items():
            total = sums.setdefault(language, {}).setdefault(teacher, [0.0, 0.0])
            total[0] += reward
            total[1] += 1
    return {lang: {t: total / n for t, (total, n) in sorted(by.items())} for lang, by in sorted(sums.items())}


def macro(means: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return teacher -> mean over languages, best first, of the teachers that have answers in the most languages.

    A teacher that answered in fewer languages than others is no candidate for the best one: a baseline serves them all.
    """
    values: dict[str, list[float]] = {}
    for by in means.values():
        for teacher, mean in by.items():
            values.setdefault(teacher, []).append(mean)
    most = max((len(v) for v in values.values()), default=0)
    found = {teacher: sum(v) / len(v) for teacher, v in values.items() if len(v) == most}
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def check_teacher(where: str, name: str, teachers: Sequence[Teacher]) -> None:
    """Check that a name is a teacher's.

    Raises:
        RecipeError: it is not.
    """
    known = [teacher.name for teacher in teachers]
    if name not in known:
        raise RecipeError(f"{where}: {name!r} is no teacher of the pool.{nearest(name, known)} Known: {', '.join(known)}.")
