"""What a condition asks of one column: a value as a person writes it, as a cell and as a code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.numeric import NumericEncoder
from lookalike.errors import InputError, NotFittedError, SchemaError
from lookalike.rng import generator
from lookalike.schema import ColumnSpec, parse
from lookalike.schema.column import never_seen
from lookalike.schema.types import arrow_type, is_text, value_type


def code_of(encoder: ColumnEncoder, value: Any) -> int:
    """Return the code of one value.

    Raises
    ------
    NotFittedError
        The encoder knows no values yet.
    SchemaError
        The column never held such a value.

    >>> from lookalike.encode.base import EncoderSettings
    >>> colours = CategoryEncoder(ColumnSpec(name="colour", kind="category", storage="string"), EncoderSettings())
    >>> colours.fit(parse(pa.array(["red", "blue"] * 30), colours.spec), generator(0))
    >>> code_of(colours, "red")
    1
    """
    if not encoder.fitted:
        raise NotFittedError("conditions need a fitted encoder. Call fit first.")
    spec = encoder.spec
    try:
        values = parse(cell(spec, value), spec)
        codes, residuals = encoder.encode(values, generator(0, "condition"))
    except InputError:  # it has no code
        raise never_seen(spec.name) from None
    if isinstance(encoder, CategoryEncoder) and encoder.hides(codes).any():
        raise never_seen(spec.name)
    if spec.numeric and not values.missing[0]:
        back = encoder.decode(codes, residuals, generator(0, "condition")).numbers
        wanted = values.numbers
        assert back is not None and wanted is not None
        if isinstance(encoder, NumericEncoder) and encoder.weeks:
            back, wanted = encoder.week_of(back), encoder.week_of(wanted)
        if back[0] != wanted[0] and not np.isclose(float(back[0]), float(wanted[0]), rtol=1e-9):
            raise SchemaError(
                f"a condition asks for a value that can be drawn, however: column {spec.name!r} never came near it, or in too few rows. Ask for another."
            )
    return int(codes[0])


def cell(spec: ColumnSpec, value: Any) -> pa.Array:
    """Return one value in the column's own type; text is read as the column would read it. A SchemaError where it cannot be.

    None, NaN and pandas' NA and NaT are a missing cell.

    >>> cell(ColumnSpec(name="age", kind="integer", storage="int8"), "41").to_pylist()
    [41]
    """
    storage = value_type(arrow_type(spec.storage))
    # by itself Arrow takes whole numbers for signed ones
    own = pa.uint64() if type(value) is int and pa.types.is_uint64(storage) else None
    try:
        if not isinstance(value, (str, int)) and pa.array([value], from_pandas=True).null_count:
            return pa.nulls(1, storage)
        return pa.array([str(value)], storage) if is_text(storage) else pa.array([value], own).cast(storage)
    # Arrow's ways to say that a value does not fit a type: to who asks, it was never seen
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        raise never_seen(spec.name) from None
