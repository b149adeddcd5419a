"""``Table``: rows in Arrow, and what must be remembered to give them back in kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lookalike.config import Settings
from lookalike.errors import InputError, SettingsError
from lookalike.schema.types import arrow_type

NOTED = ("name", "field_name", "pandas_type", "numpy_type")
NOTED_BESIDE = ("timezone", "num_categories", "ordered", "precision", "scale", "encoding")
"""What pandas notes of a column in a Parquet file that says how to read it."""
Container = Literal["csv", "parquet", "pandas", "polars", "pyarrow"]


class OriginColumn(Settings):
    """What must be remembered of one column to give it back in kind."""

    label: int | str
    arrow: str
    dtype: str | None = None
    mixed: bool = False
    quoted: bool = False
    required: bool = False


class Origin(Settings):
    """Where a table came from, and so what its look-alike should be: of a CSV also how its lines end, whether it begins with a byte
    order mark and quotes its names, and what it writes for a missing cell; of a Parquet file what pandas noted of its dtypes and index."""

    container: Container
    columns: dict[str, OriginColumn]
    delimiter: str = ","
    line_end: str = "\n"
    mark: bool = False
    quoted: bool = False
    empty: str = ""
    pandas: str = ""


@dataclass(frozen=True)
class Table:
    """Rows in Arrow, and where they came from."""

    data: pa.Table
    origin: Origin

    @property
    def num_rows(self) -> int:
        return self.data.num_rows

    @property
    def names(self) -> list[str]:
        return self.data.column_names

    def take(self, rows: np.ndarray) -> Table:
        """Return some rows, in the order given."""
        return Table(self.data.take(pa.array(rows)), self.origin)

    def append(self, name: str, cells: pa.Array) -> Table:
        """Return the table with one more column, last."""
        columns = {**self.origin.columns, name: OriginColumn(label=name, arrow=str(cells.type))}
        return Table(self.data.append_column(name, cells), self.origin.replace(columns=columns))

    def drop(self, names: Iterable[str]) -> Table:
        """Return the table without some columns."""
        names = list(names)
        for name in names:
            if name not in self.names:
                raise SettingsError(
                    f"only a column of the table can be dropped, however: {name!r} is none. Columns: {', '.join(self.names)}."
                )
        return Table(self.data.drop_columns(names), self.origin)


def plain_origin(container: Container, data: pa.Table, delimiter: str = ",") -> Origin:
    columns = {
        field.name: OriginColumn(label=field.name, arrow=str(field.type), required=not field.nullable)
        for field in data.schema
    }
    return Origin(
        container=container, columns=columns, delimiter=delimiter, pandas=_noted_by_pandas(data.schema.metadata)
    )


def _noted_by_pandas(metadata: Mapping[bytes, bytes] | None) -> str:
    """What pandas noted of a table's dtypes and its index, as JSON; "" where it did not, or another program wrote something else there.
    What else stands there (a frame's attributes, a range's end) may tell of its rows."""
    try:
        return _told_of_types(json.loads((metadata or {}).get(b"pandas", b"{}")))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""


def _told_of_types(noted: Any) -> str:
    if not noted:
        return ""
    kept = {
        part: [
            {name: entry.get(name) for name in NOTED}
            | {"metadata": {name: told for name, told in (entry.get("metadata") or {}).items() if name in NOTED_BESIDE}}
            for entry in noted.get(part, [])
        ]
        for part in ("columns", "column_indexes")
    }
    index = [name for name in noted.get("index_columns", []) if isinstance(name, str)]
    return json.dumps(kept | {"index_columns": index, "pandas_version": noted.get("pandas_version")})


def _metadata(noted: str, names: Sequence[str]) -> dict[str, str] | None:
    """The metadata of a table of these columns, from what pandas noted of one that may have had more."""
    if not noted:
        return None
    kept = json.loads(noted)
    kept["index_columns"] = [name for name in kept["index_columns"] if name in names]
    kept["columns"] = [entry for entry in kept["columns"] if entry["field_name"] in names]
    return {"pandas": json.dumps(kept)}


def check_names(names: Sequence[Any]) -> None:
    seen: set[str] = set()
    for name in map(str, names):
        if name in seen:
            raise InputError(f"column names must be unique, however: {name!r} stands twice. Rename one of them.")
        seen.add(name)


def without_views(data: pa.Table) -> pa.Table:
    """The rows in types that Arrow computes with: it does little yet with views of strings, and with decimals of 32 and 64 bits."""
    columns = [
        column if column.type == (wanted := _computed(column.type)) else column.cast(wanted) for column in data.columns
    ]
    return pa.table(dict(zip(data.column_names, columns, strict=True)))


def _computed(storage: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(storage) and pa.types.is_string_view(storage.value_type):
        return pa.dictionary(storage.index_type, pa.string(), storage.ordered)
    if pa.types.is_string_view(storage):
        return pa.string()
    if pa.types.is_decimal32(storage) or pa.types.is_decimal64(storage):
        return pa.decimal128(storage.precision, storage.scale)
    return storage


def to_arrow(table: Table) -> pa.Table:
    """The rows with the Arrow types they came with (large strings stay large)."""
    columns, fields = [], []
    for name, column in zip(table.names, table.data.columns, strict=True):
        origin = table.origin.columns[name]
        wanted = arrow_type(origin.arrow)
        if pa.types.is_dictionary(wanted) and pa.types.is_dictionary(column.type):
            column = _with_values(column, wanted.value_type)
        columns.append(column if column.type == wanted or pa.types.is_dictionary(wanted) else column.cast(wanted))
        fields.append(pa.field(name, columns[-1].type, nullable=not origin.required or columns[-1].null_count > 0))
    return pa.table(columns, schema=pa.schema(fields, _metadata(table.origin.pandas, table.names)))


def _with_values(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """A column of dictionaries whose values are of the type ``wanted``; the dictionaries stay what they are."""
    if column.type.value_type == wanted:
        return column
    recast = [
        pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(wanted), ordered=column.type.ordered)
        for chunk in column.chunks
    ]
    return pa.chunked_array(recast, pa.dictionary(column.type.index_type, wanted, column.type.ordered))
