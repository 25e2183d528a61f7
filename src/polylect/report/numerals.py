"""How numbers are written in the report: rounding and units only, never a new number."""

from __future__ import annotations

import math

__all__ = [
    "METRIC_TITLES",
    "MISSING",
    "cosine",
    "count",
    "dollars",
    "duration",
    "interval",
    "is_number",
    "metric",
    "number",
    "number_interval",
    "percent",
    "points",
    "size",
    "small_percent",
]

MISSING = "–"
"""What is written where nothing was measured."""

METRIC_TITLES = {
    "exact_match": "Exact match",
    "chrf": "chrF",
    "score": "Score",
    "language_pass": "Right language",
    "exact_match_unseen": "Exact match, unseen kinds",
    "chrf_unseen": "chrF, unseen kinds",
    "language_pass_unseen": "Right language, unseen kinds",
}


def is_number(value: float | None) -> bool:
    """Whether `value` is there and finite."""
    return value is not None and math.isfinite(value)


def percent(value: float | None) -> str:
    """Write a share in [0, 1] as "12.3%"."""
    return f"{_plain(100 * value)}%" if value is not None and math.isfinite(value) else MISSING


def metric(name: str, value: float | None) -> str:
    """Write the value of a metric: those in [0, 100] (chrF, score) in their own units, every other one as a percentage."""
    if value is None or not math.isfinite(value):
        return MISSING
    return _plain(value) if _in_hundreds(name) else percent(value)


def points(value: float | None, *, name: str = "exact_match") -> str:
    """Write a difference of shares as signed percentage points: "+3.2", "−1.0"; one of a metric in [0, 100] in its own units."""
    if value is None or not math.isfinite(value):
        return MISSING
    scaled = value if _in_hundreds(name) else 100 * value
    text = _plain(scaled)
    return f"+{text}" if scaled > 0 and text != "0.0" else text


def interval(low: float | None, high: float | None, *, name: str = "exact_match") -> str:
    """Write the two ends of an interval without unit: "10.1 to 14.5"."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    scale = 1 if _in_hundreds(name) else 100
    return f"{_plain(scale * low)} to {_plain(scale * high)}"


def cosine(value: float | None) -> str:
    """Write a cosine with three digits."""
    return MISSING if value is None else f"{value:.3f}".replace("-", "\u2212") if abs(value) >= 0.0005 else "0.000"


def number(value: float | None) -> str:
    """Write a number of unknown unit, such as a reward, with three digits behind the point, fewer where it is large."""
    if value is None or not math.isfinite(value):
        return MISSING
    digits = 3 if abs(value) < 100 else 1
    # Adding 0.0 turns the -0.0 of a rounded number into 0.0.
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\u2212")


def number_interval(low: float | None, high: float | None) -> str:
    """Write the two ends of an interval of such numbers: "0.781 to 0.842"."""
    return f"{number(low)} to {number(high)}" if is_number(low) and is_number(high) else ""


def dollars(value: float | None) -> str:
    """Write US dollars with as many digits as small sums need: "$1,234.50", "$0.0082"."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0 or value >= 1:
        return f"${value:,.2f}"
    return f"${value:.4f}" if value >= 0.001 else f"${value:.2g}"


def small_percent(value: float | None) -> str:
    """A share that may be far below 1%: "0.031%"."""
    if value is None:
        return MISSING
    return percent(value) if value >= 0.0995 or value == 0 else f"{100 * value:.2g}%"


def count(value: int | None) -> str:
    """Write a count with thin spaces between thousands."""
    return MISSING if value is None else f"{value:,}".replace(",", "\u202f")


def duration(seconds: float | None) -> str:
    """Write seconds as "4.2 s", "3 min 12 s" or "2 h 05 min"."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(number: float | None) -> str:
    """Write bytes in decimal units: "1.2 GB"."""
    if number is None or not math.isfinite(number):
        return MISSING
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number:.0f} B"


def _in_hundreds(name: str) -> bool:
    """Whether a metric is measured in [0, 100]; the others are shares."""
    return name.startswith("chrf") or name == "score"


def _plain(value: float) -> str:
    text = f"{value:.1f}"
    return text.replace("-", "\u2212") if text != "-0.0" else "0.0"
