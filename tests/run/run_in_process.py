"""Carries out the steps of a run in this process: it has the libraries already, which a worker would load first."""

from __future__ import annotations

import secrets
from pathlib import Path

from polylect.run.keys import identities
from polylect.run.plan import Plan
from polylect.run.steps import checked_plan
from polylect.run.worker import _carry_out, job_of


def carry_out(planned: Plan, folder: Path, only: str = "") -> None:
    """Do the steps whose name begins with `only` as their workers would."""
    steps = checked_plan(planned.steps)
    known = identities(steps)
    builds = {step.name: secrets.token_hex(8) for step in steps}
    (folder / "store").mkdir(parents=True, exist_ok=True)
    for step in steps:
        if not step.name.startswith(only):
            continue
        out = folder / "steps" / f".tmp-{step.name.replace('/', '-')}"
        out.mkdir(parents=True)
        inputs = {role: builds[source] for role, source in step.inputs.items()}
        _carry_out(job_of(step, known[step.name], folder, out, folder / "log", inputs, builds[step.name]), lambda _: None)
