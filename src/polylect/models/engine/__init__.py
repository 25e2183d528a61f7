"""The request engine: asks any number of models for what the store does not hold yet, and loses nothing."""

from polylect.models.engine.counts import Counts
from polylect.models.engine.running import run, run_async
from polylect.models.engine.settings import Job, Limits, Retries

__all__ = ["Counts", "Job", "Limits", "Retries", "run", "run_async"]
