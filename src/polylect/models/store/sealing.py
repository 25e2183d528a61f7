"""A store as one Parquet file: for analysis, and to hand on."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from polylect.models.store.database import COLUMNS

__all__ = ["seal"]

_ROWS = 20_000
"""Rows of a row group: what is in memory at a time."""


def seal(store: Path, out: Path) -> int:
    """Write the rows of `store`, as they are at one moment, to `out` (zstd Parquet) and return their number.

    The file appears whole or not at all.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    types = {
        "key": pa.binary(16), "max_tokens": pa.int32(), "sample": pa.int32(), "prompt_tokens": pa.int32(),
        "completion_tokens": pa.int32(), "permanent": pa.bool_(),
    }  # fmt: skip
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    total = 0
    try:
        with (
            closing(sqlite3.connect(store, timeout=60)) as connection,
            ParquetWriter(partial, schema, compression="zstd") as file,
        ):
            rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM answers ORDER BY id")  # noqa: S608
            while part := rows.fetchmany(_ROWS):
                values = dict(zip(COLUMNS, map(list, zip(*part, strict=True)), strict=True))
                values["permanent"] = [bool(value) for value in values["permanent"]]
                file.write_batch(pa.record_batch([pa.array(values[field.name], field.type) for field in schema], schema=schema))
                total += len(part)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return total
