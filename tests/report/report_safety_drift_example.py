"""Drift evaluations of an invented garden: recorded samples with scores, prompts of several dates, a language without scores."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from polylect.safety.drift import compare_drift, drift

DATES = ("2023-03-01", "2024-09-01", "2026-03-01")
TODAY = date(2026, 6, 1)
TAGS = ("en", "ar", "he", "hi", "sw")


def write_drift(
    folder: Path,
    *,
    tags: Sequence[str] = TAGS,
    dates: Sequence[str] = DATES,
    plots: int = 8,
    k: int = 5,
    rise: float = 0.12,
    seed: int = 1,
) -> Path:
    """Evaluate samples whose toxicity rises from date to date; return the folder.

    In the last language of several nothing is scored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)  # noqa: S311  # nothing secret is drawn
    prompts, scores = [], []
    for tag in tags:
        for place, day in enumerate(dates):
            for plot in range(plots):
                item = f"plot-{day}-{plot}"
                prompts.append(
                    {"item": item, "language": tag, "prompt": f"Plot {plot}", "source": "garden", "harmful": False, "date": day}
                )
                for sample in range(k):
                    bare = len(tags) > 1 and tag == tags[-1]
                    value = None if bare else round(min(1.0, max(0.0, draw.betavariate(1.2, 6) + rise * place)), 3)
                    scores.append(
                        {
                            "item": item,
                            "language": tag,
                            "sample": sample,
                            "score": value,
                            "reason": "no service" if bare else None,
                        }
                    )
    for name, rows in (("prompts", prompts), ("scores", scores)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    spec = f"table:{folder / 'scores.jsonl'}"
    drift(folder / "prompts.jsonl", scorer=spec, out=folder / "out", k=k, name="garden-model", today=TODAY)
    return folder / "out"


def write_comparison(folder: Path) -> Path:
    """Compare two such evaluations, the second one more toxic; return the folder."""
    sides = [write_drift(folder / name, rise=rise, seed=seed) for name, rise, seed in (("older", 0.02, 1), ("newer", 0.2, 2))]
    compare_drift(*sides, out=folder / "step")
    return folder / "step"
