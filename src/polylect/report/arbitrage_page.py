"""The page of one arbitrage: `report.html` in its output folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.report import (
    arbitrage_charts,
    arbitrage_costs,
    arbitrage_failures,
    arbitrage_marks,
    arbitrage_ways,
    arbitrage_words,
)
from polylect.report.arbitrage_data import Account, read_account
from polylect.report.files import save_text
from polylect.report.page import MAX_BYTES, environment, moment, style
from polylect.report.sections import flatten
from polylect.report.views import Cell, Label, Table, clip

__all__ = ["arbitrage_report", "render_arbitrage"]

_ROWS, _CHARACTERS = 150, 300
_SHOWN = ("reasons", "dropped", "status", "requests", "schema")
"""Parts of a manifest that the page shows elsewhere, or that are many."""


def arbitrage_report(folder: Path) -> Path:
    """Write `report.html` of the output folder of `polylect arbitrage`; return its path.

    Raises:
        DataError: routing.json or manifest.json is missing, broken or of another version.
        LanguageError: a language of routing.json is unknown.
    """
    return save_text(Path(folder) / "report.html", render_arbitrage(read_account(Path(folder))))


def render_arbitrage(account: Account) -> str:
    """Return the page with all languages, or with as many of those with the most prompts as keep it below `MAX_BYTES`."""
    page = ""
    for most in _fewer(len(account.languages)):
        page = _page(account, arbitrage_marks.fewer(account, most))
        if len(page.encode(errors="replace")) < MAX_BYTES:
            break
    return page


def _fewer(languages: int) -> Iterator[int]:
    """Yield how many languages to show: all, then a quarter less each time, at last none."""
    while languages:
        yield languages
        languages = languages * 3 // 4
    yield 0


def _page(account: Account, shown: Account) -> str:
    """Return the page: the result of the whole account, charts and tables of the languages of `shown`."""
    finished = str(account.manifest.get("finished", ""))
    page: str = (
        environment()
        .get_template("arbitrage.html.j2")
        .render(
            style=style(),
            title=arbitrage_words.title(account),
            lead=arbitrage_words.lead(account),
            finished=finished,
            created=moment(finished),
            figures=arbitrage_words.figures(account),
            sentences=arbitrage_words.sentences(account),
            notes=arbitrage_words.notes(account),
            left_out=len(account.languages) - len(shown.languages),
            **_parts(shown, arbitrage_charts.everywhere(account)),
        )
    )
    return page.lstrip()


def _parts(account: Account, everywhere: Sequence[str]) -> dict[str, Any]:
    """Return the charts and tables; those of comparisons are None where the router was compared with nothing."""
    compared = account.everything.compared > 0
    return {
        "shares": arbitrage_charts.shares(account),
        "rewards": arbitrage_charts.rewards(account),
        "teacher_rewards": arbitrage_charts.teacher_rewards(account, everywhere),
        "ways": arbitrage_ways.ways(account) if compared else None,
        "regret": arbitrage_charts.regret(account) if compared else None,
        "gains": arbitrage_ways.gains(account) if compared else None,
        "win_rates": arbitrage_ways.win_rates(account) if compared else None,
        "wrong_language": arbitrage_charts.wrong_language(account),
        "costs": arbitrage_costs.costs(account),
        "budget": arbitrage_costs.budget(account),
        "answers": arbitrage_failures.answers(account),
        "prompts": arbitrage_failures.prompts(account),
        "dropped": arbitrage_failures.left_out(account),
        "router": _table("What the router says of itself", account.router),
        "settings": _table("What manifest.json says", _plain(account.manifest)),
    }


def _plain(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in manifest.items() if name not in _SHOWN}


def _table(caption: str, values: Mapping[str, Any]) -> Table:
    rows = [(Label(name), [Cell(clip(value, _CHARACTERS)[0], numeric=False)]) for name, value in flatten("", dict(values))]
    return Table(caption, ("Key", "Value"), rows[:_ROWS])
