"""What `polylect compare` prints: the verdict in words, win rates and differences per language, the judge's certificate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from polylect.records import MULTIPLE

if TYPE_CHECKING:
    from rich.table import Table

    from polylect.agreement import Agreement
    from polylect.evaluate.compare_scores import ScoreComparison, ScoreRow
    from polylect.evaluate.comparing import Compared
    from polylect.evaluate.judging.certificate import Certificate
    from polylect.evaluate.judging.rates import LanguageRate
    from polylect.evaluate.judging.running import Judging
    from polylect.resampling import Estimate

__all__ = ["lines"]

_UNFIT = "judge unfit for this language"
_MOST = 8


def lines(compared: Compared) -> Iterator[str | Table]:
    """Yield lines and tables, in the order in which they are printed."""
    yield f"{compared.a} against {compared.b}"
    yield from compared.words
    if compared.judging is not None:
        yield from _judged(compared.judging)
    for one in compared.scores:
        yield from _scored(compared, one)
    if compared.notes:
        yield ""
        yield from (f"{count:>9,}  {note}" for note, count in compared.notes.items())


def _judged(judging: Judging) -> Iterator[str | Table]:
    rows = [*judging.rates.languages, judging.rates.macro]
    told = ", ".join(f"{kind} instructions in {', '.join(tags)}" for kind, tags in judging.instructions.items())
    yield ""
    yield f"Judged by {', '.join(judging.judges)} ({told})"
    yield _rates(judging, rows)
    yield from _alone(judging.rates.alone)
    if judging.battles:
        told = ", ".join(f"{'mean' if tag == MULTIPLE else tag} {_percent(one)}" for tag, one in judging.battles.items())
        yield f"Arena-Hard's score (share of battles, a much better answer wins three): {told}"
    yield "win rate: wins and half the ties, in points, 95 %, wrong-language answers lose; ungated: as the judge has it;"
    yield "equal style: at equal length, lists, bold and headers, ungated; longer: points that the longer answer gains"
    for row in judging.rates.languages:
        yield from (f"{row.language}: {_UNFIT}: {why}" for why in row.why if row.status == "unfit")
    yield from _reasons("without a result", _sum(row.reasons for row in judging.rates.languages))
    wrong = {name: sum(getattr(row, side) for row in judging.rates.languages) for name, side in _sides(judging)}
    if any(wrong.values()):
        yield "answers in a wrong language: " + ", ".join(f"{name} {count:,}" for name, count in wrong.items())
    yield ""
    yield _certificates(judging)
    yield "agree: both orders give one verdict; first: points that the answer shown first gains; people, English: kappa / AC1 (n)"
    yield from _reasons("verdicts that cannot be read", _sum(one.reasons for one in judging.certificates))
    for one in judging.panel:
        if one.unanimous is not None and one.alpha is not None:
            yield f"panel, {one.language}: {len(one.seats)} judges heard, unanimous in {one.unanimous:.0%}, alpha {one.alpha:.2f}"
    for spent in judging.spent:
        tokens = f"{spent.prompt_tokens:,} tokens in, {spent.completion_tokens:,} out"
        paid = f", ${spent.cost:,.2f} (now ${spent.cost_now:,.2f})" if spent.cost else ""
        yield f"{spent.judge}: {spent.games:,} verdicts, {spent.asked:,} asked now, {tokens}{paid}"
    yield from judging.notes


def _sides(judging: Judging) -> tuple[tuple[str, str], ...]:
    return (judging.a, "a_wrong"), (judging.b, "b_wrong")


def _rates(judging: Judging, rows: Sequence[LanguageRate]) -> Table:
    table = _table(f"Win rate of {judging.a}, by language", "win rate", "ungated", "equal style", "longer", "W", "L", "T", "none")
    for row in rows:
        style = row.style if row.style and row.style.win_rate is not None else None
        longer = (style.effects or {}).get("length") if style else None
        cells = [
            _percent(row.rate),
            _percent(row.ungated),
            _percent((style.win_rate, style.low, style.high)) if style else "-",
            f"{longer[0]:+.1f} [{longer[1]:+.1f}, {longer[2]:+.1f}]" if longer else "-",
            *(f"{count:,}" for count in (row.win, row.loss, row.tie, row.unscored)),
        ]
        verdict = _UNFIT if row.status == "unfit" else row.verdict + (" (not certified)" if row.status == "uncertified" else "")
        _add(table, row.language, cells, verdict)
    return table


def _certificates(judging: Judging) -> Table:
    several = len(judging.judges) > 1
    table = _table("Certificate of the judge" + ("s" if several else ""), "agree", "first", "ties", "unread", "people", "English")
    for one in judging.certificates:
        cells = [
            _percent((one.consistency, one.consistency_low, one.consistency_high), digits=0),
            "-" if one.first_place is None else f"{_plus(one.first_place)}",
            "-" if one.ties is None else f"{one.ties:.0%}",
            "-" if one.unreadable is None else f"{one.unreadable:.0%}",
            _agreement(one.people),
            _agreement(one.english),
        ]
        _add(table, f"{one.judge} {one.language}" if several else one.language, cells, _status(one))
    return table


def _status(one: Certificate) -> str:
    return one.status if one.status != "uncertified" else "uncertified: too few"


def _scored(compared: Compared, one: ScoreComparison) -> Iterator[str | Table]:
    title = " ".join(filter(None, (one.benchmark, one.subset, one.metric)))
    table = _table(f"{title}: {compared.a} minus {compared.b}", "difference", "win rate", "W", "L", "T", "n", "only a", "only b")
    for row in (*one.languages, one.macro):
        cells = [_points(row.difference), _percent(row.win_rate), *(f"{count:,}" for count in _counts(row))]
        _add(table, row.language, cells, row.verdict)
    yield ""
    yield table
    yield from _alone(one.alone)
    for name, unscored in ((compared.a, one.macro.unscored_a), (compared.b, one.macro.unscored_b)):
        yield from _reasons(f"of {name} without a score", unscored)


def _alone(leads: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Say which languages only the adjustment for many languages leaves undecided."""
    told = [f"{verdict} in {', '.join(tags)}" for verdict, tags in sorted(leads.items(), reverse=True) if tags]
    if told:
        yield f"by single intervals alone {', '.join(told)}; verdicts hold for all languages together (Holm, 5 %)"


def _counts(row: ScoreRow) -> tuple[int, ...]:
    return row.win, row.loss, row.tie, row.n, row.only_a, row.only_b


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("language", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    return table


def _add(table: Table, language: str, cells: Iterable[str], verdict: str) -> None:
    everything = language == "mul"
    table.add_row("mean" if everything else language, *cells, verdict, style="bold" if everything else "")


def _percent(estimate: Estimate | tuple[float | None, float | None, float | None], digits: int = 1) -> str:
    value, low, high = estimate
    if value is None:
        return "-"
    if low is None or high is None:
        return f"{100 * value:.{digits}f}"
    return f"{100 * value:.{digits}f} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def _points(estimate: Estimate) -> str:
    value, low, high = estimate
    if value is None:
        return "-"
    return _plus(value) if low is None or high is None else f"{_plus(value)} [{_plus(low)}, {_plus(high)}]"


def _plus(value: float) -> str:
    # Adding 0.0 turns the -0.0 of a rounded number into 0.0.
    return f"{round(value, 1) + 0.0:+.1f}"


def _agreement(found: Agreement) -> str:
    if not found.n:
        return "-"
    kappa, ac1 = ("-" if value is None else f"{value:.2f}" for value in (found.kappa, found.ac1))
    return f"{kappa} / {ac1} ({found.n:,})"


def _sum(counts: Iterable[Any]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for reason, count in one.items():
            total[reason] = total.get(reason, 0) + count
    return total


def _reasons(what: str, reasons: Any) -> Iterator[str]:
    ranked = sorted(reasons.items(), key=lambda one: -one[1])
    if ranked:
        yield f"{sum(count for _, count in ranked):,} {what}:"
        yield from (f"{count:>9,}  {reason}" for reason, count in ranked[:_MOST])
        if rest := sum(count for _, count in ranked[_MOST:]):
            yield f"{rest:>9,}  other reasons (--json has all)"
