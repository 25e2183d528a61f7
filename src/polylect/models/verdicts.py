"""What judges are asked and say, for all who ask them: templates whose frames no answer can close, and verdicts of a fixed form.

A verdict is a line with nothing else, or a JSON object. What has another form is no verdict: nothing is guessed from free text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping

__all__ = ["fill", "plain", "preferences", "verdicts"]

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_PREFERRED = re.compile(r"\W*preferred\W*?:\W*(?:answer[ _]?)?(a|b|tie)[\s*_`.\])>]*", re.IGNORECASE)
_OBJECT = re.compile(r"\{[^{}]*\}")
_FIELD = re.compile(r"\{([a-z_]+)\}")
_CHOICES = ("a", "b", "tie")


def fill(template: str, values: Mapping[str, str], frames: Collection[str]) -> str:
    """Return a template with its fields filled; other braces stay.

    An answer cannot close its own frame: `<answer_a>` in a value becomes `‹answer_a›`.

    Args:
        template: holds `{name}` for the names of `values`.
        values: texts by field.
        frames: names of the tags that the template sets around texts.
    """
    tag = re.compile(rf"<(/?)({'|'.join(map(re.escape, frames))})>", re.IGNORECASE)
    clean = {name: tag.sub(r"‹\1\2›", text) for name, text in values.items()}
    return _FIELD.sub(lambda field: clean.get(field[1], field[0]), template)


def plain(text: str) -> str:
    """Return a reply without the thoughts between <think> tags, full-width letters and digits of any script as plain ones."""
    return "".join(_digit(character) for character in unicodedata.normalize("NFKC", _THOUGHT.sub("", text)))


def _digit(character: str) -> str:
    if character.isascii() or unicodedata.category(character) != "Nd":
        return character
    return str(unicodedata.decimal(character))


def verdicts(form: re.Pattern[str], text: str) -> set[str]:
    """Return the different verdicts on lines of their own, in lower case: the first group of `form`, which takes a whole line."""
    return {match[1].casefold() for line in plain(text).splitlines() if (match := form.fullmatch(line))}


def preferences(text: str) -> set[str]:
    """Return the different preferences ("a", "b", "tie"): lines such as `Preferred: A`, JSON objects with the key `preferred`."""
    return verdicts(_PREFERRED, text) | _objects(plain(text))


def _objects(text: str) -> set[str]:
    found = set()
    for match in _OBJECT.finditer(text):
        try:
            value = json.loads(match[0]).get("preferred")
        except json.JSONDecodeError:
            continue
        if isinstance(value, str) and value.strip().casefold() in _CHOICES:
            found.add(value.strip().casefold())
    return found
