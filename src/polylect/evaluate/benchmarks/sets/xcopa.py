"""XCOPA: which of two sentences is the cause or the effect of a premise."""

from __future__ import annotations

from collections.abc import Iterator

from polylect.errors import EvaluationError
from polylect.evaluate.benchmarks.base import Choice, Column, Row
from polylect.evaluate.benchmarks.registry import benchmark
from polylect.evaluate.task_types import Item

__all__: list[str] = []

# (cause, effect) by language: lm-evaluation-harness 0.4.13, tasks/xcopa/utils.py; English: tasks/super_glue/copa.
_CONNECTIVES = {
    "en": ("because", "therefore"),
    "et": ("sest", "seetõttu"),
    "ht": ("poukisa", "donk sa"),
    "id": ("karena", "maka"),
    "it": ("perché", "quindi"),
    "qu": ("imataq", "chaymi"),
    "sw": ("kwa sababu", "kwa hiyo"),
    "ta": ("காரணமாக", "எனவே"),
    "th": ("เพราะ", "ดังนั้น"),
    "tr": ("çünkü", "bu yüzden"),
    "vi": ("bởi vì", "vì vậy"),
    "zh-Hans": ("因为", "所以"),
}


def _render(item: Item, tag: str) -> Choice:
    """The premise without its last character, a connective; the choices with their first character in lower case."""
    if tag not in _CONNECTIVES:
        raise EvaluationError(
            f"xcopa: no connectives are known in {tag!r}; known are {', '.join(_CONNECTIVES)}. Ask in English: "
            "prompt language en."
        )
    cause, effect = _CONNECTIVES[tag]
    fields = item.fields
    context = f"{str(fields['premise']).strip()[:-1]} {cause if fields['question'] == 'cause' else effect}"
    choices = (str(fields["choice1"]), str(fields["choice2"]))
    return Choice(contexts=(context,) * 2, continuations=tuple(f" {choice[0].lower()}{choice[1:]}" for choice in choices))


@benchmark(
    name="xcopa",
    hub_ids=("cambridgeltl/xcopa",),
    kind="choice",
    metrics=("accuracy",),
    configs=("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh"),
    columns={
        "premise": Column(),
        "choice1": Column(),
        "choice2": Column(),
        "question": Column(values=("cause", "effect")),
        "label": Column("int", values=(0, 1)),
        "idx": Column("int", required=False),
    },
    dev="validation",
    render=_render,
    translated=("premise", "choice1", "choice2"),
    items="the column idx, or the row number: the rows of all languages are translations in one order",
    licence="CC-BY-4.0",
    citation="Ponti et al. 2020, 'XCOPA', arXiv 2005.00333",
    source="lm-evaluation-harness 0.4.13, task xcopa",
)
def _read(row: Row) -> Iterator[Item]:
    names = ("premise", "choice1", "choice2", "question")
    yield Item(
        benchmark="xcopa",
        item=f"{row.split}:{row.get('idx', row.number)}",
        language=row.language,
        text=row["premise"],
        options=(row["choice1"], row["choice2"]),
        answer=row["label"],
        fields={name: row[name] for name in names},
    )
