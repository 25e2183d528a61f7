"""Specs: what a line of text opens, and what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import DataError, ModelError
from polylect.models import spec as specs
from polylect.models.fakes import FakeModel
from polylect.models.interface import Model, Price
from polylect.models.pivot import PivotModel
from polylect.models.requests import Request, Sampling
from polylect.models.served import ServedModel
from polylect.models.spec import Spec, model_kind, open_model, parse_spec


def test_specs_are_parsed() -> None:
    """The kind is the word before the colon; what has none is a local model."""
    assert parse_spec("served:http://127.0.0.1:8000/v1#org/name") == Spec("served", "http://127.0.0.1:8000/v1#org/name")
    assert parse_spec("pivot:served:http://h/v1#m") == Spec("pivot", "served:http://h/v1#m")
    for local in ("gemma-3-270m", "./models/a", "/models/a", "CohereLabs/aya-expanse-8b", "~/a"):
        assert parse_spec(local) == Spec("local", local)
        assert str(parse_spec(local)) == local
    assert str(parse_spec("fake:good?seed=1")) == "fake:good?seed=1"


def test_folder_with_a_colon_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is there wins over an unknown kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run:3").mkdir()
    assert parse_spec("run:3") == Spec("local", "run:3")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "no model is named"),
        (" fake:good", "no model is named"),
        ("vllm:", "nothing follows 'vllm:'"),
        ("serve:http://h/v1#m", "Did you mean 'served'"),
        ("http://h/v1#m", "Write served:http://h/v1#m"),
        ("served:http://h/v1", "model's name is missing"),
        ("served:127.0.0.1:8000/v1#m", "no address http://"),
        ("pivot:serve:x", "Did you mean 'served'"),
        ("fake:god", "Did you mean 'good'"),
        ("fake:good?qualty=1", "Did you mean 'quality'"),
        ("fake:good?quality=much", "'much' is no number"),
        ("fake:good?seed=1.5", "'1.5' is no whole number"),
        ("fake:good?quality.xq=1", "'xq' is not the tag"),
        ("fake:good?quality=1&empty=0.5", "sum to more than 1"),
        ("gemma-3-270n", "Did you mean 'gemma-3-270m'"),
    ],
)
def test_what_is_not_well_formed_says_so(spec: str, message: str) -> None:
    """An error names the spec, what is wrong, and what to write."""
    with pytest.raises(ModelError) as error:
        open_model(spec)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "spec", ["served:http://me:hunter2@h/v1#m", "http://me:hunter2@h/v1#m", "serve:http://me:hunter2@h/v1#m"]
)
def test_passwords_in_addresses_are_refused_unseen(spec: str) -> None:
    """An address with a password is refused; the message does not repeat it."""
    with pytest.raises(ModelError) as error:
        open_model(spec)
    assert "hunter2" not in str(error.value)


def test_fake_settings_from_the_query(tmp_path: Path) -> None:
    """Quality per language, faults, numbers and a table of known prompts come from the query."""
    table = tmp_path / "prompts.jsonl"
    rows = [
        {"item": "1", "language": "deu", "text": "Frage", "reference": "Antwort"},
        {"item": "1", "language": "fr", "text": "Question", "references": ["Réponse", "autre"]},
        {"item": "2", "language": "fr", "text": "Open"},
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = open_model(f"fake:good?quality.de=1&quality=0&batch_size=2&known={table}", name="t", may_train=False)
    assert isinstance(model, FakeModel)
    assert (model.name, model.may_train) == ("t", False)
    assert model.respond(Request("k", "Frage"), Sampling()).text == "Antwort"
    assert model.respond(Request("k", "Question"), Sampling()).text != "Réponse"
    assert [len(batch) for batch in model.batches([Request("k", "Frage")] * 3, Sampling())] == [2, 1]


def test_fake_without_its_table_says_so() -> None:
    """A table of known prompts that is missing is an error that names it."""
    with pytest.raises(DataError, match=r"nowhere\.jsonl"):
        open_model("fake:good?known=nowhere.jsonl")


def test_served_gets_url_name_and_settings() -> None:
    """Address and model name are split at the #; settings reach the model, None leaves its default."""
    model = open_model(
        "served:http://127.0.0.1:8000/v1#org/name", name="t", revision="7", price=Price(1, 2), licence=None, in_flight=4
    )
    assert isinstance(model, ServedModel)
    assert isinstance(model, Model)
    assert (model.name, model.price, model.in_flight, model.licence) == ("t", Price(1, 2), 4, None)


def test_pivot_names_its_translator() -> None:
    """What translates stands behind "via" or in the settings; without it the error says what to write."""
    with pytest.raises(ModelError, match="Write pivot:fake:good via TRANSLATOR"):
        open_model("pivot:fake:good")
    for spec, settings in (("pivot:fake:good via llm:fake:wrong", {}), ("pivot:fake:good", {"translator": "llm:fake:wrong"})):
        model = open_model(spec, name="p", pivot="fr", quality=0.5, **settings)
        assert isinstance(model, PivotModel)
        assert (model.name, model.pivot, model.translator.name) == ("p", "fr", "wrong")
    assert str(parse_spec("pivot:fake:good via apertium")) == "pivot:fake:good via apertium"


def test_settings_that_every_kind_has_are_set() -> None:
    """Name, price, licence and permission hold for every kind."""
    model = open_model("fake:wrong", name="n", price=Price(3, 4), licence="MIT", may_train=False)
    assert (model.name, model.price, model.licence, model.may_train) == ("n", Price(3, 4), "MIT", False)


@pytest.mark.parametrize(
    ("settings", "message"), [({"latncy": 1}, "Did you mean 'latency'"), ({"revision": "abc"}, "has no revisions")]
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    """A setting that the kind does not have is an error with the nearest one that it has."""
    with pytest.raises(ModelError, match=message):
        open_model("fake:good", **settings)


def test_a_further_kind_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in registers a kind; its name is then taken, and known to the hints."""
    monkeypatch.setattr(specs, "_OPENERS", dict(specs._OPENERS))

    @model_kind("oracle")
    def opener(target: str, settings: dict[str, Any]) -> Model:
        return FakeModel(settings.get("name", target), quality=1.0)

    assert open_model("oracle:delphi").name == "delphi"
    with pytest.raises(ModelError, match="Did you mean 'oracle'"):
        open_model("oracl:delphi")
    with pytest.raises(ModelError, match="taken"):
        model_kind("oracle")(opener)


def test_import_is_light() -> None:
    """Specs, pools, fakes and wrappers import nothing large."""
    code = (
        "import sys, polylect.models.spec, polylect.models.pool, polylect.models.fakes, polylect.models.wrappers, "
        "polylect.models.vllm, polylect.models.ray_shards\n"
        "print(sorted({'pydantic', 'torch', 'polars', 'vllm', 'ray', 'yaml', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
