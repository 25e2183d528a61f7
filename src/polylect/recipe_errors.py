"""What is wrong in a recipe, in words that name the key, the value and the nearest known key."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from polylect.errors import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

__all__ = ["explain"]


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """Yield a line per mistake in data for `model`: the key, the value, the rule, and of an unknown key the nearest known one."""
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            *parents, key = problem["loc"]
            known = _fields(model, parents)
            yield f"unknown key {where!r}.{nearest(str(key), known) or ' Known keys: ' + ', '.join(sorted(known)) + '.'}"
        elif problem["type"] == "missing":
            yield f"key {where!r} is required."
        else:
            value = repr(problem["input"])
            value = value if len(value) < 80 else f"{value[:77]}..."
            message = (f"{where}: " if where else "") + problem["msg"].removeprefix("Value error, ")
            message += "" if problem["type"] == "value_error" else f" (found {value})."
            # The tag of Norwegian is the one language that YAML 1.1 reads as something else.
            hint = " YAML reads a bare no as false: write 'no' in quotes." if problem["input"] is False else ""
            yield message + (hint if problem["type"] == "string_type" else "")


def _fields(model: type[BaseModel], location: Sequence[int | str]) -> set[str]:
    """Return the known keys at a place in the recipe, walking the models along `location`."""
    annotation: Any = model
    for part in location:
        if typing.get_origin(annotation) is dict:
            annotation = typing.get_args(annotation)[1]
        else:
            annotation = _inner(annotation).model_fields[str(part)].annotation
    return {field.alias or name for name, field in _inner(annotation).model_fields.items()}


def _inner(annotation: Any) -> Any:
    """Return the model inside an annotation such as `Sft | None` or `dict[str, Teacher]`."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _inner(part)) is not None), None)
