"""Look at a table and say what its columns are. Conservative: when in doubt, the kind that does least harm.

What is inferred is shown to the user (``lookalike schema``), can be edited, and is handed back with ``--schema``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.characters import flag
from lookalike.errors import InputError, LookalikeWarning
from lookalike.schema import dates
from lookalike.schema.calendar import with_days
from lookalike.schema.column import ColumnSpec, Schema
from lookalike.schema.grain import (
    LARGEST_WHOLE,
    decimals_of_floats,
    largest_step,
    once_single,
    round_step,
    with_significant,
    with_step,
)
from lookalike.schema.identity import key_of_numbers, with_references, with_their_keys
from lookalike.schema.texts import infer_text, spec_of_dates
from lookalike.schema.types import arrow_type, is_text, value_type
from lookalike.schema.values import parse, widen
from lookalike.stats import FEW_PEOPLE


def infer_schema(table: pa.Table, declared: Schema | None = None) -> Schema:
    """Infer a spec for every column of ``table`` that ``declared`` does not hold already.

    Raises
    ------
    InputError
        A column is of a type that cannot be modelled (lists, bytes, mixed dates …).

    >>> table = pa.table({"id": [f"C-{i:03}" for i in range(40)], "age": list(range(40, 80)), "member": ["yes", "no"] * 20})
    >>> infer_schema(table)
    Schema(1 integer, 1 boolean, 1 key)
    """
    known = {} if declared is None else {column.name: column for column in declared}
    check_types(table, [name for name in table.column_names if name not in known])
    columns = [known[name] if name in known else infer_column(name, table.column(name)) for name in table.column_names]
    if not any(column.role == "primary_key" for column in columns):
        first = next(
            (
                place
                for place, column in enumerate(columns)
                if column.kind == "key"
                and column.role is None
                and not column.repeated
                and not table.column(column.name).null_count
            ),
            None,
        )
        if first is not None:
            columns[first] = columns[first].replace(role="primary_key")
    settled = Schema(columns, () if declared is None else declared.constraints)
    fixed = [name for name in known if name in table.column_names]
    return with_references(with_their_keys(settled, table, fixed), table, fixed)


def infer_column(name: str, column: pa.Array | pa.ChunkedArray) -> ColumnSpec:
    """Infer one column's spec from its cells."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    storage = array.type
    array = widen(array)
    check_type(name, storage)
    base = {"name": name, "storage": str(storage)}
    if pa.types.is_dictionary(storage):
        kind = "ordinal" if storage.ordered else "category"
        return ColumnSpec(**base, kind="constant" if array.null_count == len(array) else kind)
    distinct = array.unique().drop_null()
    if pa.types.is_floating(array.type):
        distinct = distinct.filter(pc.invert(pc.is_nan(distinct)))
    if len(distinct) <= 1:
        present = len(array) - array.null_count
        if len(distinct) == 1 and present < FEW_PEOPLE <= len(array):
            warnings.warn(
                f"column {name!r} has one value, in {present} of {len(array):,} rows, and is missing elsewhere: the look-alike will show that "
                f"value. If that tells of someone, drop it ({flag('drop', name)}).",
                LookalikeWarning,
                stacklevel=2,
            )
        return ColumnSpec(**base, kind="constant")
    if is_text(storage):
        return infer_text(base, array, distinct)
    if pa.types.is_boolean(storage):
        return ColumnSpec(**base, kind="boolean")
    if pa.types.is_temporal(storage):
        return _infer_temporal(base, array)
    if pa.types.is_integer(storage):
        return _infer_integer(base, array, distinct)
    if pa.types.is_decimal(storage):
        return _infer_decimal(base, array, distinct)
    return _infer_float(base, array, distinct)


def check_types(table: pa.Table, names: Sequence[str]) -> None:
    """As :func:`check_type`, for several columns: of several that cannot be modelled, all at once."""
    unfit = {name: wrong for name in names if (wrong := _unfit(name, table.schema.field(name).type))}
    if len(unfit) == 1:
        raise InputError(*unfit.values())
    if unfit:
        held = ", ".join(f"{name!r} ({table.schema.field(name).type})" for name in unfit)
        drops = " ".join(flag("drop", name) for name in unfit)
        raise InputError(
            f"cells must be numbers, dates or text, however: columns {held} hold others. Flatten or decode them, or drop them ({drops})."
        )


def check_type(name: str, storage: pa.DataType) -> None:
    """Raise an InputError, with the ways out, for a column whose cells are nothing that can be modelled: lists, records, bytes.

    >>> check_type("born", pa.date32())
    """
    wrong = _unfit(name, storage)
    if wrong is not None:
        raise InputError(wrong)


def _unfit(name: str, storage: pa.DataType) -> str | None:
    storage = value_type(storage)
    if pa.types.is_nested(storage):
        return f"cells must be single values, however: column {name!r} holds lists or records ({storage}). Flatten it, or drop it ({flag('drop', name)})."
    if pa.types.is_binary(storage) or pa.types.is_large_binary(storage) or pa.types.is_fixed_size_binary(storage):
        return f"cells must be numbers, dates or text, however: column {name!r} holds bytes. Decode it to text, or drop it ({flag('drop', name)})."
    try:
        arrow_type(str(storage))
    except ValueError:
        return f"cells must be numbers, dates or text, however: column {name!r} is {storage}. Convert it, or drop it ({flag('drop', name)})."
    return None


def _infer_temporal(base: dict[str, str], array: pa.Array) -> ColumnSpec:
    calendar = pa.types.is_timestamp(array.type) or pa.types.is_date(array.type)
    spec = ColumnSpec(**base, kind="datetime" if calendar else "integer")
    ticks = parse(array, spec).present
    if pa.types.is_date32(array.type):
        return with_days(spec, ticks)
    a_second = 1000 if pa.types.is_date64(array.type) else dates.TICKS_A_SECOND[array.type.unit]
    spec = spec.replace(step=largest_step(ticks, a_second))
    return with_days(spec, ticks) if calendar else spec


def _infer_integer(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    spec = ColumnSpec(**base, kind="integer")
    numbers = parse(array, spec).present
    if set(np.unique(numbers[:1000]).tolist()) <= {0, 1} and len(distinct) == 2 and set(distinct.to_pylist()) == {0, 1}:
        return spec.replace(kind="boolean")
    key = key_of_numbers(base, numbers, len(distinct), rows=len(array), present=len(numbers))
    return _compact_dates(base, distinct) or key or spec.replace(step=round_step(numbers))


def _compact_dates(base: dict[str, str], distinct: pa.Array) -> ColumnSpec | None:
    """The spec of whole numbers that are dates (20230218) or times of day (930): their digits are no amount, of which 20230275 would be another."""
    if pa.types.is_float64(distinct.type):  # pandas keeps whole numbers with gaps as floats
        dated = pc.and_(
            pc.and_(pc.greater_equal(distinct, 0), pc.less(distinct, LARGEST_WHOLE)),
            pc.equal(distinct, pc.round(distinct)),
        )
        distinct = distinct.cast(pa.int64()) if pc.all(dated).as_py() else distinct
    if not pa.types.is_integer(distinct.type):
        return None
    compact = dates.detect_whole(distinct.cast(pa.string()))
    return None if compact is None else spec_of_dates(base, distinct, compact)


def _infer_decimal(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    """Databases write their whole numbers as decimals of no places, keys among them."""
    spec = ColumnSpec(**base, kind="float", decimals=max(array.type.scale, 0))
    if array.type.scale > 0:
        return spec
    numbers = parse(array, spec).present
    return key_of_numbers(base, numbers, len(distinct), rows=len(array), present=len(numbers)) or spec


def _infer_float(base: dict[str, str], array: pa.Array, distinct: pa.Array) -> ColumnSpec:
    spec = ColumnSpec(**base, kind="float")
    numbers = parse(array, spec).present
    if (dated := _compact_dates(base, distinct)) is not None:
        return dated
    decimals = decimals_of_floats(numbers, np.dtype(arrow_type(base["storage"]).to_pandas_dtype()))
    key = key_of_numbers(base, numbers, len(distinct), rows=len(array), present=len(numbers))
    if key is None and decimals is None:
        spec, decimals = once_single(spec, numbers)
    return key or with_significant(with_step(spec.replace(decimals=decimals), numbers), numbers)
