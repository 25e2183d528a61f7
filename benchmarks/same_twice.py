"""Compare two runs of one recipe: are the result tables the same, id by id and value by value?

Run: python benchmarks/same_twice.py runs/a runs/b (two folders that `polylect run RECIPE --out` filled on one machine).
"""

from __future__ import annotations

import sys
from pathlib import Path

from polylect import tables
from polylect.records import Completion, Result


def differences(first: Path, second: Path) -> tuple[int, int, int]:
    """Return (rows compared, rows whose id is in one run only, rows whose value or text differs)."""
    compared = missing = changed = 0
    for path in sorted((first / "steps" / "evaluate").glob("*/*.parquet")):
        kind = Completion if path.name == "completions.parquet" else Result
        other = second / path.relative_to(first)
        rows = [{row.id: row for row in tables.read(table, kind)} for table in (path, other)]
        compared += len(rows[0])
        missing += len(rows[0].keys() ^ rows[1].keys())
        changed += sum(rows[0][key] != rows[1][key] for key in rows[0].keys() & rows[1].keys())
    return compared, missing, changed


if __name__ == "__main__":
    compared, missing, changed = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{compared} rows of results and completions: {missing} ids in one run only, {changed} rows that differ")
    sys.exit(bool(missing or changed))
