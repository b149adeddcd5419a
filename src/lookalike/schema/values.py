"""Cells to values and back, by the column's spec: text formats end here, so no later room knows them.

``parse`` turns one Arrow column into :class:`Values`: numbers on an axis (integers, floats, dates as ticks) or labels
(codes into a vocabulary). ``spell`` is its inverse. The pair is exact for every kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import InputError, SchemaError
from lookalike.schema import dates, lasting, written
from lookalike.schema.column import ColumnSpec
from lookalike.schema.types import arrow_type, is_text, ticks_type


@dataclass(frozen=True)
class Values:
    """One column, parsed.

    Attributes
    ----------
    missing
        (n,) bool.
    numbers
        (n,) int64, uint64 or float64 for integer, float and datetime columns (0 where missing); else None. Dates count
        ticks of their unit since 1970-01-01 UTC, decimals count units of their last place.
    codes
        (n,) int32 into ``levels`` for all other kinds (-1 where missing); else None.
    levels
        The vocabulary, one Arrow value a code; else None.
    """

    missing: np.ndarray
    numbers: np.ndarray | None = None
    codes: np.ndarray | None = None
    levels: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.missing)

    @property
    def as_numbers(self) -> np.ndarray:
        """(n,) the numbers of a column that has them."""
        assert self.numbers is not None
        return self.numbers

    @property
    def present(self) -> np.ndarray:
        """The numbers that are there."""
        return self.as_numbers[~self.missing]

    def codes_in(self, vocabulary: pa.Array) -> np.ndarray:
        """Return (n,) the labels as codes of another vocabulary; −1 where one is missing, or none of it.

        >>> Values(np.array([False, True, False]), codes=np.array([0, -1, 1]), levels=pa.array(["a", "b"])).codes_in(pa.array(["b"]))
        array([-1, -1,  0], dtype=int32)
        """
        assert self.codes is not None and self.levels is not None
        return np.append(places_in(vocabulary, self.levels), np.int32(-1))[
            self.codes
        ]  # code −1 (missing) reads the last entry

    def take(self, rows: np.ndarray) -> Values:
        """The cells of some rows."""
        numbers, codes = (None if part is None else part[rows] for part in (self.numbers, self.codes))
        return Values(self.missing[rows], numbers=numbers, codes=codes, levels=self.levels)


def places_in(vocabulary: pa.Array, levels: pa.Array) -> np.ndarray:
    """Return (m,) int32 where each of the ``levels`` (m,) stands in a vocabulary, −1 where it does not.

    >>> places_in(pa.array(["a", "b"]), pa.array(["b", "c"])).tolist()
    [1, -1]
    """
    found = pc.index_in(levels.cast(vocabulary.type), vocabulary)
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int32)


def ranks_of(values: Values) -> np.ndarray:
    """Return (n,) whole numbers in the order of the values; −1 where one is missing."""
    if values.codes is not None:
        return np.where(values.missing, -1, values.codes).astype(np.int64)
    return np.where(values.missing, -1, np.unique(values.as_numbers, return_inverse=True)[1])


def same_cells(one: Values, other: Values) -> np.ndarray:
    """Return (n,) bool: where both are missing, or hold the same.

    >>> labels = [Values(np.zeros(1, bool), codes=np.zeros(1, np.int32), levels=pa.array([label, "b"])) for label in "aa"]
    >>> same_cells(*labels).tolist()
    [True]
    """
    if one.numbers is not None:
        alike = one.numbers == other.numbers
    elif one.levels is None or other.levels is None or one.levels is other.levels:
        alike = one.codes == other.codes
    else:
        alike = one.codes == other.codes_in(one.levels)
    return np.asarray((one.missing & other.missing) | (alike & ~one.missing & ~other.missing))


def numbered(cells: pa.Array) -> np.ndarray:
    """Return (n,) int64 which of the distinct cells each is, counted from 1 as they come; 0 where one is missing.

    >>> numbered(pa.array(["b", None, "a", "b"])).tolist()
    [1, 0, 2, 1]
    """
    return np.asarray(cells.dictionary_encode().indices.cast(pa.int64()).fill_null(-1).to_numpy() + 1)


def whose(table: pa.Table, specs: Iterable[ColumnSpec]) -> np.ndarray | None:
    """Return (n,) int64 whose each row is, by the coarsest of the keys that several rows share, counted from 1; 0 where it is nobody's;
    None where there is no such key.

    >>> whose(pa.table({"customer": ["a", None, "a"]}), [ColumnSpec(name="customer", kind="key", repeated=True)]).tolist()
    [1, 0, 1]
    """
    shared = [spec.name for spec in specs if spec.kind == "key" and spec.repeated and spec.name in table.column_names]
    numbers = (numbered(table.column(name).combine_chunks()) for name in shared)
    return min(numbers, key=lambda found: int(found.max(initial=0)), default=None)


def without_missing_text(array: pa.Array, texts: Sequence[str]) -> pa.Array:
    """Turn the texts that stand for missing into null."""
    if not texts:
        return array
    missing = pc.is_in(array, pa.array(texts, array.type))
    return pc.if_else(missing, pa.scalar(None, array.type), array)


def widen(array: pa.Array) -> pa.Array:
    """Half floats as single ones: Arrow counts and compares no half floats."""
    return array.cast(pa.float32()) if pa.types.is_float16(array.type) else array


def without_nan(array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Floats with null where they are no number."""
    if not pa.types.is_floating(array.type) or pa.types.is_float16(array.type):
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def parse(array: pa.Array | pa.ChunkedArray, spec: ColumnSpec) -> Values:
    """Parse one column; a cell that does not fit its spec is an :class:`InputError` that names the column.

    >>> spec = ColumnSpec(name="price", kind="float", storage="string", decimals=2)
    >>> parse(pa.array(["1.50", None]), spec).numbers
    array([1.5, 0. ])
    """
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    array = without_nan(widen(without_missing_text(array, spec.missing_text)))
    if spec.numeric:
        return _parse_numbers(array, spec)
    return _parse_labels(array, spec)


def spell(values: Values, spec: ColumnSpec) -> pa.Array:
    """Write values as cells of the column's storage type: the inverse of :func:`parse`.

    >>> spec = ColumnSpec(name="price", kind="float", storage="string", decimals=2, fixed_decimals=True)
    >>> spell(Values(missing=np.array([False, True]), numbers=np.array([1.5, 0.0])), spec).to_pylist()
    ['1.50', None]
    """
    array = _spell_numbers(values, spec) if spec.numeric else _spell_labels(values, spec)
    return pc.fill_null(array, spec.missing_text[0]) if spec.missing_text else array


def spelled_like(cells: pa.Array, others: pa.Array, spec: ColumnSpec) -> pa.Array:
    """Numbers kept as text, with a point where ``others``, which stand beside them, have one: pandas writes 35.0 for the 35 that was learned
    as soon as a cell is missing. All else, and where those are spelled as the column is, stays as it is.

    >>> age = ColumnSpec(name="age", kind="integer")
    >>> spelled_like(pa.array(["21"]), pa.array(["35.0", "40.0", None]), age).to_pylist()
    ['21.0']
    """
    if not is_text(cells.type) or spec.kind not in ("integer", "float") or spec.span or spec.dressed:
        return cells
    others = without_missing_text(others, spec.missing_text).unique().drop_null()
    beside, values = parse(others, spec), parse(cells, spec)
    if not len(others) or spell(beside, spec).equals(others):
        return cells
    places = pc.utf8_length(pc.replace_substring_regex(others, r"^[^.]*\.?", ""))
    ends, enough = pc.min_max(places), 0 if spec.kind == "integer" else spec.decimals
    fixed = ends["min"] == ends["max"] and enough is not None and ends["max"].as_py() >= enough
    point = bool(pc.any(pc.match_substring_regex(others, r"\.0$")).as_py())
    changes = {"kind": "float", "fixed_decimals": fixed, "whole_with_point": point}
    style = spec.replace(decimals=ends["max"].as_py() if fixed else spec.decimals, **changes)
    again = spell(_as_floats(beside), style)
    return spell(_as_floats(values), style) if again.equals(others) else cells


def _as_floats(values: Values) -> Values:
    return replace(values, numbers=values.as_numbers.astype(np.float64))


# ---------------------------------------------------------------------------------------------------------- numbers


def _parse_numbers(array: pa.Array, spec: ColumnSpec) -> Values:
    storage = array.type
    missing = pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
    if is_text(storage):
        numbers = _reader_of(spec)(array, spec)
    elif pa.types.is_decimal(storage):
        numbers = _ticks_of_decimal(array, spec)
    elif pa.types.is_boolean(storage) or pa.types.is_integer(storage) or pa.types.is_floating(storage):
        numbers = _numbers_from_native(array, spec) if spec.kind != "datetime" else _dates_from_native(array, spec)
    elif pa.types.is_temporal(storage):
        numbers = pc.fill_null(array.cast(ticks_type(storage)), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    else:
        raise SchemaError(
            f"column {spec.name!r} is declared {spec.kind}, however: its cells are {storage}. Declare it category."
        )
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise InputError(
            f"numbers must be finite, however: column {spec.name!r} holds {int((~np.isfinite(numbers)).sum())} infinite "
            "values. Replace them by missing, or by a bound."
        )
    return Values(missing=missing, numbers=np.where(missing, numbers.dtype.type(0), _as_kept(numbers, spec)))


def _reader_of(spec: ColumnSpec) -> Callable[[pa.Array, ColumnSpec], np.ndarray]:
    return dates.parse if spec.kind == "datetime" else lasting.parse if spec.span else _numbers_from_text


def _as_kept(numbers: np.ndarray, spec: ColumnSpec) -> np.ndarray:
    storage = arrow_type(spec.storage)
    if spec.kind == "datetime":
        return numbers
    narrow = (
        np.float32 if spec.single_precision else storage.to_pandas_dtype() if pa.types.is_floating(storage) else None
    )
    numbers = numbers if narrow is None else numbers.astype(narrow).astype(np.float64)
    return numbers if spec.significant is None else written.to_significant(numbers, spec.significant)


def as_kept(values: Values, spec: ColumnSpec) -> Values:
    """Numbers no finer than the column's cells hold them, so that what is computed from them is as from those; all else as it is.

    >>> as_kept(Values(np.zeros(1, bool), numbers=np.array([0.1])), ColumnSpec(name="share", kind="float", storage="float")).numbers.tolist()
    [0.10000000149011612]
    """
    if values.numbers is None or spec.kind != "float":
        return values
    return replace(values, numbers=_as_kept(values.numbers, spec))


def _numbers_from_native(array: pa.Array, spec: ColumnSpec) -> np.ndarray:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    numbers = np.nan_to_num(
        pc.fill_null(array, 0).to_numpy(zero_copy_only=False), nan=0.0, posinf=np.inf, neginf=-np.inf
    )
    if numbers.dtype == np.uint64:
        return numbers
    if numbers.dtype.kind == "f":
        if spec.kind == "integer":
            raise SchemaError(
                f"column {spec.name!r} is declared integer, however: it is kept as {array.type}. Declare it float with decimals=0."
            )
        return numbers.astype(np.float64)
    return numbers.astype(np.int64)


def _dates_from_native(array: pa.Array, spec: ColumnSpec) -> np.ndarray:
    """Dates written as whole numbers: 20230218."""
    if spec.format is None or pa.types.is_boolean(array.type):
        raise SchemaError(
            f"a datetime column holds dates, text, or numbers of a format like %Y%m%d, however: column {spec.name!r} is {array.type}. "
            "Declare it integer, or its format."
        )
    whole = _cast(array, pa.int64())
    if whole is None:
        raise InputError(
            f"column {spec.name!r} is declared datetime with format {spec.format!r}, however: some of its cells have fractions. "
            "Correct them, or declare the column float."
        )
    return dates.parse(whole.cast(pa.string()), spec)


def _numbers_from_text(array: pa.Array, spec: ColumnSpec) -> np.ndarray:
    array = written.plain(array, spec)
    bad = pc.sum(pc.invert(pc.match_substring_regex(array, written.TEXT_OF_NUMBER))).as_py() or 0
    if bad:
        raise InputError(
            f"column {spec.name!r} is declared {spec.kind}, however: {bad} of its cells are not numbers. "
            "Correct them, or declare the column category."
        )
    array = pc.replace_substring_regex(array, r"^\+", "")
    if spec.kind == "float":
        numbers = array.cast(pa.float64())
    elif (numbers := _cast(array, pa.int64())) is None:
        whole = pc.replace_substring_regex(array, r"\.0*$", "")  # pandas writes 3.0 beside missing cells
        numbers = _cast(whole, pa.int64())
        numbers = _cast(whole, pa.uint64()) if numbers is None else numbers
    if numbers is None:
        raise InputError(
            f"integers must fit in 64 bits, however: column {spec.name!r} holds larger ones, or fractions. "
            "Declare it float, key or category."
        )
    return pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False)


def _cast(array: pa.Array, wanted: pa.DataType) -> pa.Array | None:
    """The same cells as another type; None where that has no place for one."""
    try:
        return array.cast(wanted)
    except pa.ArrowInvalid:
        return None


def _ticks_of_decimal(array: pa.Array, spec: ColumnSpec) -> np.ndarray:
    """Decimals as integers of their last place: exact up to 18 digits."""
    scale = max(array.type.scale, 0)
    try:
        unit = pa.scalar(Decimal(10**scale), pa.decimal256(scale + 1, 0))
        ticks = pc.multiply(array.cast(pa.decimal256(38, scale)), unit).cast(pa.int64())
    except pa.ArrowInvalid:
        raise InputError(
            f"decimals must fit in 18 digits, however: column {spec.name!r} holds longer ones. Convert it to float."
        ) from None
    return pc.fill_null(ticks, 0).to_numpy(zero_copy_only=False)


def _spell_numbers(values: Values, spec: ColumnSpec) -> pa.Array:
    storage = arrow_type(spec.storage)
    numbers, missing = _as_kept(values.as_numbers, spec), values.missing
    if is_text(storage) or (spec.kind == "datetime" and not pa.types.is_temporal(storage)):
        write = dates.spell if spec.kind == "datetime" else lasting.spell if spec.span else _text_of_numbers
        return write(numbers, missing, spec).cast(storage)
    if pa.types.is_decimal(storage):
        return _decimals_of_ticks(numbers, missing, storage)
    if pa.types.is_boolean(storage):
        return pa.array(numbers.astype(bool), mask=missing)
    if pa.types.is_temporal(storage):
        return pa.array(numbers, mask=missing).cast(ticks_type(storage)).cast(storage)
    return pa.array(numbers.astype(storage.to_pandas_dtype()), type=storage, mask=missing)


def _text_of_numbers(numbers: np.ndarray, missing: np.ndarray, spec: ColumnSpec) -> pa.Array:
    comma = "," if spec.thousands else ""
    drop = ".0" if spec.kind == "float" and not spec.whole_with_point else ""
    if spec.kind == "float" and spec.exponent:
        texts = [f"{number:.{(spec.significant or 1) - 1}{spec.exponent}}" for number in numbers.tolist()]
    elif spec.kind == "float" and spec.fixed_decimals:
        texts = [f"{number:{comma}.{spec.decimals or 0}f}" for number in numbers.tolist()]
    elif comma:
        texts = [f"{number:,}".removesuffix(drop) for number in numbers.tolist()]
    elif spec.kind == "float":  # repr is the shortest text that reads back as the same float
        texts = [repr(number).removesuffix(drop) for number in numbers.tolist()]
    else:
        return written.dressed(pa.array(numbers, mask=missing).cast(pa.string()), spec)
    return written.dressed(pa.array(texts, mask=missing, type=pa.string()), spec)


def _decimals_of_ticks(numbers: np.ndarray, missing: np.ndarray, storage: pa.DataType) -> pa.Array:
    scale = max(storage.scale, 0)
    whole = pa.array(numbers.astype(np.int64), mask=missing).cast(pa.decimal256(20, 0))
    return pc.multiply(whole, pa.scalar(Decimal(1).scaleb(-scale), pa.decimal256(scale + 1, scale))).cast(storage)


# ----------------------------------------------------------------------------------------------------------- labels


def _parse_labels(array: pa.Array, spec: ColumnSpec) -> Values:
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False).astype(np.int32)
    levels = encoded.dictionary
    if levels.null_count:  # a dictionary may hold null as a level of its own
        null_level = pc.is_null(levels).to_numpy(zero_copy_only=False)
        codes = np.where((codes >= 0) & null_level[codes], np.int32(-1), codes)
    if spec.levels is not None:
        codes, levels = _declared_levels(codes, levels, spec)
    elif spec.kind == "boolean":
        codes, levels = _true_and_false(codes, levels, spec)
    return Values(missing=codes < 0, codes=codes, levels=levels)


def _recode(codes: np.ndarray, levels: pa.Array, wanted: pa.Array) -> tuple[np.ndarray, int]:
    """Codes into ``wanted`` instead of ``levels``; the second value counts the cells not found there."""
    recoded = Values(codes < 0, codes=codes, levels=levels).codes_in(wanted)
    return recoded, int(((codes >= 0) & (recoded < 0)).sum())


def _declared_levels(codes: np.ndarray, levels: pa.Array, spec: ColumnSpec) -> tuple[np.ndarray, pa.Array]:
    assert spec.levels is not None
    wanted = pa.array(spec.levels, pa.string()).cast(levels.type)
    recoded, unknown = _recode(codes, levels, wanted)
    if unknown:
        raise InputError(
            f"column {spec.name!r} declares {len(spec.levels)} levels, however: {unknown} cells hold another value. "
            "Add the missing levels to the schema, or correct the cells."
        )
    return recoded, wanted


def _true_and_false(codes: np.ndarray, levels: pa.Array, spec: ColumnSpec) -> tuple[np.ndarray, pa.Array]:
    """Booleans have two levels, false first, whether or not both occur; ``True`` is ``true``, as pandas writes it."""
    if is_text(levels.type):
        wanted = pa.array([spec.false_text or "false", spec.true_text or "true"], levels.type)
    elif pa.types.is_boolean(levels.type):
        wanted = pa.array([False, True])
    else:
        wanted = pa.array([0, 1]).cast(levels.type)
    recoded, unknown = _recode(codes, levels, wanted)
    if unknown and is_text(levels.type):
        found, lower = (pc.utf8_lower(texts.cast(pa.string())) for texts in (levels, wanted))
        if len(lower.unique()) == len(wanted):
            recoded, unknown = _recode(codes, found, lower)
    if unknown:
        raise InputError(
            f"column {spec.name!r} is declared boolean, however: {unknown} cells are neither its true nor its false. "
            "Set true_text and false_text in the schema, or declare it category."
        )
    return recoded, wanted


def _spell_labels(values: Values, spec: ColumnSpec) -> pa.Array:
    assert values.codes is not None and values.levels is not None
    storage = arrow_type(spec.storage)
    indices = pa.array(np.where(values.missing, 0, values.codes), mask=values.missing, type=pa.int32())
    encoded = pa.DictionaryArray.from_arrays(indices, values.levels)
    if pa.types.is_dictionary(storage):
        narrow = pa.dictionary(storage.index_type, values.levels.type, storage.ordered)
        return pa.DictionaryArray.from_arrays(indices.cast(narrow.index_type), values.levels, ordered=storage.ordered)
    return encoded.dictionary_decode().cast(storage)
