"""Benchmarks as data: typed descriptions with their schema, and loaders that check every row.

    get("xcopa").load(Path("data/xcopa"), ["et", "sw"])  # items of the test split

A further benchmark is one decorated function in `sets/`, or one YAML file of a user (`load_yaml`).
"""

from __future__ import annotations

from polylect.evaluate.benchmarks.base import Benchmark, Choice, Column, Question, Row
from polylect.evaluate.benchmarks.config_names import language_of
from polylect.evaluate.benchmarks.registry import benchmark, get, names
from polylect.evaluate.benchmarks.user_yaml import load_yaml, resolve

__all__ = ["Benchmark", "Choice", "Column", "Question", "Row", "benchmark", "get", "language_of", "load_yaml", "names", "resolve"]
