"""A merge that is killed anywhere goes on and ends with the same bytes."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polylect.errors import MergeError
from polylect.merge.api import merge
from polylect.merge.journal import JOURNAL, partial_folder
from polylect.models.safetensors_file import TensorInfo, write

SIZES = (2_500_000, 700_000, *[150_000] * 24)
"""Elements of the tensors: one of several blocks and many small ones."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A base and two checkpoints near it, in bfloat16."""
    folder = tmp_path_factory.mktemp("models")
    random_numbers = np.random.default_rng(0)
    base = [random_numbers.normal(0, 0.02, size).astype(np.float32) for size in SIZES]
    made = []
    for number in range(3):
        path = folder / f"model{number}"
        path.mkdir()
        infos = [TensorInfo(f"model.layers.{i}.mlp.weight", "BF16", (size,)) for i, size in enumerate(SIZES)]
        shift = 0.004 if number else 0.0
        noisy = [part + shift * random_numbers.normal(size=part.size).astype(np.float32) for part in base]
        write(path / "model.safetensors", infos, ((part.view(np.uint32) >> 16).astype(np.uint16).tobytes() for part in noisy))
        (path / "config.json").write_text('{"model_type": "llama"}')
        made.append(path)
    return made


def _merge(models: list[Path], out: Path, **options: Any) -> None:
    merge(models[1:], base=models[0], out=out, **{"method": "ties", "shard_size": 6_000_000, "threads": 2, **options})


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.safetensors*"))}


def _killed(tensors: int, seconds: float, models: list[Path], out: Path, **options: Any) -> None:
    """Merge in a process that kills itself `seconds` after so many tensors were done."""

    def merge_until(done: int, *_: object) -> None:
        if done >= tensors:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

    options["progress"] = merge_until
    child = multiprocessing.get_context("fork").Process(target=_merge, args=(models, out), kwargs=options)
    child.start()
    child.join()
    # The last of the work may be done before the moment comes; nothing else ends it.
    assert child.exitcode in {0, -signal.SIGKILL}


# A fork of a process with threads is safe here: the child uses NumPy alone and is killed.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["ties", "dare-ties"])
def test_twenty_kills_end_with_the_same_bytes(models: list[Path], tmp_path: Path, method: str) -> None:
    """After kill -9 at ten random moments per method the resumed output has the hashes of an undisturbed one."""
    counts: list[int] = []
    _merge(models, tmp_path / "whole", method=method, progress=lambda done, total, _: counts.append(total))
    expected = _hashes(tmp_path / "whole")
    assert len(expected) > 2, "the output should have several shards"
    moments = random.Random(method)  # noqa: S311 - moments, no secrets
    resumed = 0
    for number in range(10):
        out = tmp_path / f"out{number}"
        _killed(moments.randint(1, counts[0] - 1), moments.uniform(0, 0.02), models, out, method=method)
        journal = partial_folder(out) / JOURNAL
        # Either nothing that looks like an output is there, or all of it.
        assert out.exists() != journal.exists()
        resumed += journal.exists() and len(journal.read_bytes().splitlines()) > 1
        _merge(models, out, method=method)
        assert _hashes(out) == expected
        assert not journal.exists()
    assert resumed, "no kill came in the middle"


def test_finished_tensors_are_kept_only_if_their_bytes_are_right(models: list[Path], tmp_path: Path) -> None:
    """Of an earlier attempt, tensors whose bytes have been changed since are merged again; the others are not read again."""
    _merge(models, tmp_path / "whole")
    out = tmp_path / "out"

    class StopError(Exception):
        pass

    def stop(done: int, total: int, note: str) -> None:
        if done == total - 1:
            raise StopError

    with pytest.raises(StopError):
        _merge(models, out, progress=stop)
    partial = partial_folder(out)
    entries = [json.loads(line) for line in (partial / JOURNAL).read_text().splitlines()[1:]]
    assert len(entries) >= 10
    shard = max(partial.glob("*.safetensors"), key=lambda path: path.stat().st_size)
    with shard.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\xff" * 100)
    report = merge(models[1:], base=models[0], out=out, method="ties", shard_size=6_000_000, threads=2)
    assert 0 < report.resumed < len(entries)
    assert _hashes(out) == _hashes(tmp_path / "whole")


def test_other_settings_start_anew(models: list[Path], tmp_path: Path) -> None:
    """What another merge left behind is no part of this one, and a finished output is never written over."""
    out = tmp_path / "out"

    def fail(done: int, total: int, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _merge(models, out, progress=fail)
    notes: list[str] = []
    _merge(models, out, density=0.2, progress=lambda done, total, note: notes.append(note))
    assert any("other settings or inputs" in note for note in notes)
    _merge(models, tmp_path / "whole", density=0.2)
    assert _hashes(out) == _hashes(tmp_path / "whole")
    with pytest.raises(MergeError, match="not empty, and holds no finished merge of these settings"):
        _merge(models, out, density=0.3)


def test_two_merges_into_one_folder(models: list[Path], tmp_path: Path) -> None:
    """The second is refused while the first works."""
    out = tmp_path / "out"
    refused: list[MergeError] = []

    def again(done: int, total: int, note: str) -> None:
        if not refused:
            with pytest.raises(MergeError, match="another merge is writing this output") as caught:
                _merge(models, out)
            refused.append(caught.value)

    _merge(models, out, progress=again)
    assert refused
    assert _hashes(out)


@pytest.mark.parametrize("method", ["linear", "slerp", "dare-ties", "ties", "model-stock"])
def test_threads_and_memory_change_nothing(models: list[Path], tmp_path: Path, method: str) -> None:
    """One, two and four threads, and hardly any memory, give the same bytes."""
    options: dict[str, Any] = {"method": method}
    _merge(models, tmp_path / "1", threads=1, **options)
    for name, changes in (("2", {"threads": 2}), ("4", {"threads": 4}), ("small", {"threads": 2, "max_memory": 1_000_000})):
        _merge(models, tmp_path / name, **{**options, **changes})
        assert _hashes(tmp_path / name) == _hashes(tmp_path / "1"), name
