"""Records: frozen, and known by a hash of what makes them unique."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from types import UnionType
from typing import Any, get_args, get_type_hints

import pytest

from polylect import records
from polylect.records import (
    Completion,
    MergeInput,
    MergePair,
    Pair,
    Prompt,
    Record,
    Result,
    Score,
    Summary,
    Verdict,
    content_hash,
)

KINDS = [kind for name in records.__all__ if isinstance(kind := getattr(records, name), type) and kind is not Record]


def example(kind: type[Record], **change: Any) -> Record:
    """Return a record of any kind, its fields filled by their types."""
    values: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for field in fields(kind):
        base = get_args(hints[field.name])[0] if isinstance(hints[field.name], UnionType) else hints[field.name]
        values[field.name] = {str: f"a {field.name}", int: 3, float: 0.5, bool: True}.get(base, ("one", "zwei"))
    tag = {"language": "tr"} if "language" in values else {}
    return kind(**{**values, "id": "", **tag, **change})


def test_all_records_of_the_contract_are_there() -> None:
    """The records that stages hand to each other are the documented ones."""
    assert {Prompt, Completion, Score, Pair, Verdict, Result, Summary} <= set(KINDS)
    assert {MergeInput, MergePair} <= set(KINDS)
    assert {kind for kind in Record.__subclasses__() if kind.__module__ == records.__name__} == set(KINDS)


def test_id_is_stable() -> None:
    """The id is a pure function of the content: this one must never change, or every stored table loses its links."""
    assert content_hash("Prompt", "tr", "Mayıs'tan sonra hangi ay gelir?") == "e35d04e963128b2db088ebe4"
    prompt = example(Prompt, language="tr", text="Mayıs'tan sonra hangi ay gelir?")
    assert prompt.id == "e35d04e963128b2db088ebe4"


@pytest.mark.parametrize("kind", KINDS)
def test_equal_content_has_an_equal_id(kind: type[Record]) -> None:
    """Two records of the same content have one id, in whatever order their fields were given."""
    one = example(kind)
    values = {name: value for name, value in one.as_dict().items() if name != "id"}
    assert kind(**dict(reversed(values.items()))) == one
    assert len(one.id) == 24
    assert int(one.id, 16) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_identity_decides_the_id(kind: type[Record]) -> None:
    """Every field of the identity changes the id, and no other field does."""
    one = example(kind)
    for name, value in one.as_dict().items():
        if name == "id":
            continue
        other = replace(one, id="", **{name: value + 1 if isinstance(value, int) else f"{value} changed"})
        assert (other.id != one.id) == (name in kind.identity), name


def test_kinds_do_not_share_ids() -> None:
    """Records of different kinds differ although their identities hold the same values."""
    ids = [content_hash(kind.__name__, "same") for kind in KINDS]
    assert len(set(ids)) == len(KINDS)
    assert example(records.Comparison, a="a", b="b").id != example(records.Route, language="a", model="b").id


def test_parts_are_not_glued_together() -> None:
    """Content that moves from one field into the next is other content; tuples and lists are alike."""
    assert content_hash("ab", "c") != content_hash("a", "bc")
    assert content_hash(["ab"], "c") != content_hash(["ab", "c"])
    assert content_hash(("a", 1)) == content_hash(["a", 1])
    assert content_hash({"x": 1, "y": 2}) == content_hash({"y": 2, "x": 1})


def test_unicode_is_hashed_as_written() -> None:
    """A composed and a decomposed letter are different texts: normalisation is the scorer's job, not the id's."""
    assert content_hash("\u00fc") != content_hash("u\u0308")


@pytest.mark.parametrize("kind", KINDS)
def test_records_cannot_be_changed(kind: type[Record]) -> None:
    """A field of a record cannot be set, and a record can be a member of a set."""
    one = example(kind)
    with pytest.raises(FrozenInstanceError):
        one.language = "en"  # type: ignore[attr-defined]
    assert len({one, example(kind)}) == 1


def test_an_id_that_is_given_stays() -> None:
    """A record that is read from a table keeps the id it was written with."""
    assert example(Prompt, id="given").id == "given"
    assert list(example(Prompt).as_dict()) == [field.name for field in fields(Prompt)]
    assert example(Prompt).as_dict()["references"] == ("one", "zwei")


@pytest.mark.parametrize("kind", KINDS)
def test_identity_names_fields(kind: type[Record]) -> None:
    """Every record has an identity made of its own fields; positional arguments are refused."""
    names = {field.name for field in fields(kind)}
    assert kind.identity
    assert {"id", *kind.identity} <= names
    with pytest.raises(TypeError):
        kind("positional")  # type: ignore[call-arg]
