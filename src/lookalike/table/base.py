"""``Table``: rows in Arrow, and what must be remembered to give them back in kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from lookalike.config import Settings
from lookalike.errors import InputError, SettingsError
from lookalike.schema.types import arrow_type

Container = Literal["csv", "parquet", "pandas", "polars", "pyarrow"]


class OriginColumn(Settings):
    """What must be remembered of one column to give it back in kind."""

    label: int | str
    arrow: str
    dtype: str | None = None
    mixed: bool = False


class Origin(Settings):
    """Where a table came from, and so what its look-alike should be."""

    container: Container
    columns: dict[str, OriginColumn]
    delimiter: str = ","


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
    columns = {field.name: OriginColumn(label=field.name, arrow=str(field.type)) for field in data.schema}
    return Origin(container=container, columns=columns, delimiter=delimiter)


def check_names(names: Sequence[Any]) -> None:
    seen: set[str] = set()
    for name in map(str, names):
        if name in seen:
            raise InputError(f"column names must be unique, however: {name!r} stands twice. Rename one of them.")
        seen.add(name)


def without_views(data: pa.Table) -> pa.Table:
    """String views as plain strings: most of Arrow's functions do not take views yet."""
    views = [field.name for field in data.schema if field.type == pa.string_view()]
    for name in views:
        place = data.column_names.index(name)
        data = data.set_column(place, name, data.column(name).cast(pa.string()))
    return data


def to_arrow(table: Table) -> pa.Table:
    """The rows with the Arrow types they came with (large strings stay large)."""
    columns = []
    for name, column in zip(table.names, table.data.columns, strict=True):
        wanted = arrow_type(table.origin.columns[name].arrow)
        columns.append(column if column.type == wanted or pa.types.is_dictionary(wanted) else column.cast(wanted))
    return pa.table(dict(zip(table.names, columns, strict=True)))
