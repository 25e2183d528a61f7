"""The page of folders that `polylect safety` wrote, whichever of its commands it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polylect.errors import DataError

__all__ = ["COMPARISON", "is_safety", "write_page"]

COMPARISON = "comparison.json"
"""The file beside the page of several evaluations: what changed, unrounded."""

_SEVERAL = ("eval", "attack")
_WITH_TEXT = ("eval", "attack")


def is_safety(folder: Path) -> bool:
    """Whether `folder` is one that `polylect safety` has written (or its safety.json)."""
    return folder.name == "safety.json" or (folder / "safety.json").is_file()


def write_page(folders: Sequence[Path], out: Path | None, *, show_text: bool) -> Path:
    """Write the page of one or several folders of one command of `polylect safety`; return its path.

    Raises:
        DataError: the folders are of different commands, several of one that has a page of one folder alone, texts are asked for
            where none are kept, or a document is missing or broken.
    """
    from polylect.report.safety_document import kind_of

    kinds = {folder: kind_of(folder) or "eval" for folder in folders}
    kind = kinds[folders[0]]
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{folder} of `polylect safety {found}`" for folder, found in kinds.items())
        raise DataError(f"{told}: one page is of folders of one command.")
    if len(folders) > 1 and kind not in _SEVERAL:
        hint = " `polylect safety drift --compare` compares two." if kind == "drift" else ""
        raise DataError(f"{len(folders)} folders of `polylect safety {kind}`: its page is of one folder.{hint}")
    if show_text and kind not in _WITH_TEXT:
        raise DataError(f"{folders[0]}: --show-text: a folder of `polylect safety {kind}` keeps no text for a page.")
    return _page(kind, folders, out, show_text)


def _page(kind: str, folders: Sequence[Path], out: Path | None, show_text: bool) -> Path:
    from polylect.report import attack_report, distil_report, drift_report, safety_report
    from polylect.report.safety_pareto import pareto_report

    if kind == "attack":
        return attack_report(folders, out=out, show_text=show_text)
    if kind == "drift":
        return drift_report(folders[0], out=out)
    if kind == "distil":
        return distil_report(folders[0], out=out)
    if kind == "mix-or-merge" and (page := pareto_report(folders[0], out=out)):
        return page
    changes = _changes(folders)
    page = safety_report(folders, out=out, show_text=show_text, changes=changes)
    if changes is not None:
        from polylect.folders import write_json

        write_json(page.parent / COMPARISON, dict(changes))
    return page


def _changes(folders: Sequence[Path]) -> Mapping[str, Any] | None:
    """Return what changed from the first evaluation to the others, None of one alone."""
    if len(folders) == 1:
        return None
    from polylect.safety.changes import compare_evaluations

    return compare_evaluations(folders)
