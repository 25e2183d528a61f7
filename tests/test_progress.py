"""How far a job is, in words."""

from __future__ import annotations

import pytest

from polylect.progress import duration


@pytest.mark.parametrize(
    ("seconds", "text", "short"),
    [(4.24, "4.2 s", "4 s"), (59.9, "59.9 s", "60 s"), (185.0, "3:05", "3:05"), (7800.0, "2:10:00", "2:10:00")],
)
def test_a_time_span_is_as_fine_as_it_is_short(seconds: float, text: str, short: str) -> None:
    """Below a minute seconds with the places asked for, then minutes, then hours."""
    assert (duration(seconds), duration(seconds, places=0)) == (text, short)
