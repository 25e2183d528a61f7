"""The store: an answer that was put is there for every later process, and a broken write leaves nothing half."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from polylect.errors import DataError, RunError
from polylect.models import Generated, Request, Sampling
from polylect.models.store import Keys, Row, Store, answer_key, by_language

ANSWER = Generated("prompt", 0, "Türkiye\u2028\0 'quoted'", "stop", 7, 3)
CUT = replace(ANSWER, text="Tür", finish_reason="length", completion_tokens=8)
FAILED = Generated("prompt", 0, "", "", 0, 0, "HTTP 500")
REQUEST = Request("prompt", "Ankara?", (("a", "b"),), "system")


def key(number: int, name: str = "") -> bytes:
    """Return a key of 16 bytes."""
    return f"{name}{number}".encode().rjust(16, b"k")


def test_answers_survive_the_process_that_stored_them(tmp_path: Path) -> None:
    """What one store put, another finds, character for character; unknown keys are not there."""
    path = tmp_path / "new" / "answers.sqlite"
    with Store(path) as store:
        store.put([Row(key(1), ANSWER, 8), Row(key(2), FAILED, 8)])
    with Store(path) as store:
        assert store.get([key(1), key(2), key(3)], 8) == {key(1): ANSWER, key(2): FAILED}
        assert store.get([], 8) == {}
        assert len(store) == 2


def test_many_keys_are_found_at_once(tmp_path: Path) -> None:
    """More keys than a statement can hold are found all the same."""
    rows = {key(number): replace(ANSWER, sample=number) for number in range(1203)}
    with Store(tmp_path / "answers.sqlite") as store:
        store.put(Row(k, answer, 8) for k, answer in rows.items())
        assert store.get([*rows, key(9999)], 8) == rows
        assert store.answered([*rows, key(9999)], 8) == set(rows)


def test_finished_answer_serves_every_limit_it_fits_in(tmp_path: Path) -> None:
    """An answer that ended by itself is found under longer limits and those it fits in; a cut one under its own alone."""
    with Store(tmp_path / "answers.sqlite") as store:
        store.put([Row(key(1), ANSWER, 8), Row(key(2), CUT, 8)])
        for limit, expected in ((8, {key(1), key(2)}), (64, {key(1)}), (3, {key(1)}), (2, set())):
            assert set(store.get([key(1), key(2)], limit)) == expected
            assert store.answered([key(1), key(2)], limit) == expected


def test_answers_of_several_limits_stand_side_by_side(tmp_path: Path) -> None:
    """A longer answer does not take the place of the one that was cut, so that both limits go on being served."""
    longer = replace(CUT, text="Türkiye", finish_reason="length", completion_tokens=64)
    with Store(tmp_path / "answers.sqlite") as store:
        store.put([Row(key(1), CUT, 8)])
        store.put([Row(key(1), longer, 64)])
        assert store.get([key(1)], 8) == {key(1): CUT}
        assert store.get([key(1)], 64) == {key(1): longer}


def test_failure_is_a_row_that_an_answer_replaces_and_never_the_reverse(tmp_path: Path) -> None:
    """A failed request has its reason until it is answered; a stored answer stays whatever comes later."""
    with Store(tmp_path / "answers.sqlite") as store:
        store.put([Row(key(1), FAILED, 8)])
        assert store.answered([key(1)], 8) == set()
        store.put([Row(key(1), replace(FAILED, reason="HTTP 400"), 8, permanent=True)])
        assert store.get([key(1)], 8)[key(1)].reason == "HTTP 400"
        assert store.answered([key(1)], 8) == {key(1)}
        assert store.answered([key(1)], 8, retry_failed=True) == set()
        assert store.answered([key(1)], 16) == set(), "a limit that is refused says nothing of another"
        store.put([Row(key(1), ANSWER, 8)])
        store.put([Row(key(1), FAILED, 8), Row(key(1), replace(ANSWER, text="later"), 8)])
        assert store.get([key(1)], 8) == {key(1): ANSWER}
        assert len(store) == 1


def test_failing_batch_leaves_nothing(tmp_path: Path) -> None:
    """A batch that fails in the middle is not stored at all, and the store goes on working."""
    with Store(tmp_path / "answers.sqlite") as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.put([Row(key(1), ANSWER, 8), Row(key(2), replace(ANSWER, finish_reason=None), 8)])  # type: ignore[arg-type]
        assert store.get([key(1), key(2)], 8) == {}
        store.put([Row(key(1), ANSWER, 8)])
        assert store.get([key(1)], 8) == {key(1): ANSWER}


def test_halves_of_surrogate_pairs_are_storable(tmp_path: Path) -> None:
    """A model's broken Unicode is stored with replacement marks instead of stopping the run."""
    with Store(tmp_path / "answers.sqlite") as store:
        store.put([Row(key(1), replace(ANSWER, text="a\ud800b"), 8)])
        assert store.get([key(1)], 8)[key(1)].text == "a?b"


def _write(path: Path, name: str, count: int) -> None:
    with Store(path) as store:
        for number in range(count):
            store.put([Row(key(number, name), replace(ANSWER, sample=number), 8), Row(key(number, "shared"), ANSWER, 8)])


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
    keys = [key(number, name) for name in ("a", "b", "c", "shared") for number in range(30)]
    with Store(path) as store:
        assert len(store.get(keys, 8)) == len(store) == 120


def test_kill_leaves_whole_transactions(tmp_path: Path) -> None:
    """A writer that is killed with -9 leaves a sound file with each of its transactions whole or absent."""
    path = tmp_path / "answers.sqlite"
    code = (
        "import sys; from pathlib import Path; from polylect.models.requests import Generated\n"
        "from polylect.models.store import Row, Store\n"
        "store, number = Store(Path(sys.argv[1])), 0\n"
        "while True:\n"
        "    keys = [b'%016d' % (3 * number + part) for part in range(3)]\n"
        "    store.put(Row(key, Generated('r', 0, 'text' * 50, 'stop', 1, 1), 8) for key in keys)\n"
        "    number += 1\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (path.exists() and _rows(path) >= 300):
        time.sleep(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    rows = _rows(path)
    assert rows >= 300
    assert rows % 3 == 0
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _rows(path: Path) -> int:
    with Store(path) as store:
        return len(store)


def test_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    """A damaged file is an error with the next step, not a traceback."""
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(DataError, match=r"answers\.sqlite: cannot be used as a store of answers.*asked again"):
        Store(path)


def test_file_that_was_damaged_later_is_named(tmp_path: Path) -> None:
    """A page that was overwritten is an error that names the file when it is read."""
    path = tmp_path / "answers.sqlite"
    with Store(path) as store:
        store.put(Row(key(number), replace(ANSWER, text="x" * 500), 8) for number in range(2000))
    content = bytearray(path.read_bytes())
    content[8192 : len(content) - 4096] = b"\xff" * (len(content) - 12288)
    path.write_bytes(content)
    with Store(path) as store, pytest.raises(DataError, match=r"answers\.sqlite: cannot be used as a store"):
        store.get([key(number) for number in range(2000)], 8)


def test_full_disk_is_named_and_keeps_what_is_stored(tmp_path: Path) -> None:
    """A transaction that the disk has no room for is refused with the file's name; what was stored is still there."""
    with Store(tmp_path / "answers.sqlite") as store:
        store.put([Row(key(1), ANSWER, 8)])
        store._connection.execute("PRAGMA max_page_count = 10")
        with pytest.raises(RunError, match=r"answers\.sqlite: .*disk is full.*what is stored is kept"):
            store.put(Row(key(number), replace(ANSWER, text="x" * 1000), 8) for number in range(100))
        assert store.get([key(1)], 8) == {key(1): ANSWER}
        assert len(store) == 1


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE answers (key TEXT PRIMARY KEY, request TEXT, sample INTEGER, text TEXT, finish_reason TEXT,"
        " prompt_tokens INTEGER, completion_tokens INTEGER) WITHOUT ROWID",
        "PRAGMA user_version=3",
    ],
)
def test_store_of_another_version_is_refused(tmp_path: Path, table: str) -> None:
    """A store whose keys mean something else is refused, and not touched."""
    path = tmp_path / "answers.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(table)
    connection.close()
    with pytest.raises(DataError, match=r"answers\.sqlite: the table of answers was made by an? \w+ version.*Move the file away"):
        Store(path)


def test_sealed_store_has_every_row(tmp_path: Path) -> None:
    """The Parquet file has all rows with their keys, limits, models and reasons, and appears whole."""
    import polars as pl

    with Store(tmp_path / "answers.sqlite") as store:
        store.put(Row(key(number), replace(ANSWER, sample=number), 8, "teacher") for number in range(45_000))
        store.put([Row(key(45_000), FAILED, 8, "teacher", permanent=True)])
        assert store.seal(tmp_path / "out" / "answers.parquet") == 45_001
    table = pl.read_parquet(tmp_path / "out" / "answers.parquet")
    assert table["sample"][:45_000].to_list() == list(range(45_000))
    assert table.row(44_999, named=True)["text"] == ANSWER.text
    assert table.row(45_000, named=True) == {
        "key": key(45_000), "max_tokens": 8, "model": "teacher", "request": "prompt", "sample": 0, "text": "",
        "finish_reason": "", "prompt_tokens": 0, "completion_tokens": 0, "reason": "HTTP 500", "permanent": True,
    }  # fmt: skip
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["answers.parquet"]


def test_key_depends_on_what_decides_an_answer() -> None:
    """Model, conversation and sampling change the key; the request's name, the limit and the number of samples do not."""
    sampling = Sampling(max_tokens=8, temperature=1.0, samples=2, seed=1)
    one = answer_key("model", REQUEST, sampling, 0)
    assert len(one) == 16
    assert one == answer_key("model", replace(REQUEST, key="x"), replace(sampling, samples=5, max_tokens=9), 0)
    assert Keys("model", sampling).of(REQUEST) == [one, answer_key("model", REQUEST, sampling, 1)]
    others = [
        answer_key("other", REQUEST, sampling, 0),
        answer_key("model", REQUEST, sampling, 1),
        *(
            answer_key("model", replace(REQUEST, **change), sampling, 0)  # type: ignore[arg-type]
            for change in ({"text": "x"}, {"shots": ()}, {"system": ""}, {"history": (("user", "x"),)})
        ),
        *(
            answer_key("model", REQUEST, replace(sampling, **change), 0)  # type: ignore[arg-type]
            for change in ({"temperature": 0.5}, {"top_p": 0.5}, {"stop": ("x",)}, {"seed": 2})
        ),
    ]
    assert len({one, *others}) == 11


def test_examples_and_turns_of_the_same_words_have_two_keys() -> None:
    """A model may show examples otherwise than it shows turns, so the same words in both places are two requests."""
    turns = Request("prompt", "Ankara?", (), "system", (("user", "a"), ("assistant", "b")))
    assert turns.messages == REQUEST.messages
    assert answer_key("model", turns, Sampling(), 0) != answer_key("model", REQUEST, Sampling(), 0)


def test_greedy_answers_depend_on_no_noise() -> None:
    """At temperature 0 seed and top-p change nothing, so nothing is asked again for them."""
    assert answer_key("m", REQUEST, Sampling(seed=1, top_p=0.5), 0) == answer_key("m", REQUEST, Sampling(), 0)


def test_language_counts_where_the_fingerprint_says_so() -> None:
    """A model that answers the same words otherwise in another language has a key for each; the keys of others stay."""
    tags = [replace(REQUEST, language=tag) for tag in ("", "de", "nl")]
    assert {answer_key("model", one, Sampling(), 0) for one in tags} == {answer_key("model", REQUEST, Sampling(), 0)}
    assert len({answer_key(by_language("model"), one, Sampling(), 0) for one in tags}) == 3
    assert by_language(by_language("model")) == by_language("model")


def test_key_is_the_same_everywhere() -> None:
    """The key of a request is what it was when stores were first written: a change would void them all."""
    assert answer_key("model", REQUEST, Sampling(), 0).hex() == "8c2f3d2eb5cc0ec5b1db8c52f07b2ba4"


def test_texts_that_utf8_cannot_hold_have_keys() -> None:
    """Half a surrogate pair in a prompt is no reason to stop."""
    assert len({answer_key("model", Request("p", text), Sampling(), 0) for text in ("\ud800", "a\udfff")}) == 2
