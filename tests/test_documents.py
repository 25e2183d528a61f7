"""Documents with a schema and a kind: what is none is named with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polylect.documents import read_document
from polylect.errors import DataError


def read(path: Path, kind: str | None = None) -> dict[str, Any]:
    """Read a document of an invented command."""
    return read_document(path, "lamp.json", "polylect.lamp/1", "polylect lamp", kind)


def test_a_file_and_its_folder_are_one_document(tmp_path: Path) -> None:
    """The path may be that of the file or of the folder that holds it."""
    content = {"schema": "polylect.lamp/1", "kind": "oil", "rows": []}
    (tmp_path / "lamp.json").write_text(json.dumps(content))
    assert read(tmp_path) == read(tmp_path / "lamp.json", "oil") == content


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not there. Name the output folder of a finished `polylect lamp oil`"),
        ("{", "cannot be read as a document of `polylect lamp`"),
        ("[]", "schema 'list'; expected 'polylect.lamp/1'"),
        ('{"schema": "polylect.lamp/2", "kind": "oil"}', "schema 'polylect.lamp/2'"),
        (
            '{"schema": "polylect.lamp/1", "kind": "gas"}',
            "a document of `polylect lamp gas`; expected one of `polylect lamp oil`",
        ),
    ],
)
def test_what_is_no_such_document_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    """The file, what was found and what was expected are in the message."""
    if text is not None:
        (tmp_path / "lamp.json").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, "oil")
    assert str(tmp_path) in str(caught.value)
