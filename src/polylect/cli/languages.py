"""`polylect languages`: the table of known languages, or what is known of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from polylect import languages
from polylect.cli.context import CONTEXT
from polylect.cli.printing import print_json

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["command"]

_EXAMPLES = """\b
Examples:
  polylect languages                 all known languages
  polylect languages sr-Latn         one language: codes, family, speakers, sources
  polylect languages zh_TW --json    the same as JSON; zh_TW is an alias of zh-Hant
"""


@click.command(epilog=_EXAMPLES, context_settings=CONTEXT)
@click.argument("tag", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of languages, or one object for TAG.")
def command(tag: str | None, as_json: bool) -> None:
    """Show what is known of languages: codes, script, family, speakers, resource class.

    TAG is a BCP-47 tag such as tr, pt-BR or zh-Hant; ISO 639-3 codes (tur) and case do not matter. Without TAG the whole
    table is shown.
    """
    rows = languages.known() if tag is None else (languages.get(tag),)
    if as_json:
        facts = [_facts(row) for row in rows]
        print_json(facts if tag is None else facts[0])
        return
    from rich.console import Console

    Console().print(_overview(rows) if tag is None else _details(rows[0]))


def _facts(row: languages.Language) -> dict[str, Any]:
    return {
        "tag": row.tag,
        "iso639_3": row.iso639_3,
        "script": row.script,
        "rtl": row.rtl,
        "family": row.family,
        "branch": row.branch,
        "name": row.name,
        "native_name": row.native_name,
        "continents": list(row.continents),
        "latitude": row.latitude,
        "longitude": row.longitude,
        "speakers": row.speakers,
        "speakers_source": row.speakers_source,
        "speakers_year": row.speakers_year,
        "resource_class": row.resource_class,
        "resource_source": row.resource_source,
        "aliases": list(row.aliases),
        "compared_with": list(languages.neighbours(row.tag)),
    }


def _overview(rows: tuple[languages.Language, ...]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        caption=f"{len(rows)} languages. Class: resource class of Joshi et al. 2020, 0 (least) to 5 (most). "
        "`polylect languages TAG` has the sources.",
        caption_justify="left",
    )
    table.add_column("Tag", no_wrap=True)
    table.add_column("Language")
    table.add_column("Script", no_wrap=True)
    table.add_column("Family")
    table.add_column("Speakers", justify="right", no_wrap=True)
    table.add_column("Class", justify="right", no_wrap=True)
    for row in rows:
        resource_class = "–" if row.resource_class is None else str(row.resource_class)
        name = row.name if row.name == row.native_name else f"{row.name} · {row.native_name}"
        table.add_row(row.tag, name, row.script, row.family, _people(row.speakers), resource_class)
    return table


def _details(row: languages.Language) -> Table:
    from rich import box
    from rich.table import Table

    resource_class = "unknown" if row.resource_class is None else str(row.resource_class)
    relatives = [other.tag for other in languages.known() if other.family == row.family and other.tag != row.tag]
    identification = "by its words" if languages.identifiable(row.tag) else "only by its script"
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    for name, value in (
        ("Tag", row.tag),
        ("Name", f"{row.name} · {row.native_name}"),
        ("ISO 639-3", row.iso639_3),
        ("Also accepted", ", ".join(row.aliases) or "–"),
        ("Script", f"{row.script}, {'right to left' if row.rtl else 'left to right'}"),
        ("Family", f"{row.family} › {row.branch}"),
        ("Clusters with", ", ".join(relatives) or "– (no relative is known: pooled with its nearest)"),
        ("Continents", ", ".join(row.continents)),
        ("Speakers", f"{row.speakers:,} ({row.speakers_source}; {row.speakers_year})"),
        ("Resource class", f"{resource_class} ({row.resource_source})"),
        ("Identified", identification),
        ("Compared with", ", ".join(languages.neighbours(row.tag)) or "–"),
    ):
        table.add_row(name, value)
    return table


def _people(number: int) -> str:
    """Round a number of people for reading: 1.29 G, 82 M, 43 k."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
