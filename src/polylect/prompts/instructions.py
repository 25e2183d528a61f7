"""What models are told when they make prompts: an English instruction that names the language, or one of the user's per language.

English instructions are the default: instruction-tuned models follow them best, and one text serves every language. A YAML file
replaces them where a language is better asked in its own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polylect import languages
from polylect.errors import LanguageError, RecipeError, nearest

__all__ = ["GROUND", "INSTRUCT", "Templates", "load_templates"]

GROUND = """Read this text in {language}:

<text>
{passage}
</text>

Write {count} different questions that the text answers, each with its answer. Write questions and answers in {language}, in the \
script of the text. A question must make sense to somebody who does not see the text: name what it is about, and do not copy a \
sentence of it. An answer must be short, complete, and use only what the text says.

Reply with nothing but a JSON list: [{{"question": "...", "answer": "..."}}, ...]"""

INSTRUCT = """Here are tasks that people give an assistant, written in {language}:

{examples}

Write {count} new tasks in {language}. They must differ from these and from each other in subject and in kind (explain, write, \
compare, plan, solve, advise, classify and others), need no file, link or picture, and be what people who speak {language} would \
ask. Each is complete in itself and at most a few sentences long.

Reply with nothing but a JSON list of texts: ["...", "..."]"""

_FIELDS = {"ground": ("language", "passage", "count"), "instruct": ("language", "examples", "count")}
_FIELD = re.compile(r"(?<!\{)\{(\w*)\}(?!\})")


class Templates:
    """Instruction templates of one kind, by language.

    Args:
        default: the template of the languages that have none of their own.
        own: template by canonical tag.
    """

    def __init__(self, default: str, own: Mapping[str, str] | None = None) -> None:
        self._default, self._own = default, dict(own or {})

    def fill(self, tag: str, **values: Any) -> str:
        """Return the instruction for a language; `{language}` becomes its English and its native name: Turkish (Türkçe)."""
        return self._own.get(tag, self._default).format(language=_named(tag), **values)

    def as_dict(self) -> dict[str, str]:
        """Return what decides the instructions, for the manifest."""
        return {"default": self._default, **self._own}


def load_templates(kind: str, default: str, path: Path | None) -> Templates:
    """Return the templates of a kind ("ground", "instruct"), with those of a YAML file: {tag or "default": template}.

    Raises:
        RecipeError: the file is missing or no mapping, a tag is unknown, or a template lacks a field or has an unknown one.
    """
    if path is None:
        return Templates(default)
    own: dict[str, str] = {}
    for key, template in _yaml(path).items():
        if not isinstance(template, str) or not template.strip():
            raise RecipeError(f"{path}, key {key!r}: {template!r} is not a text. Write the instruction as one text.")
        try:
            tag = key if key == "default" else languages.canonical(str(key))
        except LanguageError as error:
            raise RecipeError(f"{path}, key {key!r}: {error} The key 'default' is for all other languages.") from error
        _check_fields(f"{path}, key {key!r}", template, _FIELDS[kind])
        own[tag] = template
    return Templates(own.pop("default", default), own)


def _yaml(path: Path) -> dict[Any, Any]:
    import yaml

    if not path.is_file():
        raise RecipeError(f"{path}: no such file. Templates are read from a YAML file of the form TAG: text.")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid YAML ({error}).") from error
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: {type(value).__name__} found where TAG: text is expected. Write one template per language.")
    return value


def _check_fields(where: str, template: str, fields: tuple[str, ...]) -> None:
    found = set(_FIELD.findall(template))
    for name in sorted(found.difference(fields)):
        raise RecipeError(
            f"{where}: unknown field {{{name}}}; known are {', '.join(fields)}.{nearest(name, fields)} Write {{{{ for a brace."
        )
    for name in fields:
        if name != "language" and name not in found:
            raise RecipeError(f"{where}: the field {{{name}}} is missing. The model would not see what it stands for.")
    try:
        template.format(**dict.fromkeys(fields, ""))
    except (ValueError, IndexError, KeyError) as error:
        raise RecipeError(f"{where}: braces do not match ({error}). Write {{{{ and }}}} for braces of the text.") from error


def _named(tag: str) -> str:
    row = languages.get(tag)
    return row.name if row.name == row.native_name else f"{row.name} ({row.native_name})"
