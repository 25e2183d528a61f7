"""The page of safety distillation: which answers of the teacher became training rows in each language, and why others did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polylect.records import MULTIPLE
from polylect.report.headline import Figure
from polylect.report.numerals import count, percent
from polylect.report.safety_data import HARMFUL, HARMLESS
from polylect.report.safety_document import DOCUMENT, counts_of, read, text_of, value_of
from polylect.report.safety_marks import label, listed
from polylect.report.safety_shell import SafetyPage, Section, fitted, save
from polylect.report.safety_stacks import Part, StackRow, stacks
from polylect.report.views import Cell, Chart, Label, Reading, Table, clip

__all__ = ["distil_report"]

_COLOURS = ("oc", "oi", "ow", "t1", "t7")
_NAME, _NOTE, _REASON = 60, 600, 90
_KEPT, _SPARE, _OTHER = "kept", "spare", "other reasons"
_UNASKED = {
    "without_preamble": "prompts without a preamble in their language",
    "harm_lost": "prompts whose translation lost the harm",
}


@dataclass(frozen=True)
class _Row:
    """What became of the answers to one kind of prompt in one language."""

    asked: int
    answers: int
    kept: int
    spare: int
    pairs: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    unasked: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Distillation:
    """The document: rows by (kind of prompt, language)."""

    folder: Path
    summary: Mapping[str, Any]
    rows: Mapping[tuple[str, str], _Row]
    notes: tuple[str, ...]

    @property
    def languages(self) -> list[str]:
        """Languages, those with the fewest kept refusals first."""
        tags = list(dict.fromkeys(tag for _, tag in self.rows if tag != MULTIPLE))
        kept = {tag: self.rows[HARMFUL, tag].kept if (HARMFUL, tag) in self.rows else -1 for tag in tags}
        return sorted(tags, key=lambda tag: (kept[tag], tag))

    def of(self, kind: str) -> dict[str, _Row]:
        """Return the rows of one kind of prompt by language, without the sums."""
        return {tag: row for (own, tag), row in self.rows.items() if own == kind and tag != MULTIPLE}


def distil_report(folder: Path, *, out: Path | None = None) -> Path:
    """Write `report.html` of an output of `polylect safety distil`; return its path.

    Args:
        folder: the output folder (or its safety.json).
        out: folder of the page; None: that of the document.

    Raises:
        DataError: the document is missing or broken, or the page cannot be written.
    """
    found = _read(folder)
    tags = found.languages

    def make(shown: int, _: int) -> SafetyPage:
        kept = {*tags[:shown], MULTIPLE}
        own = replace(found, rows={key: row for key, row in found.rows.items() if key[1] in kept})
        return _page(found, own, tags[:shown])

    return save(fitted(make, len(tags)), (out or found.folder) / "report.html")


def _read(folder: Path) -> _Distillation:
    path = folder / DOCUMENT if folder.is_dir() else folder
    document = read(folder, "distil")
    rows = {}
    for place, row in enumerate(document["rows"], start=1):
        where = f"{path}: rows, number {place}"
        counts = {name: value_of(where, row, name, int) for name in ("asked", "answers", "kept", "spare", "pairs")}
        unasked = {words: number for name, words in _UNASKED.items() if (number := counts_of(row).get(name))}
        own = _Row(**counts, dropped=counts_of(value_of(where, row, "dropped", Mapping)), unasked=unasked)
        rows[text_of(where, row, "prompts"), text_of(where, row, "language")] = own
    return _Distillation(path.parent, document["summary"], rows, tuple(map(str, document["notes"])))


def _page(whole: _Distillation, found: _Distillation, tags: Sequence[str]) -> SafetyPage:
    summary = whole.summary
    left_out = len(whole.languages) - len(tags)
    remarks = [f"{left_out} languages are left out of the page, to keep it small; safety.json has them."] if left_out else []
    return SafetyPage(
        title=f"Safety distillation of {clip(str(summary.get('model')), _NAME)[0]}",
        lead=(
            f"Prompt set {clip(str(summary.get('set')), _NAME)[0]}, {_samples(summary.get('samples'))} per harmful prompt, "
            f"filtered by the detector {summary.get('detector')}; the preamble stood in the {summary.get('turn')} turn"
        ),
        figures=_figures(whole),
        sentences=[*_sentences(whole), *remarks],
        sections=[
            Section("refusals", "Refusals", charts=_charts(found, tags, HARMFUL)),
            Section("anchors", "Anchors", _no_anchors(whole), _charts(found, tags, HARMLESS)),
            Section("missing", "Never asked", tables=[table for table in (_unasked(found),) if table.rows]),
            Section("notes", "Notes", sentences=_notes(whole)),
        ],
        texts="No prompt and no answer is on this page; sft.parquet and pairs.parquet hold them.",
    )


def _samples(number: object) -> str:
    return "1 sample" if number == 1 else f"{number} samples"


def _figures(found: _Distillation) -> list[Figure]:
    harmful, harmless = (list(found.of(kind).values()) for kind in (HARMFUL, HARMLESS))
    kept, answers = sum(row.kept for row in harmful), sum(row.answers for row in harmful)
    share = (
        f"{percent(kept / answers)} of {count(answers)} answers; {count(sum(row.spare for row in harmful))} spare"
        if answers
        else ""
    )
    shown = [
        Figure("refusals kept", count(kept), share),
        Figure("preference pairs", count(sum(row.pairs for row in harmful)), "refusal over compliance without the preamble"),
    ]
    if harmless:
        answered = sum(row.answers for row in harmless)
        shown.append(
            Figure(
                "harmless answers kept",
                count(sum(row.kept for row in harmless)),
                f"of {count(answered)}: they hold over-refusal down",
            )
        )
    own = found.of(HARMFUL)
    if len(own) > 1:
        least = min(own, key=lambda tag: (own[tag].kept, tag))
        row = own[least]
        shown.append(Figure(f"fewest refusals: {label(least).text}", count(row.kept), f"of {count(row.answers)} answers"))
    return shown


def _sentences(found: _Distillation) -> Iterator[str]:
    own = found.of(HARMFUL)
    if bare := [tag for tag, row in own.items() if not row.kept]:
        yield f"No refusal was kept in {listed([label(tag).text for tag in bare])}: training will teach nothing there."
    dropped = sum((Counter(row.dropped) for row in own.values()), Counter[str]())
    if dropped:
        told = [f"{clip(reason, _REASON)[0]} ({count(number)})" for reason, number in dropped.most_common(3)]
        yield f"Most answers were dropped for: {listed(told)}."
    anchors = found.of(HARMLESS)
    lacking = [tag for tag, row in own.items() if row.kept > 2 * (anchors[tag].kept if tag in anchors else 0)] if anchors else []
    if lacking:
        yield (
            f"Fewer than half as many harmless answers as refusals in {listed([label(tag).text for tag in lacking])}: expect "
            "over-refusal there."
        )


def _no_anchors(found: _Distillation) -> tuple[str, ...]:
    if found.of(HARMLESS):
        return ()
    return ("No harmless prompts were asked: nothing in these rows keeps the student from refusing too much.",)


def _charts(found: _Distillation, tags: Sequence[str], kind: str) -> list[Chart]:
    own = found.of(kind)
    if not own:
        return []
    reasons = sum((Counter(row.dropped) for row in own.values()), Counter[str]())
    drawn = [reason for reason, _ in reasons.most_common(len(_COLOURS))]
    parts = [
        Part(_KEPT, "K", "oa", "Kept"),
        Part(_SPARE, "S", "t4", "Spare: good, but enough of the prompt are kept"),
        *(
            Part(reason, chr(ord("a") + place), colour, f"Dropped: {clip(reason, _REASON)[0]}")
            for place, (reason, colour) in enumerate(zip(drawn, _COLOURS, strict=False))
        ),
        Part(_OTHER, "", "", "Dropped: other reasons" if len(reasons) > len(drawn) else "Not answered"),
    ]
    return [
        stacks(
            name=f"answers-{kind}",
            title=f"Answers to {kind} prompts",
            description="What became of each answer of the teacher. The languages with the fewest kept refusals stand first.",
            parts=parts,
            rows=[_bar(tag, own[tag], drawn) for tag in tags if tag in own],
            axis_title="Share of answers",
            columns=("Prompts", "Pairs", "All reasons"),
        )
    ]


def _bar(tag: str, row: _Row, drawn: Sequence[str]) -> StackRow:
    counts = {_KEPT: row.kept, _SPARE: row.spare, **{reason: row.dropped.get(reason, 0) for reason in drawn}}
    counts[_OTHER] = max(0, row.answers - sum(counts.values()))
    if not row.answers:
        said = [Reading("not asked", kind="remark")]
    else:
        said = [Reading(count(row.kept), name=f"kept of {count(row.answers)}", kind="third" if row.kept else "second")]
    if row.pairs:
        said.append(Reading(count(row.pairs), name=f"pair{'' if row.pairs == 1 else 's'}"))
    why = "; ".join(f"{count(number)}: {reason}" for reason, number in row.dropped.items())
    return StackRow(label(tag), counts, said, [Cell(count(row.asked)), Cell(count(row.pairs)), Cell(why, numeric=False)])


def _unasked(found: _Distillation) -> Table:
    """Return the prompts that were never asked, by language and reason, and the rows of the set that were not read."""
    rows = [
        (label(tag), [Cell(kind, numeric=False), Cell(why, numeric=False), Cell(count(number))])
        for (kind, tag), row in found.rows.items()
        if tag != MULTIPLE
        for why, number in row.unasked.items()
    ]
    for why, number in counts_of(found.summary.get("skipped")).items():
        rows.append((Label("Prompt set"), [Cell("all", numeric=False), Cell(f"rows {why}", numeric=False), Cell(count(number))]))
    return Table("Prompts that were never asked", ("Language", "Prompts", "Why", "Number"), rows)


def _notes(found: _Distillation) -> list[str]:
    return [
        "Rows hold the bare prompt: the student learns to refuse without the preamble what its earlier checkpoint refused with "
        "it (Üstün et al. 2024, Aya Model, section 6).",
        "This page counts; how safe the student gets is measured by polylect safety eval, before and after.",
        *(clip(note, _NOTE)[0] for note in found.notes),
    ]
