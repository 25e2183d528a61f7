"""The store: an answer that was put is there for every later process, and a broken write leaves nothing half."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from polylect.errors import DataError
from polylect.models import Generated, Request, Sampling, Store, answer_key

ANSWER = Generated("prompt", 0, "Türkiye\u2028\0 'quoted'", "stop", 7, 3)
REQUEST = Request("prompt", "Ankara?", (("a", "b"),), "system")


def test_answers_survive_the_process_that_stored_them(tmp_path: Path) -> None:
    """What one store put, another finds, character for character; unknown keys are not there."""
    path = tmp_path / "new" / "answers.sqlite"
    with Store(path) as store:
        store.put([("key", ANSWER)])
    with Store(path) as store:
        assert store.get(["key", "other"]) == {"key": ANSWER}
        assert store.get([]) == {}


def test_many_keys_are_found_at_once(tmp_path: Path) -> None:
    """More keys than a statement can hold are found all the same."""
    rows = {f"key{number}": replace(ANSWER, sample=number) for number in range(1203)}
    with Store(tmp_path / "answers.sqlite") as store:
        store.put(rows.items())
        assert store.get([*rows, "other"]) == rows


def test_failing_batch_leaves_nothing(tmp_path: Path) -> None:
    """A batch that fails in the middle is not stored at all, and the store goes on working."""

    def rows() -> Iterator[tuple[str, Generated]]:
        yield "one", ANSWER
        yield "two", replace(ANSWER, text=None)  # type: ignore[arg-type]

    with Store(tmp_path / "answers.sqlite") as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.put(rows())
        assert store.get(["one", "two"]) == {}
        store.put([("one", ANSWER)])
        assert store.get(["one"]) == {"one": ANSWER}


def _write(path: Path, name: str, count: int) -> None:
    with Store(path) as store:
        for number in range(count):
            store.put([(f"{name}{number}", replace(ANSWER, sample=number)), (f"shared{number}", ANSWER)])


def test_processes_share_one_file(tmp_path: Path) -> None:
    """Three processes that open a new file at once and write side by side all succeed, and no answer is lost."""
    path = tmp_path / "answers.sqlite"
    start = multiprocessing.get_context("spawn")
    writers = [start.Process(target=_write, args=(path, name, 30)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    keys = [f"{name}{number}" for name in ("a", "b", "c", "shared") for number in range(30)]
    with Store(path) as store:
        assert len(store.get(keys)) == 120


def test_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    """A damaged file is an error with the next step, not a traceback."""
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(DataError, match=r"answers\.sqlite: cannot be used as a store of answers.*asked again"):
        Store(path)


def test_key_depends_on_what_decides_an_answer() -> None:
    """Model, request and every sampling setting change the key; the number of samples does not."""
    sampling = Sampling(max_tokens=8, temperature=1.0, samples=2, seed=1)
    key = answer_key("model", REQUEST, sampling, 0)
    assert key == answer_key("model", Request("prompt", "Ankara?", (("a", "b"),), "system"), replace(sampling, samples=5), 0)
    others = [
        answer_key("other", REQUEST, sampling, 0),
        answer_key("model", REQUEST, sampling, 1),
        *(
            answer_key("model", replace(REQUEST, **change), sampling, 0)
            for change in ({"key": "x"}, {"text": "x"}, {"shots": ()}, {"system": ""})
        ),
        *(
            answer_key("model", REQUEST, replace(sampling, **change), 0)  # type: ignore[arg-type]
            for change in ({"max_tokens": 9}, {"temperature": 0.5}, {"top_p": 0.5}, {"stop": ("x",)}, {"seed": 2})
        ),
    ]
    assert len({key, *others}) == 12
