"""Tokenizer files: what is read from them, and one clear line for everything that is wrong with them."""

import copy
import json
import random

import pytest

from polylect.errors import MergeError
from polylect.merge import tokenizer_files
from polylect.merge.vocabulary import align, tokens

CONTENT = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [
        {
            "id": 0,
            "content": "<pad>",
            "special": True,
            "normalized": False,
            "lstrip": False,
            "rstrip": False,
            "single_word": False,
        },
        {
            "id": 5,
            "content": "<tag>",
            "special": False,
            "normalized": False,
            "lstrip": False,
            "rstrip": False,
            "single_word": False,
        },
    ],
    "normalizer": None,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}]},
    "post_processor": None,
    "decoder": {"type": "Fuse"},
    "model": {
        "type": "BPE",
        "unk_token": None,
        "continuing_subword_prefix": None,
        "vocab": {"<pad>": 0, "a": 1, "b": 2, "ab": 3, "aba": 4},
        "merges": [["a", "b"], ["ab", "a"]],
    },
}
UNIGRAM = {
    **CONTENT,
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<pad>", 0.0], ["a", -1.0], ["b", -2.5]]},
    "added_tokens": [],
}


def folder_with(path, content, **others):
    """Write content as tokenizer.json and other JSON files (dots in names as __) into a new folder."""
    path.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    (path / "tokenizer.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    for name, other in others.items():
        (path / f"{name}.json").write_text(json.dumps(other))
    return path


def changed(**changes):
    """Return CONTENT with other values of keys; model__x stands for a key of the model."""
    content = copy.deepcopy(CONTENT)
    for key, value in changes.items():
        (content["model"] if key.startswith("model__") else content)[key.removeprefix("model__")] = value
    return content


def error_of(folder):
    """Return the message with which the folder is refused, by both uses of its files."""
    with pytest.raises(MergeError) as single:
        tokenizer_files.read(folder, merges=True)
    assert "\n" not in str(single.value)
    return str(single.value)


def test_vocabulary_has_added_tokens_and_roles(tmp_path):
    """Added tokens count as tokens with their special flag; roles come from either file, as text or as object."""
    settings = {"eos_token": {"content": "ab"}, "bos_token": None}
    folder = folder_with(tmp_path, CONTENT, tokenizer_config=settings, special_tokens_map={"bos_token": "a", "eos_token": "b"})
    vocabulary = tokens(folder)
    assert vocabulary.ids == {"<pad>": 0, "a": 1, "b": 2, "ab": 3, "aba": 4, "<tag>": 5}
    assert (vocabulary.kind, vocabulary.size) == ("BPE", 6)
    assert vocabulary.added == {"<pad>": True, "<tag>": False}
    assert vocabulary.roles == {"eos": "ab", "bos": "a"}


def test_old_forms_are_read_alike(tmp_path):
    """Merges written as "left right" and a model without its type mean the same as the newer form."""
    old = changed(model__merges=["a b", "ab a"])
    del old["model"]["type"]
    new = tokenizer_files.read(folder_with(tmp_path / "new", CONTENT), merges=True)
    read = tokenizer_files.read(folder_with(tmp_path / "old", old), merges=True)
    assert (read.kind, read.merges.tolist()) == ("BPE", new.merges.tolist())
    assert new.merges.tolist() == [(1 << 32) + 2, (3 << 32) + 1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe{", "not valid JSON"),
        ('{"model": ', "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ([], "holds a list"),
        ({}, "'model' is missing"),
        (changed(model=[1]), "'model' is a list"),
        (changed(model__type="Magic"), "model.type is 'Magic'"),
        (changed(model__type=["BPE"]), "model.type is ['BPE']"),
        (changed(model__vocab=[["a", 1]]), "model.vocab is a list"),
        (changed(model__vocab={}, added_tokens=[]), "the vocabulary is empty"),
        (changed(model__vocab={"a": "1"}), "the id of token 'a' is a text"),
        (changed(model__vocab={"a": True}), "the id of token 'a' is true or false"),
        (changed(model__vocab={"a": 1.0}), "the id of token 'a' is a number"),
        (changed(model__vocab={"a": -1}), "the id of token 'a' is -1"),
        (changed(model__vocab={"a": 10**300}), "ids from 0 to 16,777,215 are possible"),
        (changed(model__vocab={"a": 1, "b\n": 1}), "the tokens 'a' and 'b\\n' both have id 1"),
        (changed(added_tokens={"a": 1}), "added_tokens is an object"),
        (changed(added_tokens=["<pad>"]), "entry 0 of added_tokens"),
        (changed(added_tokens=[{"content": "a", "id": None}]), "entry 0 of added_tokens"),
        (changed(added_tokens=[{"content": "a", "id": 1, "special": "yes"}]), "entry 0 of added_tokens"),
        (changed(added_tokens=[{"content": "<x>", "id": 7}, {"content": "<x>", "id": 8}]), "token '<x>' is twice"),
        (changed(added_tokens=[{"content": "a", "id": 7}]), "token 'a' has id 1 in the vocabulary and 7 in added_tokens"),
        (changed(added_tokens=[{"content": "<x>", "id": 1}]), "both have id 1"),
        (changed(model__continuing_subword_prefix=2), "continuing_subword_prefix is a whole number"),
        (changed(model__merges=None), "model.merges is missing"),
        (changed(model__merges=["a b c"]), "entry 0 of model.merges"),
        (changed(model__merges=[["a", "b"], "a b"]), "entry 1 of model.merges"),
        (changed(model__merges=[["a", "b"], ["a", 1]]), "entry 1 of model.merges"),
        (changed(model__merges=[["a", "b"], 5]), "entry 1 of model.merges"),
        (changed(model__merges=[["b", "zz"]]), "model.merges needs 'zz'"),
        (changed(model__merges=[["b", "b"]]), "model.merges needs 'bb'"),
        (changed(model={"type": "Unigram", "vocab": {"a": 1}}), "needs a list of [piece, score]"),
        (changed(model={"type": "Unigram", "vocab": [["a", 0.0], ["b"]]}), "entry 1 of model.vocab"),
        (changed(model={"type": "Unigram", "vocab": [["a", float("nan")]]}), "entry 0 of model.vocab"),
        (changed(model={"type": "Unigram", "vocab": [["a", -1], ["a", -2]]}), "token 'a' has the ids 0 and 1"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, content, said):
    """Wrong types, doubled or impossible ids, and broken JSON are named with the file."""
    message = error_of(folder_with(tmp_path, content))
    assert said in message
    assert "tokenizer.json" in message


def test_settings_that_are_no_object_are_refused(tmp_path):
    """tokenizer_config.json is checked as well."""
    assert "tokenizer_config.json: holds a list" in error_of(folder_with(tmp_path, CONTENT, tokenizer_config=[]))


def test_large_files_are_not_read(tmp_path, monkeypatch):
    """A file beyond the limit is refused by its size."""
    monkeypatch.setattr(tokenizer_files, "MAX_BYTES", 100)
    assert "at most 100 are read" in error_of(folder_with(tmp_path, CONTENT))


def test_other_formats_are_refused_with_the_way_to_convert(tmp_path):
    """A folder with only tokenizer.model says how to get tokenizer.json; an empty one says what is missing."""
    assert "no tokenizer.json" in error_of(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"\n")
    assert "save_pretrained" in error_of(tmp_path)


def test_copies_are_the_files_as_they_are(tmp_path):
    """All tokenizer files and templates are taken over, and nothing else of the folder."""
    folder_with(tmp_path, CONTENT, tokenizer_config={"a": 1}, config={"model_type": "x"})
    (tmp_path / "merges.txt").write_text("a b")
    (tmp_path / "chat_template.jinja").write_text("{{ x }}")
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tool.jinja").write_text("{{ y }}")
    found = tokenizer_files.copies(tmp_path)
    names = [
        "additional_chat_templates/tool.jinja",
        "chat_template.jinja",
        "merges.txt",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert list(found) == names
    assert all((tmp_path / name).read_bytes() == data for name, data in found.items())


def mutated(content, rng):
    """Return the JSON text of content with one value, key or stretch of bytes changed at random."""
    values = [None, True, -1, 0, 2**31, 1e300, "", "a", "\ud800", [], {}, [["a", "b"]], {"a": 1}]
    content = copy.deepcopy(content)
    places = [(content, key) for key in content]
    for holder, key in places:
        value = holder[key]
        places += [
            (value, inner)
            for inner in (value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0))
        ]
    holder, key = rng.choice(places)
    if rng.random() < 0.8:
        holder[key] = rng.choice(values)
    elif isinstance(holder, dict):
        holder[str(rng.choice(values))] = holder.pop(key)
    text = json.dumps(content)
    if rng.random() < 0.2:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", '"', "]", "}", "\\", "9" * 5000]) + text[at + rng.randrange(3) :]
    return text


@pytest.mark.parametrize("content", [CONTENT, UNIGRAM], ids=["BPE", "Unigram"])
def test_mutated_files_align_or_are_refused(tmp_path, content):
    """Of 400 files changed at random each is aligned with a good one or refused with MergeError in one line."""
    rng = random.Random(0)  # noqa: S311
    good = folder_with(
        tmp_path / "good",
        {
            **content,
            "model": json.loads(
                json.dumps(content["model"]).replace('"b"', '"c"').replace('"ab"', '"ac"').replace('"aba"', '"aca"')
            ),
        },
    )
    messages = []
    for number in range(400):
        bad = folder_with(tmp_path / "bad", mutated(content, rng))
        for models, mode in (([good, bad], "union"), ([bad, good], "first" if number % 2 else "union")):
            try:
                alignment = align(models, None, mode)
            except MergeError as error:
                messages.append(str(error))
            else:
                assert all(len(rows) == alignment.size for rows in alignment.rows)
    assert 100 < len(messages) < 700
    assert not [message for message in messages if "\n" in message]
