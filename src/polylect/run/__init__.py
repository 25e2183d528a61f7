"""Run a plan of steps on one machine: each in its own process, whole or absent, never twice."""

from __future__ import annotations

from polylect.run.context import Context
from polylect.run.disk import check_disk
from polylect.run.runner import execute
from polylect.run.steps import JSON, Outcome, Step, StepReport
from polylect.run.why import status, why

__all__ = ["JSON", "Context", "Outcome", "Step", "StepReport", "check_disk", "execute", "status", "why"]
