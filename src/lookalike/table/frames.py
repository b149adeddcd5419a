"""pandas and polars frames in and out. The only module that knows them."""

from __future__ import annotations

import datetime
import json
import sys
import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.characters import flag
from lookalike.errors import InputError, LookalikeWarning
from lookalike.table.base import Origin, OriginColumn, Table, check_names, to_arrow, without_views

SCALARS_WITH_TYPE = (bool, int, float, str)
"""Cell types that an object column may mix; they travel as JSON, which keeps 1 and "1" apart."""
ARROW = "arrow"
"""The name of pandas' dtypes that are Arrow's: which one, its Arrow type says."""


def is_frame_of(library: str, source: Any) -> bool:
    module = sys.modules.get(library)  # a frame of a library that was never imported cannot exist
    return module is not None and isinstance(source, module.DataFrame)


def from_pandas(frame: Any) -> Table:
    import pandas

    if isinstance(frame.columns, pandas.MultiIndex):
        raise InputError(
            "column names must be plain, however: this frame has a MultiIndex. Flatten it: df.columns = df.columns.map('_'.join)."
        )
    _check_labels(frame.columns)
    check_names(list(frame.columns))
    arrays: dict[str, pa.Array] = {}
    columns: dict[str, OriginColumn] = {}
    for label in frame.columns:
        series, name = frame[label], str(label)
        array, mixed = _array_of_series(series, name)
        arrays[name] = array
        kept = label if isinstance(label, str) else int(label)
        columns[name] = OriginColumn(label=kept, arrow=str(array.type), dtype=_name_of(series.dtype), mixed=mixed)
    _warn_of_index(frame.index)
    return Table(without_views(pa.table(arrays)), Origin(container="pandas", columns=columns))


def _check_labels(labels: Any) -> None:
    """What else a frame may have for names could not be given back: True would be 1, a date its text."""
    other = {
        type(label).__name__
        for label in labels
        if not isinstance(label, (str, int, np.integer)) or isinstance(label, bool)
    }
    if other:
        raise InputError(
            f"column names must be text or whole numbers, however: some of this frame are {' and '.join(sorted(other))}. "
            "Make them text: df.columns = df.columns.map(str)."
        )


def _warn_of_index(index: Any) -> None:
    """Rows are made anew, and numbered: an index that tells more than a number would be gone without a word."""
    if any(name is not None for name in index.names) or not (
        index.nlevels == 1 and (index.dtype.kind in "iu" or len(index) == 0)
    ):
        warnings.warn(
            "a table is the columns of a frame, however: this one has an index besides, which is left out. To have it made, too: "
            "df.reset_index().",
            LookalikeWarning,
            stacklevel=2,
        )


def _name_of(dtype: Any) -> str:
    """A pandas dtype as text that tells it from all others: strings are kept in several ways that pandas calls alike."""
    import pandas

    if isinstance(dtype, pandas.ArrowDtype):
        return ARROW
    if isinstance(dtype, pandas.StringDtype) and str(dtype) == "string":
        return f"string[{dtype.storage}]"
    if isinstance(dtype, pandas.CategoricalDtype) and isinstance(dtype.categories.dtype, pandas.StringDtype):
        return f"category of {_name_of(dtype.categories.dtype)}"
    return str(dtype)


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
    # what Arrow raises for cells it has no type for depends on the pandas type they stand in
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
                f"cells must be numbers, dates or text, however: column {name!r} holds {what}. {cure}, or drop it ({flag('drop', name)})."
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


def from_polars(frame: Any) -> Table:
    for name, dtype in frame.schema.items():
        if str(dtype).startswith(("Object", "Int128", "UInt128")):
            raise InputError(f"cells must be numbers, dates or text, however: column {name!r} is {dtype}. Cast it.")
    data = frame.to_arrow()
    columns = {
        name: OriginColumn(label=name, arrow=str(data.schema.field(name).type), dtype=str(dtype).partition("(")[0])
        for name, dtype in frame.schema.items()
    }
    return Table(without_views(data), Origin(container="polars", columns=columns))


def to_pandas(table: Table) -> Any:
    import pandas

    data, series = to_arrow(table), {}
    for name, column in zip(table.names, data.columns, strict=True):
        origin = table.origin.columns[name]
        cells = column.to_pandas()
        if origin.mixed:
            cells = pandas.Series(
                [None if cell is None else json.loads(cell) for cell in column.to_pylist()], dtype=object
            )
        if origin.dtype is not None and _name_of(cells.dtype) != origin.dtype:
            cells = _as_dtype(cells, column, origin.dtype)
        series[name] = cells
    frame = pandas.DataFrame(series)
    frame.columns = pandas.Index([table.origin.columns[name].label for name in table.names])
    return frame


def _as_dtype(cells: Any, column: pa.ChunkedArray, dtype: str) -> Any:
    import pandas

    if dtype == ARROW:
        return pandas.Series(pandas.arrays.ArrowExtensionArray(column))
    if dtype.startswith("category of "):
        levels = cells.cat.categories.astype(dtype.removeprefix("category of "))
        return cells.astype(pandas.CategoricalDtype(levels, ordered=cells.cat.ordered))
    wanted = pandas.api.types.pandas_dtype(dtype)
    if wanted.kind == "O" and pa.types.is_integer(column.type):  # beside a missing cell pandas makes floats of them
        return pandas.Series(column.to_pylist(), dtype=object)
    if isinstance(wanted, pandas.api.extensions.ExtensionDtype) and hasattr(wanted, "__from_arrow__"):
        return pandas.Series(wanted.__from_arrow__(column))
    return cells.astype(wanted)


def to_polars(table: Table) -> Any:
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


def frame_of(records: list[dict[str, Any]]) -> Any:
    """A pandas frame of plain records."""
    import pandas

    return pandas.DataFrame.from_records(records)
