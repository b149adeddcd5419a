"""Columns as numbers, and formulas over them held against all rows: what the search for formulas is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from lookalike.errors import InputError
from lookalike.schema.axis import as_floats, decimals_of, rounding_of
from lookalike.schema.breaches import Rows, kept
from lookalike.schema.column import ColumnSpec
from lookalike.schema.constraints import Formula
from lookalike.schema.expression import quoted

FEWEST_ROWS = 50
"""Rows with all cells of a formula there, at least."""
FEWEST_VALUES = 10
"""Different results that a formula has to give, at least."""
FEWEST_MOVED = 20
"""Rows in which each part of a formula is another than it mostly is, at least."""
MOST_COLUMNS = 200
"""Numbers and dates that are looked through, at most; the first ones."""
LOOKED_AT = 20_000
"""Rows in which rules are looked for; all rows are then held against them."""
GLANCE = 500
"""Rows that tell most formulas that do not hold."""
WHOLE = 0.01
"""How far from a whole number what gives one may lie, at most, where it is not rounded."""
FINE = 1e-9
"""Floats that are kept no finer than this, in proportion, are so in what a formula gives, too."""
MOST_DIGITS = 7
"""Digits of a constant, at most: what needs more was fitted, not meant."""

FAVOURITES, FAVOURITE_SHARE = 10, 0.1
"""A number whose ten commonest values hold more of the rows than this has favourite values."""


def has_favourites(cells: np.ndarray) -> bool:
    """Whether (n,) cells have favourite values, which a distance or a proportion would blur.

    >>> has_favourites(np.arange(1000)), has_favourites(np.arange(1000) // 20)
    (False, True)
    """
    counts = np.sort(np.unique(cells, return_counts=True)[1])[-FAVOURITES:]
    return bool(counts.sum() > FAVOURITE_SHARE * len(cells))


def evenly(rows: Rows) -> Rows:
    """Rows from all over a table, as many as rules are looked for in; the table itself where it has no more."""
    if len(rows) <= LOOKED_AT:
        return rows
    return Rows(rows.table.take(pa.array(spread(len(rows), LOOKED_AT))), rows.schema)


def spread(count: int, most: int) -> np.ndarray:
    """Return at most so many places from all over a number of them.

    >>> spread(9, 3).tolist(), spread(2, 3).tolist()
    ([0, 4, 8], [0, 1])
    """
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


class Numbers:
    """The columns that formulas may be made of, and products of them, as float64 with NaN where a cell is missing; dates count days.

    Attributes
    ----------
    rows
        The table.
    specs, values
        Of each column, what it is and how many different values it has.
    cells
        (n,) of each column, and of each product under its text.
    texts
        How an expression writes each.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.specs: dict[str, ColumnSpec] = {}
        self.cells: dict[str, np.ndarray] = {}
        self.values: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        for spec in rows.schema.modelled:
            if spec.kind not in ("integer", "float", "datetime") or spec.span or "`" in spec.name:
                continue
            cells = as_floats(rows.natural(spec.name))
            values = len(np.unique(cells[~np.isnan(cells)]))
            if values >= 2:
                self.specs[spec.name], self.cells[spec.name], self.values[spec.name] = spec, cells, values
                self.texts[spec.name] = quoted(spec.name)
            if len(self.specs) == MOST_COLUMNS:
                break
        self.glance = spread(len(rows), GLANCE)

    def date(self, name: str) -> bool:
        """Whether it is a column of dates."""
        return name in self.specs and self.specs[name].kind == "datetime"

    def multiply(self, names: Sequence[str]) -> str:
        """Take up a product of columns, and return its name."""
        name = " * ".join(self.texts[factor] for factor in names)
        if name not in self.cells:
            self.cells[name] = np.prod([self.cells[factor] for factor in names], axis=0)
            self.texts[name] = name
        return name

    def targets(self) -> list[str]:
        """Columns that a formula may give: numbers of enough different values."""
        return [name for name in self.specs if not self.date(name) and self.values[name] >= FEWEST_VALUES]

    def slack(self, name: str) -> float:
        """How far a cell may lie from what gives it: half a unit of its last decimal, or a whole one where decimals were cut off; where
        it was kept in 32 bits, as were those that give it, what these hold of its greatest one."""
        decimals, coarse = decimals_of(self.specs[name]), rounding_of(self.specs[name])
        if decimals is None:
            return 2 * coarse * float(np.nanmax(np.abs(self.cells[name]))) if coarse > FINE else 0.0
        return (1.0 if decimals else 0.5) * 10.0**-decimals * (1 + 1e-6)

    def explained(self, name: str, left: np.ndarray, rows: np.ndarray) -> bool:
        """Whether no more is left of a column than rounding leaves, and least squares beside it."""
        return bool(np.abs(left).max() <= 1.5 * self.slack(name) + FINE * np.abs(self.cells[name][rows]).max())

    def fineness(self, name: str) -> tuple[float, int]:
        """Return what columns are sorted by, the coarsest first: decimals, and how many different values there are."""
        decimals = decimals_of(self.specs[name])
        return (math.inf if decimals is None else decimals), self.values[name]

    def near(self, name: str, due: np.ndarray, rows: np.ndarray, *, rounds: bool = False) -> np.ndarray:
        """Whether cells of a column are what they are due to be, or either is missing.

        ``rounds``: whole numbers may have been rounded. Of several numbers, near enough may mean that something else was added.
        """
        mine = self.cells[name][rows]
        off = np.abs(mine.reshape(-1, *[1] * (due.ndim - 1)) - due)
        slack = self.slack(name) if rounds or decimals_of(self.specs[name]) != 0 else WHOLE
        return np.isnan(off) | (off <= slack + FINE * np.abs(due))


def holds(numbers: Numbers, target: str, text: str, cut: bool = False) -> Formula | None:
    """The formula, where all rows keep it and enough tell; ``cut``: up to a whole unit of the last decimal."""
    formula = Formula(column=target, equals=text)
    rounds = len(formula.names) == 2 or any(numbers.date(name) for name in formula.names)
    for some in (numbers.glance, np.arange(len(numbers.rows))):
        parts = {name: numbers.rows.natural(name).take(pa.array(some)) for name in formula.expression.names}
        try:
            due = as_floats(formula.expression.evaluate(parts))
        except InputError:  # beyond 64 bits, which a formula that is kept would be in every table made
            return None
        if not numbers.near(target, due, some, rounds=rounds).all():
            return None
    known = numbers.cells[target][~np.isnan(due + numbers.cells[target])]
    if len(known) < FEWEST_ROWS or len(np.unique(known)) < FEWEST_VALUES:
        return None
    if cut:
        formula = formula.replace(tolerance=10.0 ** -(decimals_of(numbers.specs[target]) or 0))
    elif decimals_of(numbers.specs[target]) is None and not kept(formula, numbers.rows).all():
        formula = formula.replace(tolerance=rounded(numbers.slack(target), 1))
    return formula if kept(formula, numbers.rows).all() else None


def rounded(number: float, digits: int) -> float:
    """A number with so many digits."""
    return float(f"{number:.{digits - 1}e}")


def offset_of(numbers: Numbers, target: str, number: float, digits: int, exponent: bool = False) -> float:
    """A constant with so many digits, none of them finer than a tenth of what the target shows."""
    decimals = decimals_of(numbers.specs[target])
    places = MOST_DIGITS if decimals is None or exponent else decimals + 1
    return round(rounded(number, digits), places)


def linear(terms: Mapping[str, float], offset: float) -> str | None:
    """A sum as an expression writes it; None where nothing is left."""
    text = ""
    # what is added first, so that no sum begins with a minus if it need not
    for name, factor in sorted(terms.items(), key=lambda term: term[1] < 0):
        if factor == 0:
            continue
        sign = "-" if factor < 0 else "+" if text else ""
        part = name if abs(factor) == 1 else f"{abs(factor):.12g} * {name}"
        text += f" {sign} {part}" if text else f"{sign}{part}"
    if not text:
        return None
    return text + (f" {'-' if offset < 0 else '+'} {abs(offset):.12g}" if offset else "")
