"""Room 1: tables in and out. CSV, Parquet, pandas, polars and pyarrow all become one :class:`Table`, and go back in kind.

The only module that knows pandas and polars. Inside, a table is a ``pyarrow.Table`` with text column names; what must
be remembered to give back the same kind of table (labels, dtypes, delimiter) is its :class:`Origin`.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from lookalike.artefact import replacing
from lookalike.config import Settings
from lookalike.errors import InputError, SettingsError
from lookalike.schema.types import arrow_type

CSV_SUFFIXES = (".csv", ".tsv", ".txt")
PARQUET_SUFFIXES = (".parquet", ".pq")
Container = Literal["csv", "parquet", "pandas", "polars", "pyarrow"]
SCALARS_WITH_TYPE = (bool, int, float, str)
"""Cell types that an object column may mix; they travel as JSON, which keeps 1 and "1" apart."""


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

    def drop(self, names: Iterable[str]) -> Table:
        """Return the table without some columns."""
        names = list(names)
        for name in names:
            if name not in self.names:
                raise SettingsError(
                    f"only a column of the table can be dropped, however: {name!r} is none. Columns: {', '.join(self.names)}."
                )
        return Table(self.data.drop_columns(names), self.origin)

    def fingerprint(self) -> str:
        """A hash of names, types and cells: equal tables, equal fingerprints."""
        digest = hashlib.sha256()
        for name, column in zip(self.names, self.data.columns, strict=True):
            digest.update(f"{name}\x00{column.type}\x00{len(column)}\x00".encode())
            sink = pa.BufferOutputStream()
            block = pa.table({"": pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)})
            with pa.ipc.new_stream(sink, block.schema) as writer:
                writer.write_table(block)
            digest.update(sink.getvalue())
        return digest.hexdigest()

    def to_native(self) -> Any:
        """Give the table back as what it came from: a pandas, polars or pyarrow frame (pyarrow for files)."""
        if self.origin.container == "pandas":
            return _to_pandas(self)
        if self.origin.container == "polars":
            return _to_polars(self)
        return to_arrow(self)


# --------------------------------------------------------------------------------------------------------------- in


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
        table = _read_file(Path(source))
    elif isinstance(source, pa.Table):
        _check_names(source.column_names)
        table = Table(_without_views(source), _plain_origin("pyarrow", source))
    elif _is_frame_of("pandas", source):
        table = _from_pandas(source)
    elif _is_frame_of("polars", source):
        table = _from_polars(source)
    else:
        raise InputError(
            f"a table is a pandas, polars or pyarrow frame or a path to a CSV or Parquet file, however: this is {type(source).__name__}."
        )
    if not table.names:
        raise InputError("a table needs at least one column, however: this one has none.")
    if table.num_rows == 0:
        raise InputError("a table needs rows, however: this one has none.")
    return table


def _is_frame_of(library: str, source: Any) -> bool:
    module = sys.modules.get(library)  # a frame of a library that was never imported cannot exist
    return module is not None and isinstance(source, module.DataFrame)


def _check_names(names: Sequence[Any]) -> None:
    seen: set[str] = set()
    for name in map(str, names):
        if name in seen:
            raise InputError(f"column names must be unique, however: {name!r} stands twice. Rename one of them.")
        seen.add(name)


def _without_views(data: pa.Table) -> pa.Table:
    """String views as plain strings: most of Arrow's functions do not take views yet."""
    views = [field.name for field in data.schema if field.type == pa.string_view()]
    for name in views:
        place = data.column_names.index(name)
        data = data.set_column(place, name, data.column(name).cast(pa.string()))
    return data


def _plain_origin(container: Container, data: pa.Table, delimiter: str = ",") -> Origin:
    columns = {field.name: OriginColumn(label=field.name, arrow=str(field.type)) for field in data.schema}
    return Origin(container=container, columns=columns, delimiter=delimiter)


def _read_file(path: Path) -> Table:
    if not path.exists():
        raise InputError(f"the table must exist, however: there is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        try:
            data = parquet.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"{path.name} cannot be read as Parquet ({type(error).__name__}). Write it again."
            ) from None
        _check_names(data.column_names)
        return Table(_without_views(data.replace_schema_metadata(None)), _plain_origin("parquet", data))
    if suffix in CSV_SUFFIXES:
        return _read_csv(path)
    raise InputError(
        f"a table file ends in {', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}, however: this is {path.name}."
    )


def _read_csv(path: Path) -> Table:
    """Every cell is read as text: an empty field is missing, a quoted empty one is an empty text, and nothing is guessed here."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sample = file.read(64 * 1024)
    except UnicodeDecodeError:
        raise InputError(f"a CSV file must be UTF-8, however: {path.name} is not. Save it as UTF-8.") from None
    if not sample.strip():
        raise InputError(f"a table needs at least one column, however: {path.name} is empty.")
    delimiter = _delimiter(sample, path)
    names = next(csv.reader(sample.splitlines(), delimiter=delimiter))
    _check_names(names)
    try:
        data = arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=len(names) > 1
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
    except UnicodeDecodeError:
        raise InputError(f"a CSV file must be UTF-8, however: {path.name} is not. Save it as UTF-8.") from None
    except pa.ArrowInvalid as error:
        row = "".join(part for part in str(error).split(":")[:2] if "#" in part)
        raise InputError(
            f"every line of a CSV must have {len(names)} fields, however: {path.name} has one that does not ({row.strip() or 'broken quoting'}). Mend it."
        ) from None
    return Table(data, _plain_origin("csv", data, delimiter))


def _delimiter(sample: str, path: Path) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = sample.splitlines()[0]
    counts = {delimiter: len(next(csv.reader([header], delimiter=delimiter))) for delimiter in (",", ";", "\t", "|")}
    return max(counts, key=lambda delimiter: counts[delimiter])


def _from_pandas(frame: Any) -> Table:
    import pandas

    if isinstance(frame.columns, pandas.MultiIndex):
        raise InputError(
            "column names must be plain, however: this frame has a MultiIndex. Flatten it: df.columns = df.columns.map('_'.join)."
        )
    _check_names(list(frame.columns))
    arrays: dict[str, pa.Array] = {}
    columns: dict[str, OriginColumn] = {}
    for label in frame.columns:
        series, name = frame[label], str(label)
        array, mixed = _array_of_series(series, name)
        arrays[name] = array
        kept = label if isinstance(label, str) else int(label) if isinstance(label, (int, np.integer)) else name
        columns[name] = OriginColumn(label=kept, arrow=str(array.type), dtype=str(series.dtype), mixed=mixed)
    data = pa.table(arrays) if arrays else pa.table({})
    return Table(data, Origin(container="pandas", columns=columns))


def _array_of_series(series: Any, name: str) -> tuple[pa.Array, bool]:
    """One pandas column as Arrow; the second value tells that cells travel as JSON."""
    import pandas

    dtype = series.dtype
    if isinstance(dtype, pandas.PeriodDtype):
        raise InputError(
            f"dates must be timestamps, however: column {name!r} holds periods. Convert it: df[{name!r}].dt.to_timestamp()."
        )
    if dtype.kind == "c":
        raise InputError(f"numbers must be real, however: column {name!r} is complex. Split it into two columns.")
    if dtype.kind == "O" and not isinstance(dtype, pandas.api.extensions.ExtensionDtype):
        return _array_of_objects(series, name)
    try:
        array = pa.array(series, from_pandas=True)
    except UnicodeEncodeError:
        raise _broken_text(name) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, ValueError):
        if isinstance(dtype, pandas.CategoricalDtype):
            plain, mixed = _array_of_objects(series.astype(object), name)
            return plain, mixed
        raise InputError(
            f"cells must be numbers, dates or text, however: column {name!r} is {dtype}. Convert it with astype."
        ) from None
    return (pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array), False


def _broken_text(name: str) -> InputError:
    return InputError(
        f"text must be valid Unicode, however: column {name!r} holds lone surrogates. Mend it: .str.encode('utf-8', 'replace').str.decode('utf-8')."
    )


def _array_of_objects(series: Any, name: str) -> tuple[pa.Array, bool]:
    missing = series.isna().to_numpy()
    cells = series.to_numpy(dtype=object, copy=True)
    types = set(map(type, cells[~missing]))
    for bad, what, cure in (
        ((list, tuple, dict, set, frozenset, np.ndarray), "lists or records", "Flatten it"),
        ((bytes, bytearray, memoryview), "bytes", "Decode it to text"),
        ((complex, np.complexfloating), "complex numbers", "Split it into two columns"),
    ):
        if any(issubclass(kind, bad) for kind in types):
            raise InputError(
                f"cells must be numbers, dates or text, however: column {name!r} holds {what}. {cure}, or drop it (--drop {name})."
            )
    if (
        any(issubclass(kind, datetime.datetime) for kind in types)
        and len({str(cell.tzinfo) for cell in cells[~missing] if isinstance(cell, datetime.datetime)}) > 1
    ):
        raise InputError(
            f"a datetime column has one time zone, however: column {name!r} mixes several. Convert it: pd.to_datetime(..., utc=True)."
        )
    cells[missing] = None
    if len(types) > 1 and not all(
        issubclass(kind, (int, float, np.number)) and not issubclass(kind, bool) for kind in types
    ):
        return _array_of_mixed(cells, types, name), True
    try:
        return pa.array(cells.tolist(), from_pandas=True), False
    except UnicodeEncodeError:
        raise _broken_text(name) from None
    except (OverflowError, pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        pass
    if all(issubclass(kind, (int, np.integer)) for kind in types):
        try:
            return pa.array(cells.tolist(), pa.uint64()), False
        except (OverflowError, pa.ArrowInvalid):
            raise InputError(
                f"integers must fit in 64 bits, however: column {name!r} holds larger ones. Convert it to float, or to text."
            ) from None
    raise InputError(
        f"cells must be numbers, dates or text, however: column {name!r} holds {', '.join(sorted(kind.__name__ for kind in types))}. Convert it with astype."
    )


def _array_of_mixed(cells: np.ndarray, types: set[type], name: str) -> pa.Array:
    """Different types in one column: each cell becomes its JSON, so that 1 and "1" stay apart."""
    if not all(kind in SCALARS_WITH_TYPE for kind in types):
        names = ", ".join(sorted(kind.__name__ for kind in types))
        raise InputError(
            f"a column may mix numbers, text and booleans only, however: column {name!r} mixes {names}. Convert it with astype."
        )
    try:
        return pa.array([None if cell is None else json.dumps(cell, ensure_ascii=False) for cell in cells], pa.string())
    except UnicodeEncodeError:
        raise _broken_text(name) from None


def _from_polars(frame: Any) -> Table:
    for name, dtype in frame.schema.items():
        if str(dtype).startswith(("Object", "Int128", "UInt128")):
            raise InputError(f"cells must be numbers, dates or text, however: column {name!r} is {dtype}. Cast it.")
    data = frame.to_arrow()
    columns = {
        name: OriginColumn(label=name, arrow=str(data.schema.field(name).type), dtype=str(dtype).partition("(")[0])
        for name, dtype in frame.schema.items()
    }
    return Table(_without_views(data), Origin(container="polars", columns=columns))


# -------------------------------------------------------------------------------------------------------------- out


def to_arrow(table: Table) -> pa.Table:
    """The rows with the Arrow types they came with (large strings stay large)."""
    columns = []
    for name, column in zip(table.names, table.data.columns, strict=True):
        wanted = arrow_type(table.origin.columns[name].arrow)
        columns.append(column if column.type == wanted or pa.types.is_dictionary(wanted) else column.cast(wanted))
    return pa.table(dict(zip(table.names, columns, strict=True)))


def _to_pandas(table: Table) -> Any:
    import pandas

    data, series = to_arrow(table), {}
    for name, column in zip(table.names, data.columns, strict=True):
        origin = table.origin.columns[name]
        cells = column.to_pandas()
        if origin.mixed:
            cells = pandas.Series(
                [None if cell is None else json.loads(cell) for cell in column.to_pylist()], dtype=object
            )
        if origin.dtype is not None and origin.dtype != "category" and str(cells.dtype) != origin.dtype:
            cells = _as_dtype(cells, column, origin.dtype)
        series[name] = cells
    frame = pandas.DataFrame(series)
    frame.columns = pandas.Index([table.origin.columns[name].label for name in table.names])
    return frame


def _as_dtype(cells: Any, column: pa.ChunkedArray, dtype: str) -> Any:
    import pandas

    wanted = pandas.api.types.pandas_dtype(dtype)
    if isinstance(wanted, pandas.api.extensions.ExtensionDtype) and hasattr(wanted, "__from_arrow__"):
        return pandas.Series(wanted.__from_arrow__(column))
    return cells.astype(wanted)


def _to_polars(table: Table) -> Any:
    import polars

    frame: Any = polars.from_arrow(to_arrow(table))
    casts: dict[str, Any] = {}
    for name, column in zip(table.names, table.data.columns, strict=True):
        if table.origin.columns[name].dtype == "Enum":
            casts[name] = polars.Enum(
                pc.cast(column.chunk(0).dictionary, pa.string()).to_pylist() if column.num_chunks else []
            )
        elif table.origin.columns[name].dtype == "Categorical":
            casts[name] = polars.Categorical()
    return frame.cast(casts) if casts else frame


class TableWriter:
    """Write batches of rows to one CSV or Parquet file; the file appears under its name only when all of it is there.

    Parameters
    ----------
    path
        Where to; its suffix says which format.
    origin
        What the rows came from: a CSV keeps its delimiter.
    escape_formulas
        CSV only: put ' before text that a spreadsheet would run as a formula (leading = + - @).
    """

    def __init__(self, path: Path, origin: Origin, *, escape_formulas: bool = False) -> None:
        self.path, self.origin, self.escape_formulas = path, origin, escape_formulas
        self.is_parquet = path.suffix.lower() in PARQUET_SUFFIXES
        self.delimiter = "\t" if path.suffix.lower() == ".tsv" else origin.delimiter
        check_suffix(path)
        self._replacing = replacing(path)
        self._parquet: parquet.ParquetWriter | None = None

    def __enter__(self) -> TableWriter:
        self._temporary = self._replacing.__enter__()
        if not self.is_parquet:
            self._file = self._temporary.open("w", encoding="utf-8", newline="")
            self._started = False
        return self

    def write(self, table: Table) -> None:
        data = to_arrow(table)
        if self.is_parquet:
            if self._parquet is None:
                self._parquet = parquet.ParquetWriter(self._temporary, data.schema)
            self._parquet.write_table(data)
            return
        if not self._started:
            self._started = True
            self._file.write(
                self.delimiter.join(_quote(pa.array(data.column_names), self.delimiter).to_pylist()) + "\n"
            )
        if data.num_rows:
            lines = csv_lines(data, self.delimiter, self.escape_formulas)
            self._file.write("\n".join(lines.to_pylist()) + "\n")

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if self._parquet is not None:
            self._parquet.close()
        if not self.is_parquet:
            self._file.close()
        self._replacing.__exit__(kind, *rest)


def check_suffix(path: Path) -> None:
    """Raise unless ``path`` says CSV or Parquet."""
    if path.suffix.lower() not in (*CSV_SUFFIXES, *PARQUET_SUFFIXES):
        raise SettingsError(
            f"a table file ends in {', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}, however: --out {path.name}."
        )


def write_table(table: Table, path: str | Path, *, escape_formulas: bool = False) -> None:
    """Write the whole table to one CSV or Parquet file."""
    with TableWriter(Path(path), table.origin, escape_formulas=escape_formulas) as writer:
        writer.write(table)


def csv_lines(data: pa.Table, delimiter: str, escape_formulas: bool = False) -> pa.Array:
    """(n,) CSV lines: missing is an empty field, an empty text is quoted, and text is quoted only where it must be.

    >>> csv_lines(pa.table({"a": ["x", "", None], "b": [1, 2, None]}), ",").to_pylist()
    ['x,1', '"",2', ',']
    """
    fields = []
    for column in data.columns:
        array = column.combine_chunks()
        text = pa.types.is_dictionary(array.type) or array.type in (pa.string(), pa.large_string(), pa.string_view())
        cells = array.cast(pa.string())
        if text and escape_formulas:
            cells = pc.if_else(starts_formula(cells), pc.binary_join_element_wise("'", cells, ""), cells)
        fields.append(pc.fill_null(_quote(cells, delimiter) if text else cells, ""))
    return pc.binary_join_element_wise(*fields, delimiter)


def starts_formula(cells: pa.Array) -> pa.Array:
    """Whether a spreadsheet would run the text: it starts with = + - @ and is not a plain number."""
    number = pc.match_substring_regex(cells, r"^[+-]?[\d.,]+([eE][+-]?\d+)?$")
    return pc.and_(pc.match_substring_regex(cells, r"^[=+\-@\t\r]"), pc.invert(number))


def _quote(cells: pa.Array, delimiter: str) -> pa.Array:
    must = pc.match_substring_regex(cells, f'["\\r\\n{delimiter}]|^$|^ | $')
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(cells, '"', '""'), '"', "")
    return pc.if_else(must, quoted, cells)


def frame_of(records: list[dict[str, Any]]) -> Any:
    """A pandas frame of plain records."""
    import pandas

    return pandas.DataFrame.from_records(records)
