"""Damaged and hostile headers, index files and configurations: each ends in a sound plan or in one clear line."""

import copy
import json
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import PolylectError
from polylect.merge.planning import plan
from polylect.merge.settings import Settings
from polylect.models.safetensors_file import INDEX_FILE, TensorInfo, write

INFOS = [
    TensorInfo("model.embed_tokens.weight", "BF16", (8, 4)),
    TensorInfo("model.layers.0.self_attn.q_proj.weight", "BF16", (4, 4)),
    TensorInfo("model.layers.0.position_ids", "I64", (2,)),
    TensorInfo("model.layers.1.self_attn.q_proj.weight", "F32", (4, 4)),
    TensorInfo("model.norm.weight", "BF16", (4,)),
]
SHARDS = {"model-00001-of-00002.safetensors": INFOS[:3], "model-00002-of-00002.safetensors": INFOS[3:]}
CONFIG = {"model_type": "tiny", "hidden_size": 4, "tie_word_embeddings": True, "vocab_size": 8, "text": {"a": [1, 2]}}
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 2**200, 0.5, 1e308, float("nan"), float("-inf"), "", "x", "F32", "F8_E4M3",
    "../x.safetensors", "/etc/passwd", "..\\x.safetensors", "\0", "\n", "\ud800", "x" * 10_000, [], {}, [[]], [{}], {"": {}},
    [0] * 70,
)  # fmt: skip


def _deep(count: int) -> bytes:
    return b'{"a":' * count + b"1" + b"}" * count


def _spots(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Collect (container, key) of every value in a JSON document."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        found.append((value, key))
        if isinstance(item, dict | list):
            _spots(item, found)
    return found


def _mutated_json(text: bytes, rng: random.Random) -> bytes:
    """Change one to three values, keys or members of a JSON document, or its text."""
    content = json.loads(text)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        spots = _spots(content, [])
        if not spots:
            break
        container, key = rng.choice(spots)
        change = rng.randrange(7)
        if change <= 2:
            container[key] = copy.deepcopy(rng.choice(HOSTILE))
        elif change == 3 and isinstance(container[key], int):
            container[key] += rng.choice((-8, -1, 1, 2, 8, 2**40))
        elif change == 4:
            del container[key]
        elif isinstance(container, dict):
            other = rng.choice(spots)
            container[str(rng.choice((*HOSTILE, *container)))] = copy.deepcopy(
                other[0].get(other[1]) if isinstance(other[0], dict) else other[0][other[1]]
            )
        else:
            container.append(copy.deepcopy(rng.choice(HOSTILE)))
    result = json.dumps(content, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        # The first member once more: a duplicate key.
        result = b"{" + json.dumps(next(iter(content), "a")).encode() + b": {}, " + result[1:]
    return result


def _mutated_bytes(data: bytes, rng: random.Random, reach: int) -> bytes:
    """Flip bits, replace, insert, delete or repeat bytes among the first `reach`, or cut the data off."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not result:
            break
        place = rng.randrange(min(reach, len(result)))
        match rng.randrange(6):
            case 0:
                result[place] ^= 1 << rng.randrange(8)
            case 1:
                result[place] = rng.choice(b'\x00\xff{}[]",:0 \n')
            case 2:
                result[place:place] = rng.choice((b"0", b'"', b"{", b"\xf0\x9f", b"9" * 400, b"-", b"NaN"))
            case 3:
                del result[place : place + rng.choice((1, 2, 50))]
            case 4:
                result[place:place] = result[place : place + 40]
            case _:
                del result[place:]
    return bytes(result)


def _mutated_safetensors(data: bytes, rng: random.Random) -> bytes:
    length = struct.unpack("<Q", data[:8])[0]
    header, rest = data[8 : 8 + length], data[8 + length :]
    kind = rng.random()
    if kind < 0.6:
        header = _mutated_json(header, rng)
        return struct.pack("<Q", len(header)) + header + rest
    if kind < 0.65:
        header = rng.choice((_deep(5000), b"[" * 50_000, b"{}", b"", b'"' + b"x" * 1000, b" " * 300))
        return struct.pack("<Q", len(header)) + header + rest
    if kind < 0.75:
        wrong = rng.choice((0, 1, 7, length - 1, length + 1, length + 10**6, 10**8, 2**63, 2**64 - 1))
        return struct.pack("<Q", wrong) + data[8:]
    if kind < 0.85:
        return data[: rng.randrange(len(data))] if rng.random() < 0.7 else data + bytes(rng.randrange(1, 100))
    return _mutated_bytes(data, rng, 8 + length)


def _mutated_index(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.7:
        return _mutated_json(data, rng)
    return (
        rng.choice((_deep(5000), _deep(200), b"", b"[" * 50_000)) if rng.random() < 0.1 else _mutated_bytes(data, rng, len(data))
    )


def _models(folder: Path) -> tuple[Path, Path]:
    """Write two models alike, one in a single file and one in two with an index."""
    single, sharded = folder / "single", folder / "sharded"
    for model in (single, sharded):
        model.mkdir()
        (model / "config.json").write_text(json.dumps(CONFIG))
    write(single / "model.safetensors", INFOS, [bytes(info.bytes) for info in INFOS])
    for name, infos in SHARDS.items():
        write(sharded / name, infos, [bytes(info.bytes) for info in infos])
    index = {"metadata": {"total_size": 1}, "weight_map": {info.name: name for name, infos in SHARDS.items() for info in infos}}
    (sharded / INDEX_FILE).write_text(json.dumps(index))
    return single, sharded


def _outcome(models: tuple[Path, Path], case: str, dtype: str | None) -> str:
    """Plan a merge; return the message of its refusal, "" for a plan whose sources all lie within files of the models."""
    start = time.perf_counter()
    try:
        planned = plan(Settings(method="linear", models=models, dtype=dtype))
    except PolylectError as error:
        text = str(error)
        assert text.isprintable(), f"{case}: more than one line: {text!r}"
        assert 20 < len(text) < 1500, f"{case}: {text!r}"
        return text
    finally:
        assert time.perf_counter() - start < 2, f"{case}: too slow"
    assert all(note.isprintable() and len(note) < 2000 for note in planned.notes), f"{case}: {planned.notes}"
    for tensor in planned.tensors:
        for source in tensor.inputs:
            assert source is not None
            assert source.tensor.file.resolve().parent in models, case
            assert source.tensor.start + source.tensor.bytes <= source.tensor.file.stat().st_size, case
            assert source.tensor.shape == tensor.shape, case
    return ""


Choose = Callable[[random.Random, tuple[Path, Path]], tuple[Path, Any]]


def _run(folder: Path, models: tuple[Path, Path], count: int, seed: int, choose: Choose) -> int:
    """Mutate a file `count` times, plan, and put it back; return how many mutations were refused."""
    assert _outcome(models, "unchanged", None) == ""
    before = sorted(folder.rglob("*"))
    refused = 0
    for number in range(count):
        rng = random.Random(seed * 1_000_000 + number)  # noqa: S311 - repeatable, nothing secret
        path, mutate = choose(rng, models)
        whole = path.read_bytes()
        path.write_bytes(mutate(whole, rng))
        refused += bool(_outcome(models, f"case {number} of seed {seed}, {path.name}", rng.choice((None, "float32"))))
        path.write_bytes(whole)
    assert sorted(folder.rglob("*")) == before
    return refused


@pytest.mark.serial
def test_two_thousand_mutated_headers_and_indexes(tmp_path: Path) -> None:
    """Each of 2,000 mutated headers and index files gives a sound plan or one clear line, fast, and nothing is written."""

    def choose(rng: random.Random, models: tuple[Path, Path]) -> tuple[Path, Any]:
        single, sharded = models
        files = [single / "model.safetensors", *(sharded / name for name in SHARDS)]
        return (sharded / INDEX_FILE, _mutated_index) if rng.random() < 0.3 else (rng.choice(files), _mutated_safetensors)

    start = time.perf_counter()
    refused = _run(tmp_path, _models(tmp_path), 2000, 1, choose)
    assert 1700 < refused < 2000
    assert time.perf_counter() - start < 20


@pytest.mark.serial
def test_mutated_configurations(tmp_path: Path) -> None:
    """Configurations, generation and tokenizer settings with any values in any place never end in another kind of error."""
    files = {
        "config.json": {**CONFIG, "dtype": "bfloat16"},
        "generation_config.json": {"eos_token_id": [1, 2], "temperature": 0.5},
        "tokenizer_config.json": {"bos_token": {"content": "<s>"}, "chat_template": "x"},
    }
    models = _models(tmp_path)
    for model in models:
        for name, content in files.items():
            (model / name).write_text(json.dumps(content))

    def choose(rng: random.Random, models: tuple[Path, Path]) -> tuple[Path, Any]:
        return rng.choice(models) / rng.choice(list(files)), _mutated_index

    assert 50 < _run(tmp_path, models, 500, 2, choose) < 500
