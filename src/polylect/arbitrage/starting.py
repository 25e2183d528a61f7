"""What every run over a prompt table begins and ends with: its table and checks, its folder and store, and its summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.folder import OutputFolder
from polylect.arbitrage.manifest import file_hash
from polylect.arbitrage.prompt_table import PromptTable
from polylect.arbitrage.settings import Settings

if TYPE_CHECKING:
    from polylect.arbitrage.checks import Checks
    from polylect.models.store import Store

__all__ = ["Summary", "checks_of", "finished_summary", "identity_of", "in_folder", "prompt_table"]

_STORE = Path(".store") / "answers.sqlite"
"""Where answers are kept in an output folder."""


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        out: the output folder.
        manifest: its manifest.json.
        routing: its routing.json; None for `generate`.
        found: what was there before: "", "unfinished" or "finished".
    """

    out: Path
    manifest: Mapping[str, Any]
    routing: Mapping[str, Any] | None = field(default=None, repr=False)
    found: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"out": str(self.out), "found": self.found, "manifest": dict(self.manifest), "routing": self.routing}


def prompt_table(path: str | Path, settings: Settings) -> PromptTable:
    """Return the table, with the languages and splits that the settings ask for.

    Raises:
        DataError: it is missing or of an unknown kind.
        LanguageError: a tag that names no language.
    """
    from polylect.languages import canonical

    languages = [canonical(tag) for tag in settings.languages]
    return PromptTable(Path(path), only=languages, splits=settings.splits, skip_bad=settings.skip_bad_rows)


def checks_of(checks: Checks | bool) -> Checks | None:
    """Return the settings of the checks, those that are given or the usual ones; None: there are none."""
    from polylect.arbitrage.checks import Checks

    return (Checks() if checks else None) if isinstance(checks, bool) else checks


def identity_of(command: str, table: PromptTable, checks: Checks | None, **more: Any) -> dict[str, Any]:
    """Return what decides the output of a command, as plain values."""
    return {"command": command, "prompts": file_hash(table.path), "checks": asdict(checks) if checks else None, **more}


def in_folder(
    out: str | Path,
    identity: Mapping[str, Any],
    store: str | Path | None,
    run: Callable[[OutputFolder, Store], Summary],
    *,
    resume: bool,
) -> Summary:
    """Run in an output folder with its store, unless the folder holds what the run would make.

    Args:
        out: the folder.
        identity: what decides the output.
        store: SQLite file of answers to use instead of the folder's own.
        run: makes the output.
        resume: make a finished output anew where requests failed.

    Raises:
        RunError: the folder is in use, or holds something else.
        DataError: the store cannot be used.
    """
    from polylect.models.store import Store

    with OutputFolder(Path(out), identity, again=resume and _unanswered(Path(out))) as folder:
        if folder.finished is not None:
            return finished_summary(folder)
        with Store(Path(store) if store else folder.path / _STORE) as answers:
            return run(folder, answers)


def finished_summary(folder: OutputFolder, found: str = "finished") -> Summary:
    """Return the summary of an output folder that is whole."""
    manifest = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    routing = folder.path / "routing.json"
    return Summary(folder.path, manifest, json.loads(routing.read_text(encoding="utf-8")) if routing.exists() else None, found)


def _unanswered(out: Path) -> bool:
    """Tell whether a finished output has requests that failed."""
    try:
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        return bool(manifest["status"].get("failed"))
    except (OSError, ValueError, KeyError):
        return False
