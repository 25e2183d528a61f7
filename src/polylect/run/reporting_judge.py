"""What the report of a run says of a judge that is a language model, from the output of the step "judge"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polylect.records import Comparison
from polylect.report import JudgeData, JudgeRow
from polylect.run.stages.judging import SUMMARY

__all__ = ["read_judge"]

_SAME = (
    "language",
    "status",
    "contests",
    "consistency",
    "consistency_low",
    "consistency_high",
    "unreadable",
    "first_place",
    "ties",
)


def read_judge(folder: Path) -> JudgeData:
    """Return the judge of the run whose step "judge" wrote into `folder`."""
    found = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    spent = found["spent"]
    return JudgeData(
        name=found["judge"],
        rows=[_row(one) for one in found["certificates"]],
        ungated=[Comparison(**row) for row in found["ungated"]],
        wrong_language={
            (row["a"], row["b"], row["language"]): (row["a_wrong"], row["b_wrong"]) for row in found["wrong_language"]
        },
        verdicts=spent["games"],
        tokens=spent["prompt_tokens"] + spent["completion_tokens"],
        cost=spent["cost"],
    )


def _row(certificate: Mapping[str, Any]) -> JudgeRow:
    english = certificate["english"]
    return JudgeRow(
        **{name: certificate[name] for name in _SAME},
        why="; ".join(certificate["why"]),
        english=english["kappa"],
        english_n=english["n"],
    )
