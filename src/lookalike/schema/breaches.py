"""Which rows of a table keep a declared constraint: what setting rows aside, refining and judging all ask.

A rule over a missing cell is kept, except where missing cells are what it is about.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.errors import LookalikeWarning, SchemaError
from lookalike.rng import scattered
from lookalike.schema.axis import as_floats, bound_on_axis, common_unit, decimals_of, natural, on_axis, rounding_of
from lookalike.schema.column import ColumnSpec, Schema
from lookalike.schema.constraints import (
    Combinations,
    Constraint,
    Copy,
    Formula,
    Inequality,
    NullTogether,
    Predicate,
    Range,
    Share,
    Unique,
    moment,
)
from lookalike.schema.expression import Expression
from lookalike.schema.types import is_text, value_type
from lookalike.schema.values import Values, parse

SALT = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Rows:
    """A table whose columns are parsed once, however many rules ask for them."""

    table: pa.Table
    schema: Schema
    _values: dict[str, Values] = field(default_factory=dict)
    _natural: dict[str, pa.Array] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def values(self, name: str) -> Values:
        """A column as numbers or labels; all that is no number is a label, keys too."""
        if name not in self._values:
            self._values[name] = parse(self.table.column(name), self.schema[name].lenient)
        return self._values[name]

    def natural(self, name: str) -> pa.Array:
        """A column as expressions take it."""
        if name not in self._natural:
            self._natural[name] = natural(self.table.column(name).combine_chunks(), self.schema[name])
        return self._natural[name]

    def compute(self, expression: Expression) -> pa.Array:
        """(n,) cells of an expression."""
        return expression.evaluate({name: self.natural(name) for name in expression.names})


def kept(constraint: Constraint, rows: Rows, reference: Rows | None = None) -> np.ndarray:
    """(n,) bool: which rows keep the rule.

    Parameters
    ----------
    reference
        The table whose combinations are the ones that occur; the rows themselves when left out.

    >>> from lookalike.schema.infer import infer_schema
    >>> table = pa.table({"low": [1, 5, None], "high": [2, 4, 1]})
    >>> kept(Inequality(columns=("low", "high")), Rows(table, infer_schema(table))).tolist()
    [True, False, True]
    """
    if isinstance(constraint, (Inequality, Range)):
        return _in_order(constraint, rows)
    if isinstance(constraint, Combinations):
        return _combined(constraint, rows, reference or rows)
    if isinstance(constraint, Formula):
        return _computed(constraint, rows)
    if isinstance(constraint, Share):
        return _shared(constraint, rows)
    if isinstance(constraint, Unique):
        return _first(row_keys(constraint.columns, rows))
    if isinstance(constraint, NullTogether):
        missing = [rows.values(name).missing for name in constraint.columns]
        return np.all([column == missing[0] for column in missing], axis=0)
    if isinstance(constraint, Copy):
        return np.ones(len(rows), bool)
    assert isinstance(constraint, Predicate)
    return truth(Expression(constraint.expression), rows)


def truth(expression: Expression, rows: Rows) -> np.ndarray:
    """(n,) bool: where an expression is true or unknown."""
    found = rows.compute(expression)
    if not pa.types.is_boolean(found.type):
        raise SchemaError(
            f"a predicate is true or false, however: {expression.text!r} is neither. Compare it with something."
        )
    return np.asarray(found.fill_null(True).to_numpy(zero_copy_only=False), bool)


def set_aside(table: pa.Table, schema: Schema) -> np.ndarray:
    """(n,) bool: the rows to learn from. Says how many real rows break a declared constraint, and what becomes of them.

    Rows that break a rule which is kept by construction cannot be learned from, and are set aside; those that break a
    predicate or repeat a key stay, because only rows made are checked for it.

    Raises
    ------
    SchemaError
        Most rows break a rule: it is wrong, or the table is.
    """
    rows, fits = Rows(table, schema), np.ones(table.num_rows, bool)
    for constraint in schema.constraints:
        passed = kept(constraint, rows)
        broken = int((~passed).sum())
        if not broken:
            continue
        if 2 * broken > len(rows):
            raise SchemaError(
                f"a constraint holds in most real rows, however: {broken:,} of {len(rows):,} break {constraint.rule} "
                f"({constraint.words}). Correct the constraint, or the table."
            )
        stays = isinstance(constraint, (Predicate, Unique))
        fate = (
            "they are learned from, but no row made breaks it" if stays else "they are set aside, and not learned from"
        )
        warnings.warn(
            f"{broken:,} of {len(rows):,} real rows break a constraint ({constraint.rule}, {constraint.words}): {fate}.",
            LookalikeWarning,
            stacklevel=3,
        )
        if not stays:
            fits &= passed
    return fits


# ------------------------------------------------------------------------------------------------------------- order


def _in_order(constraint: Inequality | Range, rows: Rows) -> np.ndarray:
    if isinstance(constraint, Inequality):
        ladder: Sequence[Any] = constraint.columns
    else:
        ladder = [bound for bound in (constraint.low, constraint.column, constraint.high) if bound is not None]
    specs = [rows.schema[name] for name in constraint.names]
    unit = common_unit(specs)
    fits, last, seen = np.ones(len(rows), bool), None, np.zeros(len(rows), bool)
    for step in ladder:
        if step not in constraint.names:
            continue
        values = rows.values(step)
        numbers = on_axis(values, rows.schema[step], unit)
        if last is not None:
            rises = numbers > last if constraint.strict else numbers >= last
            fits &= np.asarray(rises, bool) | values.missing | ~seen
            last = np.where(values.missing, last, numbers)
        else:
            last = numbers
        seen |= ~values.missing
    if isinstance(constraint, Range):
        own = rows.values(constraint.column)
        numbers = on_axis(own, rows.schema[constraint.column], unit)
        fits &= own.missing | _between(numbers, constraint, unit)
    return fits


def _between(numbers: np.ndarray, constraint: Range, unit: Fraction | None) -> np.ndarray:
    low, high = limits(constraint, unit)
    inside = np.ones(len(numbers), bool)
    if low is not None:
        inside &= np.asarray(numbers >= low, bool)
    if high is not None:
        inside &= np.asarray(numbers <= high, bool)
    return inside


def limits(constraint: Range, unit: Fraction | None) -> tuple[float | int | None, float | int | None]:
    """The least and the greatest number, in the common unit, that a range's declared bounds allow.

    >>> limits(Range(column="age", low=0, high=9.5, strict=True), Fraction(1))
    (1, 9)
    """
    found: list[float | int | None] = []
    for bound, up in ((constraint.low, True), (constraint.high, False)):
        if bound is None or bound in constraint.names:
            found.append(None)
            continue
        # mypy does not see that a column's name was passed over above: a text that is left is a date
        exact = bound_on_axis(moment(bound) if isinstance(bound, str) else bound, unit)  # type: ignore[arg-type]
        if isinstance(exact, float):
            found.append(float(np.nextafter(exact, np.inf if up else -np.inf)) if constraint.strict else exact)
        elif constraint.strict:
            found.append(math.floor(exact) + 1 if up else math.ceil(exact) - 1)
        else:
            found.append(math.ceil(exact) if up else math.floor(exact))
    return found[0], found[1]


# ------------------------------------------------------------------------------------------------------ combinations


def _combined(constraint: Combinations, rows: Rows, reference: Rows) -> np.ndarray:
    if constraint.allowed is None:
        if reference is rows:
            return np.ones(len(rows), bool)
        there = [reference.values(name) for name in constraint.columns]
    else:
        cells = zip(*constraint.allowed, strict=True) if constraint.allowed else [()] * len(constraint.columns)
        there = [declared(list(column), rows, name) for column, name in zip(cells, constraint.columns, strict=True)]
    mine = [rows.values(name) for name in constraint.columns]
    codes = [together(pair) for pair in zip(mine, there, strict=True)]
    joint = np.stack(codes, 1)
    _, places = np.unique(joint, axis=0, return_inverse=True)
    places = places.reshape(-1)
    return np.isin(places[: len(rows)], places[len(rows) :])


def declared(cells: list[Any], rows: Rows, name: str) -> Values:
    """Cells from JSON as a column would hold them."""
    spec, plain = rows.schema[name], value_type(rows.table.schema.field(name).type)
    try:
        if is_text(plain):
            written = pa.array([None if cell is None else str(cell) for cell in cells], plain)
        elif spec.kind == "datetime":
            written = pa.array([None if cell is None else str(cell) for cell in cells], pa.string()).cast(plain)
        else:
            written = (
                pa.array(cells).cast(plain) if any(cell is not None for cell in cells) else pa.nulls(len(cells), plain)
            )
    # Arrow's three ways to say that a cell does not fit a type: its value, its kind, no way between the two
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        raise SchemaError(
            f"allowed combinations hold cells of their columns' types, however: one of column {name!r} does not fit {plain}. "
            "Write it as the table does."
        ) from None
    return parse(written, spec.replace(levels=None) if spec.levels is not None else spec)


def together(parts: Sequence[Values]) -> np.ndarray:
    """Codes of one column in several tables, one after the other: the same cell has the same code, missing has 0."""
    missing = np.concatenate([part.missing for part in parts])
    if parts[0].numbers is not None:
        numbers = np.concatenate([part.numbers for part in parts if part.numbers is not None])
        _, codes = np.unique(numbers, return_inverse=True)
        return np.where(missing, 0, codes + 1)
    texts = [part.levels.cast(pa.string()) for part in parts if part.levels is not None]
    merged = pa.concat_arrays(texts).dictionary_encode().indices.to_numpy()
    found, start = [], 0
    for part in parts:
        assert part.codes is not None and part.levels is not None
        own = np.append(merged[start : start + len(part.levels)], -1)
        found.append(own[part.codes] + 1)
        start += len(part.levels)
    return np.where(missing, 0, np.concatenate(found))


# ----------------------------------------------------------------------------------------------------------- formulas


def _computed(constraint: Formula, rows: Rows) -> np.ndarray:
    mine, due = as_floats(rows.natural(constraint.column)), as_floats(rows.compute(constraint.expression))
    off = np.abs(mine - due)
    allowed = allowance(constraint.tolerance, rows.schema[constraint.column], due)
    return np.asarray(np.isnan(off) | (off <= allowed), bool)


def _shared(constraint: Share, rows: Rows) -> np.ndarray:
    mine, whole = (as_floats(rows.natural(name)) for name in constraint.names)
    spec = rows.schema[constraint.column]
    found = np.isnan(mine + whole)
    for share in constraint.shares:
        found |= np.abs(mine - share * whole) <= allowance(None, spec, share * whole)
    return found


def allowance(tolerance: float | None, spec: ColumnSpec, numbers: np.ndarray) -> np.ndarray:
    """(n,) how far a cell may lie from what its formula gives: its own rounding, unless more is allowed, and that of floats."""
    own, decimals = tolerance, decimals_of(spec)
    if own is None:
        own = 0.0 if decimals is None else 0.5 * 10.0**-decimals
    return own * (1 + 1e-9) + max(1e-12, rounding_of(spec)) * np.abs(numbers)


# ---------------------------------------------------------------------------------------------------------- uniqueness


def row_keys(names: Sequence[str], rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) uint64 fingerprints of the cells in some columns, and (n,) bool: where none of them is missing.

    Two rows have the same fingerprint where the cells are the same; that others do is a matter of one in 2¹²⁸.
    """
    missing = np.zeros(len(rows), bool)
    found = np.zeros((len(rows), 2), np.uint64)
    for name in names:
        values = rows.values(name)
        missing |= values.missing
        if values.numbers is not None:
            cells = (values.numbers + values.numbers.dtype.type(0)).view(np.uint64)  # −0.0 is 0.0
            prints = np.stack([scattered(cells), scattered(cells ^ SALT)], 1)
        else:
            assert values.codes is not None and values.levels is not None
            texts = [*values.levels.cast(pa.string()).to_pylist(), ""]
            prints = np.array([_print(text) for text in texts], np.uint64)[values.codes]
        found = scattered(found * np.uint64(31) + prints)
    return found, ~missing


def _print(text: str) -> list[int]:
    digest = blake2b(text.encode(), digest_size=16).digest()
    return [int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")]


def _first(keys: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(n,) bool: rows whose key no earlier row has."""
    prints, counted = keys
    _, places = np.unique(prints, axis=0, return_inverse=True)
    places = places.reshape(-1)
    order = np.flatnonzero(counted)
    _, first = np.unique(places[order], return_index=True)
    found = ~counted
    found[order[first]] = True
    return found
