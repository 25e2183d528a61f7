"""Safetensors files and their index, from strangers."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from polylect.errors import ModelError
from polylect.models.safetensors_file import INDEX_FILE, TensorInfo, read_header, read_tensor, read_tensors, weight_files, write


def _entry(first: int = 0, last: int = 8, shape: Any = (2,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


def _raw(path: Path, header: str | bytes, data: int = 8, length: int | None = None) -> Path:
    """Write a file with any header text and `data` bytes of zeros."""
    text = header if isinstance(header, bytes) else header.encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + bytes(data))
    return path


def _sharded(folder: Path, shards: dict[str, list[str]], index: Any = None) -> Path:
    """Write a checkpoint of several files with an index that tells the truth, or with the one given."""
    for file, names in shards.items():
        write(folder / file, [TensorInfo(name, "F32", (2,)) for name in names], [bytes(8 * len(names))])
    told = {"weight_map": {name: file for file, names in shards.items() for name in names}} if index is None else index
    (folder / INDEX_FILE).write_text(told if isinstance(told, str) else json.dumps(told))
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Names, dtypes, shapes, places and bytes come back, scalars, empty tensors and odd names included."""
    infos = [TensorInfo("a", "BF16", (2, 3)), TensorInfo("empty", "F32", (0, 4)), TensorInfo("naïve\n", "I64", ())]
    data = bytes(range(20))
    write(tmp_path / "x.safetensors", infos, [data[:5], data[5:]])
    header = read_header(tmp_path / "x.safetensors")
    assert [(t.name, t.dtype, t.shape, t.bytes) for t in header.values()] == [
        ("a", "BF16", (2, 3), 12),
        ("empty", "F32", (0, 4), 0),
        ("naïve\n", "I64", (), 8),
    ]
    assert [read_tensor(tensor) for tensor in header.values()] == [data[:12], b"", data[12:]]


def test_the_order_is_that_of_the_bytes(tmp_path: Path) -> None:
    """Tensors come in the order of their data, whatever the order of the header, so that reading runs forward."""
    path = _raw(tmp_path / "x.safetensors", json.dumps({"b": _entry(8, 16), "a": _entry(0, 8)}), 16)
    assert list(read_header(path)) == ["a", "b"]


def _header(**entries: Any) -> str:
    return json.dumps(entries)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ('{"a": {}, "a": {}}', "'a' is there twice"),
        ('{"a":' + json.dumps(_entry()) + ',"a":' + json.dumps(_entry()) + "}", "'a' is there twice"),
        ('{"a": {"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', "'dtype' is there twice"),
        (_header(a=_entry(shape=[-2])), r"shape \[-2\]"),
        (_header(a=_entry(shape=[2.0])), r"shape \[2.0\]"),
        (_header(a=_entry(shape=[True, 2])), r"shape \[True, 2\]"),
        (_header(a=_entry(shape=["2"])), r"shape \['2'\]"),
        (_header(a=_entry(shape=2)), "shape 2"),
        (_header(a=_entry(shape=None)), "shape None"),
        (_header(a=_entry(shape=[2**70])), "shape"),
        (_header(a=_entry(shape=[2**62, 2**62])), "has 8 bytes, which its shape"),
        (_header(a=_entry(shape=[1] * 65)), "at most 64 whole numbers"),
        (_header(a=_entry(shape=[3])), r"has 8 bytes, which its shape \[3\] in F32 does not take"),
        (_header(a=_entry(shape=[3], dtype="F4")), "does not take"),
        (_header(a=_entry(dtype="F33")), "dtype 'F33'; known are F4"),
        (_header(a=_entry(dtype=[])), r"dtype \[\]"),
        (_header(a=_entry(dtype="x" * 5000)), r"x{40}.*\.\.\."),
        (_header(a=_entry(8, 0)), "has -8 bytes"),
        (_header(a=_entry(-8, 0)), r"data_offsets \[-8, 0\]"),
        (_header(a=_entry(0.0, 8.0)), r"data_offsets \[0.0, 8.0\]"),
        (_header(a={**_entry(), "data_offsets": [0, 8, 8]}), "two whole numbers"),
        (_header(a={**_entry(), "data_offsets": {"0": 8}}), "two whole numbers"),
        (_header(a={**_entry(), "more": 1}), "needs dtype, shape and data_offsets, and nothing else"),
        (_header(a={"dtype": "F32"}), "needs dtype, shape and data_offsets"),
        (_header(a=[1, 2]), "needs dtype, shape and data_offsets"),
        (_header(a=_entry(), b=_entry()), "'b' starts at byte 0 of the data, where 8 comes next"),
        (_header(a=_entry(4, 12)), "'a' starts at byte 4 of the data, where 0 comes next"),
        (_header(a=_entry(0, 4, shape=[1])), "bytes where the header promises"),
        (_header(a=_entry(0, 16, shape=[4])), "bytes where the header promises"),
        (_header(a=_entry(0, 2**62, shape=[2**60])), "bytes where the header promises"),
        (_header(__metadata__={"format": 1}, a=_entry()), "__metadata__ of the safetensors header must map names to texts"),
        (_header(__metadata__=[], a=_entry()), "__metadata__"),
        ("[1, 2, 3]", "no JSON object but list"),
        ("{]", "not readable"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": -Infinity}', "-Infinity is no JSON number"),
        ('{"a": ' + "9" * 5000 + "}", "not readable"),
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        (b'{"\xff": 1}', r"not UTF-8 \(invalid start byte\)"),
        (json.dumps({"a": 1}).encode("utf-16"), "not UTF-8|not readable"),
        (r'{"\ud800": {}}', r"not UTF-8 \(surrogates not allowed\)"),
    ],
)
def test_malformed_headers(tmp_path: Path, header: str | bytes, message: str) -> None:
    """Every malformed header is one clear line of one kind of error that names the file and the tensor."""
    with pytest.raises(ModelError, match=message) as caught:
        read_header(_raw(tmp_path / "x.safetensors", header))
    text = str(caught.value)
    assert text.startswith(str(tmp_path / "x.safetensors"))
    assert "\n" not in text
    assert len(text) < 700


@pytest.mark.parametrize("length", [0, 1, 3, 2**31, 2**63, 2**64 - 1])
def test_wrong_header_lengths_allocate_nothing(tmp_path: Path, length: int) -> None:
    """A header length that does not fit the file is refused before memory is asked for."""
    with pytest.raises(ModelError, match=r"header length|not readable"):
        read_header(_raw(tmp_path / "x.safetensors", "{}", 0, length))


def test_a_header_above_the_formats_limit(tmp_path: Path) -> None:
    """A header longer than 100 MB is refused even if the file is that long."""
    path = tmp_path / "x.safetensors"
    with path.open("wb") as handle:
        handle.write(struct.pack("<Q", 100_000_001) + b"{")
        handle.truncate(100_000_100)
    with pytest.raises(ModelError, match="header length 100000001 does not fit"):
        read_header(path)


def test_names_are_shown_on_one_line(tmp_path: Path) -> None:
    """Control characters of a name are escaped in messages and long names are cut."""
    with pytest.raises(ModelError, match=r"tensor 'a\\nb\\x1b\[31m'") as caught:
        read_header(_raw(tmp_path / "x.safetensors", json.dumps({"a\nb\x1b[31m": 1})))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError) as caught:
        read_header(_raw(tmp_path / "y.safetensors", json.dumps({"n" * 100_000: 1})))
    assert len(str(caught.value)) < 500


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    """Bytes that are gone since the header was read are an error, not a short tensor."""
    path = tmp_path / "x.safetensors"
    write(path, [TensorInfo("a", "F32", (2,))], [bytes(8)])
    tensor = read_header(path)["a"]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ModelError, match="ends within the tensor 'a'"):
        read_tensor(tensor)


def test_several_files_are_one_checkpoint(tmp_path: Path) -> None:
    """All tensors of all files of the index are found; files that it does not name are left alone."""
    _sharded(tmp_path, {"m-1.safetensors": ["a", "b"], "m-2.safetensors": ["c"]})
    (tmp_path / "consolidated.safetensors").write_bytes(b"another copy")
    assert [(tensor.name, tensor.file.name) for tensor in read_tensors(tmp_path).values()] == [
        ("a", "m-1.safetensors"),
        ("b", "m-1.safetensors"),
        ("c", "m-2.safetensors"),
    ]


@pytest.mark.parametrize(
    "file",
    [
        "../m-1.safetensors", "/etc/m.safetensors", "..\\m.safetensors", "C:m.safetensors", "sub/m.safetensors", "", ".", "..",
        "m.bin", "a\nb.safetensors", "a\0.safetensors", "x" * 300 + ".safetensors", 3, None, ["m-1.safetensors"],
    ],
)  # fmt: skip
def test_an_index_names_files_of_its_folder_alone(tmp_path: Path, file: Any) -> None:
    """Paths out of the folder, other kinds of files and values that are no names are refused before anything is opened."""
    with pytest.raises(ModelError, match=r"must lie in the folder itself|a file name is needed") as caught:
        weight_files(_sharded(tmp_path, {"m-1.safetensors": ["a"]}, {"weight_map": {"a": file}}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": ["m-1.safetensors"]}, "weight_map must map tensors to files"),
        ({"weight_map": {}}, "weight_map must map"),
        ({}, "weight_map must map"),
        ("[]", "no JSON object"),
        ("{", "not readable"),
        ("[" * 100_000, "nested too deeply"),
        ('{"weight_map": {"a": "m-1.safetensors", "a": "m-2.safetensors"}}', "'a' is there twice"),
        ({"weight_map": {"a": "m-1.safetensors"}}, "'b' is in this file, but .* does not list it"),
        (
            {"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors", "c": "m-2.safetensors"}},
            "'b' is in this file, but .* says 'm-2",
        ),
        (
            {"weight_map": {"a": "m-1.safetensors", "b": "m-1.safetensors", "c": "m-2.safetensors", "d": "m-2.safetensors"}},
            "m-2.safetensors: tensor 'd' is missing",
        ),
        ({"weight_map": {"a": "m-3.safetensors"}}, "m-3.safetensors: this weight file is missing"),
    ],
)
def test_index_and_files_must_agree(tmp_path: Path, index: Any, message: str) -> None:
    """A wrong index, a tensor it does not list, misplaces or invents, and a file that is not there are named."""
    with pytest.raises(ModelError, match=message):
        read_tensors(_sharded(tmp_path, {"m-1.safetensors": ["a", "b"], "m-2.safetensors": ["c"]}, index))


def test_a_tensor_in_two_files(tmp_path: Path) -> None:
    """Of two tensors of one name nobody knows which is meant."""
    for number in (1, 2):
        write(tmp_path / f"m-{number}.safetensors", [TensorInfo("a", "F32", (2,))], [bytes(8)])
    with pytest.raises(ModelError, match=r"m-2.safetensors: tensor 'a' is in 'm-1.safetensors' too"):
        read_tensors(tmp_path)


def test_a_single_file_beside_an_index(tmp_path: Path) -> None:
    """A folder with two versions of the model is refused, since programs differ in which they would load."""
    _sharded(tmp_path, {"m-1.safetensors": ["a"]})
    write(tmp_path / "model.safetensors", [TensorInfo("a", "F32", (2,))], [bytes(8)])
    with pytest.raises(ModelError, match="Delete the one that is out of date"):
        read_tensors(tmp_path)


def test_an_incomplete_set_without_index(tmp_path: Path) -> None:
    """Two of three numbered files are not the model."""
    for number in (1, 3):
        write(tmp_path / f"model-0000{number}-of-00003.safetensors", [TensorInfo(str(number), "F32", (2,))], [bytes(8)])
    with pytest.raises(ModelError, match="2 weight files of a set of 3"):
        weight_files(tmp_path)


def test_links_stay_inside_or_lead_to_the_hubs_blobs(tmp_path: Path) -> None:
    """Links within the folder and those of the hub's cache are followed; a link to anywhere else is refused."""
    cache = tmp_path / "models--org--name"
    snapshot, blobs = cache / "snapshots" / "abc", cache / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    write(blobs / "123", [TensorInfo("a", "F32", (2,))], [bytes(8)])
    (snapshot / "model.safetensors").symlink_to(Path("../../blobs/123"))
    assert list(read_tensors(snapshot)) == ["a"]
    inside = tmp_path / "inside"
    inside.mkdir()
    write(inside / "real.safetensors", [TensorInfo("a", "F32", (2,))], [bytes(8)])
    (inside / "model.safetensors").symlink_to(inside / "real.safetensors")
    assert list(read_tensors(inside)) == ["a"]
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.safetensors").symlink_to(inside / "real.safetensors")
    with pytest.raises(ModelError, match=r"is a link to .*outside the folder. Put the file itself"):
        read_tensors(outside)


@pytest.mark.serial
def test_headers_of_four_thousand_tensors_are_fast(tmp_path: Path) -> None:
    """Reading and checking 4,000 entries takes less than 50 ms (best of three, as other work may run)."""
    infos = [TensorInfo(f"model.layers.{number}.weight", "BF16", (2, 2)) for number in range(4000)]
    write(tmp_path / "x.safetensors", infos, [bytes(8 * 4000)])
    times = []
    for _ in range(3):
        start = time.perf_counter()
        assert len(read_header(tmp_path / "x.safetensors")) == 4000
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05
