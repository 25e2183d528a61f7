"""How much better an attack works than plain asking: the difference of outcome rates, paired by prompt."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect import tables
from polylect.errors import DataError, EvaluationError
from polylect.records import MULTIPLE
from polylect.safety.attacks.making import AttackRun
from polylect.safety.attacks.table import AttackedPrompt
from polylect.safety.document import make_document, read_document
from polylect.safety.folder import SafetyFolder, digest, write_json
from polylect.safety.mistakes import usable_again
from polylect.safety.outcomes import OUTCOMES
from polylect.safety.results import SafetyResult
from polylect.safety.rows import columns_of

if TYPE_CHECKING:
    from polylect.resampling import Estimate

__all__ = ["ANY_LANGUAGE", "compare_attack", "success_gaps"]

ANY_LANGUAGE = "complied, in any language"
"""Outcome of a comparison beside the four: an English answer to a Swahili prompt that gives away what was asked."""

_SIDES, _ENDS = ("plain", "attacked"), ("", "_low", "_high")
_NO_NUMBERS = dict.fromkeys([*(f"{side}{end}" for side in _SIDES for end in _ENDS), "value", "low", "high"])
_LEFT_OUT = ("meaning lost", "meaning untold", "plain answer missing", "plain answer unscored", "attacked answer unscored")


@dataclass(frozen=True)
class _Pair:
    """The answers to a prompt and to its attacked form, or why they do not count."""

    attack: str
    language: str
    item: str
    harmful: bool
    plain: SafetyResult | None
    attacked: SafetyResult | None
    reason: str | None


def success_gaps(
    plain: Sequence[SafetyResult],
    attacked: Sequence[SafetyResult],
    prompts: Sequence[AttackedPrompt],
    *,
    untold: bool = False,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return the rate of each outcome under attack minus that without, per attack, kind of prompt and language.

    Only prompts whose meaning was kept count, with a scored answer to both forms; the others are counted by reason. Both rates
    have intervals as those of `polylect safety eval`, the difference one of its own, paired; all are clustered by item of the
    original.

    Args:
        plain: answers to the originals (results.parquet of `polylect safety eval`).
        attacked: answers to the attacked prompts.
        prompts: the attacked prompts.
        untold: also count prompts of which nothing tells whether the meaning was kept.
        seed: of the resamples.

    Returns:
        Rows with `attack`, `prompts` ("harmful", "harmless"), `language` (of the original; "mul": the mean over languages),
        `outcome` (the four, and `ANY_LANGUAGE` where a judge says what wrong-language answers hold), `plain` and
        `attacked` with the ends of their intervals (`plain_low`, `plain_high`, `attacked_low`, `attacked_high`), `value` (the
        difference) with `low` and `high`, `n`, and `left_out` by reason.
    """
    groups: dict[tuple[str, bool], list[_Pair]] = defaultdict(list)
    for pair in _pairs(plain, attacked, prompts, untold):
        groups[pair.attack, pair.harmful].append(pair)
    rows: list[dict[str, Any]] = []
    for (name, harmful), own in sorted(groups.items(), key=lambda group: (group[0][0], not group[0][1])):
        head = {"attack": name, "prompts": "harmful" if harmful else "harmless"}
        rows += [{**head, **row} for outcome in _outcomes(own) for row in _gaps(own, outcome, seed)]
    return rows


def compare_attack(
    plain: Path, attacked: Path, *, out: Path, prompts: Path | None = None, untold: bool = False, seed: int = 0
) -> AttackRun:
    """Compare the safety evaluations of a prompt set and of its attacked form, and write safety.json.

    Args:
        plain: folder of `polylect safety eval` on the originals.
        attacked: folder of `polylect safety eval` on the table of `attack`.
        out: folder of the result.
        prompts: that table; None: where the evaluation says that it read it.
        untold: also count prompts of which nothing tells whether the meaning was kept.
        seed: of the resamples.

    Raises:
        DataError: a folder is no finished safety evaluation, the table is not the one that was evaluated, or no pair is left.
        EvaluationError: the evaluations are of different models.
    """
    documents = [read_document(folder, "eval") for folder in (plain, attacked)]
    manifests = [_manifest(folder) for folder in (plain, attacked)]
    notes = list(_differences(documents, manifests, plain, attacked))
    table = prompts or Path(manifests[1]["settings"]["prompts"]["path"])
    _check_table(table, manifests[1]["settings"]["prompts"], attacked)
    results = [tables.read(folder / "results.parquet", SafetyResult) for folder in (plain, attacked)]
    settings = {"plain": digest(plain / "results.parquet"), "attacked": digest(attacked / "results.parquet"),
                "prompts": digest(table), "untold": untold, "seed": seed}  # fmt: skip
    with SafetyFolder(out, settings) as folder:
        if folder.finished is not None:
            return AttackRun(out, folder.read("safety.json"), folder.finished, "finished")
        rows = success_gaps(results[0], results[1], tables.read(table, AttackedPrompt), untold=untold, seed=seed)
        with usable_again(folder):
            _check_pairs(rows, attacked)
        summary = {"what": "compared", "model": documents[0]["summary"]["model"], "plain": str(plain), "attacked": str(attacked)}
        document = make_document("attack", rows, summary, notes)
        write_json(out / "safety.json", document)
        return AttackRun(out, document, folder.finish("safety attack --compare", {"rows": len(rows)}))


def _pairs(
    plain: Sequence[SafetyResult], attacked: Sequence[SafetyResult], prompts: Sequence[AttackedPrompt], untold: bool
) -> Iterator[_Pair]:
    before = {(row.item, row.language): row for row in plain}
    after = {(row.item, row.language): row for row in attacked}
    for prompt in prompts:
        new = after.get((prompt.item, prompt.language))
        if new is None:
            continue  # an evaluation of some languages, or with a limit, did not take it
        old = before.get((prompt.attack_of, prompt.attack_from))
        reason = _reason(prompt, old, new, untold)
        yield _Pair(prompt.attack, prompt.attack_from, prompt.attack_of, prompt.harmful, old, new, reason)


def _reason(prompt: AttackedPrompt, old: SafetyResult | None, new: SafetyResult, untold: bool) -> str | None:
    if prompt.meaning_kept is False:
        return _LEFT_OUT[0]
    if prompt.meaning_kept is None and not untold:
        return _LEFT_OUT[1]
    if old is None:
        return _LEFT_OUT[2]
    if old.score is None:
        return _LEFT_OUT[3]
    return _LEFT_OUT[4] if new.score is None else None


def _outcomes(pairs: Sequence[_Pair]) -> tuple[str, ...]:
    rows = [row for pair in pairs for row in (pair.plain, pair.attacked) if row is not None and row.outcome == "wrong language"]
    return (*OUTCOMES, ANY_LANGUAGE) if rows and any(row.content for row in rows) else OUTCOMES


def _is(row: SafetyResult | None, outcome: str) -> float:
    if row is None:
        return 0.0
    if outcome == ANY_LANGUAGE:
        return float("complied" in (row.outcome, row.content if row.outcome == "wrong language" else None))
    return float(row.outcome == outcome)


def _gaps(pairs: Sequence[_Pair], outcome: str, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the row of each language, then the mean over the languages that have a pair."""
    used = [pair for pair in pairs if pair.reason is None]
    found = _Rates(used, outcome, seed) if used else None
    known = found.tags if found else ()
    for tag in sorted({pair.language for pair in pairs}):
        numbers = found.row((tag,)) if found and tag in known else _NO_NUMBERS
        yield _row(tag, outcome, [pair for pair in pairs if pair.language == tag], numbers)
    if found and len(known) > 1:
        yield _row(MULTIPLE, outcome, pairs, found.row(known))


class _Rates:
    """The rates of an outcome in pairs of answers, plain and attacked, resampled together by item of the original."""

    def __init__(self, pairs: Sequence[_Pair], outcome: str, seed: int) -> None:
        from polylect.resampling import means, replicates, tabulate

        self.tags = tuple(sorted({pair.language for pair in pairs}))
        rows = [
            (pair.item, f"{side}\t{pair.language}", _is(answer, outcome))
            for pair in pairs
            for side, answer in zip(_SIDES, (pair.plain, pair.attacked), strict=True)
        ]
        self._table = tabulate(rows, [f"{side}\t{tag}" for side in _SIDES for tag in self.tags])
        self._means, self._drawn = means(self._table), replicates(self._table, seed)

    def row(self, tags: Sequence[str]) -> dict[str, float | None]:
        """Return both rates and their difference, with intervals: of a language, or the mean over several."""
        plain, attacked = ([self.tags.index(tag) + half * len(self.tags) for tag in tags] for half in range(2))
        ends = {side: self._rate(places) for side, places in zip(_SIDES, (plain, attacked), strict=True)}
        value, low, high = self._difference(plain, attacked)
        sides = {f"{side}{end}": number for side, found in ends.items() for end, number in zip(_ENDS, found, strict=True)}
        return {**sides, "value": value, "low": low, "high": high}

    def _items(self, places: Sequence[int]) -> int:
        return int((self._table.counts[:, list(places)] > 0).any(axis=1).sum())

    def _rate(self, places: Sequence[int]) -> Estimate:
        """Return a rate as `polylect safety eval` does: Wilson's interval in one language, the bootstrap's of a mean."""
        from polylect.resampling import percentiles, wilson

        if len(places) == 1 and self._table.binary(places[0]):
            return wilson(float(self._table.sums[:, places[0]].sum()), self._items(places))
        drawn = self._drawn[:, list(places)].mean(axis=1)
        return percentiles(drawn, float(self._means[list(places)].mean()), self._items(places), (0.0, 1.0), expanded=True)

    def _difference(self, plain: Sequence[int], attacked: Sequence[int]) -> Estimate:
        from polylect.resampling import percentiles

        drawn = self._drawn[:, list(attacked)].mean(axis=1) - self._drawn[:, list(plain)].mean(axis=1)
        value = float(self._means[list(attacked)].mean() - self._means[list(plain)].mean())
        return percentiles(drawn, value, self._items(plain), (-1.0, 1.0), expanded=True)


def _row(tag: str, outcome: str, pairs: Sequence[_Pair], numbers: Mapping[str, float | None]) -> dict[str, Any]:
    return {
        "language": tag,
        "outcome": outcome,
        **numbers,
        "n": sum(pair.reason is None for pair in pairs),
        "left_out": dict(Counter(pair.reason for pair in pairs if pair.reason).most_common()),
    }


def _check_pairs(rows: Sequence[Mapping[str, Any]], attacked: Path) -> None:
    if not any(row["n"] for row in rows):
        raise DataError(f"{attacked}: no prompt counts: {_why(rows)}. See docs/safety-attacks.md.")


def _why(rows: Sequence[Mapping[str, Any]]) -> str:
    reasons: Counter[str] = Counter()
    for row in rows:
        if row["outcome"] == OUTCOMES[0] and row["language"] != MULTIPLE:
            reasons.update(row["left_out"])
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common()) or "none of the table was evaluated"


def _manifest(folder: Path) -> dict[str, Any]:
    import json

    try:
        found = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: not a finished safety evaluation ({error}). Finish `polylect safety eval` first.") from error
    return dict(found)


def _check_table(table: Path, evaluated: Mapping[str, Any], folder: Path) -> None:
    if table.is_file() and "attack_of" not in columns_of(table):
        raise DataError(
            f"{table}: which {folder} evaluated, is no table of `polylect safety attack`. Name the plain evaluation first, then "
            "that of the attack's prompts.parquet."
        )
    if digest(table) != evaluated["sha256"]:
        raise DataError(
            f"{table}: is not the table that {folder} evaluated (another content, or not there). Name that table with --prompts."
        )


def _differences(
    documents: Sequence[Mapping[str, Any]], manifests: Sequence[Mapping[str, Any]], plain: Path, attacked: Path
) -> Iterator[str]:
    """Say what else differs between two evaluations.

    Raises:
        EvaluationError: they are of different models.
    """
    prints = [manifest["model"].get("fingerprint") for manifest in manifests]
    names = [document["summary"]["model"] for document in documents]
    if None not in prints and prints[0] != prints[1]:
        raise EvaluationError(f"{plain} is of {names[0]}, {attacked} of {names[1]}: compare evaluations of one model.")
    if None in prints and names[0] != names[1]:
        yield f"the models are called {names[0]} and {names[1]}: recorded answers do not tell whether they are the same"
    for what in ("judge", "detector"):
        given = [document["summary"].get(what) for document in documents]
        if given[0] != given[1]:
            yield f"the {what} differs: {given[0] or 'none'} for the plain, {given[1] or 'none'} for the attacked prompts"
