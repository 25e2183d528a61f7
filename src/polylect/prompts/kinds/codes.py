"""Facts about codes and names: currencies, languages and countries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from polylect.prompts.kinds import Drop, Fact, kind
from polylect.prompts.kinds.places import AS_OF, country, country_codes

if TYPE_CHECKING:
    from polylect.prompts.names import Names


@kind("currency", "code")
def currency_code(names: Names) -> Iterator[Fact | Drop]:
    """Which currency an ISO 4217 code means, for the currencies in use today."""
    from babel.numbers import get_territory_currencies

    codes = {currency for territory in country_codes() for currency in get_territory_currencies(territory, start_date=AS_OF)}
    for code in sorted(codes):
        forms = names.currency(code)
        if forms:
            yield Fact(key=code, slots={"code": code}, references=forms)
        else:
            yield Drop(key=code, reason="currency has no name in this language")


@kind("language", "code")
def language_code(names: Names) -> Iterator[Fact | Drop]:
    """Which language an ISO 639 code means, for the languages that CLDR has data for."""
    for code in language_codes():
        forms = names.language(code)
        if not forms:
            yield Drop(key=code, reason="language has no name in this language")
        else:
            yield Fact(key=code, slots={"code": code}, references=forms)


@kind("language", "name")
def language_endonym(names: Names) -> Iterator[Fact | Drop]:
    """Which language has this name among its own speakers."""
    from babel import Locale

    for code in language_codes():
        own = Locale.parse(code).languages.get(code)
        forms = names.language(code)
        if not own or not forms:
            yield Drop(key=code, reason="language has no name in this language or in its own")
        elif any(form.casefold() in own.casefold() or own.casefold() in form.casefold() for form in forms):
            yield Drop(key=code, reason="the language's own name gives the answer away")
        else:
            yield Fact(key=code, slots={"name": own}, references=forms)


@kind("country", "code")
def country_code(names: Names) -> Iterator[Fact | Drop]:
    """Which country an ISO 3166 code means."""
    for code in country_codes():
        asked = country(names, code)
        yield asked if isinstance(asked, Drop) else Fact(key=code, slots={"code": code}, references=names.territory(code))


def language_codes() -> list[str]:
    """Return the languages with a two-letter ISO 639-1 code and a CLDR locale of their own, sorted."""
    from babel.localedata import locale_identifiers

    return sorted({tag for tag in locale_identifiers() if len(tag) == 2})
