"""Train the weights of the learned safety detector on labelled answers, or say how well it does on those it did not see.

Run: python benchmarks/safety_detector_train.py [--rows FILE.jsonl ...] [--name mine] [--out weights.npz] [--check]

Without --rows it reads the rows in this repository and writes the weights that Polylect brings: the same rows give the same
fingerprint, and weights that differ by rounding at most. With --rows those rows are added (one JSON object a line with prompt,
answer, outcome and language), in a language of your own, too. --check trains on four fifths of the prompts and judges the rest,
five times, and writes nothing. `polylect safety eval --detector weights.npz` uses what was written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from scipy import optimize, sparse

from polylect.errors import DataError
from polylect.languages import canonical
from polylect.safety.detectors import Agreement, Finding, RuleDetector
from polylect.safety.detectors.coherence import content
from polylect.safety.detectors.features import BUCKETS, FITTED, Features, features
from polylect.safety.detectors.learned import decide
from polylect.safety.detectors.lexicon import covered, lexicon, plain
from polylect.safety.detectors.rules import settle
from polylect.safety.detectors.weights import LEARNED, Weights
from polylect.safety.outcomes import OUTCOMES, Outcome

ROOT = Path(__file__).parents[1]
TESTS, ROWS = ROOT / "tests/safety/data", ROOT / "benchmarks/data/detector_rows"
SHIPPED = ROOT / "src/polylect/safety/detectors/learned.npz"
FITTED_TO = (
    "detector_dev.jsonl",
    "detector_general.jsonl",
    "detector_unseen.jsonl",
    *(f"blind/{tag}.jsonl" for tag in sorted(covered())),
)
"""What the rules were fitted to. detector_test.jsonl is not trained on: it is the test part."""

RIDGE = 10.0
"""Weight of half the sum of squared weights, beside the sum of the rows' losses: by cross-validation, 5 to 10 are alike."""

SWAPPED = 0.04
"""What an answer counts that was put under another prompt, as one beside the point."""

LAW = 0.2
"""What a sentence of law counts, as one beside the point."""

LEAST_SAID = 5
"""Content words of an answer that is put under another prompt: "Three." may answer any."""

FOLDS = 5
Key = tuple[str, Outcome, Outcome | None]
"""Language, label, verdict."""


@dataclass(frozen=True)
class Row:
    """A labelled answer; `fitted`: the rules were fitted to it; `weight`: what it counts; `asked`: what was asked in fact."""

    language: str
    prompt: str
    answer: str
    outcome: Outcome
    fitted: bool = False
    weight: float = 1.0
    asked: str = ""


def read_rows(path: Path, *, fitted: bool = False) -> list[Row]:
    """Read the rows of a file; the language is that of the row, or the file's name.

    Raises:
        DataError: a row lacks a column or has an outcome that is none.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        if not {"prompt", "answer", "outcome"} <= set(row) or row["outcome"] not in OUTCOMES:
            raise DataError(f"{path}, line {number}: needs prompt, answer and outcome, one of {', '.join(OUTCOMES)}")
        tag = canonical(row.get("language") or path.stem)
        rows.append(Row(tag, row["prompt"], row["answer"], row["outcome"], fitted=fitted, asked=row["prompt"]))
    return rows


def repository_rows() -> list[Row]:
    """Read the rows of this repository that the shipped weights are trained on."""
    seen = [row for name in FITTED_TO for row in read_rows(TESTS / name, fitted=True)]
    unseen = [*sorted((TESTS / "blind2").glob("*.jsonl")), *sorted(ROWS.glob("*.jsonl"))]
    return seen + [row for path in unseen for row in read_rows(path)]


def law() -> list[Row]:
    """Return the even articles of the Universal Declaration under prompts of the rows: law forbids, and declines nothing."""
    asked = {row.language: row.prompt for row in read_rows(TESTS / "detector_dev.jsonl")}
    table = pl.read_parquet(ROOT / "src/polylect/gap/data/udhr.parquet").filter(pl.col("language").is_in(list(asked)))
    return [
        Row(one["language"], asked[one["language"]], part, "irrelevant", fitted=True, weight=LAW, asked=asked[one["language"]])
        for one in table.iter_rows(named=True)
        if int(one["item"]) % 2 == 0
        for part in dict.fromkeys([one["text"], *re.split(r"(?<=[.。।])\s*", one["text"])])
        if len(part) > 15
    ]


def fingerprint(rows: Iterable[Row]) -> str:
    """Return what tells these rows from others."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows:
        digest.update(json.dumps([row.language, row.prompt, row.answer, row.outcome, row.fitted], ensure_ascii=False).encode())
    return digest.hexdigest()


def swapped(rows: Sequence[Row]) -> list[Row]:
    """Return answers under prompts that they do not answer: what is beside the point is rare among the rows written."""
    generator, found = random.Random(0), []  # noqa: S311
    for row in rows:
        if row.outcome != "complied" or len(content(row.answer, row.language)) < LEAST_SAID * (
            2 if row.language[:2] == "zh" else 1
        ):
            continue
        others = [other.prompt for other in rows if other.language == row.language and other.fitted == row.fitted]
        fit = (prompt for prompt in generator.sample(others, min(12, len(others))) if is_other(prompt, row))
        prompt = next(fit, None)
        if prompt is not None:
            found.append(replace(row, prompt=prompt, outcome="irrelevant", weight=SWAPPED))
    return found


def is_other(prompt: str, row: Row) -> bool:
    """Tell whether a prompt has no content word of a row, and asks for no text that may be about anything."""
    tag, asked = row.language, plain(prompt)
    if content(prompt, tag) & (content(row.prompt, tag) | content(row.answer, tag)):
        return False
    return tag not in covered() or not (lexicon(tag).writing.search(asked) or lexicon(tag).open.search(asked))


@dataclass(frozen=True)
class Table:
    """Rows as the weights see them: one line of `values` each, pieces first, then the quantities `names`."""

    rows: tuple[Row, ...]
    values: sparse.csr_matrix
    names: tuple[str, ...]
    settled: tuple[Finding | None, ...]

    @property
    def usable(self) -> np.ndarray:
        """Places of the rows to train on: what the rules settle is not the weights' to tell."""
        told = [
            row.weight < 1 or (row.outcome in LEARNED and (one is None or row.outcome != "irrelevant"))
            for row, one in zip(self.rows, self.settled, strict=True)
        ]
        return np.flatnonzero(told)


def tabulate(rows: Sequence[Row]) -> Table:
    """Compute what the weights see of every row; of rows the rules were fitted to without what rests on the rules."""
    seen = [features(row.prompt, row.answer, row.language)[0] for row in rows]
    kept = [replace(one, numbers=without_rules(one)) if row.fitted else one for row, one in zip(rows, seen, strict=True)]
    names = tuple(sorted({name for one in kept for name in one.numbers}))
    column = {name: BUCKETS + place for place, name in enumerate(names)}
    values, columns, starts = [], [], [0]
    for one in kept:
        values += [one.each] * len(one.places) + list(one.numbers.values())
        columns += [*one.places, *(column[name] for name in one.numbers)]
        starts.append(len(columns))
    matrix = sparse.csr_matrix((values, columns, starts), shape=(len(rows), BUCKETS + len(names)))
    return Table(tuple(rows), matrix, names, tuple(settle(row.prompt, row.answer, row.language) for row in rows))


def without_rules(one: Features) -> dict[str, float]:
    """Return the quantities that do not rest on the rules."""
    return {name: value for name, value in one.numbers.items() if not name.startswith(FITTED)}


def fit(table: Table, places: np.ndarray) -> np.ndarray:
    """Return the weights of multinomial logistic regression with a ridge, float64 (columns, outcomes), by L-BFGS.

    The loss is convex, so that it has one minimum; it is sought from zero.
    """
    values, rows = table.values[places], [table.rows[place] for place in places]
    weight = np.array([row.weight for row in rows])[:, None]
    labels = np.array([[row.outcome == outcome for outcome in LEARNED] for row in rows], dtype=float)
    shape = (values.shape[1], len(LEARNED))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(shape)
        scores = values @ weights
        scores -= scores.max(axis=1, keepdims=True)
        log = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        slope = values.T @ (weight * (np.exp(log) - labels)) + RIDGE * weights
        return float(-(weight * labels * log).sum() + RIDGE / 2 * (flat @ flat)), slope.ravel()

    done = optimize.minimize(
        loss, np.zeros(shape[0] * shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-9, "gtol": 1e-3}
    )
    found: np.ndarray = done.x.reshape(shape)
    return found


def packed(table: Table, found: np.ndarray, name: str, rows: str) -> Weights:
    """Return weights as they are stored: differences from the first outcome, those of pieces rounded to a byte."""
    differences = found[:, 1:] - found[:, :1]
    step = (np.abs(differences[:BUCKETS]).max(axis=0) / 127).astype(np.float32)
    pieces = np.rint(differences[:BUCKETS] / step).astype(np.int8)
    return Weights(name, rows, pieces, step, table.names, differences[BUCKETS:].astype(np.float32))


def check(table: Table) -> None:
    """Print how well weights and rules do on prompts that were not trained on, rows that the rules were fitted to aside."""
    fold = np.array([zlib.crc32(f"{row.language} {row.asked}".encode()) % FOLDS for row in table.rows])
    swapped_in = np.array([zlib.crc32(f"{row.language} {row.prompt}".encode()) % FOLDS for row in table.rows])
    usable = table.usable
    counts: dict[str, Counter[Key]] = {"rules": Counter(), "learned": Counter()}
    for one in range(FOLDS):
        weights = packed(table, fit(table, usable[(fold[usable] != one) & (swapped_in[usable] != one)]), "check", "")
        for place in np.flatnonzero(fold == one):
            row = table.rows[place]
            if row.fitted or row.weight < 1:
                continue
            counts["rules"][row.language, row.outcome, RuleDetector().judge(row.prompt, row.answer, row.language)[0]] += 1
            said = table.settled[place] or weighed(weights, row)
            counts["learned"][row.language, row.outcome, said[0]] += 1
    for name, found in counts.items():
        show(name, found)


def weighed(weights: Weights, row: Row) -> Finding:
    """Return the outcome that weights give a row that the rules do not settle."""
    found, (ruled, _) = features(row.prompt, row.answer, row.language)
    return decide(weights.probabilities(found), ruled), None


def show(name: str, counts: Counter[Key]) -> None:
    """Print macro F1 by language and what is found of each outcome."""
    languages = sorted({tag for tag, _, _ in counts})
    found = {
        tag: Agreement(tag, {(label, said): n for (one, label, said), n in counts.items() if one == tag}).macro_f1
        for tag in languages
    }
    print(
        f"{name}: macro F1 "
        + " ".join(f"{tag} {value:.3f}" for tag, value in found.items())
        + f", mean {np.mean(list(found.values())):.3f}"
    )
    for label in OUTCOMES:
        said = Counter({one: sum(n for (_, a, b), n in counts.items() if (a, b) == (label, one)) for one in (*OUTCOMES, None)})
        print(f"  {label} ({said.total()}): " + ", ".join(f"{number} {one or 'abstained'}" for one, number in said.items()))


def main() -> None:
    """Train, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, nargs="+", default=[], help="files of rows of your own")
    parser.add_argument("--name", default="polylect-learned-1", help="what tables call the detector")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where the weights go")
    parser.add_argument("--check", action="store_true", help="cross-validate, write nothing")
    given = parser.parse_args()
    if given.rows and not given.check and (given.out == SHIPPED or given.name == parser.get_default("name")):
        parser.error("rows of your own make another detector: give it a --name and an --out")
    rows = repository_rows() + [row for path in given.rows for row in read_rows(path)]
    print(f"{len(rows)} rows, fingerprint {fingerprint(rows)}: {dict(Counter(row.outcome for row in rows))}")
    table = tabulate([*rows, *swapped(rows), *law()])
    if given.check:
        check(table)
        return
    packed(table, fit(table, table.usable), given.name, fingerprint(rows)).write(given.out)
    print(f"{given.out}: {given.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
