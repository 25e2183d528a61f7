"""Writing a model card: metadata that the hub reads (`language`, `model-index`) and the section on languages.

The metadata is made by huggingface_hub (`ModelCardData`, `EvalResult`), so that the hub can read it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import DataError
from polylect.gap.card_file import open_card
from polylect.gap.card_results import CardResults, LanguageResult, read_results
from polylect.gap.card_section import BEGIN, END, section
from polylect.gap.coverage import gap_coverage
from polylect.gap.document import read_document

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

__all__ = ["write_card"]

# Keys that are made anew, and arguments of ModelCardData that are no keys.
_MADE = frozenset({"eval_results", "ignore_metadata_errors", "language", "model-index", "model_name"})


def write_card(
    run: Path,
    out: Path,
    *,
    base: Path | None = None,
    tokens: Path | None = None,
    name: str | None = None,
    mixture: Iterable[Path] = (),
    human: Iterable[Path] = (),
    safety: Iterable[Path] = (),
) -> Path:
    """Write a model card for the model of a run or result folder; return its path.

    Args:
        run: folder of `polylect run`, `polylect eval` or `polylect import`.
        out: the card, usually README.md; replaced where it exists.
        base: card that the metadata and the section are put into: its other keys and its text stay. May be `out` itself.
        tokens: gap.json of `polylect gap tokenizer`, or its folder: adds the tokenization premium.
        name: of the model; None: as in the results.
        mixture: tables of training data, as for `polylect.gap.gap_coverage`.
        human: tables of people's judgements.
        safety: tables of safety tests.

    Raises:
        DataError: a source cannot be read, the base's front matter is broken, or the card cannot be written.
    """
    results = read_results(run)
    keys, text = ({}, "") if base is None else _base(base)
    with tempfile.TemporaryDirectory() as folder:
        # What an earlier section of ours states was shown by rows then: read again it would count as the base's own statement.
        own = [Path(folder) / base.name] if base else []
        for copy in own:
            copy.write_text(_without_section(base), encoding="utf-8")
        ledger = gap_coverage([run, *own], mixture=mixture, human=human, safety=safety)
    premiums, tokenizer = _premiums(tokens)
    title = name or results.model
    data = _metadata(keys, ledger, results, title)
    body = _placed(text or f"# {title}\n", section(ledger, results, premiums, tokenizer))
    content = f"---\n{data.to_yaml()}\n---\n\n{body.strip()}\n"
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror or error}). Name another file with --out.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return out


def _base(path: Path) -> tuple[dict[str, Any], str]:
    """Return the front matter's keys and the text of a card.

    Raises:
        DataError: the front matter is not YAML: its keys could not be kept.
    """
    import yaml

    card = open_card(path)
    text = "\n".join(card.lines[card.body :])
    if card.body == 0 and not card.salvaged:
        return {}, text
    if card.head is None:
        broken = next((note for note in card.notes if "YAML" in note or "closing" in note), None)
        if broken:
            raise DataError(f"--base {broken} Mend it: its other keys are to be kept.")
        return {}, text
    opening = next(number for number, line in enumerate(card.lines) if line.strip())
    try:
        keys = yaml.safe_load("\n".join(card.lines[opening + 1 : card.body - 1]))
    except yaml.YAMLError as error:
        raise DataError(f"--base {path}: the front matter holds more than plain values ({error}). Mend it.") from error
    return (keys if isinstance(keys, dict) else {}), text


def _metadata(keys: Mapping[str, Any], ledger: Mapping[str, Any], results: CardResults, name: str) -> ModelCardData:
    """Return the front matter: the base's keys, with `language` and `model-index` made anew.

    `language` holds ISO 639 codes, the part of a tag that the hub's index reads: of what the base or the recipe claims, and where
    neither claims any, of what was trained or evaluated.
    """
    from huggingface_hub import EvalResult, ModelCardData

    kept = {str(key): value for key, value in keys.items() if key not in _MADE}
    there = [(row["language"], row["level"]) for row in ledger["rows"] if row["state"]]
    claimed = {tag for tag, level in there if level == "claimed"}
    codes = sorted(
        {tag.partition("-")[0] for tag in claimed or {tag for tag, level in there if level in {"trained", "evaluated"}}}
    )
    return ModelCardData(
        language=codes, model_name=name, eval_results=[EvalResult(**_result(one)) for one in results.results], **kept
    )  # fmt: skip


def _result(one: LanguageResult) -> dict[str, Any]:
    interval = "no interval" if one.low is None or one.high is None else f"95 % interval {one.low:.4f} to {one.high:.4f}, by item"
    return {
        "task_type": "text-generation",
        "dataset_type": one.benchmark,
        "dataset_name": f"{one.benchmark} ({one.language})",
        "dataset_config": one.language,
        "metric_type": one.metric,
        "metric_value": round(one.value, 6),
        "metric_name": one.metric.replace("_", " "),
        "metric_args": {"n": one.n, "low": _rounded(one.low), "high": _rounded(one.high), "notes": f"n = {one.n}; {interval}"},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _without_section(path: Path | None) -> str:
    """Return a card's file without the section on languages that an earlier call wrote; line numbers before it stay."""
    text = "\n".join(open_card(path).lines) if path else ""
    return f"{text.split(BEGIN, 1)[0]}{text.split(END, 1)[1]}" if BEGIN in text and END in text else text


def _placed(text: str, new: str) -> str:
    """Put the section in the place of an earlier one, else at the end of the text."""
    if BEGIN in text and END in text:
        before, rest = text.split(BEGIN, 1)
        return f"{before.rstrip()}\n\n{new}\n\n{rest.split(END, 1)[1].lstrip()}"
    return f"{text.rstrip()}\n\n{new}\n"


def _premiums(path: Path | None) -> tuple[dict[str, dict[str, Any]], str]:
    """Return language -> row of the first tokenizer of a document of `polylect gap tokenizer`, and that tokenizer's name."""
    if path is None:
        return {}, ""
    rows = read_document(path, "tokenizer")["rows"]
    first = str(rows[0].get("tokenizer", "")) if rows else ""
    return {row["language"]: row for row in rows if row.get("tokenizer") == first}, first
