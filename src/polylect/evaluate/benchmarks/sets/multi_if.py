"""Multi-IF: conversations of up to three turns, each with constraints that a program can check."""

from __future__ import annotations

from collections.abc import Iterator

from polylect.errors import DataError
from polylect.evaluate.benchmarks.base import Column, Question, Row
from polylect.evaluate.benchmarks.config_names import language_of
from polylect.evaluate.benchmarks.instructions import parsed, turn
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item, Turn

__all__: list[str] = []

_TURNS = (1, 2, 3)


@benchmark(
    name="multi-if",
    hub_ids=("facebook/Multi-IF",),
    kind="instructions",
    metrics=("mean", "prompt_strict", "instruction_strict", "prompt_loose", "instruction_loose"),
    configs=("English", "French", "Spanish", "Portuguese", "Hindi", "Chinese", "Russian", "Italian"),
    columns={
        "key": Column(required=False),
        "language": Column(),
        **{
            f"turn_{number}_{name}": Column(empty=number > 1)
            for number in _TURNS
            for name in ("prompt", "instruction_id_list", "kwargs")
        },
    },
    test="train",
    language_in="rows",
    ask=lambda item, tag: Question(text=item.text),
    prompt_languages=("native",),
    max_tokens=1024,
    items="the column key without its language, which translations share; without that column language and row number",
    licence="CC-BY-NC-2.0",
    citation="He et al. 2024, 'Multi-IF', arXiv 2410.15553",
)
def _read(row: Row) -> Iterator[Item]:
    turns = tuple(_turn(row, number) for number in _TURNS if row[f"turn_{number}_prompt"])
    yield Item(
        benchmark="multi-if",
        item=_item(row),
        language=row["language"],
        text=turns[0].text,
        turns=turns,
        fields={"turns": len(turns)},
    )


def _turn(row: Row, number: int) -> Turn:
    """Return a turn; its prompt is a JSON message {"role": "user", "content": ...}."""
    column = f"turn_{number}_prompt"
    message = parsed(row.where, column, row[column])
    if not isinstance(message, dict) or not isinstance(message.get("content"), str):
        raise DataError(f"{row.where}, column {column!r}: {row[column][:80]!r} is not a message with 'content'. Correct the row.")
    ids, arguments = f"turn_{number}_instruction_id_list", f"turn_{number}_kwargs"
    return turn(row.where, message["content"], row[ids], row[arguments], (ids, arguments))


def _item(row: Row) -> str:
    """Return "1019:16" for the key "1019:16:en"."""
    key = str(row.get("key", ""))
    if not key:
        return f"{row['language']}:{row.number}"
    rest, _, last = key.rpartition(":")
    return rest if rest and language_of(last) == language_of(row["language"]) else key
