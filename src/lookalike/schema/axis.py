"""Numbers and dates of several columns on one axis, so that they can be compared and subtracted exactly.

Parsed columns count in units of their own: days, microseconds, hundredths. Here they are brought to one unit; whole
numbers that would leave 64 bits there go on as Python's own, which have no end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import numpy as np
import pyarrow as pa

from lookalike.schema import dates
from lookalike.schema.column import ColumnSpec
from lookalike.schema.types import arrow_type, is_text, without_dictionary
from lookalike.schema.values import Values, parse, spell, widen, without_missing_text

DAY = 86_400
SAFE = 2**61
"""Whole numbers up to here can be added and subtracted once in int64."""
UNIT_NAMES = {1: "s", 10**3: "ms", 10**6: "us", 10**9: "ns"}


def unit_of(spec: ColumnSpec) -> Fraction | None:
    """What one parsed unit of a column is worth, in seconds or in ones; None for floats, which have no unit.

    >>> unit_of(ColumnSpec(name="day", kind="datetime", storage="date32[day]"))
    Fraction(86400, 1)
    >>> unit_of(ColumnSpec(name="price", kind="float", storage="decimal128(10, 2)"))
    Fraction(1, 100)
    """
    storage = arrow_type(spec.storage)
    if pa.types.is_decimal(storage):
        return Fraction(1, 10 ** max(storage.scale, 0))
    if spec.kind == "float":
        return None
    if (spec.kind == "datetime" or spec.span) and not pa.types.is_temporal(storage):
        return Fraction(1, dates.TICKS_A_SECOND[dates.unit_of(spec.format or "")])
    if pa.types.is_date32(storage):
        return Fraction(DAY)
    if pa.types.is_date64(storage):
        return Fraction(1, 1000)
    if pa.types.is_temporal(storage):
        return Fraction(1, dates.TICKS_A_SECOND[storage.unit])
    return Fraction(1)


def common_unit(specs: Sequence[ColumnSpec]) -> Fraction | None:
    """The smallest unit among the columns, of which each other one is a multiple; None where one of them is a float."""
    units = [unit_of(spec) for spec in specs]
    whole = [unit for unit in units if unit is not None]
    return min(whole) if len(whole) == len(units) else None


def on_axis(values: Values, spec: ColumnSpec, unit: Fraction | None) -> np.ndarray:
    """(n,) numbers in the common unit: int64, objects where they need more room, or float64 rounded to the column's decimals.

    >>> spec = ColumnSpec(name="day", kind="datetime", storage="date32[day]")
    >>> on_axis(Values(np.zeros(1, bool), numbers=np.array([2])), spec, Fraction(3600)).tolist()
    [48]
    """
    numbers, own = values.as_numbers, unit_of(spec)
    if unit is None:
        if own is not None:
            return numbers / own.denominator * own.numerator
        return numbers if spec.decimals is None else np.round(numbers, spec.decimals)
    assert own is not None
    factor = own / unit
    assert factor.denominator == 1
    if len(numbers) and max(abs(int(numbers.min())), abs(int(numbers.max()))) * factor.numerator > SAFE:
        return numbers.astype(object) * factor.numerator
    return numbers.astype(np.int64) * factor.numerator


def bound_on_axis(bound: int | float | datetime, unit: Fraction | None) -> float | Fraction:
    """A declared bound in the common unit: exact, but for floats, which have none.

    >>> bound_on_axis(datetime(1970, 1, 2, tzinfo=timezone.utc), Fraction(86400))
    Fraction(1, 1)
    """
    if isinstance(bound, datetime):
        assert unit is not None
        return Fraction((bound - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1), 10**6) / unit
    return float(bound) if unit is None else Fraction(str(bound)) / unit


def decimals_of(spec: ColumnSpec) -> int | None:
    """Places after the point that a number keeps; None where it keeps all a float can hold."""
    own = unit_of(spec)
    return spec.decimals if own is None else len(str(own.denominator)) - 1


def rounding_of(spec: ColumnSpec) -> float:
    """How far apart neighbouring floats of a column lie, in proportion to their size: 2⁻²³ where they are kept in 32 bits, or once were.

    >>> rounding_of(ColumnSpec(name="x", kind="float", storage="float")) == 2**-23
    True
    """
    storage = arrow_type(spec.storage)
    kept = storage.to_pandas_dtype() if pa.types.is_floating(storage) else np.float64
    return float(np.finfo(np.float32 if spec.single_precision else kept).eps)


def declared_bounds(spec: ColumnSpec, dtype: np.dtype) -> tuple[int | float | None, int | float | None]:
    """The least and the greatest number that the schema allows, in parsed units, as far as the type holds them; None where it says nothing.

    >>> spec = ColumnSpec(name="size", kind="integer", storage="uint8", minimum=-3, maximum=7.5)
    >>> declared_bounds(spec, np.dtype("uint64"))
    (0, 7)
    """
    if dtype.kind not in "iu":
        return spec.minimum, spec.maximum
    units, limits = 10 ** (decimals_of(spec) or 0) if spec.kind == "float" else 1, np.iinfo(dtype)
    low, high = (None if end is None else Fraction(str(end)) * units for end in (spec.minimum, spec.maximum))
    return (
        None if low is None else min(max(math.ceil(low), int(limits.min)), int(limits.max)),
        None if high is None else min(max(math.floor(high), int(limits.min)), int(limits.max)),
    )


def grain_of(spec: ColumnSpec) -> float:
    """How far apart neighbouring values of a float column lie; 0 where they may lie anywhere.

    >>> grain_of(ColumnSpec(name="count", kind="float", decimals=1, step=10))
    1.0
    """
    return 0.0 if spec.decimals is None else spec.step / 10.0**spec.decimals


def on_grain(numbers: np.ndarray, spec: ColumnSpec) -> np.ndarray:
    """Floats, rounded to what a column of known decimals may hold.

    >>> on_grain(np.array([18.4, 0.26]), ColumnSpec(name="count", kind="float", decimals=1, step=10)).tolist()
    [18.0, 0.0]
    """
    assert spec.decimals is not None
    if spec.step > 1:
        numbers = np.rint(numbers / grain_of(spec)) * grain_of(spec)
    return np.round(numbers, spec.decimals)


def natural(array: pa.Array, spec: ColumnSpec) -> pa.Array:
    """A column as an :class:`~lookalike.schema.expression.Expression` takes it: numbers, dates without a zone, text, booleans.

    Numbers and dates kept as text are read as such; a time zone's moments become UTC.

    >>> natural(pa.array(["1.50", None]), ColumnSpec(name="price", kind="float", decimals=2)).to_pylist()
    [1.5, None]
    """
    if not spec.numeric:
        return _natural_labels(without_missing_text(widen(array), spec.missing_text), spec)
    return natural_of(parse(array, spec), spec)


def natural_of(values: Values, spec: ColumnSpec) -> pa.Array:
    """As :func:`natural`, of a parsed column."""
    if values.numbers is None:
        return _natural_labels(without_missing_text(spell(values, spec), spec.missing_text), spec)
    if spec.kind == "datetime":
        own = unit_of(spec)
        assert own is not None
        if own > 1:
            return pa.array(values.numbers * own.numerator, mask=values.missing).cast(pa.timestamp("s"))
        return pa.array(values.numbers, mask=values.missing).cast(pa.timestamp(UNIT_NAMES[own.denominator]))
    if spec.kind == "float":
        return pa.array(on_axis(values, spec, None), mask=values.missing)
    numbers = values.numbers
    wide = numbers.dtype == np.uint64 and len(numbers) and numbers.max() >= 2**63
    return pa.array(numbers.astype(np.float64 if wide else np.int64), mask=values.missing)


def as_floats(column: pa.Array) -> np.ndarray:
    """(n,) float64 of numbers or dates as :func:`natural` gives them, dates in days; NaN where a cell is missing.

    >>> as_floats(pa.array([86_400 * 10**6, None], pa.timestamp("us"))).tolist()
    [1.0, nan]
    """
    if pa.types.is_timestamp(column.type):
        ticks = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        return np.asarray(ticks.fill_null(np.nan).to_numpy() / (DAY * 10**6))
    return np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy())


def _natural_labels(array: pa.Array, spec: ColumnSpec) -> pa.Array:
    if spec.kind == "boolean" and is_text(array.type) and (spec.true_text, spec.false_text) == ("1", "0"):
        return array.cast(pa.int64())
    cells = without_dictionary(array)
    if pa.types.is_boolean(cells.type) or pa.types.is_null(cells.type):
        return cells
    if pa.types.is_integer(cells.type) and not pa.types.is_uint64(cells.type):
        return cells.cast(pa.int64())
    return cells.cast(pa.float64()) if pa.types.is_floating(cells.type) else cells.cast(pa.string())
