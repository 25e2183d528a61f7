"""What several tests of the report's pages share: safety evaluations, written once."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_safety_example import RATES, TAGS, write_safety


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation in five languages, whose judge is unfit in Hindi; tests write elsewhere."""
    return write_safety(tmp_path_factory.mktemp("before"), items=24, rates={tag: RATES[tag] for tag in TAGS})


@pytest.fixture(scope="session")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a model that refuses more of both."""
    rates = {tag: RATES[tag] for tag in TAGS}
    return write_safety(tmp_path_factory.mktemp("after"), "lantern-safe", items=24, safer=0.8, rates=rates)
