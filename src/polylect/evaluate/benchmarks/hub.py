"""Benchmarks from the hub, through `datasets`; no code of a repository is ever run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from polylect.errors import DataError
from polylect.evaluate.benchmarks.base import Benchmark
from polylect.evaluate.benchmarks.config_names import config_language

__all__ = ["HubTable", "hub_tables"]


@dataclass(frozen=True)
class HubTable:
    """The rows of one split of one configuration, and where they are from, for messages."""

    config: str
    language: str | None
    where: str
    rows: Iterator[dict[str, Any]]


def hub_tables(entry: Benchmark, hub_id: str, split: str, languages: Sequence[str] | None) -> Iterator[HubTable]:
    """Yield a table per configuration of the repository that is of the benchmark and of a wanted language.

    Raises:
        DataError: the repository cannot be reached, needs code to be loaded, or lacks the split.
    """
    import datasets

    try:
        configs = datasets.get_dataset_config_names(hub_id)
    except Exception as error:
        raise _unreachable(entry, hub_id, error) from error
    for config in configs:
        language = None if entry.language_in == "rows" else config_language(config)
        other_set = bool(entry.only_configs) and not any(fnmatch(config, pattern) for pattern in entry.only_configs)
        unwanted = languages is not None and (language is not None or entry.language_in == "path") and language not in languages
        if other_set or unwanted:
            continue
        try:
            rows = datasets.load_dataset(hub_id, config, split=split)
        except Exception as error:
            raise _unreachable(entry, f"{hub_id} ({config}, {split})", error) from error
        yield HubTable(config, language, f"{hub_id}:{config}", iter(rows))


def _unreachable(entry: Benchmark, what: str, error: Exception) -> DataError:
    """Return the error for whatever `datasets` raised: its own kinds differ from version to version."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    hub_id = entry.hub_ids[0] if entry.hub_ids else what
    return DataError(
        f"{what}: cannot be loaded from the hub ({type(error).__name__}: {reason[:200]}). Where there is a connection, run "
        f"`hf download {hub_id} --repo-type dataset --local-dir DIR` and give DIR as the data of {entry.name!r} (--data DIR). "
        "Gated sets need their terms accepted and HF_TOKEN set; sets that need their own loading code are not loaded: fetch "
        "their Parquet files."
    )
