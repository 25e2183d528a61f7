"""Compute the speaker numbers of the language table from CLDR again.

For every row of src/polylect/languages/languages.csv the number is the sum over territories of population times the
percentage of the population that uses the language (in this script, where CLDR tells scripts apart), rounded to three
significant digits. The CLDR code of a row is the second word of its `speakers_source`.

    npm pack cldr-core@48.2.0 && tar xzf cldr-core-48.2.0.tgz
    python scripts/build_languages.py package/supplemental/territoryInfo.json
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

TABLE = Path(__file__).resolve().parent.parent / "src/polylect/languages/languages.csv"
RELEASED = {"48": 2025}
"""Year of release by CLDR version; add the new one when the data is updated."""


def main() -> None:
    """Rewrite the speaker columns of the table and print which rows changed."""
    parser = argparse.ArgumentParser(description="Compute the speaker numbers of the language table from CLDR again.")
    parser.add_argument("territory_info", type=Path, help="supplemental/territoryInfo.json of the npm package cldr-core")
    supplemental = json.loads(parser.parse_args().territory_info.read_text(encoding="utf-8"))["supplemental"]
    version = supplemental["version"]["_cldrVersion"]
    people = speakers(supplemental["territoryInfo"])
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows, names = list(reader), list(reader.fieldnames or ())
    for row in rows:
        code = row["speakers_source"].split()[-1]
        number = str(int(float(f"{people[code]:.3g}")))
        if number != row["speakers"]:
            print(f"{row['tag']}: {row['speakers']} -> {number}")
        row.update(speakers=number, speakers_source=f"CLDR {version}, {code}", speakers_year=str(RELEASED[version]))
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def speakers(territories: dict[str, dict]) -> dict[str, float]:
    """Return CLDR language code -> number of people who use the language, over all territories."""
    people: defaultdict[str, float] = defaultdict(float)
    for territory in territories.values():
        for code, use in territory.get("languagePopulation", {}).items():
            people[code] += float(territory["_population"]) * float(use["_populationPercent"]) / 100
    return people


if __name__ == "__main__":
    main()
