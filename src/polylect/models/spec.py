"""Models by one line of text.

`served:URL#model`, `vllm:NAME`, `fake:KIND`, `pivot:SPEC via TRANSLATOR`, else a local model by name or folder.
A further kind is one decorated function:

    @model_kind("mine")
    def _open_mine(target: str, settings: dict[str, Any]) -> Model: ...
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from polylect.errors import ModelError, nearest
from polylect.models.interface import Model, Price

__all__ = ["Spec", "model_kind", "open_model", "parse_spec"]

Opener: TypeAlias = Callable[[str, dict[str, Any]], Model]

_LOCAL = "local"
_VIA = " via "
_OPENERS: dict[str, Opener] = {}
_KIND = re.compile(r"[a-z][a-z0-9_-]+:")
_COMMON = ("name", "revision", "price", "licence", "may_train")


@dataclass(frozen=True)
class Spec:
    """A spec that is well formed: `kind` ("served", "vllm", "fake", "pivot", a plug-in's, or "local") and what it is of."""

    kind: str
    target: str

    def __str__(self) -> str:
        return self.target if self.kind == _LOCAL else f"{self.kind}:{self.target}"

    @property
    def local(self) -> bool:
        """Whether it names a model on this machine, or one of the hub."""
        return self.kind == _LOCAL

    @property
    def short(self) -> str:
        """A short name: the folder's, or the served model's; "" where the spec has none."""
        return Path(self.target).resolve().name if self.local else self.target.partition("#")[2]


def model_kind(name: str) -> Callable[[Opener], Opener]:
    """Register a function that opens the specs `name:TARGET`; it is given TARGET and the settings.

    Raises:
        ModelError: the kind is taken, or is no lower-case word.
    """

    def register(opener: Opener) -> Opener:
        if not _KIND.fullmatch(f"{name}:") or name == _LOCAL or name in _OPENERS:
            raise ModelError(f"model kind {name!r}: taken, or not of the form a-z. Choose another name for the kind.")
        _OPENERS[name] = opener
        return opener

    return register


def parse_spec(spec: str) -> Spec:
    """Return the parts of a spec; nothing is opened.

    Raises:
        ModelError: the kind is unknown, a served spec lacks URL or model name, or a URL holds a password.
    """
    if not spec or spec != spec.strip():
        raise ModelError(f"{spec!r}: no model is named. Give {_forms()}.")
    kind, _, target = spec.partition(":")
    if kind in _OPENERS:
        if kind == "served":
            _served_parts(target)
        elif kind == "pivot":
            parse_spec(target.partition(_VIA)[0])
        elif not target:
            raise ModelError(f"{spec!r}: nothing follows {kind + ':'!r}. Give {_forms()}.")
        return Spec(kind, target)
    if kind in {"http", "https"}:
        _served_parts(spec)
        raise ModelError(f"{spec!r}: an address is no model. Write served:{spec} for an OpenAI-compatible endpoint.")
    if _KIND.match(spec) and not Path(spec).exists():
        raise ModelError(f"{_masked(spec)!r}: {kind!r} is no kind of model.{nearest(kind, _OPENERS)} Give {_forms()}.")
    return Spec(_LOCAL, spec)


def open_model(spec: str, **settings: Any) -> Model:
    """Open the model that a spec names.

    Args:
        spec: `served:http://127.0.0.1:8000/v1#model-name`, `vllm:NAME`, `fake:KIND?quality=0.8`, `pivot:SPEC via TRANSLATOR`,
            or the name or folder of a local model.
        settings: `name`, `revision`, `price`, `licence` and `may_train` for every kind; the others are those of the kind's class:
            `ServedModel`, `VllmModel`, `FakeModel`, `PivotModel`, `LocalModel`. None leaves the default.

    Raises:
        ModelError: the spec is not well formed, a setting is unknown to its kind, or the model cannot be had.
    """
    parsed = parse_spec(spec)
    given = {key: value for key, value in settings.items() if value is not None}
    opener = _OPENERS.get(parsed.kind, _open_local)
    model = opener(parsed.target, given)
    for key in ("name", "licence", "may_train", "price"):
        if key in given:
            setattr(model, key, given[key])
    return model


@model_kind("served")
def _open_served(target: str, settings: dict[str, Any]) -> Model:
    from polylect.models.served import ServedModel

    url, model = _served_parts(target)
    return _made(ServedModel, f"served:{target}", (url, model), settings)


@model_kind("vllm")
def _open_vllm(target: str, settings: dict[str, Any]) -> Model:
    from polylect.models.vllm import VllmModel

    return _made(VllmModel, f"vllm:{target}", (target,), settings)


@model_kind("fake")
def _open_fake(target: str, settings: dict[str, Any]) -> Model:
    from polylect.models.fake_spec import fake_settings
    from polylect.models.fakes import FakeModel

    kind, values = fake_settings(target)
    return _made(FakeModel, f"fake:{target}", (settings.pop("name", kind),), {**values, **settings})


@model_kind("pivot")
def _open_pivot(target: str, settings: dict[str, Any]) -> Model:
    """Open a pivot around another spec; `translator`, `pivot` and `name` are its own settings, the others go inside."""
    from polylect.models.pivot import PivotModel
    from polylect.models.translators import translator

    inner, _, through = target.partition(_VIA)
    own: dict[str, Any] = {key: settings[key] for key in ("name", "pivot") if key in settings}
    inside = {key: value for key, value in settings.items() if key not in {*own, "translator"}}
    through = through or settings.get("translator", "")
    if not through:
        raise ModelError(
            f"pivot:{target}: nothing says what translates. Write pivot:{target}{_VIA}TRANSLATOR, such as apertium or "
            "nllb:NAME, or give the setting `translator` (docs/translators.md)."
        )
    return _made(PivotModel, f"pivot:{target}", (open_model(inner, **inside), translator(through)), own)


def _open_local(target: str, settings: dict[str, Any]) -> Model:
    from polylect.models.hub import resolve
    from polylect.models.local import LocalModel

    folder = resolve(target, settings.pop("revision", None))
    return _made(LocalModel, target, (folder,), {"name": target, **settings})


def _made(factory: Callable[..., Any], spec: str, positional: tuple[Any, ...], settings: dict[str, Any]) -> Model:
    """Call a kind's class with the settings that it takes; those of every kind may be set afterwards.

    Raises:
        ModelError: a setting is unknown.
    """
    parameters = inspect.signature(factory).parameters
    known = list(parameters)[len(positional) :]
    for key in settings:
        if key not in known and key not in _COMMON:
            raise ModelError(
                f"{spec}: the setting {key!r} is unknown.{nearest(key, known)} Known: {', '.join(sorted({*known, *_COMMON}))}."
            )
    if "revision" in settings and "revision" not in known:
        raise ModelError(f"{spec}: this kind of model has no revisions (got {settings['revision']!r}). Leave the revision out.")
    taken = {key: value for key, value in settings.items() if key in known}
    if isinstance(taken.get("price"), dict):
        taken["price"] = Price(**taken["price"])
    model: Model = factory(*positional, **taken)
    return model


def _served_parts(target: str) -> tuple[str, str]:
    """Return URL and model name of what follows `served:`.

    Raises:
        ModelError: one of the two is missing, or the URL holds a user name or password, which is not repeated.
    """
    url, _, model = target.partition("#")
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ModelError(
            f"served:{_masked(target)}: the address holds a user name or password. Leave it out, and name the environment "
            "variable that holds the key: key_env."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ModelError(
            f"served:{target}: no address http://... or https://... was found. Write served:http://HOST:PORT/v1#MODEL."
        )
    if not model:
        raise ModelError(f"served:{target}: the model's name is missing. Write it behind a #: served:{url}#MODEL.")
    return url, model


def _masked(text: str) -> str:
    """Return the text without what stands between // and @, where addresses hold passwords."""
    return re.sub(r"//[^/@]*@", "//***@", text)


def _forms() -> str:
    return f"{', '.join(f'{kind}:...' for kind in _OPENERS)}, or the name or folder of a local model (docs/pool.md)"
