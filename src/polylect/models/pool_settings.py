"""The keys of a pool file, every one checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from polylect import languages as language_table
from polylect.errors import LanguageError, ModelError, RecipeError, nearest
from polylect.models.spec import parse_spec
from polylect.records import MULTIPLE

__all__ = ["MemberSettings", "PoolSettings", "parse_pool"]

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


class Strict(BaseModel):
    """A part of a pool file: refuses unknown keys and values of another kind, cannot be changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _tag(tag: str) -> str:
    """Return the canonical tag; an unknown one is a ValueError, so that pydantic adds the key it was found at."""
    try:
        return language_table.canonical(tag)
    except LanguageError as error:
        raise ValueError(str(error)) from error


class PriceSettings(Strict):
    """US dollars per million tokens."""

    input: float | None = Field(None, ge=0, description="Of the prompt.")
    output: float | None = Field(None, ge=0, description="Of the answer.")


class LimitSettings(Strict):
    """What the endpoint allows; the engine stays below."""

    in_flight: int | None = Field(None, ge=1, description="Requests at a time; empty: found out by the engine.")
    requests_per_minute: float | None = Field(None, gt=0, description="Requests per minute.")
    tokens_per_minute: float | None = Field(None, gt=0, description="Tokens per minute, prompts and answers together.")


class SamplingSettings(Strict):
    """What this member does differently from the command's settings."""

    max_tokens: int | None = Field(None, ge=1, description="Most new tokens of an answer.")
    temperature: float | None = Field(None, ge=0, description="0 is greedy.")
    top_p: float | None = Field(None, gt=0, le=1, description="Nucleus mass.")
    stop: tuple[str, ...] | None = Field(None, strict=False, description="Texts that end an answer.")
    seed: int | None = Field(None, description="Of the noise.")


class ShotTable(Strict):
    """Examples from a table."""

    table: str = Field(min_length=1, description="JSONL or Parquet: language, prompt, completion, item.")
    number: int = Field(ge=1, description="Examples before each question.")


class FixedShot(Strict):
    """One example."""

    language: str = Field(description="BCP-47 tag.")
    prompt: str = Field(min_length=1, description="What the user says.")
    completion: str = Field(min_length=1, description="What is answered.")

    @field_validator("language")
    @classmethod
    def _known(cls, tag: str) -> str:
        return _tag(tag)


# Tagged, so that a fault is told of the form that was meant.
System: TypeAlias = Annotated[
    Annotated[str, Tag("text")] | Annotated[dict[str, str], Tag("mapping")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict) else "text"),
]
Shots: TypeAlias = Annotated[
    Annotated[ShotTable, Tag("mapping")] | Annotated[tuple[FixedShot, ...], Field(strict=False), Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list | tuple) else "mapping"),
]


class MemberSettings(Strict):
    """One member of the pool."""

    spec: str = Field(description="served:URL#MODEL, vllm:NAME, fake:KIND, pivot:SPEC, or a local name or folder.")
    languages: tuple[str, ...] | None = Field(
        None, strict=False, min_length=1, description="Languages it answers; empty: all, or those of its shots."
    )
    system: System | None = Field(None, description="System message: one text, or language -> text.")
    shots: Shots | None = Field(
        None, description="Examples before each question: {table, number}, or a list of {language, prompt, completion}."
    )
    price: PriceSettings = Field(PriceSettings(), description="Dollars per million tokens; empty: unknown.")
    licence: str | None = Field(None, description="Of its outputs.")
    may_train: bool | None = Field(None, description="Whether its outputs may train models; empty: nobody said.")
    revision: str | None = Field(None, description="Branch, tag or commit on the hub, or a served model's version.")
    limits: LimitSettings = Field(LimitSettings(), description="Requests at a time and per minute.")
    sampling: SamplingSettings = Field(SamplingSettings(), description="In place of the command's settings.")
    key_env: str | None = Field(None, description="Of a served model: the environment variable that holds the key.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Further settings of its kind of model.")

    @field_validator("spec")
    @classmethod
    def _well_formed(cls, spec: str) -> str:
        if "${" in spec:
            raise ValueError(
                "${...} is not replaced by an environment variable. Write the value out; name a key's variable in key_env"
            )
        try:
            parse_spec(spec)
        except ModelError as error:
            raise ValueError(str(error)) from error
        return spec

    @field_validator("languages")
    @classmethod
    def _known(cls, tags: tuple[str, ...] | None) -> tuple[str, ...] | None:
        canonical = None if tags is None else tuple(map(_tag, tags))
        if canonical and len(set(canonical)) < len(canonical):
            raise ValueError(f"{list(tags or ())} names a language twice. Leave one out")
        return canonical

    @field_validator("system")
    @classmethod
    def _known_keys(cls, system: str | dict[str, str] | None) -> str | dict[str, str] | None:
        return (
            {tag if tag == MULTIPLE else _tag(tag): text for tag, text in system.items()} if isinstance(system, dict) else system
        )

    @field_validator("key_env")
    @classmethod
    def _variable(cls, name: str | None) -> str | None:
        if name is not None and not _VARIABLE.fullmatch(name):
            raise ValueError(
                "this is no name of an environment variable (capitals, digits, _), and not shown in case it is the key itself. "
                "Write the name, such as OPENAI_API_KEY"
            )
        return name

    @model_validator(mode="after")
    def _fits_its_kind(self) -> MemberSettings:
        if self.key_env is not None and parse_spec(self.spec).kind not in {"served", "pivot"}:
            raise ValueError(f"key_env is for served models only, and this is {self.spec!r}. Leave it out")
        for given in ({"name", "price", "licence", "may_train", "revision", "key_env"} & set(self.settings),):
            if given:
                raise ValueError(f"settings.{min(given)}: belongs beside `settings`, not in it")
        return self


class PoolSettings(Strict):
    """A whole pool file."""

    members: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], MemberSettings] = Field(
        min_length=1, description="Name -> member; names stand in every table."
    )

    @model_validator(mode="after")
    def _all_different(self) -> PoolSettings:
        seen: dict[str, str] = {}
        for name, member in self.members.items():
            decides = repr((member.spec, member.revision, member.system, member.shots, member.sampling, member.settings))
            if decides in seen:
                raise ValueError(
                    f"members.{name}: the same as {seen[decides]!r} (spec {member.spec!r}): it would give every answer twice. "
                    "Leave one out, or let them differ"
                )
            seen[decides] = name
        return self


def parse_pool(data: Any, source: str) -> PoolSettings:
    """Check the content of a pool file; errors name `source`, the key, the value, the rule and the nearest known key.

    Raises:
        RecipeError: an unknown key or a wrong value.
    """
    try:
        return PoolSettings.model_validate(data)
    except ValidationError as error:
        raise RecipeError("\n".join(f"{source}: {line}" for line in _explain(error))) from None


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors():
        place = [str(part) for part in fault["loc"] if part not in {"mapping", "list", "text", "[key]"}]
        where = ".".join(place) or "the file"
        if fault["type"] == "extra_forbidden":
            known = _keys_at(place[:-1])
            lines.append(f"{where}: the key {place[-1]!r} is unknown.{nearest(place[-1], known)} Known: {', '.join(known)}.")
        elif fault["type"] == "missing":
            lines.append(f"{where}: missing. Add it ({_description(place)})")
        else:
            ours = fault["type"] == "value_error"
            message = fault["msg"].removeprefix("Value error, ") if ours else f"needed is {_needed(fault['msg'])}"
            lines.append(f"{where}: {_shown(place, fault['input'])}{message.rstrip('.')}.")
    return lines


def _needed(message: str) -> str:
    """Return pydantic's words for what should be there in ours."""
    message = re.sub(r"valid dictionary( or instance of \w+)?", "mapping of keys", message.removeprefix("Input should be "))
    return message.replace("valid tuple", "list").replace("valid string", "text").replace("a valid boolean", "true or false")


def _shown(place: Sequence[str], value: Any) -> str:
    """Return the value for a message: short, nothing that may be a key, nothing for a whole section."""
    if isinstance(value, dict | BaseModel) or any("key" in part.lower() for part in place):
        return ""
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:80] + '...'}: "


def _section(place: Sequence[str]) -> type[BaseModel] | None:
    """Return the settings class that a place in the file is of."""
    parts: dict[str, type[BaseModel]] = {"price": PriceSettings, "limits": LimitSettings, "sampling": SamplingSettings}
    if not place:
        return PoolSettings
    if place[0] != "members" or len(place) < 2:
        return None
    if len(place) == 2:
        return MemberSettings
    return (ShotTable if len(place) == 3 else FixedShot) if place[2] == "shots" else parts.get(place[2])


def _keys_at(place: Sequence[str]) -> list[str]:
    section = _section(place)
    return list(section.model_fields) if section else []


def _description(place: Sequence[str]) -> str:
    section = _section(place[:-1])
    return (section.model_fields[place[-1]].description or "").rstrip() if section else "needed"
