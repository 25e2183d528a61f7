"""The first stage: check the prompt table, find repeats, hold items out, and keep the rest as a table of our own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polylect.arbitrage.outputs import TableWriter
from polylect.arbitrage.prompt_table import WINDOW, PromptTable, windows
from polylect.arbitrage.router_base import uniform
from polylect.errors import DataError
from polylect.records import Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from polylect.arbitrage.dedup import Duplicates
    from polylect.arbitrage.settings import Settings

__all__ = ["HELD_OUT", "Prepared", "load_repeats", "prepare"]

HELD_OUT = "heldout.parquet"
_REPEATS = "repeats.parquet"

Progress = Callable[[int, int | None, str], None]


@dataclass
class Prepared:
    """What the prompt table came to: counts by language and by reason; `prompts` are asked."""

    rows: int = 0
    prompts: int = 0
    held_out: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    passed_over: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values."""
        # dataclasses.asdict would count the pairs of a Counter.
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}


def prepare(table: PromptTable, out: Path, work: Path, settings: Settings, progress: Progress | None = None) -> Prepared:
    """Write `work`/prompts.parquet, the prompts that are asked, and in `out` what is held out and which prompts repeat others.

    Raises:
        DataError: the table breaks a rule (see `PromptTable`), repeats a prompt exactly, or has no row that is asked for.
    """
    found = Prepared()
    raw = work / "rows.parquet"
    ids = _copy(table, raw, found, progress)
    again = _repeated_ids(table.path, ids, raw, skip=table.skip_bad)
    duplicates = None
    if settings.repeats != "off":
        from polylect.arbitrage.dedup import Deduplicator

        duplicates = Deduplicator(threshold=settings.similarity, seed=settings.seed).find(lambda: _without(raw, again))
        found.repeats = len(duplicates.repeats)
        _write_repeats(out / _REPEATS, duplicates)
    _divide(raw, again, duplicates, out, work / "prompts.parquet", settings, found)
    raw.unlink()
    found.rows, found.passed_over = table.rows, table.passed_over
    found.dropped += table.dropped + Counter({"the prompt again": len(again)})
    if not found.prompts:
        left = ", ".join(f"{reason}: {count:,}" for reason, count in found.dropped.items())
        raise DataError(f"{table.path}: no prompt is left to ask{f' ({left})' if left else ', the table has no rows'}.")
    return found


def load_repeats(out: Path) -> frozenset[str]:
    """Return the ids of the prompts that repeat others; none where they were not looked for."""
    import pyarrow.parquet as pq

    path = out / _REPEATS
    return frozenset(pq.read_table(path, columns=["id"]).column("id").to_pylist()) if path.exists() else frozenset()


def _copy(table: PromptTable, raw: Path, found: Prepared, progress: Progress | None) -> NDArray[np.uint64]:
    """Copy the good rows to `raw`; return 64 bits of the id of each."""
    import numpy as np

    seen: list[NDArray[np.uint64]] = []
    with TableWriter(raw, Prompt) as writer:
        for prompts in table.windows():
            writer.write(prompts)
            seen.append(np.array([_bits(prompt.id) for prompt in prompts], np.uint64))
            if progress is not None:
                progress(table.rows, None, "")
    return np.concatenate(seen) if seen else np.empty(0, np.uint64)


def _bits(name: str) -> int:
    try:
        return int(name[:16], 16)
    except ValueError:
        from hashlib import blake2b

        return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def _repeated_ids(path: Path, ids: NDArray[np.uint64], raw: Path, *, skip: bool) -> frozenset[int]:
    """Return the places of prompts that occurred before, in `raw`.

    Raises:
        DataError: there is one, unless they are to be skipped.
    """
    import numpy as np

    order = np.argsort(ids, kind="stable")
    same = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if not len(same):
        return frozenset()
    first: dict[str, int] = {}
    again: list[tuple[int, Prompt]] = []
    candidates = frozenset(order[same].tolist()) | frozenset(order[same + 1].tolist())
    for place, prompt in _numbered(raw):
        if place in candidates and first.setdefault(prompt.id, place) != place:
            again.append((place, prompt))
    if again and not skip:
        prompt = again[0][1]
        raise DataError(
            f"{path}: {len(again):,} prompts occur again, first {prompt.text[:60]!r} ({prompt.language}, item {prompt.item!r}). "
            "An id is a hash of language and text: take the repeated rows out, or leave them out, counted, with --skip-bad-rows."
        )
    return frozenset(place for place, _ in again)


def _numbered(raw: Path) -> Iterator[tuple[int, Prompt]]:
    place = 0
    for prompts in windows(raw):
        yield from enumerate(prompts, start=place)
        place += len(prompts)


def _without(raw: Path, again: frozenset[int]) -> Iterator[Sequence[Prompt]]:
    """Yield the windows of `raw` without the rows at some places."""
    place = 0
    for prompts in windows(raw):
        yield [prompt for at, prompt in enumerate(prompts, start=place) if at not in again] if again else prompts
        place += len(prompts)


def _divide(
    raw: Path, again: frozenset[int], duplicates: Duplicates | None, out: Path, prompts: Path, settings: Settings, found: Prepared
) -> None:
    """Write the prompts that are asked, full windows of them, and those that are held out."""
    waiting: list[Prompt] = []
    with TableWriter(prompts, Prompt) as asked, _HeldOut(out / HELD_OUT, settings.heldout_share > 0) as held:
        for window in _without(raw, again):
            kept, aside = _split(window, duplicates, settings, found)
            held.write(aside)
            waiting += kept
            while len(waiting) >= WINDOW:
                asked.write(waiting[:WINDOW])
                del waiting[:WINDOW]
        asked.write(waiting)
    found.prompts, found.held_out = asked.rows, held.rows


def _split(
    window: Sequence[Prompt], duplicates: Duplicates | None, settings: Settings, found: Prepared
) -> tuple[list[Prompt], list[Prompt]]:
    from dataclasses import replace

    kept, aside = [], []
    for prompt in window:
        item = duplicates.group(prompt.item) if duplicates else prompt.item
        if settings.repeats == "prompts" and duplicates and prompt.id in duplicates.repeats:
            found.dropped["repeats another prompt"] += 1
        elif settings.heldout_share and uniform("heldout", settings.seed, item) < settings.heldout_share:
            aside.append(replace(prompt, split="heldout"))
        else:
            kept.append(prompt)
            found.languages[prompt.language] += 1
            found.licences[prompt.licence] += 1
    return kept, aside


class _HeldOut:
    """A table writer, or nothing."""

    def __init__(self, path: Path, wanted: bool) -> None:
        self._writer = TableWriter(path, Prompt) if wanted else None

    def __enter__(self) -> _HeldOut:
        return self

    def __exit__(self, *reason: Any) -> None:
        if self._writer is not None:
            self._writer.__exit__(*reason)

    @property
    def rows(self) -> int:
        return self._writer.rows if self._writer else 0

    def write(self, prompts: Sequence[Prompt]) -> None:
        if self._writer is not None:
            self._writer.write(prompts)


def _write_repeats(path: Path, duplicates: Duplicates) -> None:
    """Write which prompt repeats which: a table with the columns id, of, language, kind, similarity."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(duplicates.repeats.values())
    columns = ("id", "of", "language", "kind", "similarity")
    types = (*[pa.string()] * 4, pa.float64())
    arrays = [pa.array([getattr(row, name) for row in rows], kind) for name, kind in zip(columns, types, strict=True)]
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(pa.Table.from_arrays(arrays, names=list(columns)), temporary, compression="zstd")
    temporary.replace(path)
