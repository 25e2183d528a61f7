"""Facts of the calendar: months, days of the week and dates."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from polylect.prompts.kinds import Drop, Fact, kind

if TYPE_CHECKING:
    from polylect.prompts.names import Names

LONG = 320
OTHER = 200
"""Number of dates of `date_long`, and of `date_month` and `day_before` each."""


@kind("month", "month", "span")
def month_after(names: Names) -> Iterator[Fact | Drop]:
    """Which month comes n months after another; spans of 1 and 2 are left out, for their noun changes form in Arabic."""
    for month in range(1, 13):
        for n in range(3, 12):
            later = (month + n - 1) % 12 + 1
            slots = {"month": names.month(month)[0], "span": names.span(n, "month")}
            yield Fact(key=f"{month}+{n}", slots=slots, references=names.month(later), group=_pair(month, later))


@kind("weekday", "weekday", "span")
def weekday_after(names: Names) -> Iterator[Fact | Drop]:
    """Which day of the week comes n days after another; spans equal modulo 7 share a split."""
    for day in range(7):
        for n in range(3, 21):
            if n % 7:
                later = (day + n) % 7
                slots = {"weekday": names.weekday(day)[0], "span": names.span(n, "day")}
                yield Fact(key=f"{day}+{n}", slots=slots, references=names.weekday(later), group=_pair(day, later))


@kind("date_long", "iso")
def date_long(names: Names) -> Iterator[Fact | Drop]:
    """A date in figures, to be written in CLDR's long format."""
    for date in dates(LONG + OTHER, parity=0)[:LONG]:
        yield Fact(key=date.isoformat(), slots={"iso": date.isoformat()}, references=names.date(date))


@kind("date_month", "iso", unseen=True)
def date_month(names: Names) -> Iterator[Fact | Drop]:
    """The name of the month of a date in figures.

    Unseen: the date is given as in `date_long`, of other days, and the answer is a month, as in `month_after`.
    """
    for date in dates(LONG + OTHER, parity=0)[LONG:]:
        yield Fact(key=date.isoformat(), slots={"iso": date.isoformat()}, references=names.month(date.month))


@kind("day_before", "date", unseen=True)
def day_before(names: Names) -> Iterator[Fact | Drop]:
    """The date before another.

    Unseen: both are written as the answers of `date_long`, in odd years where those are in even ones.
    """
    for date in dates(OTHER, parity=1):
        before = date - datetime.timedelta(days=1)
        yield Fact(key=date.isoformat(), slots={"date": names.date(date)[0]}, references=names.date(before))


@cache
def dates(count: int, *, parity: int) -> tuple[datetime.date, ...]:
    """Return `count` different dates of 1950 to 2049 in years of one parity, in the same shuffled order in every run."""
    start = datetime.date(1950, 1, 1)
    days = [day for n in range(36525) if (day := start + datetime.timedelta(days=n)).year % 2 == parity]
    return tuple(sorted(days, key=lambda day: hashlib.sha256(day.isoformat().encode()).digest())[:count])


def _pair(one: int, other: int) -> str:
    """Return the group of two points of a cycle: the way there and the way back give each other away."""
    return f"{min(one, other)}-{max(one, other)}"
