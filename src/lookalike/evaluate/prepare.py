"""Every column parsed once and coded once, so that each metric only counts.

A number keeps its values and gets one of twelve bins; a label gets a code in a vocabulary shared by all tables. Missing
has a code of its own for labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import InputError, LookalikeError, SchemaError
from lookalike.rng import generator
from lookalike.schema import ColumnSpec, Schema, Values, parse
from lookalike.schema.types import is_text
from lookalike.schema.values import numbered

BIN_COUNT = 12
"""np.digitize into 10 bins gives 0…11; see :func:`own_bins`."""


@dataclass(frozen=True)
class Side:
    """One column of one table.

    Attributes
    ----------
    missing
        (n,) bool.
    codes
        (n,) int64 in [0, Column.size): labels in the shared vocabulary, missing last; numbers in bins.
    numbers
        (n,) for columns on an axis (0 where missing), else None.
    """

    missing: np.ndarray
    codes: np.ndarray
    numbers: np.ndarray | None = None

    @property
    def as_numbers(self) -> np.ndarray:
        """(n,) the numbers of a column on an axis."""
        assert self.numbers is not None
        return self.numbers

    @property
    def present(self) -> np.ndarray:
        """The numbers that are there."""
        return self.as_numbers[~self.missing]

    @property
    def constant(self) -> bool:
        """Exactly one distinct number."""
        numbers = self.present
        return len(numbers) > 0 and bool((numbers == numbers[0]).all())

    def take(self, rows: np.ndarray) -> Side:
        """The same column of a part of the rows; (m,) positions. Numbers get bins of their own, as every table's do."""
        missing = self.missing[rows]
        if self.numbers is None:
            return Side(missing, self.codes[rows])
        return Side(missing, own_bins(self.numbers[rows], missing), self.numbers[rows])


@dataclass(frozen=True)
class Column:
    """One column of all tables."""

    spec: ColumnSpec
    size: int
    sides: Mapping[str, Side]
    vocabulary: pa.Array | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def numeric(self) -> bool:
        return self.spec.numeric


Codes = Mapping[str, np.ndarray]
"""(n,) int64 a table, by its name."""


def shared_keys(tables: Mapping[str, pa.Table], schema: Schema) -> dict[str, Codes]:
    """The keys of several rows each that all tables have: which key each row has, counted from 1 in every table; 0 where it has none.

    >>> schema = Schema([ColumnSpec(name="customer", kind="key", repeated=True)])
    >>> shared_keys({"real": pa.table({"customer": ["a", None, "b", "a"]})}, schema)["customer"]["real"].tolist()
    [1, 0, 2, 1]
    """
    names = [spec.name for spec in schema.kept if spec.kind == "key" and spec.repeated]
    return {
        name: {side: numbered(table[name].combine_chunks()) for side, table in tables.items()}
        for name in names
        if all(name in table.column_names for table in tables.values())
    }


def scored(schema: Schema) -> list[ColumnSpec]:
    """The columns that metrics look at: keys, dropped columns and free text have no distribution to compare."""
    return [spec for spec in schema.modelled if spec.kind != "text"]


def prepare(tables: Mapping[str, pa.Table], schema: Schema) -> list[Column]:
    """Parse and code every scored column of every table."""
    specs = scored(schema)
    for which, table in tables.items():
        _check_names(which, table.column_names, specs)
    return [
        _prepare_column({which: _values(table, spec, which) for which, table in tables.items()}, spec) for spec in specs
    ]


def _check_names(which: str, names: list[str], specs: list[ColumnSpec]) -> None:
    times = Counter(names)
    for spec in specs:
        if times[spec.name] != 1:
            raise SchemaError(
                f"the {which} table must hold every column of the schema once, however: {spec.name!r} stands there "
                f"{times[spec.name]} times. Evaluate tables of the same schema."
            )


def _values(table: pa.Table, spec: ColumnSpec, which: str) -> Values:
    # Declared levels and true/false texts are what a synthetic cell may break: adherence counts it, parse would refuse it.
    try:
        return parse(table[spec.name], spec.lenient)
    except LookalikeError as error:
        raise InputError(f"{which} table: {error}") from None


def _prepare_column(values: dict[str, Values], spec: ColumnSpec) -> Column:
    if spec.numeric:
        sides = {name: _number_side(side) for name, side in values.items()}
        return Column(spec, BIN_COUNT, sides)
    vocabulary = _vocabulary([side.levels for side in values.values() if side.levels is not None])
    sides = {name: _label_side(side, vocabulary) for name, side in values.items()}
    return Column(spec, len(vocabulary) + 1, sides, vocabulary)


def _number_side(values: Values) -> Side:
    return Side(values.missing, own_bins(values.as_numbers, values.missing), values.as_numbers)


def own_bins(numbers: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Ten equal bins between the column's own minimum and maximum, as sdmetrics cuts them for mixed pairs.

    Two flaws are kept for parity: the edges are the table's own (so x·50 + 9999 falls into the bins of x), and missing
    shares bin 11 with the maximum, because ``np.digitize`` puts NaN behind the last edge.

    >>> own_bins(np.array([0.0, 1.0, 10.0, 0.0]), np.array([False, False, False, True])).tolist()
    [1, 2, 11, 11]
    """
    places = numbers.astype(np.float64) / 4  # so that the range of −1e308 … 1e308 does not overflow; exact otherwise
    present = places[~missing]
    low, high = (present.min(), present.max()) if len(present) else (0.0, 0.25)
    if low == high:
        low, high = low - 0.125, high + 0.125
    bins = np.digitize(places, np.linspace(low, high, 11))
    return np.where(missing, BIN_COUNT - 1, bins).astype(np.int64)


def _vocabulary(levels: list[pa.Array]) -> pa.Array:
    """All levels of all tables; the first table's come first."""
    if len({level.type for level in levels}) > 1:
        levels = [level.cast(pa.string()) for level in levels]
    merged = pc.unique(pa.concat_arrays(levels)) if levels else pa.array([], pa.string())
    return merged.drop_null()


def _label_side(values: Values, vocabulary: pa.Array) -> Side:
    codes = values.codes_in(vocabulary).astype(np.int64)
    return Side(values.missing, np.where(codes < 0, len(vocabulary), codes))


def plain_type(storage: pa.DataType) -> str:
    """A column's type as text; the three Arrow spellings of text are one.

    >>> plain_type(pa.large_string())
    'string'
    """
    return "string" if is_text(storage) else str(storage)


def count_rows(columns: Sequence[Column], side: str) -> int:
    """How many rows a side has; 0 where there is no such side."""
    return len(columns[0].sides[side].missing) if columns and side in columns[0].sides else 0


def pick(rows: int, size: int, seed: int, *purpose: str) -> np.ndarray:
    """At most ``size`` of so many row numbers, drawn without replacement, in order.

    >>> pick(3, 5, 0, "all").tolist()
    [0, 1, 2]
    """
    if rows <= size:
        return np.arange(rows)
    return np.sort(generator(seed, "evaluate", *purpose).choice(rows, size, replace=False))
