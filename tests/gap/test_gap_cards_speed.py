"""Reading a hostile card costs time in proportion to its length."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from polylect.gap.cards import read_card


def seconds(path: Path, text: str) -> float:
    """Return the processor's time for reading a card with this text, the better of two."""
    path.write_text(f"# Card\n\n{text}\n", encoding="utf-8")
    taken = []
    for _ in range(2):
        began = time.process_time()
        read_card(path)
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.serial
@pytest.mark.parametrize(
    "piece",
    [
        "German and ",
        "- German, French, ",
        "It was trained on German text ",
        "not evaluated in Thai but ",
        "Chinese (",
        "| German ",
    ],
    ids=["names", "list", "sentence", "denials", "brackets", "cells"],
)
def test_one_endless_sentence_is_read_in_linear_time(tmp_path: Path, piece: str) -> None:
    """Four times the text costs at most about four times the time; 80 kB take seconds at most, not minutes."""
    read_card(Path(__file__).parent / "cards" / "bloom.md")
    short, long = (seconds(tmp_path / "c.md", piece * (size // len(piece))) for size in (20_000, 80_000))
    assert long < 7 * short + 0.3
    assert long < 4
