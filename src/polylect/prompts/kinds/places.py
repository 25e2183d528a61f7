"""Facts about places: where they are, which money is used and which languages are official there."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING

from polylect.prompts.kinds import Drop, Fact, kind

if TYPE_CHECKING:
    from polylect.prompts.names import Names


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


COUNTRIES = _codes(
    "AD AE AF AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CF CG CH CI CL CM CN CO CR CU "
    "CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FM FR GA GB GD GE GH GM GN GQ GR GT GW GY HN HR HT HU ID IE IL IN IQ "
    "IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MR MT MU "
    "MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM PA PE PG PH PK PL PT PW PY QA RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN "
    "SO SR SS ST SV SY SZ TD TG TH TJ TL TM TN TO TR TT TV TZ UA UG US UY UZ VC VE VN VU WS YE ZA ZM ZW"
)
"""ISO 3166 codes of the 193 member states of the United Nations; other territories are left out, and counted."""

UNFIT_ZONES = _codes(
    "Africa/Ceuta America/Belem America/Cordoba America/Argentina/Cordoba America/Argentina/La_Rioja America/Argentina/San_Juan "
    "America/Argentina/San_Luis America/Merida America/Santarem America/St_Johns Antarctica/Macquarie Asia/Famagusta "
    "Asia/Jerusalem Atlantic/Azores Atlantic/Canary Europe/Simferopol Pacific/Galapagos"
)
"""Time zones whose city has a well-known namesake in another country, whose state is disputed, or that stand for islands."""

UNFIT_AREAS = ("America/Indiana/", "America/Kentucky/", "America/North_Dakota/")
"""Small towns, which several languages name without their state and so like other places (Petersburg, Center)."""

AS_OF = datetime.date(2025, 1, 1)
"""Day for which currencies are looked up: answers must not depend on the day of the run."""

CURRENCY_CHANGED = frozenset({"BG"})
"""States that changed their currency after `AS_OF`."""

SOUTH_AMERICA = _codes("AR BO BR CL CO EC GY PE PY SR UY VE")
"""Member states in UN M49 region 005; the other states with time zones in America/ are in region 003 (North America)."""

TWO_CONTINENTS = _codes("AM AZ CY EG GE ID KZ RU TR")
"""States on two continents, or whose continent is a matter of convention."""


def country_codes() -> list[str]:
    """Return the ISO 3166 code of every territory that CLDR gives a time zone or a currency, sorted."""
    from babel.core import get_global

    return sorted({*get_global("territory_zones"), *get_global("territory_currencies")} - {"001", "ZZ"})


def country(names: Names, code: str) -> str | Drop:
    """Return the preferred name of a member state, or why it cannot be asked about."""
    if code not in COUNTRIES:
        return Drop(key=code, reason="not a member state of the United Nations")
    forms = names.territory(code)
    return forms[0] if forms else Drop(key=code, reason="country has no name in this language")


@kind("place", "place")
def place_country(names: Names) -> Iterator[Fact | Drop]:
    """In which country a place is: the exemplar cities of the time zones."""
    from babel.core import get_global

    for zone, code in sorted(get_global("zone_territories").items()):
        place = names.place(zone)
        forms = names.territory(code)
        if code not in COUNTRIES:
            yield Drop(key=zone, reason="not a member state of the United Nations")
        elif zone in UNFIT_ZONES or zone.startswith(UNFIT_AREAS):
            yield Drop(key=zone, reason="ambiguous or disputed place")
        elif place is None or not forms:
            yield Drop(key=zone, reason="place or country has no name in this language")
        elif any(form.casefold() in place.casefold() or place.casefold() in form.casefold() for form in forms):
            yield Drop(key=zone, reason="the name of the place gives the country away")
        else:
            yield Fact(key=zone, slots={"place": place}, references=forms)


@kind("country", "country")
def country_currency(names: Names) -> Iterator[Fact | Drop]:
    """Which currency a country uses: any current legal tender is accepted, and its bare noun."""
    from babel.numbers import get_territory_currencies

    for code in country_codes():
        asked = country(names, code)
        current = get_territory_currencies(code, start_date=AS_OF)
        current.sort(key=lambda currency: not currency.startswith(code))  # ISO 4217: a country's own currency bears its code
        forms = [names.currency(currency) for currency in current]
        if isinstance(asked, Drop):
            yield asked
        elif code in CURRENCY_CHANGED:
            yield Drop(key=code, reason="currency changed lately")
        elif not current or not all(forms):
            yield Drop(key=code, reason="currency unknown or without a name in this language")
        else:
            accepted = [form for group in forms for form in group] + [s for c in current for s in names.short_currency(c)]
            yield Fact(key=code, slots={"country": asked}, references=tuple(dict.fromkeys(accepted)))


@kind("country", "country")
def country_language(names: Names) -> Iterator[Fact | Drop]:
    """Name an official language of a country: all are accepted, the one with most speakers is preferred."""
    for code in country_codes():
        asked = country(names, code)
        forms = [form for tag in official_languages(code) for form in _language(names, tag, code)]
        if isinstance(asked, Drop):
            yield asked
        elif not forms:
            yield Drop(key=code, reason="official language unknown or without a name in this language")
        else:
            yield Fact(key=code, slots={"country": asked}, references=tuple(dict.fromkeys(forms)))


def official_languages(code: str) -> list[str]:
    """Return CLDR's official languages of a territory, most spoken first.

    Those official only in fact count where none is by law, or where nearly all speak them (English in New Zealand).
    """
    from babel.languages import get_territory_language_info

    info = get_territory_language_info(code)
    by_law = [tag for tag in info if info[tag]["official_status"] == "official"]
    in_fact = [tag for tag in info if info[tag]["official_status"] == "de_facto_official"]
    tags = by_law + [tag for tag in in_fact if not by_law or info[tag]["population_percent"] > 90]
    tags.sort(key=lambda tag: (-info[tag]["population_percent"], tag))
    return list(dict.fromkeys("no" if tag in {"nb", "nn"} else tag.split("_")[0] for tag in tags))


def _language(names: Names, tag: str, code: str) -> tuple[str, ...]:
    """Return the names of a language, then those of its variety in the territory (Dari for Persian in Afghanistan)."""
    return names.language(tag) + names.language(f"{tag}_{code}")


@kind("country", "country")
def country_continent(names: Names) -> Iterator[Fact | Drop]:
    """On which continent a country is, when all its time zones are of one continent; "America" is accepted for both."""
    from babel.core import get_global

    zones = get_global("territory_zones")
    regions = {"Africa": ["002"], "Asia": ["142"], "Europe": ["150"]}
    for code in country_codes():
        asked = country(names, code)
        areas = {zone.split("/")[0] for zone in zones.get(code, [])} - {"Atlantic", "Pacific", "Indian", "Arctic"}
        if areas == {"America"}:
            found: list[str] | None = ["005", "019"] if code in SOUTH_AMERICA else ["003", "019"]
        else:
            found = regions.get(areas.pop()) if len(areas) == 1 and code not in TWO_CONTINENTS else None
        if isinstance(asked, Drop):
            yield asked
        elif found is None:
            yield Drop(key=code, reason="no single continent")
        else:
            forms = tuple(dict.fromkeys(form for region in found for form in names.territory(region)))
            yield Fact(key=code, slots={"country": asked}, references=forms)
