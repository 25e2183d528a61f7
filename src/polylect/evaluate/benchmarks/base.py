"""The typed description of a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from polylect.evaluate.task_types import Item, Kind, Normalise

__all__ = ["Benchmark", "Choice", "Column", "Question", "Row"]

ColumnType: TypeAlias = Literal["text", "int", "bool", "texts", "object", "any"]


@dataclass(frozen=True)
class Column:
    """One published column.

    Attributes:
        type: "text", "int" (a whole number), "bool", "texts" (a list of texts), "object" (a mapping or a list)
            or "any" (a text or a whole number).
        values: the only values allowed; empty: any.
        required: whether a table without it is refused.
        empty: whether a missing or empty value is allowed.
        least: smallest whole number, or fewest texts of a list; None: no bound.
        most: largest whole number, or most texts of a list; None: no bound.
    """

    type: ColumnType = "text"
    values: tuple[Any, ...] = ()
    required: bool = True
    empty: bool = False
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class Row:
    """One checked row: its `values` by column, the language that its path names (""), and where it stands.

    `number` counts from 0 over the shards of its file; `where` is "FILE, row N" with N from 1.
    """

    values: Mapping[str, Any]
    language: str
    config: str
    split: str
    number: int
    where: str

    def __getitem__(self, column: str) -> Any:
        """Return the value of a column."""
        return self.values[column]

    def get(self, column: str, default: Any = None) -> Any:
        """Return the value of a column that tables may lack."""
        return self.values.get(column, default)


@dataclass(frozen=True)
class Choice:
    """The prompt of one choice item: `contexts` and `continuations`, one each per option; see `ChoiceTask`."""

    contexts: tuple[str, ...]
    continuations: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """The prompt of one item to be answered by generation.

    `answer` is what an example shows as the answer; `stop` ends the answer; `pattern` stands before the final number.
    """

    text: str
    answer: str = ""
    stop: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is known of one benchmark; made by `polylect.evaluate.benchmarks.benchmark`.

    Attributes:
        name: what the command line calls it.
        hub_ids: its names on the hub, the present one first; older ones that redirect are accepted, too.
        kind: how it is scored: "choice" (log-likelihood of options), "generate" (a final number or text), "translate",
            "pairwise" (answers of two models before a judge), "instructions" (verifiable constraints), "consistency" (choices
            that are compared over languages), "reward" (which of two given answers is better), "confusion" (language of answers).
        metrics: names of the metrics, the main one first.
        configs: names of the languages on the hub (its configurations), or of other configurations.
        columns: the schema of a row.
        read: turns a checked row into items.
        test: name of the split that is scored.
        dev: name of the split that examples come from; "": it has none.
        shots: examples shown by default.
        prompt_language: the language of the prompt's own words by default.
        render: for "choice", "consistency": makes the prompt of an item. Called with an item and the tag of the
            language of the prompt's own words.
        ask: for "generate" and others that are answered by text: makes the question of an item.
        translated: the fields to translate where items are translated; empty: the set cannot be translated item by item.
        language_in: what tells the language of a row: the "path" of its file (or the configuration), the "rows" themselves, or
            "either": the path where it names a language, else the rows.
        prompt_languages: those that prompts can be made in.
        paired_with: for "translate": rows hold one language each, and every other language is paired with this one.
        only_configs: of several sets in one repository, the configurations that belong to this one, as patterns
            (`*_lighteval_*`); empty: all.
        items: how `Item.item` is made and whether translations share it, in words.
        subsets: what the parts are that are reported apart, in words; "": none.
        max_tokens: most new tokens of an answer.
        normalise: what log-likelihoods are divided by.
        licence: of the data.
        citation: paper and source.
        source: where the facts of the prompt come from.
        data: where the rows are, if the description says so (a user's YAML file).
    """

    name: str
    hub_ids: tuple[str, ...]
    kind: Kind
    metrics: tuple[str, ...]
    configs: tuple[str, ...]
    columns: Mapping[str, Column]
    read: Callable[[Row], Iterable[Item]] = field(repr=False)
    test: str = "test"
    dev: str = ""
    shots: int = 0
    prompt_language: Literal["native", "en"] = "native"
    render: Callable[[Item, str], Choice] | None = field(default=None, repr=False)
    ask: Callable[[Item, str], Question] | None = field(default=None, repr=False)
    translated: tuple[str, ...] = ()
    language_in: Literal["path", "rows", "either"] = "path"
    prompt_languages: tuple[Literal["native", "en"], ...] = ("native", "en")
    paired_with: str = ""
    only_configs: tuple[str, ...] = ()
    items: str = ""
    subsets: str = ""
    max_tokens: int = 512
    normalise: Normalise = "none"
    licence: str = ""
    citation: str = ""
    source: str = ""
    data: Path | None = None

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The canonical tags of the published languages that the table of languages knows, sorted; empty where the data tell."""
        from polylect.evaluate.benchmarks.config_names import published

        return published(self.configs)

    def load(
        self,
        data: Path | str | None = None,
        languages: Sequence[str] | None = None,
        *,
        split: str | None = None,
        skipped: Counter[str] | None = None,
    ) -> Iterator[Item]:
        """Yield the checked items of a split, language by language.

        Args:
            data: a folder as the set's repository lies on disk, one file of it (Parquet, JSON lines, JSON, CSV, TSV), or the
                id of a copy on the hub. None: the benchmark's own id on the hub, or the file that a YAML benchmark names.
            languages: tags, in any spelling; None: every language found that the table of languages knows.
            split: the split to read; None: `test`.
            skipped: counts what is not read, by reason.

        Raises:
            DataError: a file cannot be read, a row breaks the schema (the message names file, row, column and value), or a
                language that was asked for is not there.
            LanguageError: a language that was asked for is unknown.
        """
        from polylect.evaluate.benchmarks.loading import load

        return load(self, data if data is not None else self.data, languages, split or self.test, skipped)
