"""Pool files: what they say of each member, what a member is asked, and every way to get one wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polylect.errors import DataError, LanguageError, RecipeError
from polylect.models.engine import Limits
from polylect.models.fakes import FakeModel
from polylect.models.interface import Price
from polylect.models.pool import Pool, load_pool
from polylect.models.requests import Sampling
from polylect.records import Prompt, content_hash

SECRET = "sk-proj-abcdefghijklmnop1234567890"  # noqa: S105 - a made-up one

FULL = """
members:
  aya:
    spec: served:http://127.0.0.1:8000/v1#aya-expanse-8b
    languages: [de, fra, pt-BR]
    system: {de: Antworte kurz., mul: Be brief.}
    price: {input: 0.5, output: 1.5}
    licence: CC-BY-NC-4.0
    may_train: false
    revision: 2024-10
    limits: {in_flight: 32, requests_per_minute: 600, tokens_per_minute: 1e6}
    sampling: {temperature: 0.7, max_tokens: 200, stop: ["\\n\\n"]}
    key_env: AYA_KEY
    settings: {send_seed: false}
  norwegian:
    spec: fake:good?quality=0.9
    languages: [no]
    system: Svar kort.
    shots:
      - {language: nb, prompt: to pluss to, completion: fire}
      - {language: nb, prompt: tre pluss tre, completion: seks}
  everyone:
    spec: fake:mixed
"""


def write(folder: Path, text: str) -> Path:
    """Write a pool file."""
    path = folder / "POOL.yaml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    """Return what is said against a pool file."""
    with pytest.raises(RecipeError) as error:
        load_pool(write(folder, text))
    assert "POOL.yaml" in str(error.value)
    return str(error.value).replace(str(folder), "")


def prompt(text: str, language: str = "nb", item: str = "i", messages: str | None = None) -> Prompt:
    """Return a prompt."""
    return Prompt(
        text=text, language=language, item=item, kind="k", split="prompt", references=(), source="s", licence="CC0-1.0",
        messages=messages,
    )  # fmt: skip


def test_every_key_is_read(tmp_path: Path) -> None:
    """All that a file says of a member is in the pool, tags canonical; what it does not say has its default."""
    pool = load_pool(write(tmp_path, FULL))
    aya, everyone = pool.members["aya"], pool.members["everyone"]
    assert list(pool.members) == ["aya", "norwegian", "everyone"]
    assert (aya.spec, aya.languages) == ("served:http://127.0.0.1:8000/v1#aya-expanse-8b", ("de", "fr", "pt"))
    assert (aya.price, aya.licence, aya.may_train, aya.revision) == (Price(0.5, 1.5), "CC-BY-NC-4.0", False, "2024-10")
    assert aya.limits == Limits(in_flight=32, requests_per_minute=600, tokens_per_minute=1e6)
    assert aya.sampling_for(Sampling(seed=3)) == Sampling(max_tokens=200, temperature=0.7, stop=("\n\n",), seed=3)
    assert (everyone.languages, everyone.limits, everyone.price, everyone.may_train) == (None, Limits(), Price(), None)
    assert pool.members["norwegian"].languages == ("nb",)


def test_teachers_of_a_language(tmp_path: Path) -> None:
    """A language is served by the members that name it and by those that name none."""
    pool = load_pool(write(tmp_path, FULL))
    assert pool.teachers("de") == ("aya", "everyone")
    assert pool.teachers("nb") == ("norwegian", "everyone")
    assert pool.teachers("ja") == ("everyone",)


def test_request_has_system_message_shots_and_history(tmp_path: Path) -> None:
    """What a member is asked is the prompt behind its own system message and examples, without the prompt's own text."""
    pool = load_pool(write(tmp_path, FULL))
    history = json.dumps([["user", "hei"], ["assistant", "hallo"]])
    asked = pool.members["norwegian"].request(prompt("tre pluss tre", messages=history))
    assert asked.messages == (
        ("system", "Svar kort."),
        ("user", "to pluss to"), ("assistant", "fire"),
        ("user", "hei"), ("assistant", "hallo"),
        ("user", "tre pluss tre"),
    )  # fmt: skip
    aya = pool.members["aya"]
    assert [aya.request(prompt("x", tag)).system for tag in ("de", "fr")] == ["Antworte kurz.", "Be brief."]


def test_broken_history_is_named(tmp_path: Path) -> None:
    """Turns that are no list of role and content are an error of the table, with the prompt's id."""
    bad = prompt("x", messages='["user"]')
    with pytest.raises(DataError, match=bad.id):
        load_pool(write(tmp_path, FULL)).members["everyone"].request(bad)


def test_shots_from_a_table_leave_the_item_out(tmp_path: Path) -> None:
    """The first examples of the language are shown; one of the item that is asked gives way to the next."""
    table = tmp_path / "seed.jsonl"
    rows = [
        {"item": str(i), "language": tag, "prompt": f"{tag}{i}", "completion": f"a{i}"} for i in range(4) for tag in ("de", "fr")
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pool = load_pool(write(tmp_path, f"members: {{m: {{spec: 'fake:good', shots: {{table: {table}, number: 2}}}}}}"))
    member = pool.members["m"]
    assert member.languages == ("de", "fr")
    assert [shot for shot, _ in member.request(prompt("x", "de", item="9")).shots] == ["de0", "de1"]
    assert [shot for shot, _ in member.request(prompt("x", "de", item="1")).shots] == ["de0", "de2"]
    assert content_hash(member.shots) == content_hash({"fr": member.shots["fr"], "de": member.shots["de"]})
    assert "no examples in ja" in refused(
        tmp_path, f"members: {{m: {{spec: 'fake:good', languages: [de, ja], shots: {{table: {table}, number: 2}}}}}}"
    )


def test_faults_of_a_table_of_shots_are_named(tmp_path: Path) -> None:
    """A table of examples that is missing or has an unknown language is an error that names it."""
    text = "members: {m: {spec: 'fake:good', shots: {table: nowhere.jsonl, number: 2}}}"
    with pytest.raises(DataError, match=r"nowhere\.jsonl"):
        load_pool(write(tmp_path, text))
    table = tmp_path / "seed.jsonl"
    table.write_text('{"language": "xq", "prompt": "p", "completion": "c"}\n')
    with pytest.raises((DataError, LanguageError), match=r"seed\.jsonl.*xq"):
        load_pool(write(tmp_path, text.replace("nowhere.jsonl", str(table))))


def test_member_opens_its_model(tmp_path: Path) -> None:
    """Opening gives the model its name, price and licence, and its kind's settings."""
    text = """
members:
  m:
    spec: fake:wrong
    price: {input: 1}
    licence: MIT
    may_train: false
    settings: {batch_size: 3}
"""
    model = load_pool(write(tmp_path, text)).members["m"].open()
    assert isinstance(model, FakeModel)
    assert (model.name, model.price, model.licence, model.may_train) == ("m", Price(1, None), "MIT", False)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("members: {}", ["members", "at least 1"]),
        ("membres: {a: {spec: 'fake:good'}}", ["'membres' is unknown", "Did you mean 'members'"]),
        ("members: {a: {}}", ["members.a.spec: missing", "served:URL#MODEL"]),
        ("members: {a: {spec: 'fake:good', langauges: [de]}}", ["members.a.langauges", "Did you mean 'languages'"]),
        ("members: {a: {spec: 'fake:good', languages: [dd]}}", ["members.a.languages", "'dd' is not the tag"]),
        ("members: {a: {spec: 'fake:good', languages: [de, deu]}}", ["names a language twice"]),
        ("members: {a: {spec: 'fake:good', languages: de}}", ["members.a.languages: 'de': needed is a list"]),
        ("members: {a: {spec: 'fake:good', system: {klingon: x}}}", ["members.a.system", "'klingon' is not the tag"]),
        ("members: {a: {spec: 'served:http://h/v1'}}", ["members.a.spec", "model's name is missing"]),
        ("members: {a: {spec: 'serve:http://h/v1#m'}}", ["members.a.spec", "Did you mean 'served'"]),
        ("members: {a: {spec: 'served:http://${HOST}/v1#m'}}", ["members.a.spec", "is not replaced by an environment variable"]),
        ("members: {a: {spec: 'fake:good', price: {inputs: 1}}}", ["members.a.price.inputs", "Did you mean 'input'"]),
        ("members: {a: {spec: 'fake:good', price: {input: -1}}}", ["members.a.price.input: -1", "greater than or equal to 0"]),
        ("members: {a: {spec: 'fake:good', price: {input: '1'}}}", ["members.a.price.input: '1'", "valid number"]),
        ("members: {a: {spec: 'fake:good', may_train: 'yes'}}", ["members.a.may_train: 'yes'", "needed is true or false"]),
        ("members: {a: {spec: 'fake:good', limits: {in_flight: 0}}}", ["members.a.limits.in_flight: 0"]),
        ("members: {a: {spec: 'fake:good', sampling: {temprature: 1}}}", ["Did you mean 'temperature'"]),
        ("members: {a: {spec: 'fake:good', sampling: {samples: 4}}}", ["'samples' is unknown"]),
        ("members: {a: {spec: 'fake:good', shots: {table: x, nubmer: 2}}}", ["members.a.shots.nubmer", "Did you mean 'number'"]),
        ("members: {a: {spec: 'fake:good', shots: [{language: de, prompt: p}]}}", ["members.a.shots.0.completion: missing"]),
        ("members: {a: {spec: 'fake:good', key_env: OPENAI_API_KEY}}", ["key_env is for served models only"]),
        ("members: {a: {spec: 'fake:good', settings: {name: b}}}", ["settings.name: belongs beside"]),
        ("members: {a b: {spec: 'fake:good'}}", ["members.a b", "pattern"]),
        ("members: {a: {spec: 'fake:good'}, b: {spec: 'fake:good'}}", ["members.b: the same as 'a'"]),
        ("members: {a: {spec: 'fake:good'}, a: {spec: 'fake:wrong'}}", ["the key 'a' is there twice"]),
        ("members:\n  a: {spec: 'fake:good'\n  b: 1", ["line 3", "not readable as YAML"]),
        ("- a", ["a mapping of keys is needed; found list"]),
        ("x: &a [1]\nmembers: *a", ["aliases"]),
        ("members: !!python/object/apply:os.system [ls]", ["not readable as YAML"]),
    ],
)
def test_faults_name_file_key_value_rule_and_next_step(tmp_path: Path, text: str, parts: list[str]) -> None:
    """Each fault of a pool file is told with its place, what is there, and what is known or needed."""
    message = refused(tmp_path, text)
    for part in parts:
        assert part in message, message


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    """A file with two faults gets a line for each."""
    message = refused(tmp_path, "members: {a: {spec: 'fake:good', licens: x}, b: {spec: 'fake:wrong', languages: [dd]}}")
    assert [line.split(": ")[1] for line in message.splitlines()] == ["members.a.licens", "members.b.languages"]


@pytest.mark.parametrize(
    "member",
    [
        f"{{spec: 'served:http://h/v1#m', key: {SECRET}}}",
        f"{{spec: 'served:http://h/v1#m', api_key: {SECRET}}}",
        f"{{spec: 'served:http://h/v1#m', key_env: {SECRET}}}",
        "{spec: 'served:http://h/v1#m', key_env: ab12cd34ef56ab12cd34ef56}",
        f"{{spec: 'served:http://h/v1#m', settings: {{headers: {{Authorization: {SECRET}}}}}}}",
        f"{{spec: 'served:http://h/v1#m', system: 'use {SECRET}'}}",
        f"{{spec: 'served:http://me:{SECRET}@h/v1#m'}}",
        f"{{spec: 'served:http://h/v1?api_key={SECRET}#m'}}",
        f"{{spec: 'served:http://h/v1#m', key_env: {SECRET}",
        f"{{spec: 'served:http://h/v1#m', apikey2: {SECRET}, x: y: {SECRET}}}",
    ],
)
def test_a_key_in_the_file_is_refused_and_never_shown(tmp_path: Path, member: str) -> None:
    """Wherever a key stands in the file, also a broken one, the message says so without repeating it."""
    message = refused(tmp_path, f"members:\n  a: {member}\n")
    assert SECRET not in message
    assert "ab12cd34ef56" not in message


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: no such file"):
        load_pool(tmp_path / "nowhere.yaml")


def test_truth_values_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    """`no` is Norwegian and `yes` a text; true and false are truth values, 1e-3 is a number."""
    text = "members: {a: {spec: 'fake:good', languages: [no], may_train: true, price: {input: 1e-3}}}"
    pool: Pool = load_pool(write(tmp_path, text))
    assert (pool.members["a"].languages, pool.members["a"].may_train, pool.members["a"].price.input) == (("nb",), True, 0.001)
