"""The tables of docs/run-folder.md, made from the records.

`python tests/docs/record_tables.py` writes them again after a column was added.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path

from polylect import records, tables

PAGE = Path(__file__).parents[2] / "docs" / "run-folder.md"
_PART = re.compile(r"(?<=<!-- records -->\n).*?(?=<!-- end -->)", re.DOTALL)
_NAMES = {"String": "text", "Int64": "whole number", "Float64": "number", "Boolean": "true or false"}


def kinds() -> Iterator[type[records.Record]]:
    """Yield the record types in the order of the flow."""
    for value in vars(records).values():
        if isinstance(value, type) and issubclass(value, records.Record) and value is not records.Record:
            yield value


def table(kind: type[records.Record]) -> str:
    """Return heading, description and columns of one record type in Markdown."""
    description = " ".join((kind.__doc__ or "").split())
    hints = typing.get_type_hints(kind)
    lines = [f"### {kind.__name__}", "", description, "", "| column | type |", "|---|---|"]
    for name, dtype in tables.schema(kind).items():
        empty = ", may be empty" if type(None) in typing.get_args(hints[name]) else ""
        lines.append(f"| `{name}` | {_NAMES.get(str(dtype), 'list of texts')}{empty} |")
    return "\n".join(lines)


def with_records(text: str) -> str:
    """Return the page with all its tables made anew."""
    made = "\n" + "\n\n".join(table(kind) for kind in kinds()) + "\n\n"
    return _PART.sub(lambda _: made, text)


if __name__ == "__main__":
    PAGE.write_text(with_records(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
