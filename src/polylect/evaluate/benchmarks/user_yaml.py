"""A user's own benchmark: one YAML file that says where the rows are and how to ask them (docs/benchmarks.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polylect import languages
from polylect.errors import EvaluationError, nearest
from polylect.evaluate.benchmarks.base import Benchmark, Column
from polylect.evaluate.benchmarks.config_names import language_of
from polylect.evaluate.benchmarks.registry import get
from polylect.evaluate.benchmarks.templates import Template, template
from polylect.evaluate.benchmarks.user_prompts import UserPrompt
from polylect.evaluate.task_types import NORMALISATIONS
from polylect.models.yaml_file import read_mapping

__all__ = ["USER_METRICS", "load_yaml", "resolve"]

USER_METRICS = {
    "choice": ("accuracy",),
    "consistency": ("accuracy", "consistency", "ac3", "mlc"),
    "generate": ("exact_match", "number", "chrf"),
    "pairwise": ("win_rate",),
}
"""The kinds that a file may describe, each with its metrics; the first is the default."""

_KEYS = (
    "name", "kind", "data", "split", "dev", "language", "columns", "prompt", "options", "score", "normalise", "answer", "metric",
    "shots", "max_tokens", "stop", "licence", "citation",
)  # fmt: skip
_ROLES = ("language", "item", "subset", "group")


def resolve(name: str | Path) -> Benchmark:
    """Return the benchmark of a name, of an id on the hub, or of a YAML file.

    Raises:
        EvaluationError: there is none, or the file describes none.
    """
    path = Path(name)
    return load_yaml(path) if path.suffix.lower() in {".yaml", ".yml"} else get(str(name))


def load_yaml(path: Path) -> Benchmark:
    """Return the benchmark that a YAML file describes; its rows are read by `Benchmark.load`, as those of any other.

    Raises:
        RecipeError: the file cannot be read as YAML.
        EvaluationError: a key is unknown, missing, or has a value that the kind does not allow; the message names file and key.
    """
    file = _File(path, read_mapping(path))
    file.check_keys(_KEYS, ("name", "kind", "data", "prompt", "licence"))
    kind = file.one_of("kind", USER_METRICS)
    prompt = _prompt(file, kind)
    metric = file.one_of("metric", USER_METRICS[kind]) if "metric" in file.values else USER_METRICS[kind][0]
    return Benchmark(
        name=file.text("name"),
        hub_ids=(),
        kind=kind,  # type: ignore[arg-type]
        metrics=(metric, *(other for other in USER_METRICS[kind] if kind == "consistency" and other != metric)),
        configs=(),
        columns=_columns(file, prompt),
        read=prompt.read,
        test=file.text("split", "test"),
        dev=file.text("dev", ""),
        shots=file.whole("shots", 0),
        prompt_languages=("native", "en") if "en" in prompt.prompts else ("native",),
        render=prompt.render if kind in {"choice", "consistency"} else None,
        ask=prompt.ask if kind in {"generate", "pairwise"} else None,
        translated=prompt.translated,
        language_in="path" if not (prompt.language or prompt.roles.get("language")) else "rows",
        items=f"the column {prompt.roles['item']}" if "item" in prompt.roles else "a hash of the row",
        max_tokens=file.whole("max_tokens", 512),
        normalise=file.one_of("normalise", NORMALISATIONS, "none"),  # type: ignore[arg-type]
        licence=file.text("licence"),
        citation=file.text("citation", ""),
        data=path.parent / file.text("data"),
    )


@dataclass(frozen=True)
class _File:
    """The mapping of a YAML file, with errors that name file and key."""

    path: Path
    values: Mapping[str, Any]

    def fault(self, key: str, message: str) -> EvaluationError:
        return EvaluationError(f"{self.path}, key {key!r}: {message}")

    def check_keys(self, known: tuple[str, ...], required: tuple[str, ...]) -> None:
        for key in self.values:
            if key not in known:
                raise self.fault(str(key), f"unknown.{nearest(str(key), known)} Known: {', '.join(known)}.")
        for key in required:
            if key not in self.values:
                raise self.fault(key, f"missing. A benchmark needs {', '.join(required)} (docs/benchmarks.md has an example).")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.fault(key, f"{value!r} is no text. Write a text; put numbers and yes/no in quotes.")
        return value

    def whole(self, key: str, default: int) -> int:
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.fault(key, f"{value!r} is not a whole number from 0. Correct it.")
        return value

    def one_of(self, key: str, known: Any, default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in known:
            raise self.fault(key, f"{value!r} is none of {', '.join(known)}.{nearest(value, known)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
            raise self.fault(key, f"{value!r} is not a list of texts. Write a list.")
        return tuple(value)


def _prompt(file: _File, kind: str) -> UserPrompt:
    lists_options = kind in {"choice", "consistency"}
    options, options_column = _options(file) if lists_options else ((), "")
    prompts = _prompts(file, lists_options)
    for key in ("options", "score", "normalise"):
        if key in file.values and not lists_options:
            raise file.fault(key, f"belongs to the kinds choice and consistency; the kind is {kind!r}. Leave it out.")
    answer = file.text("answer", "" if kind == "pairwise" else None)
    return UserPrompt(
        benchmark=file.text("name"),
        prompts=prompts,
        options=options,
        options_column=options_column,
        letters="score" in file.values and file.one_of("score", ("letters", "texts")) == "letters",
        answer=answer,
        roles=_roles(file),
        language=_language(file),
        stop=file.texts("stop"),
    )


def _options(file: _File) -> tuple[tuple[Template, ...], str]:
    """Return the options: a list of templates, or the name of a column that holds a list."""
    value = file.values.get("options")
    if isinstance(value, str) and value:
        return (), value
    if not isinstance(value, list) or len(value) < 2:
        raise file.fault("options", f"{value!r}: write a list of two or more templates, or the name of a column with a list.")
    return tuple(template(f"{file.path}, key 'options'", text) for text in value), ""


def _prompts(file: _File, lists_options: bool) -> dict[str, Template]:
    """Return the templates by tag; "" is for the languages that have none of their own."""
    value = file.values["prompt"]
    by_language = value if isinstance(value, dict) else {"default": value}
    found = {}
    for name, text in by_language.items():
        tag = "" if name == "default" else language_of(str(name))
        if tag is None:
            raise file.fault("prompt", f"{name!r} names no known language. Write a tag such as 'sw', or 'default'.")
        found[tag] = template(f"{file.path}, key 'prompt' ({name})", text)
        if "options" in found[tag].names and not lists_options:
            raise file.fault("prompt", "{options} belongs to the kinds choice and consistency. Leave it out.")
    return found


def _roles(file: _File) -> dict[str, str]:
    value = file.values.get("columns", {})
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value.values()):
        raise file.fault("columns", f"{value!r} is not a mapping from {', '.join(_ROLES)} to names of columns.")
    for role in value:
        if role not in _ROLES:
            raise file.fault("columns", f"{role!r} is none of {', '.join(_ROLES)}.{nearest(str(role), _ROLES)}")
    return dict(value)


def _language(file: _File) -> str:
    value = file.text("language", "")
    if value and "language" in file.values.get("columns", {}):
        raise file.fault("language", "the file names a column for the language, too (columns: language). Keep one of the two.")
    return languages.canonical(value) if value else ""


def _columns(file: _File, prompt: UserPrompt) -> dict[str, Column]:
    found = {name: Column("any") for name in prompt.column_names}
    if prompt.options_column:
        found[prompt.options_column] = Column("texts", least=2)
    if prompt.answer:
        found[prompt.answer] = Column("any")
    for role, name in prompt.roles.items():
        found[name] = Column("any" if role != "language" else "text", empty=role in {"subset", "group"})
    return found
