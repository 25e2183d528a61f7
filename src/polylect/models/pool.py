"""A pool of models: who answers in which languages, how each is asked, what it costs and whether its answers may train models.

`docs/pool.md` describes the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.errors import DataError, RecipeError
from polylect.models.interface import Model, Price
from polylect.models.requests import Request, Sampling
from polylect.models.shots import Shot, by_language, choose, read_shots
from polylect.models.spec import open_model
from polylect.records import MULTIPLE, Prompt

if TYPE_CHECKING:
    from polylect.models.engine import Limits
    from polylect.models.pool_settings import MemberSettings

__all__ = ["Member", "Pool", "load_pool"]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member of a pool.

    Attributes:
        name: what the tables call it.
        spec: what `open_model` opens.
        languages: those it answers in; None: all.
        system: system message by language; "mul" stands for the languages not named.
        shots: examples by language, in order; empty: it is asked without.
        number: examples shown before a question; None: all.
        price: US dollars per million tokens.
        licence: of its outputs.
        may_train: whether its outputs may train models; None: nobody said.
        revision: of the model.
        limits: requests at a time and per minute.
        sampling: fields of `Sampling` in place of the command's.
        key_env: environment variable that holds the key of a served model.
        settings: further settings of its kind.
    """

    name: str
    spec: str
    limits: Limits
    languages: tuple[str, ...] | None = None
    system: Mapping[str, str] = field(default_factory=dict)
    shots: Mapping[str, tuple[Shot, ...]] = field(default_factory=dict)
    number: int | None = None
    price: Price = field(default_factory=Price)
    licence: str | None = None
    may_train: bool | None = None
    revision: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    key_env: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def answers(self, language: str) -> bool:
        """Tell whether it answers in a language (canonical tag)."""
        return self.languages is None or language in self.languages

    def sampling_for(self, sampling: Sampling) -> Sampling:
        """Return the command's settings with this member's in their place."""
        return replace(sampling, **self.sampling)

    def request(self, prompt: Prompt) -> Request:
        """Return what this member is asked: the prompt with its history, behind the member's system message and examples.

        An example of the same item is left out, and the next one shown: it would give the answer away.

        Raises:
            DataError: `prompt.messages` is no list of [role, content].
        """
        return Request(
            prompt.id,
            prompt.text,
            choose(self.shots.get(prompt.language, ()), self.number, prompt.item, prompt.text),
            self.system.get(prompt.language, self.system.get(MULTIPLE, "")),
            _history(prompt),
            prompt.language,
        )

    def open(self) -> Model:
        """Open the model.

        Raises:
            ModelError: it cannot be had, see `open_model`.
        """
        return open_model(self.spec, **self.opening())

    def opening(self) -> dict[str, Any]:
        """Return the settings of `open_model` beside the spec: for those who open it elsewhere, as on another machine."""
        given = {
            "name": self.name,
            "revision": self.revision,
            "price": None if self.price == Price() else self.price,
            "licence": self.licence,
            "may_train": self.may_train,
            "key_env": self.key_env,
        }
        return {**{key: value for key, value in given.items() if value is not None}, **self.settings}


@dataclass(frozen=True)
class Pool:
    """Members by name, in the order of the file, which is `source`."""

    members: Mapping[str, Member]
    source: str = "pool"

    def teachers(self, language: str) -> tuple[str, ...]:
        """Return the names of the members that answer in a language (canonical tag)."""
        return tuple(name for name, member in self.members.items() if member.answers(language))


def load_pool(path: Path) -> Pool:
    """Read a pool file and the tables of examples that it names, and check everything; no model is opened.

    Relative paths start at the working directory, as on the command line.

    Raises:
        RecipeError: the file is missing or not YAML, a key is unknown or a value wrong, a member is there twice, it seems to
            hold a key, or a member lacks examples in one of its languages.
        DataError: a table of examples cannot be read.
    """
    from polylect.models.pool_settings import parse_pool
    from polylect.models.yaml_file import read_mapping

    settings = parse_pool(read_mapping(path), str(path))
    return Pool({name: _member(str(path), name, member) for name, member in settings.members.items()}, str(path))


def _member(source: str, name: str, given: MemberSettings) -> Member:
    from polylect.models.engine import Limits

    shots, number = _shots(given)
    languages = given.languages
    lacking = [tag for tag in languages or () if shots and not shots.get(tag)]
    if lacking:
        raise RecipeError(
            f"{source}: members.{name}.shots: no examples in {', '.join(lacking)}; found for {', '.join(shots)}. "
            "Add some, or take the language out of `languages`."
        )
    return Member(
        name=name,
        spec=given.spec,
        languages=tuple(shots) if shots and languages is None else languages,
        system={MULTIPLE: given.system} if isinstance(given.system, str) else given.system or {},
        shots=shots,
        number=number,
        price=Price(given.price.input, given.price.output),
        licence=given.licence,
        may_train=given.may_train,
        revision=given.revision,
        limits=Limits(**given.limits.model_dump()),
        sampling=given.sampling.model_dump(exclude_none=True),
        key_env=given.key_env,
        settings=given.settings,
    )


def _shots(given: MemberSettings) -> tuple[dict[str, tuple[Shot, ...]], int | None]:
    """Return the examples by language, and how many are shown."""
    if given.shots is None:
        return {}, None
    if isinstance(given.shots, tuple):
        return by_language((shot.language, Shot(shot.prompt, shot.completion)) for shot in given.shots), None
    return read_shots(Path(given.shots.table)), given.shots.number


def _history(prompt: Prompt) -> tuple[tuple[str, str], ...]:
    if not prompt.messages:
        return ()
    try:
        return tuple((str(role), str(content)) for role, content in json.loads(prompt.messages))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"prompt {prompt.id}: messages: {prompt.messages[:80]!r} is no JSON list of [role, content]. Correct the table."
        ) from error
