"""Constraints as checks of drawn rows: what was not kept by construction is drawn again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import LookalikeWarning, SamplingError
from lookalike.refine.refill import Check
from lookalike.schema import Schema
from lookalike.schema.breaches import Rows, kept, row_keys
from lookalike.schema.column import never_seen
from lookalike.schema.constraints import Combinations, Constraint, Inequality, Range, Unique
from lookalike.schema.types import without_dictionary


class Constrained:
    """Rows that keep one rule.

    >>> from lookalike.schema import ColumnSpec
    >>> from lookalike.schema.constraints import Predicate
    >>> schema = Schema([ColumnSpec(name="age", kind="integer", storage="int64")], [Predicate(expression="age >= 18")])
    >>> Constrained(schema.constraints[0], schema).keep(pa.table({"age": [17, 18, None]})).tolist()
    [False, True, True]
    """

    def __init__(self, constraint: Constraint, schema: Schema) -> None:
        self.constraint, self.schema = constraint, schema
        self.name = f"{constraint.rule}, {constraint.words}"

    def keep(self, table: pa.Table) -> np.ndarray:
        """Return (n,) bool: which rows keep the rule."""
        return kept(self.constraint, Rows(table, self.schema))


ENOUGH = 100
"""Rows that tell whether an engine keeps an order."""


class Found:
    """Rows that keep orders, and remainders above nought, which nobody declared: each is let go, and that is said, where an engine keeps it in fewer than half of
    the first rows shown, for nobody asked that as many be drawn again.

    >>> from lookalike.schema import ColumnSpec
    >>> schema = Schema([ColumnSpec(name=name, kind="integer", storage="int64") for name in ("low", "high")])
    >>> check = Found([Inequality(columns=("low", "high"), kept_by="choice")], schema)
    >>> check.keep(pa.table({"low": [1, 2, 3], "high": [2, 2, 2]})).tolist()
    [True, True, False]
    """

    def __init__(self, orders: Sequence[Inequality | Range], schema: Schema) -> None:
        self.schema = schema
        self.passed = dict.fromkeys(orders, 0)
        """Of each order that was not let go, how many rows kept it."""
        self.shown = 0
        self.judged = False

    @property
    def name(self) -> str:
        """All of them."""
        return "; ".join(f"{order.rule}, {order.words}" for order in self.passed)

    def keep(self, table: pa.Table) -> np.ndarray:
        """Return (n,) bool: which rows keep all that were not let go."""
        rows = Rows(table, self.schema)
        kept_by = {order: kept(order, rows) for order in self.passed}
        self.shown += table.num_rows
        for order, fits in kept_by.items():
            self.passed[order] += int(fits.sum())
        if not self.judged and self.shown >= ENOUGH:
            self._judge()
        everything = np.ones(table.num_rows, bool)
        return np.logical_and.reduce([everything, *(kept_by[order] for order in self.passed)])

    def _judge(self) -> None:
        self.judged = True
        for order in [order for order, passed in self.passed.items() if 2 * passed < self.shown]:
            warnings.warn(
                f"a rule of all real rows is kept in those made, however: {order.words} holds in fewer than half of what the engine draws, "
                "and is let go. Declare it a constraint to have it kept.",
                LookalikeWarning,
                stacklevel=6,
            )
            del self.passed[order]


DRAWS_A_ROW, ENOUGH_DRAWS = 10, 5_000
"""Rows drawn for each that repeats none, and as many more, until a rule that nobody declared is let go: more were asked for than there are."""


class UniqueTogether:
    """Rows that repeat no earlier one in some columns, over all tables it was shown: it remembers a fingerprint of each. A rule that nobody
    declared is let go, and that is said, where nearly all rows drawn repeat one.

    >>> from lookalike.schema import ColumnSpec
    >>> schema = Schema([ColumnSpec(name="day", kind="integer", storage="int64")])
    >>> check = UniqueTogether(Unique(columns=("day",)), schema)
    >>> [check.keep(pa.table({"day": days})).tolist() for days in ([1, 2, 1], [2, 3])]
    [[True, True, False], [False, True]]
    """

    def __init__(self, constraint: Unique, schema: Schema) -> None:
        self.constraint, self.schema = constraint, schema
        self.name = f"{constraint.rule}, {constraint.words}"
        self._seen: set[bytes] = set()
        self._shown = 0
        self._let_go = False

    def keep(self, table: pa.Table) -> np.ndarray:
        """Return (n,) bool: which rows have cells in these columns that none before had."""
        if self._let_go:
            return np.ones(table.num_rows, bool)
        prints, counted = row_keys(self.constraint.columns, Rows(table, self.schema))
        passed = np.ones(len(prints), bool)
        for row in np.flatnonzero(counted):
            key = prints[row].tobytes()
            passed[row] = key not in self._seen
            self._seen.add(key)
        self._shown += len(prints)
        if self.constraint.kept_by == "choice" and self._shown > DRAWS_A_ROW * len(self._seen) + ENOUGH_DRAWS:
            warnings.warn(
                f"a rule of all real rows is kept in those made, however: {self.constraint.words} holds in {len(self._seen):,} of {self._shown:,} rows "
                "drawn, as there are no more such or few, and is let go. Ask for fewer rows, or declare it a constraint to have it kept.",
                LookalikeWarning,
                stacklevel=5,
            )
            self._let_go = True
        return passed


class Wanted:
    """Rows with one value in a column that no engine can be asked for, because it follows from others."""

    def __init__(self, name: str, cell: pa.Array) -> None:
        self.column, self.cell = name, cell
        self.name = f"the condition on {name}"

    def keep(self, table: pa.Table) -> np.ndarray:
        """Return (n,) bool: which rows have it."""
        column = without_dictionary(table.column(self.column).combine_chunks())
        same = column.is_null() if self.cell.null_count else pc.fill_null(pc.equal(column, self.cell[0]), False)
        return np.asarray(same.to_numpy(zero_copy_only=False), bool)


def check_occurs(wanted: Sequence[Wanted], combinations: pa.Table) -> None:
    """Raise where none of the combinations that can be drawn has what is wanted of their columns.

    Raises
    ------
    SchemaError
        A value is in none of them.
    SamplingError
        The values are, but in none together.

    >>> towns = pa.table({"town": ["Graz", "Linz"], "state": ["Styria", "Upper Austria"]})
    >>> check_occurs([Wanted("town", pa.array(["Graz"])), Wanted("state", pa.array(["Upper Austria"]))], towns)
    Traceback (most recent call last):
    lookalike.errors.SamplingError: conditions hold together in some row, however: what is asked of 'town' and 'state' does in none, ...
    """
    met, asked = (
        np.ones(combinations.num_rows, bool),
        [one for one in wanted if one.column in combinations.column_names],
    )
    for one in asked:
        has = one.keep(combinations)
        if not has.any():
            raise never_seen(one.column)
        met &= has
    if not met.any():
        raise SamplingError(
            f"conditions hold together in some row, however: what is asked of {' and '.join(repr(one.column) for one in asked)} does in none, as "
            "a constraint keeps to the combinations that were learned. Leave one out, or ask for a combination that occurs."
        )


def row_checks(schema: Schema) -> list[Constrained]:
    """Return a check for each rule between modelled columns that a row keeps or breaks by itself."""
    modelled = {spec.name for spec in schema.modelled}
    return [
        Constrained(constraint, schema)
        for constraint in schema.constraints
        if set(constraint.names) <= modelled and not isinstance(constraint, Unique) and not _drawn_as_wholes(constraint)
    ]


def _drawn_as_wholes(constraint: Constraint) -> bool:
    return isinstance(constraint, Combinations) and constraint.allowed is None


def checks(schema: Schema) -> list[Check]:
    """Return a check for each constraint, to be used for one sampled table.

    Combinations that occur need none (they are drawn as wholes), nor do keys of one row each (no two are the same). Uniqueness comes last,
    so that it remembers no row that another check turns down.
    """
    modelled = {spec.name for spec in schema.modelled}
    there = modelled | {spec.name for spec in schema.kept if spec.repeated and spec.refers is None}
    chosen = [one for one in schema.constraints if isinstance(one, (Inequality, Range)) and one.kept_by == "choice"]
    found: list[Check] = [Found(chosen, schema)] if chosen else []
    found += [check for check in row_checks(schema) if check.constraint not in chosen]
    unique = [one for one in schema.constraints if isinstance(one, Unique) and set(one.names) <= there]
    return found + [UniqueTogether(one, schema) for one in unique]
