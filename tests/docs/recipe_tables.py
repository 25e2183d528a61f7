"""The tables of docs/recipe.md, made from the models that check a recipe.

`python tests/docs/recipe_tables.py` writes them again after a key was added or a default changed.
"""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from polylect.recipe import Recipe
from polylect.train.settings import Dpo, Sft

PAGE = Path(__file__).parents[2] / "docs" / "recipe.md"
_TABLE = re.compile(r"(?<=<!-- keys: )(\S+) -->\n.*?(?=\n<!-- end -->)", re.DOTALL)
_NAMES: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def sections() -> dict[str, type[BaseModel]]:
    """Return the key of every section of a recipe -> its model; "recipe" is the top, `<name>` a name of the user's."""
    return {"recipe": Recipe, **dict(_below(Recipe, ""))}


def _below(model: type[BaseModel], path: str) -> typing.Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        inner, named = _model(field.annotation)
        if inner is not None:
            key = f"{path}{name}{'.<name>' if named else ''}"
            yield key, inner
            yield from _below(inner, f"{key}.")


def _model(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the model inside an annotation, and whether it is the value of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    found = [_model(part)[0] for part in typing.get_args(annotation)]
    return next((model for model in found if model is not None), None), typing.get_origin(annotation) is dict


def table(key: str) -> str:
    """Return the Markdown table of one section; of preference training what it does not share with supervised training."""
    own, others = _rows(sections()[key]), _rows(Sft) if sections()[key] is Dpo else []
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *(row for row in own if row not in others)])


def _rows(model: type[BaseModel]) -> list[str]:
    return [
        f"| `{field.alias or name}` | {_type(field.annotation)}{_range(field)} | {_default(field)} | {_meaning(field)} |"
        for name, field in model.model_fields.items()
    ]


def _range(field: Any) -> str:
    """Return the bounds of a number: " >= 1, <= 10"."""
    signs = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
    bounds = [f"{sign} {getattr(rule, name)}" for rule in field.metadata for name, sign in signs if hasattr(rule, name)]
    return f" {', '.join(bounds)}" if bounds else ""


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if _model(annotation)[0] is not None:
        return "name -> section" if origin is dict else "section"
    if origin in (types.UnionType, typing.Union):
        return _type(next(part for part in arguments if part is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}s"
    if origin is dict:
        return f"name -> {_type(arguments[1])}"
    return _NAMES[annotation]


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see below"
    if value is None or value in ("", (), {}):
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(f"`{part}`" for part in (value if isinstance(value, tuple) else (value,)))


def _meaning(field: Any) -> str:
    inner = _model(field.annotation)[0]
    text = field.description or (inner.__doc__ or "").split("\n")[0] if inner else field.description
    return str(text).replace("|", "\\|").replace("<", "&lt;")


def with_tables(text: str) -> str:
    """Return the page with every table made anew."""
    return _TABLE.sub(lambda found: f"{found[1]} -->\n{table(found[1])}", text)


def marked(text: str) -> list[str]:
    """Return the sections whose tables a page shows."""
    return [found[1] for found in _TABLE.finditer(text)]


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
