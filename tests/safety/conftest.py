"""Fixtures of the invented world of `lantern_world`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lantern_world import ASKED_OF, ScriptedModel, prompt_rows, write_lines

from polylect.models import spec as model_specs
from polylect.models.interface import Model


@pytest.fixture
def scripted() -> Iterator[None]:
    """Let `scripted:HABIT` name a model with one habit, `scripted:HABIT!sw` one that fails in Swahili."""

    def opened(target: str, settings: dict[str, Any]) -> Model:
        return ScriptedModel(target)

    ASKED_OF.clear()
    model_specs._OPENERS["scripted"] = opened
    yield
    del model_specs._OPENERS["scripted"]


@pytest.fixture
def lanterns(tmp_path: Path) -> Path:
    """A prompt set of 4 pairs of twins in English, French, German and Swahili."""
    return write_lines(tmp_path / "lanterns.jsonl", prompt_rows())
