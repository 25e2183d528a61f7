"""Tables that are written window by window and appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from polylect import tables
from polylect.records import Record

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableWriter", "read_part", "sweep", "write_json", "write_part"]

R = TypeVar("R", bound=Record)
_TEMPORARY = ".tmp"
_SCHEMAS: dict[type[Record], Any] = {}


class TableWriter:
    """Writes one table of records, a row group per call of `write`; use as a context manager.

    The file has its name only when the block ends without an error: until then it is a hidden temporary file beside it.

    Args:
        path: of the Parquet file.
        kind: record type of its rows; their ids are taken to be different, as they are hashes of what makes them so.

    Attributes:
        rows: rows written so far.
    """

    def __init__(self, path: Path, kind: type[Record]) -> None:
        import pyarrow.parquet as pq

        self.path, self.kind, self.rows = path, kind, 0
        self._temporary = _temporary(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(self._temporary, _schema(kind), compression="zstd")

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.close()
        if kind is None:
            _publish(self._temporary, self.path)
        else:
            self._temporary.unlink(missing_ok=True)

    def write(self, rows: Sequence[Record]) -> None:
        """Append rows as one row group."""
        import pyarrow as pa

        if rows:
            schema = _schema(self.kind)
            columns = [pa.array([getattr(row, field.name) for row in rows], field.type) for field in schema]
            self._writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            self.rows += len(rows)


def _schema(kind: type[Record]) -> pa.Schema:
    """Return the declared schema of a record type for pyarrow; polars reads it as `tables.schema` says."""
    if kind not in _SCHEMAS:
        import polars as pl
        import pyarrow as pa

        types = {pl.String(): pa.string(), pl.Int64(): pa.int64(), pl.Float64(): pa.float64(), pl.Boolean(): pa.bool_()}
        texts = pl.List(pl.String())
        declared = tables.schema(kind).items()
        _SCHEMAS[kind] = pa.schema([(name, pa.list_(pa.string()) if of == texts else types[of]) for name, of in declared])
    return _SCHEMAS[kind]


def write_part(path: Path, rows: Sequence[Record], kind: type[Record]) -> None:
    """Write the rows of one window to a file of their own, whole or not at all."""
    with TableWriter(path, kind) as part:
        part.write(rows)


def read_part(path: Path, kind: type[R]) -> list[R]:
    """Read what `write_part` wrote; values are not checked again."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = [_column(table.column(name), table.schema.field(name).type) for name in table.column_names]
    names = table.column_names
    return [kind(**dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)]


def _column(column: pa.ChunkedArray, dtype: pa.DataType) -> list[Any]:
    import pyarrow as pa

    values: list[Any] = column.to_pylist()
    return [tuple(value) for value in values] if pa.types.is_list(dtype) else values


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that appears whole or not at all, on disk before it has its name."""
    temporary = _temporary(path)
    temporary.write_text(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    _publish(temporary, path)


def sweep(folder: Path) -> None:
    """Delete the temporary files that a killed process left in `folder`; call only while no other process works there."""
    for path in folder.glob(f".*{_TEMPORARY}"):
        path.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")


def _publish(temporary: Path, path: Path) -> None:
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
