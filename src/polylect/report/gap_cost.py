"""The section on cost: what each language pays in tokens, by script and language by language, tokenizers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from polylect.report import gap_cost_words as words
from polylect.report import svg
from polylect.report.gap_cost_tables import groups_table, languages_table, tokenizers_table, vocabulary_table
from polylect.report.gap_dots import Dot, DotGroup, DotPlot, DotRow, drawing, series_key
from polylect.report.gap_labels import label_of, language, script_name, times
from polylect.report.gap_scale import LogScale
from polylect.report.gap_views import Block, Document, Section
from polylect.report.views import Key, Label

__all__ = ["cost_section"]

_MOST_SPOKEN = 40
_FEW = 60
"""Up to this many languages one picture shows them all; of more, one shows the most spoken and one folds all by script."""

_Row = Mapping[str, Any]


def cost_section(document: Document, name: str, detail: int) -> Section:
    """Return the section of a document of kind "tokenizer"; `detail` from 3 (all) down leaves out what is largest."""
    rows, summary = document["rows"], document["summary"]
    order = [entry["group"] for entry in summary["tokenizers"][0]["groups"]["script"]]
    look = _Look(rows, [fact["name"] for fact in summary["tokenizers"]], str(summary["reference"]), order)
    blocks = [Block("table", tokenizers_table(summary)), *_pictures(look, summary, name, detail), *_groups(summary)]
    return Section(
        name=name,
        title="What each language costs",
        short="Cost",
        lead=words.lead(summary, len(look.tags)),
        blocks=blocks,
        figures=words.figures(summary),
        sentences=words.sentences(look.by_tag, summary),
        missing=words.missing(look.by_tag, summary),
        sources=words.sources(document),
    )


def _pictures(look: _Look, summary: Mapping[str, Any], name: str, detail: int) -> list[Block]:
    """Return the pictures: by script, of the most spoken languages, of all; without detail the last is its table alone."""
    found = [Block("dots", _by_script(look, summary, name))] if len(look.scripts) > 1 else []
    many = len(look.tags) > _FEW
    spoken = look.most_spoken() if many else []
    if spoken:
        table = languages_table(look.by_tag, look.tokenizers, spoken, detail)
        found.append(Block("dots", _languages(look, spoken, f"{name}-spoken", table, folded=False)))
    table = languages_table(look.by_tag, look.tokenizers, look.tags, detail)
    if detail < 1:
        return [*found, Block("markup", table)]
    return [*found, Block("dots", _languages(look, look.tags, f"{name}-all", table, folded=many))]


def _groups(summary: Mapping[str, Any]) -> list[Block]:
    """Return the tables by family and resource class, and what scripts the vocabularies are made of, each to be opened."""
    tables = {
        "By family": groups_table(summary, "family"),
        "By resource class": groups_table(summary, "resource_class"),
        "Scripts of the vocabulary": vocabulary_table(summary),
    }
    return [Block("table", table, title) for title, table in tables.items() if table.rows]


class _Look:
    """Rows by language and tokenizer, and the languages by script; both costliest first, by the first tokenizer."""

    def __init__(self, rows: Sequence[_Row], tokenizers: list[str], reference: str, order: list[str]) -> None:
        self.tokenizers, self.reference = tokenizers, reference
        self.by_tag: dict[str, dict[str, _Row]] = {}
        for row in rows:
            self.by_tag.setdefault(str(row["language"]), {})[str(row["tokenizer"])] = row
        self.tags = sorted(self.by_tag, key=lambda tag: (-self._premium(tag), tag))
        self.scripts: dict[str | None, list[str]] = {script: [] for script in order}
        for tag in self.tags:
            self.scripts.setdefault(self.any(tag).get("script"), []).append(tag)

    def any(self, tag: str) -> _Row:
        """Return a row of the language, for what does not depend on the tokenizer."""
        return next(iter(self.by_tag[tag].values()))

    def of(self, tag: str) -> list[_Row | None]:
        """Return a row per tokenizer, None where there is no premium."""
        found = (self.by_tag[tag].get(name) for name in self.tokenizers)
        return [row if row is not None and row["premium"] is not None else None for row in found]

    def most_spoken(self) -> list[str]:
        """Return the languages with the most speakers, in the order of all."""
        known = sorted((tag for tag in self.tags if self.any(tag).get("speakers")), key=lambda t: -self.any(t)["speakers"])
        chosen = set(known[:_MOST_SPOKEN])
        return [tag for tag in self.tags if tag in chosen]

    def scale(self, tags: Sequence[str]) -> LogScale:
        """Return the axis of a picture of these languages."""
        rows = [row for tag in tags for row in self.by_tag[tag].values()]
        return LogScale.around(row[end] for row in rows for end in ("premium", "low", "high"))

    def legend(self) -> list[Key]:
        """Return one entry per tokenizer."""
        return [series_key(n, name, alone=len(self.tokenizers) == 1) for n, name in enumerate(self.tokenizers)]

    def _premium(self, tag: str) -> float:
        return next((row["premium"] for row in self.of(tag) if row is not None), 0.0)


def _by_script(look: _Look, summary: Mapping[str, Any], name: str) -> DotPlot:
    """One row per script, one line per tokenizer: every language a tick, their median a dot, from the lowest to the highest."""
    facts = [{entry["group"]: entry for entry in fact["groups"]["script"]} for fact in summary["tokenizers"]]
    rows = []
    for script, tags in look.scripts.items():
        dots = [_script_dot(look, script, number, entries.get(script)) for number, entries in enumerate(facts)]
        rows.append(DotRow(Label(script_name(script)), tuple(dots), *_reading(dots), count=_count(look, tags)))
    scale = look.scale(look.tags)
    several = len(look.tokenizers) > 1
    return DotPlot(
        name=f"{name}-scripts",
        title="Tokens by script, against the same text in English" if look.reference == "en" else "Tokens by script",
        description=(
            "Each tick is a language, the dot their median, the line from the cheapest to the costliest; where a script has one "
            "language, the line is its 95% interval. Equal distances are equal ratios: the axis is logarithmic. "
            + ("In each script the tokenizers stand in the order of the legend. " if several else "")
            + f"Costliest scripts first{', by the first tokenizer' if several else ''}."
        ),
        groups=[DotGroup(rows, drawing(rows, scale, 1.0))],
        axis=_axis(scale),
        axis_title=f"times the tokens of {language(look.reference).text}",
        reading_title="lowest–highest median" if several else "median",
        legend=look.legend(),
        table=groups_table(summary, "script"),
        style="by-script",
    )


def _count(look: _Look, tags: Sequence[str]) -> str:
    """How many languages a script has here; of one alone its name, without the script that some names repeat in brackets."""
    if len(tags) != 1:
        return f"{len(tags)} languages"
    return label_of(look.any(tags[0])).text.partition(" (")[0]


def _script_dot(look: _Look, script: str | None, number: int, entry: Mapping[str, Any] | None) -> Dot | None:
    if entry is None:
        return None
    rows = [row for tag in look.scripts.get(script, []) if (row := look.of(tag)[number]) is not None]
    if len(rows) == 1:
        return Dot(rows[0]["premium"], rows[0]["low"], rows[0]["high"])
    return Dot(entry["premium"], entry["lowest"], entry["highest"], tuple(row["premium"] for row in rows))


def _languages(look: _Look, tags: Sequence[str], name: str, table: Markup, *, folded: bool) -> DotPlot:
    """One row per language, by script; the axis holds these languages alone."""
    scale, wanted = look.scale(tags), set(tags)
    title, description = _words(look, len(tags))
    members = {script: [tag for tag in own if tag in wanted] for script, own in look.scripts.items()}
    several = len(look.tokenizers) > 1
    return DotPlot(
        name=name,
        title=title,
        description=description + (" In each row the tokenizers stand in the order of the legend." if several else ""),
        groups=_grouped(look, members, scale, folded=folded),
        axis=_axis(scale),
        axis_title=f"times the tokens of {language(look.reference).text}",
        reading_title="lowest–highest" if several else "premium, 95% interval",
        legend=look.legend(),
        table=None,
        table_note=table,
    )


def _grouped(look: _Look, members: Mapping[str | None, list[str]], scale: LogScale, *, folded: bool) -> list[DotGroup]:
    """One group per script with several languages, and one of the rest, where each row names its script."""
    groups = [
        (script_name(script), [_language_row(look, tag) for tag in tags]) for script, tags in members.items() if len(tags) > 1
    ]
    alone = [(script, tags[0]) for script, tags in members.items() if len(tags) == 1]
    alone.sort(key=lambda one: look.tags.index(one[1]))
    if alone:
        rows = [_language_row(look, tag, script_name(script)) for script, tag in alone]
        groups.append(("Scripts with one language here", rows))
    heads = [f"{head} · {len(rows)} languages" if folded else head for head, rows in groups]
    return [DotGroup(rows, drawing(rows, scale, 1.0), head, folded) for head, (_, rows) in zip(heads, groups, strict=True)]


def _language_row(look: _Look, tag: str, script: str = "") -> DotRow:
    dots = [Dot(row["premium"], row["low"], row["high"]) if row is not None else None for row in look.of(tag)]
    label = label_of(look.any(tag))
    # "Tamil" in the script Tamil and "Chinese (Simplified)" in the simplified one say it once.
    needless = script == label.text or "(" in label.text
    return DotRow(label, tuple(dots), *_reading(dots), count="" if needless else script)


def _reading(dots: Sequence[Dot | None]) -> tuple[str, str]:
    """What stands beside a row: value and interval of one tokenizer, the range over several."""
    values = [dot.value for dot in dots if dot is not None and dot.value is not None]
    if not values:
        return "not measured", ""
    if len(dots) > 1:
        return f"{times(min(values))}–{times(max(values))}", ""
    dot = dots[0]
    interval = dot is not None and dot.low is not None and dot.high is not None and dot.low < dot.high
    return times(values[0]), f"{times(dot.low)}–{times(dot.high)}" if dot is not None and interval else ""


def _axis(scale: LogScale) -> Any:
    return svg.axis(scale, [f"{tick:g}×" for tick in scale.ticks])


def _words(look: _Look, shown: int) -> tuple[str, str]:
    """Title and description of a picture of languages."""
    every = shown == len(look.tags)
    title = f"All {shown} languages, by script" if every else f"The {shown} most spoken languages, by script"
    which = "" if every else f"Of {len(look.tags)} languages those with the most speakers. "
    return title, (
        f"{which}Costliest scripts and languages first. Lines are 95% intervals over items: what another text of this kind and "
        "length could have given."
    )
