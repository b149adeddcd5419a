"""Room 1: tables in and out. CSV, Parquet, pandas, polars and pyarrow all become one :class:`Table`, and go back in kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from lookalike.errors import InputError
from lookalike.table import frames
from lookalike.table.base import Origin, OriginColumn, Table, check_names, plain_origin, to_arrow, without_views
from lookalike.table.files import TableWriter, check_suffix, read_file, write_table
from lookalike.table.frames import frame_of

__all__ = [
    "Origin", "OriginColumn", "Table", "TableWriter", "as_table", "check_suffix", "frame_of", "to_arrow", "to_native", "write_table",
]  # fmt: skip


def as_table(source: Any) -> Table:
    """Read a path or take a frame.

    Raises
    ------
    InputError
        It is no table, has no rows or columns, or its column names are not unique.

    >>> as_table(pa.table({"a": [1, 2]})).num_rows
    2
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, (str, Path)):
        table = read_file(Path(source))
    elif isinstance(source, pa.Table):
        check_names(source.column_names)
        table = Table(without_views(source), plain_origin("pyarrow", source))
    elif frames.is_frame_of("pandas", source):
        table = frames.from_pandas(source)
    elif frames.is_frame_of("polars", source):
        table = frames.from_polars(source)
    else:
        raise InputError(
            f"a table is a pandas, polars or pyarrow frame or a path to a CSV or Parquet file, however: this is {type(source).__name__}."
        )
    if not table.names:
        raise InputError("a table needs at least one column, however: this one has none.")
    if table.num_rows == 0:
        raise InputError("a table needs rows, however: this one has none.")
    return table


def to_native(table: Table, rows_of: Any = None) -> Any:
    """Give the table back as what it came from: a pandas, polars or pyarrow frame (pyarrow for files).

    Its rows are numbered from 0, unless they are the ``rows_of`` a pandas frame, whose index they keep.

    >>> to_native(as_table(pa.table({"a": [1, 2]}))).column_names
    ['a']
    """
    if table.origin.container == "pandas":
        frame = frames.to_pandas(table)
        return frame.set_axis(rows_of.index) if frames.is_frame_of("pandas", rows_of) else frame
    if table.origin.container == "polars":
        return frames.to_polars(table)
    return to_arrow(table)
