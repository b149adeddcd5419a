"""Arrow types to text and back, so that a schema is plain JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import SchemaError

if TYPE_CHECKING:
    from lookalike.schema.column import ColumnSpec

_SIMPLE = {str(make()): make() for make in (
    pa.int8, pa.int16, pa.int32, pa.int64, pa.uint8, pa.uint16, pa.uint32, pa.uint64, pa.float16, pa.float32,
    pa.float64, pa.bool_, pa.string, pa.large_string, pa.string_view, pa.date32, pa.date64, pa.null,
)}  # fmt: skip


def arrow_type(text: str) -> pa.DataType:
    """Read an Arrow type as its ``str`` writes it.

    >>> arrow_type("timestamp[us, tz=Europe/Vienna]")
    TimestampType(timestamp[us, tz=Europe/Vienna])
    >>> arrow_type("dictionary<values=string, indices=int8, ordered=1>").ordered
    True
    """
    try:
        found = _read(text)
    # time32[us], decimal128(99, 0), labels numbered by text, dictionaries of dictionaries of dictionaries
    except (ValueError, OverflowError, TypeError, RecursionError):
        found = None
    if found is None:
        raise SchemaError(f"storage must be an Arrow type that lookalike models, however: storage={text!r}.")
    return found


def _read(text: str) -> pa.DataType | None:
    if text in _SIMPLE:
        return _SIMPLE[text]
    if match := re.fullmatch(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]", text):
        return pa.timestamp(match[1], tz=match[2])
    if match := re.fullmatch(r"duration\[(s|ms|us|ns)\]", text):
        return pa.duration(match[1])
    if match := re.fullmatch(r"time(32|64)\[(s|ms|us|ns)\]", text):
        return pa.time32(match[2]) if match[1] == "32" else pa.time64(match[2])
    if match := re.fullmatch(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)", text):
        return getattr(pa, f"decimal{match[1]}")(int(match[2]), int(match[3]))
    if match := re.fullmatch(r"dictionary<values=(.+), indices=(\w+), ordered=([01])>", text):
        return pa.dictionary(arrow_type(match[2]), arrow_type(match[1]), ordered=match[3] == "1")
    return None


def in_type(column: pa.Array | pa.ChunkedArray, wanted: pa.DataType, spec: ColumnSpec, rule: str) -> Any:
    """Return a column in another type, labels as they are; a SchemaError that begins with ``rule`` where it cannot be. Yes and
    no beside text are spelled as the column spells them.

    >>> from lookalike.schema import ColumnSpec
    >>> age, left = ColumnSpec(name="age", kind="integer"), ColumnSpec(name="left", kind="boolean", true_text="Y", false_text="N")
    >>> in_type(pa.array([1.0, None]), pa.int64(), age, "a table must hold the types that were learned").to_pylist()
    [1, None]
    >>> in_type(pa.array([True, None]), pa.string(), left, "a table must hold the types that were learned").to_pylist()
    ['Y', None]
    """
    if column.type == wanted or pa.types.is_dictionary(wanted):
        return column
    if pa.types.is_boolean(column.type) and is_text(wanted) and spec.true_text is not None:
        return pc.if_else(column, spec.true_text, spec.false_text).cast(wanted)
    try:
        return column.cast(wanted)
    # a cell that does not fit, and two types with no way between them
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise SchemaError(
            f"{rule}, however: its column {spec.name!r} is {column.type}, not {wanted}. Convert it."
        ) from None


def is_text(storage: pa.DataType) -> bool:
    """Whether cells of this type are text."""
    return pa.types.is_string(storage) or pa.types.is_large_string(storage) or pa.types.is_string_view(storage)


def value_type(storage: pa.DataType) -> pa.DataType:
    """The type of the cells themselves: that of a dictionary's values, any other as it is.

    >>> value_type(pa.dictionary(pa.int8(), pa.string())), value_type(pa.int64())
    (DataType(string), DataType(int64))
    """
    return storage.value_type if pa.types.is_dictionary(storage) else storage


def without_dictionary(column: Any) -> Any:
    """A column's cells, an array or a chunked one, in their :func:`value_type`: Arrow compares, counts and joins few dictionaries.

    >>> without_dictionary(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist()
    ['a', None, 'a']
    """
    return column.cast(value_type(column.type))


def to_plain(array: pa.Array) -> list[str | int]:
    """Cells as JSON can hold them exactly: ticks of temporal ones, the text of all others.

    >>> to_plain(pa.array([90], pa.duration("s"))), to_plain(pa.array([True, False]))
    ([90], ['true', 'false'])
    """
    if pa.types.is_temporal(array.type):
        return array.cast(ticks_type(array.type)).to_pylist()
    return array.cast(pa.string()).to_pylist()


def from_plain(cells: list[str | int], storage: pa.DataType) -> pa.Array:
    """The inverse of :func:`to_plain`.

    >>> from_plain(["true", "false"], pa.bool_()).to_pylist()
    [True, False]
    """
    if pa.types.is_null(storage):
        return pa.nulls(len(cells))
    return pa.array(cells, ticks_type(storage) if pa.types.is_temporal(storage) else pa.string()).cast(storage)


def ticks_type(storage: pa.DataType) -> pa.DataType:
    """The integer type that holds a temporal type's ticks."""
    return pa.int32() if storage.bit_width == 32 else pa.int64()
