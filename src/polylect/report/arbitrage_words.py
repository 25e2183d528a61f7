"""The result of an arbitrage in figures and sentences, each taken from one number of routing.json."""

from __future__ import annotations

from polylect.report.arbitrage_data import Account, Estimate
from polylect.report.arbitrage_marks import Write, label, rates, shorter, values
from polylect.report.headline import Figure
from polylect.report.numerals import count, dollars
from polylect.report.views import clip

__all__ = ["figures", "lead", "notes", "sentences", "title"]

_NAMED = 8
_NAME = 60


def title(account: Account) -> str:
    """Return the title of the page."""
    return f"Arbitrage: router {clip(str(account.router.get('name', '')), _NAME)[0] or 'of unknown name'}"


def lead(account: Account) -> str:
    """Return what was asked, in one line."""
    teachers = [name for name in account.teachers if name != account.writer]
    told = _counted(len(account.languages), "language")
    return f"{_counted(account.everything.prompts, 'prompt')} in {told}, {_counted(len(teachers), 'teacher')}"


def figures(account: Account) -> list[Figure]:
    """Return the numbers at the top of the page; what is not known is a dash and says why."""
    row = account.everything
    single = f"{shorter(account.best_single)}, " if account.best_single else ""
    absent = "no translation baseline in the pool" if account.translation is None else _NOT_COMPARED
    none = row.prompts - row.taken
    return [
        _figure("mean reward of the answers taken", row.reward, values, "nothing taken has a score"),
        _figure("regret against the oracle", row.regret, values, _NOT_COMPARED),
        _figure("win rate against random", row.wins["random"], rates, _NOT_COMPARED),
        _figure("win rate against the best single teacher", row.wins["best_single"], rates, _NOT_COMPARED, single),
        _figure("win rate against translation", row.wins["translation"], rates, absent),
        _figure("answers in a wrong language", row.wrong_language, rates, "no answer's language could be told"),
        Figure("cost", dollars(row.cost), f"{count(row.prompt_tokens)} tokens in, {count(row.completion_tokens)} out"),
        Figure("prompts without an answer", count(none), f"of {count(row.prompts)}"),
    ]


_NOT_COMPARED = "not known: no prompt was answered by all teachers"


def _figure(name: str, estimate: Estimate, write: Write, absent: str, before: str = "") -> Figure:
    if not estimate.known:
        return Figure(name, write[0](None), absent)
    ends = write[1](estimate.low, estimate.high)
    interval = f"95% interval {ends}" if ends else "too few items for an interval"
    return Figure(name, write[0](estimate.value), f"{before}{interval}; {_counted(estimate.n, 'prompt')}")


def sentences(account: Account) -> list[str]:
    """Return in which languages each teacher was taken most, and what else the numbers need to be read rightly."""
    first: dict[str, list[str]] = {}
    for row in account.languages:
        shares = {name: teacher.taken for name, teacher in row.teachers.items() if teacher.taken}
        if shares:
            first.setdefault(max(shares, key=lambda name: shares[name]), []).append(label(row).text)
    said = [f"{shorter(name)} was taken most in {_listed(tags)}." for name, tags in first.items()]
    row = account.everything
    if not row.compared:
        said.append(
            "The router was not compared with the pool: no prompt that it did not learn from was answered by all teachers. "
            "Regret, gains and win rates are known for routers that ask everybody, or a share of the prompts (probe)."
        )
    elif row.compared < row.prompts:
        said.append(f"Regret, gains and win rates come from {count(row.compared)} of {_counted(row.prompts, 'prompt')}.")
    if row.uncompared:
        said.append(
            f"{_counted(row.uncompared, 'prompt')} more could not be compared: the router's answer has no score, as it failed or "
            "was refused. Where many are missing, the comparison flatters the router."
        )
    if row.explored:
        said.append(f"{_counted(row.explored, 'prompt')} went to a teacher drawn at random, to keep learning possible.")
    if row.rerouted:
        said.append(f"{_counted(row.rerouted, 'prompt')} went to a second teacher, as the first answer failed or was refused.")
    return said


def notes(account: Account) -> list[str]:
    """Return how the numbers were made."""
    items = f"{count(account.items)} items" if account.items is not None else "more than 1,024 items, in groups"
    return [
        f"Intervals are 95% intervals of a bootstrap over {items}: the translations of one prompt count as one.",
        "All languages: means and rates are means over languages, each weighs the same; counts, tokens and costs are sums.",
        "What is not known is shown as a dash, never as 0.",
        "This page computes no statistic; its numbers are those of routing.json and manifest.json, rounded.",
    ]


def _listed(names: list[str]) -> str:
    shown = names if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} other languages"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _counted(number: int, noun: str) -> str:
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"
