"""Rules between columns, declared in a schema: typed settings that hold nothing learned from rows.

One class a rule; ``RULES`` names them as the schema's JSON does. What a rule means where cells are missing: a rule over a
missing cell counts as kept, as a check in SQL does.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, FiniteFloat

from lookalike.config import Settings
from lookalike.errors import SchemaError, SettingsError
from lookalike.schema.expression import Expression
from lookalike.schema.zones import written_zone

if TYPE_CHECKING:
    from lookalike.schema.column import ColumnSpec

Bound = int | float | str
Cell = str | int | float | bool | None


class Constraint(Settings):
    """Base of the rules."""

    rule: ClassVar[str]

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The columns it speaks of."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The rule as a person reads it."""

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        """Raise a SchemaError unless the columns are there, kept, and of kinds that the rule is about."""
        for name in self.names:
            if name not in columns:
                raise SchemaError(
                    f"a constraint names columns of the table, however: {self.rule} names {name!r}, which is none. "
                    f"Columns: {', '.join(columns)}."
                )
            if columns[name].role == "drop":
                raise SchemaError(
                    f"a constraint names kept columns, however: {self.rule} names {name!r}, which is dropped. Keep it, or drop "
                    "the constraint."
                )

    def to_dict(self) -> dict[str, Any]:
        """The declaration as JSON."""
        return {"rule": self.rule, **self.model_dump(exclude_defaults=True, mode="json")}


class OfColumns(Constraint):
    """Base of the rules that speak of several columns alike."""

    columns: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns


class Inequality(OfColumns):
    """Columns in rising order: numbers, or dates. Missing cells are left out of the order.

    >>> Inequality(columns=("admitted", "discharged")).words
    'admitted ≤ discharged'
    """

    rule = "inequality"
    columns: tuple[str, ...] = Field(min_length=2, description="numbers or dates, the lowest first")
    strict: bool = Field(False, description="each below the next, not equal to it")
    kept_by: Literal["distance", "choice"] = Field(
        "distance", description="one column, and the distance to the next; or exchanging cells, and drawing rows again"
    )

    @property
    def words(self) -> str:
        return (" < " if self.strict else " ≤ ").join(self.columns)

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        super().check(columns)
        _comparable(self.rule, self.columns, columns)


class Range(Constraint):
    """A column between two bounds, each a number, a date as text, or another column.

    >>> Range(column="age", low=0, high="age at death").words
    '0 ≤ age ≤ age at death'
    """

    rule = "range"
    column: str = Field(description="a number or a date")
    low: Bound | None = Field(None, union_mode="left_to_right", description="a number, date or column at least")
    high: Bound | None = Field(None, union_mode="left_to_right", description="a number, date or column at most")
    strict: bool = Field(False, description="the bounds themselves are out")
    kept_by: Literal["distance", "choice"] = Field(
        "distance", description="a distance, or the encoder's bounds; or drawing rows again, as long as few break it"
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The column, and its bounds but for numbers and dates."""
        return (
            self.column,
            *(bound for bound in (self.low, self.high) if isinstance(bound, str) and not moment(bound)),
        )

    @property
    def words(self) -> str:
        sign = " < " if self.strict else " ≤ "
        return sign.join(str(part) for part in (self.low, self.column, self.high) if part is not None)

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        if self.low is None and self.high is None:
            raise SchemaError(f"a range has a bound, however: that of {self.column!r} has none. Give low or high.")
        super().check(columns)
        _comparable(self.rule, self.names, columns)
        wanted = str if columns[self.column].kind == "datetime" else (int, float)
        for bound in (self.low, self.high):
            if bound is not None and bound not in self.names and not isinstance(bound, wanted):
                raise SchemaError(
                    f"a range's bounds are of its column's kind, however: {self.column!r} is {columns[self.column].kind}, and a "
                    "bound is not. Write a number, a date like '2024-05-31', or a column."
                )
            if isinstance(bound, float) and not math.isfinite(bound):
                raise SchemaError(
                    f"a range's bounds are finite, however: {self.words!r} has one that is not. Leave it out."
                )
        low, high = (None if bound in self.names else bound for bound in (self.low, self.high))
        if low is not None and high is not None and self._is_empty(low, high):
            raise SchemaError(
                f"a range has room between its bounds, however: {self.words!r} has none. Exchange or correct them."
            )

    def _is_empty(self, low: Bound, high: Bound) -> bool:
        """Whether nothing lies between two bounds, both numbers or both dates."""
        if isinstance(low, str) or isinstance(high, str):
            first, last = moment(str(low)), moment(str(high))
            assert first is not None and last is not None
            return first >= last if self.strict else first > last
        return low >= high if self.strict else low > high


class Combinations(OfColumns):
    """Only combinations of these columns that occur in the table, or only those listed.

    >>> Combinations(columns=("city", "state")).words
    'combinations of city and state'
    """

    rule = "combinations"
    columns: tuple[str, ...] = Field(min_length=2, description="the columns whose cells belong together")
    allowed: tuple[tuple[Cell, ...], ...] | None = Field(
        None, description="the combinations there may be, null for missing; unset: those that occur"
    )

    @property
    def words(self) -> str:
        return f"combinations of {_and(self.columns)}"

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        super().check(columns)
        _not_keys(self.rule, self.columns, columns)
        if self.allowed is not None and not self.allowed:
            raise SchemaError(
                f"some combination is allowed, however: none of {_and(self.columns)} is. List it, or leave allowed out for those that occur."
            )
        for place, entry in enumerate(self.allowed or ()):
            if len(entry) != len(self.columns):
                raise SchemaError(
                    f"an allowed combination has a cell for each column, however: entry {place} of {self.words} has {len(entry)} "
                    f"for {len(self.columns)} columns. Complete it."
                )


class Formula(Constraint):
    """A number that others settle: sums, differences, products and quotients of columns, logarithms and roots; days between dates.

    >>> Formula(column="total", equals="price * amount + tax").words
    'total = price * amount + tax'
    """

    rule = "formula"
    column: str = Field(description="the number that follows")
    equals: str = Field(description="what it is computed from: columns, numbers, + - * /, log, exp, sqrt and brackets")
    tolerance: float | None = Field(
        None, ge=0, description="how far a real cell may be off; unset: half a unit of its last decimal"
    )
    in_proportion: bool = Field(
        False, description="of a quotient of two columns: the first is encoded by what it is to the second"
    )

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column, *self.expression.names)

    @property
    def expression(self) -> Expression:
        return Expression(self.equals)

    @property
    def words(self) -> str:
        return f"{self.column} = {self.equals}"

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        super().check(columns)
        if not self.expression.computes:
            raise SchemaError(
                f"a formula is made of columns, numbers, + - * /, log, exp and sqrt, however: {self.words!r} is not. Declare a predicate instead."
            )
        if self.column in self.expression.names:
            raise SchemaError(
                f"a formula computes a column from others, however: {self.words!r} from itself. Solve it."
            )
        if self.in_proportion and (
            len(self.names) != 3 or any(_family(columns[name]) != "number" for name in self.names)
        ):
            raise SchemaError(
                f"a proportion is that of two numbers, however: {self.words!r} is none. Write a quotient of two columns, or leave in_proportion "
                "out."
            )
        for name in self.names:
            source = columns[name].kind in ("boolean", "constant", "datetime") and name != self.column
            if _family(columns[name]) != "number" and not source:
                raise SchemaError(
                    f"a formula computes with numbers, however: column {name!r} is a {_family(columns[name])}. Declare a predicate, "
                    "or drop the constraint."
                )


class Share(Constraint):
    """A number that is one of few shares of another, but for rounding: a tax, a discount, a tip.

    >>> Share(column="tax", of="price", shares=(0.07, 0.19)).words
    'tax = 0.07 or 0.19 of price'
    """

    rule = "share"
    column: str = Field(description="the number that is a share")
    of: str = Field(description="the number that it is a share of")
    shares: tuple[FiniteFloat, ...] = Field(
        min_length=1, description="the shares there may be: 0.07 is seven hundredths"
    )

    @property
    def names(self) -> tuple[str, ...]:
        return self.column, self.of

    @property
    def words(self) -> str:
        texts = [f"{share:.12g}" for share in self.shares]
        shares = texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
        return f"{self.column} = {shares} of {self.of}"

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        super().check(columns)
        for name in self.names:
            if _family(columns[name]) != "number":
                raise SchemaError(
                    f"a share is a number of a number, however: column {name!r} is a {_family(columns[name])}. Correct its kind, or "
                    "drop the constraint."
                )
        if self.column == self.of or len(set(self.shares)) < len(self.shares):
            raise SchemaError(
                f"a share is one of different shares of another column, however: {self.words!r} repeats itself. Correct it."
            )


class Copy(Constraint):
    """A column that is the same as another in a part of the rows, far beyond chance: a delivery address, a price without a rebate. No row breaks it.

    >>> Copy(column="ship", of="bill").words
    'ship = bill in a part of the rows'
    """

    rule = "copy"
    column: str = Field(description="the column that is often the same as another")
    of: str = Field(description="that other one")

    @property
    def names(self) -> tuple[str, ...]:
        return self.column, self.of

    @property
    def words(self) -> str:
        return f"{self.column} = {self.of} in a part of the rows"

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        super().check(columns)
        _not_keys(self.rule, self.names, columns)
        mine, theirs = (columns[name] for name in self.names)
        if not copyable(mine, theirs):
            raise SchemaError(
                f"a copy is of a column of the same kind, however: {self.column!r} is {mine.kind} in {mine.storage} and {self.of!r} {theirs.kind} in "
                f"{theirs.storage}. Convert one, or drop the constraint."
            )


def copyable(mine: ColumnSpec, theirs: ColumnSpec) -> bool:
    """Whether cells of one column may stand in another as they are: numbers, dates in one unit, labels.

    >>> from lookalike.schema.column import ColumnSpec
    >>> copyable(*(ColumnSpec(name="a", kind="category", storage=storage) for storage in ("string", "string")))
    True
    """
    if "category" in (mine.kind, theirs.kind):
        return mine.kind == theirs.kind and mine.storage == theirs.storage
    if {mine.kind, theirs.kind} <= {"integer", "float"} and not (mine.span or theirs.span):
        return True
    return mine.kind == theirs.kind == "datetime" and (mine.storage, mine.format) == (theirs.storage, theirs.format)


class Unique(OfColumns):
    """No two rows have the same cells in these columns; rows where one is missing are left out.

    >>> Unique(columns=("patient", "day")).words
    'patient and day unique together'
    """

    rule = "unique"
    columns: tuple[str, ...] = Field(min_length=1, description="the columns that tell rows apart together")
    kept_by: Literal["drawing", "choice"] = Field(
        "drawing", description="drawing rows again that repeat one; or as long as not nearly all do"
    )

    @property
    def words(self) -> str:
        return f"{_and(self.columns)} unique{' together' if len(self.columns) > 1 else ''}"

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        super().check(columns)
        _once(self.rule, self.columns)


class NullTogether(OfColumns):
    """These columns are missing in the same rows.

    >>> NullTogether(columns=("dose", "unit")).words
    'dose and unit missing together'
    """

    rule = "null_together"
    columns: tuple[str, ...] = Field(min_length=2, description="the columns; the first decides for the others")

    @property
    def words(self) -> str:
        return f"{_and(self.columns)} missing together"

    def check(self, columns: Mapping[str, ColumnSpec]) -> None:
        super().check(columns)
        _not_keys(self.rule, self.columns, columns)


class Predicate(Constraint):
    """An expression that is true, or unknown, in every row.

    >>> Predicate(expression="age >= 18 or job == 'pupil'").names
    ('age', 'job')
    """

    rule = "predicate"
    expression: str = Field(description="column names, numbers, texts, + - * /, comparisons, in, is None, and, or, not")

    @property
    def names(self) -> tuple[str, ...]:
        return Expression(self.expression).names

    @property
    def words(self) -> str:
        return self.expression


RULES: dict[str, type[Constraint]] = {
    kind.rule: kind for kind in (Inequality, Range, Combinations, Formula, Share, Copy, Unique, NullTogether, Predicate)
}


def read_constraint(entry: Any, place: int) -> Constraint:
    """One declaration from JSON.

    >>> read_constraint({"rule": "unique", "columns": ["a", "b"]}, 0)
    Unique(columns=('a', 'b'), kept_by='drawing')
    >>> read_constraint({"rule": "uniq"}, 0)
    Traceback (most recent call last):
    lookalike.errors.SchemaError: a constraint names its rule, however: entry 0 says 'uniq'. Known: inequality, ...
    """
    rule = entry.get("rule") if isinstance(entry, dict) else None
    if rule not in RULES:
        raise SchemaError(
            f"a constraint names its rule, however: entry {place} says {rule!r}. Known: {', '.join(RULES)}."
        )
    try:
        return RULES[rule].build({name: value for name, value in entry.items() if name != "rule"})
    except SettingsError as error:
        raise SchemaError(f"constraint {place} ({rule}): {error}") from None


def moment(text: str) -> datetime | None:
    """The moment that a text like ``2024-05-31`` or ``2024-05-31 12:00`` is; None where it is none.

    >>> moment("2024-05-31").year, moment("price")
    (2024, None)
    """
    try:
        return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _family(spec: ColumnSpec) -> str:
    """What a column may be compared with."""
    if spec.kind == "datetime":
        zoned = "tz=" in spec.storage or written_zone(spec.format or "") is not None
        return "date with a time zone" if zoned else "date"
    if spec.kind in ("integer", "float"):
        return "span of time" if spec.span else "number"
    return spec.kind


def _comparable(rule: str, names: Sequence[str], columns: Mapping[str, ColumnSpec]) -> None:
    found = {name: _family(columns[name]) for name in names}
    for name, family in found.items():
        if family not in ("number", "date", "date with a time zone", "span of time"):
            raise SchemaError(
                f"{rule} compares numbers or dates, however: column {name!r} is {family}. Correct its kind, or the constraint."
            )
        if family != found[names[0]]:
            raise SchemaError(
                f"{rule} compares columns of one kind, however: {names[0]!r} is a {found[names[0]]} and {name!r} a {family}. "
                "Convert one."
            )
    _once(rule, names)


def _not_keys(rule: str, names: Sequence[str], columns: Mapping[str, ColumnSpec]) -> None:
    for name in names:
        if not columns[name].modelled:
            raise SchemaError(f"{rule} is about modelled columns, however: {name!r} is a key, made anew. Leave it out.")
    _once(rule, names)


def _once(rule: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise SchemaError(f"{rule} names a column once, however: {', '.join(map(repr, names))}. Drop one.")


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
