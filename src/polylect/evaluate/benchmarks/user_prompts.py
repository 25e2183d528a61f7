"""What a user's YAML file says about a row: its item, its prompt, its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from polylect.errors import DataError, EvaluationError
from polylect.evaluate.benchmarks.base import Choice, Question, Row
from polylect.evaluate.benchmarks.multiple_choice import LETTERS
from polylect.evaluate.benchmarks.parallel_choice import right_option
from polylect.evaluate.benchmarks.templates import Template
from polylect.evaluate.task_types import Item
from polylect.records import content_hash

__all__ = ["UserPrompt"]

_OPTIONS = "options"


@dataclass(frozen=True, kw_only=True)
class UserPrompt:
    """The reading and asking of a user's benchmark.

    Attributes:
        benchmark: its name.
        prompts: template by tag; "" is for languages that have none of their own. `{options}` stands for the lettered options.
        options: templates of the options; empty where `options_column` holds them.
        options_column: name of the column that holds a list of options; "".
        letters: whether the letters are scored, not the texts of the options.
        answer: name of the column with the right answer; "": there is none.
        roles: names of the columns for language, item, subset, group.
        language: tag of all rows; "": a column or the path tells.
        stop: texts that end an answer.
    """

    benchmark: str
    prompts: Mapping[str, Template]
    options: tuple[Template, ...]
    options_column: str
    letters: bool
    answer: str
    roles: Mapping[str, str]
    language: str
    stop: tuple[str, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns that the templates name, in order."""
        names = [name for text in (*self.prompts.values(), *self.options) for name in text.names]
        return tuple(name for name in dict.fromkeys(names) if name != _OPTIONS or not (self.options or self.options_column))

    @property
    def translated(self) -> tuple[str, ...]:
        """The fields to translate: all that the templates name; none where options are a list."""
        return () if self.options_column else self.column_names

    def read(self, row: Row) -> Iterator[Item]:
        """Turn a row into its item.

        Raises:
            DataError: the right answer is none of the options.
        """
        language = self.language or (str(row[self.roles["language"]]) if "language" in self.roles else row.language)
        fields = {name: str(row[name]) for name in self.column_names}
        options = tuple(row[self.options_column]) if self.options_column else tuple(text.fill(fields) for text in self.options)
        if len(options) > len(LETTERS):
            raise DataError(f"{row.where}: {len(options)} options; at most {len(LETTERS)} are supported. Correct the row.")
        gold = (
            right_option(f"{row.where}, column {self.answer!r}", _number(row[self.answer]), options, options) if options else None
        )
        yield Item(
            benchmark=self.benchmark,
            item=str(row[self.roles["item"]]) if "item" in self.roles else content_hash(language, fields, options),
            language=language,
            subset=str(row[self.roles["subset"]] or "") if "subset" in self.roles else "",
            text="\n".join(fields.values()),
            options=options,
            answer=gold,
            references=(str(row[self.answer]),) if self.answer and not options else (),
            group=str(row[self.roles["group"]] or "") if "group" in self.roles else "",
            fields=fields,
        )

    def render(self, item: Item, tag: str) -> Choice:
        """Return the prompt of a choice; the options, or their letters, stand behind a space."""
        letters = LETTERS[: len(item.options)]
        options = tuple(text.fill(item.fields) for text in self.options) or item.options
        lettered = "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
        context = self._template(tag).fill({**item.fields, _OPTIONS: lettered})
        return Choice((context,) * len(options), tuple(f" {text}" for text in (letters if self.letters else options)))

    def ask(self, item: Item, tag: str) -> Question:
        """Return the question to be answered by text."""
        text = self._template(tag).fill(item.fields)
        return Question(text=text, answer=item.references[0] if item.references else "", stop=self.stop)

    def _template(self, tag: str) -> Template:
        found = self.prompts.get(tag) or self.prompts.get("")
        if found is None:
            raise EvaluationError(
                f"benchmark {self.benchmark!r}: there is no prompt in {tag!r}, and no 'default'. Add one to the key 'prompt' of "
                "its file, or ask in English where it has an English one."
            )
        return found


def _number(value: object) -> object:
    """Return an index that a CSV file holds as text as a number; all else as it is."""
    return int(value) if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() else value
