"""Names of things in one language: CLDR's through Babel first, then the accepted variants of the language's pack."""

from __future__ import annotations

import copy
import datetime
import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from polylect.prompts.packs import Pack, Rules

if TYPE_CHECKING:
    from babel import Locale

__all__ = ["Names"]

Forms = tuple[str, ...]
"""Accepted forms of one answer, preferred first; empty when the language has no name for it."""


class Names:
    """Looks up names of territories, languages, currencies, dates and numbers in the language of `pack`."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    @cached_property
    def locale(self) -> Locale:
        """The Babel locale of the pack's `cldr` key."""
        from babel import Locale

        return Locale.parse(self.pack.cldr)

    @cached_property
    def _calendar(self) -> Any:
        """The locale's own copy of CLDR's data.

        Babel writes a name that it has looked up through an alias into data that all locales share: after Hebrew's months,
        those of other languages would be Hebrew's.
        """
        from babel.localedata import LocaleDataDict, load

        return LocaleDataDict(copy.deepcopy(load(str(self.locale))))

    @cached_property
    def latin(self) -> bool:
        """Whether the language is written in Latin script, where CLDR lets names fall back to their root form."""
        from babel.core import get_global

        script = self.locale.script or get_global("likely_subtags").get(self.pack.cldr, "_Latn_").split("_")[1]
        return str(script) == "Latn"

    def territory(self, code: str) -> Forms:
        """Return the names of an ISO 3166 country or a UN M49 region (three digits)."""
        return self._named("territories", code, self.locale.territories.get(code))

    def language(self, code: str) -> Forms:
        """Return the names of a language by its CLDR code."""
        return self._named("languages", code, self.locale.languages.get(code))

    def currency(self, code: str) -> Forms:
        """Return the names of an ISO 4217 currency."""
        from babel.numbers import get_currency_name

        name = self.locale.currencies.get(code)
        if not name:
            return ()
        singular = get_currency_name(code, count=1, locale=self.locale)
        return self.variants("currencies", (singular, name))

    def short_currency(self, code: str) -> Forms:
        """Return the bare nouns of a currency ("dollar"), right only when the question names the country."""
        forms = list(self.currency(code))
        return tuple(form for form in _grow(forms, self.pack.short_currencies) if form not in forms)

    def place(self, zone: str) -> str | None:
        """Return the exemplar city of a time zone, or None without a translation (CLDR's root form is Latin)."""
        if zone in self.pack.names.get("places", {}):
            return self.pack.names["places"][zone][0]
        city: str | None = self.locale.time_zones.get(zone, {}).get("city")
        if city is None and self.latin:
            city = zone.rsplit("/", 1)[-1].replace("_", " ")
        return city

    def month(self, number: int) -> Forms:
        """Return the stand-alone name of a month, 1 to 12."""
        return self.variants("months", (self._calendar["months"]["stand-alone"]["wide"][number],))

    def weekday(self, number: int) -> Forms:
        """Return the stand-alone name of a day of the week, 0 (Monday) to 6."""
        return self.variants("weekdays", (self._calendar["days"]["stand-alone"]["wide"][number],))

    def date(self, date: datetime.date) -> Forms:
        """Return a date in CLDR's long format."""
        from babel.dates import format_date

        return self.variants("dates", (format_date(date, "long", locale=self.locale),))

    def span(self, n: int, unit: str) -> str:
        """Return "3 months" or "5 days" with the plural form of the language; `unit` is "month" or "day"."""
        from babel.units import format_unit

        # CLDR stores a long pattern that equals the short one only once, as short, and Babel does not look there.
        patterns = self.locale._data["unit_patterns"][f"duration-{unit}"]
        length: Literal["long", "short"] = "long" if self.locale.plural_form(n) in patterns.get("long", {}) else "short"
        return _plain(format_unit(n, f"duration-{unit}", length=length, locale=self.locale))

    def number(self, n: int) -> Forms:
        """Return a cardinal number in words by num2words; empty where num2words lacks the language."""
        if self.pack.num2words is None:
            return ()
        from num2words import num2words

        words = str(num2words(n, lang=self.pack.num2words))
        for pattern, replacement in self.pack.number_words:
            words = pattern.sub(replacement, words)
        return self.variants("numbers", (words.strip(),))

    def variants(self, subject: str, forms: Iterable[str]) -> Forms:
        """Return `forms` and what the pack's rules for `subject`, then for "any", make of them, without repeats but for case."""
        found = _grow([_plain(form) for form in forms], self.pack.variants.get(subject, ()))
        return tuple(_grow(found, self.pack.variants.get("any", ())))

    def _named(self, subject: str, code: str, name: Any) -> Forms:
        own = self.pack.names.get(subject, {}).get(code, ())
        cldr = _parts(str(name)) if name and str(name) != code else []
        return self.variants(subject, [*own, *cldr[-1:]] if own else cldr)


def _parts(name: str) -> list[str]:
    """Return CLDR's "Myanmar (Burma)" without and with what stands in brackets."""
    match = re.fullmatch(r"(.+?) ?[(（].+[)）]", name)
    return [match[1], name] if match else [name]


def _plain(text: str) -> str:
    """Write CLDR's no-break spaces as plain ones: they serve typesetting, and no one types them."""
    return re.sub("[\u00a0\u202f]", " ", text)


def _grow(forms: list[str], rules: Rules) -> list[str]:
    """Append what each rule makes of each form before it. The order of rules matters: later ones see earlier results."""
    grown = list(forms)
    for pattern, replacement in rules:
        grown += [new for form in list(grown) if (new := pattern.sub(replacement, form)) not in grown]
    first: dict[str, str] = {}
    for form in grown:
        first.setdefault(form.casefold(), form)
    return list(first.values())
