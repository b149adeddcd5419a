"""Constraints that a table's rows keep without exception: found on request, shown, and up to the user to declare.

Only what chance would hardly produce is reported. What one column settles about another is left out: encoders find and
keep that by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

import numpy as np
import pyarrow as pa

from lookalike.errors import SchemaError
from lookalike.schema.axis import common_unit, decimals_of, natural_of, on_axis
from lookalike.schema.breaches import Rows, kept, together
from lookalike.schema.column import ColumnSpec, Schema
from lookalike.schema.constraints import Combinations, Constraint, Formula, Inequality, NullTogether
from lookalike.schema.expression import Expression
from lookalike.stats import settled

FEWEST_ROWS = 50
"""Rows with all cells of a rule there, at least."""
CROSSINGS = 20
"""Rows that would break an order if one column were shuffled, at least: two ranges that lie apart need no rule."""
MOST_NUMBERS = 60
"""Columns whose triples are looked through, at most; the first ones."""
FORMULA_VALUES = 20
"""Different results that a formula has to give, at least."""
MOST_LEVELS = 200
"""Levels of a column whose combinations are counted, at most."""
GLANCE = 500
"""Rows that tell most rules that do not hold."""
EXPECTED = 10
"""Rows that chance is expected to give a combination, at least, for it to be missed: none of 10 is e⁻¹⁰."""
UNSEEN_SHARE = 0.1
"""Rows that fall into combinations never seen if columns were shuffled, at least, for the combinations to be a rule."""


def find_constraints(table: pa.Table, schema: Schema) -> list[Constraint]:
    """Return the constraints that all rows keep and that are no matter of course.

    Inequalities between numbers, or dates, whose ranges overlap; formulas of two columns (a = b + c, a = b − c, a = b · c);
    columns missing in the same rows; pairs of labels many of whose combinations never occur. Each is a finding about these
    rows: whether it is a rule is for the user to say.

    >>> from lookalike.schema.infer import infer_schema
    >>> rng = np.random.default_rng(0)
    >>> net, tax = rng.integers(100, 999, 200), rng.integers(1, 99, 200)
    >>> table = pa.table({"net": net, "tax": tax, "gross": net + tax})
    >>> [found.words for found in find_constraints(table, infer_schema(table))]
    ['gross = net + tax']
    """
    rows = Rows(table, schema)
    formulas = list(_formulas(rows))
    computed = {frozenset(formula.names) for formula in formulas}
    orders = [
        order
        for order in _orders(rows)
        # an amount lies above its own part as a matter of course
        if not any(set(order.names) <= names for names in computed)
    ]
    return [*orders, *formulas, *_null_together(rows), *_combinations(rows)]


def with_constraints(table: pa.Table, schema: Schema) -> Schema:
    """Return the schema with what :func:`find_constraints` found beside what it declares."""
    return Schema(list(schema), [*schema.constraints, *find_constraints(table, schema)])


# ------------------------------------------------------------------------------------------------------------- order


def _orders(rows: Rows) -> list[Inequality]:
    """Pairs in order, joined to chains where they follow from each other."""
    above: dict[str, set[str]] = {}
    numbers = [spec for spec in rows.schema.modelled if spec.numeric]
    for low, high in permutations(numbers, 2):
        if _ordered(rows, low, high):
            above.setdefault(low.name, set()).add(high.name)
    # two columns that are always equal are no order
    pairs = [(low, high) for low in above for high in above[low] if low not in above.get(high, ())]
    direct = [
        (low, high)
        for low, high in pairs
        if not any((low, middle) in pairs and (middle, high) in pairs for middle in above)
    ]
    return [Inequality(columns=tuple(chain)) for chain in _chains(direct)]


def _ordered(rows: Rows, low: ColumnSpec, high: ColumnSpec) -> bool:
    rule = Inequality(columns=(low.name, high.name))
    try:
        rule.check({spec.name: spec for spec in (low, high)})
    except SchemaError:
        return False
    one, other = rows.values(low.name), rows.values(high.name)
    both = np.flatnonzero(~one.missing & ~other.missing)
    if len(both) < FEWEST_ROWS:
        return False
    unit = common_unit([low, high])
    lower, upper = on_axis(one, low, unit), on_axis(other, high, unit)
    for some in (both[:GLANCE], both):
        if (lower[some] > upper[some]).any():
            return False
    # how many rows a shuffle would break: those whose lower cell lies above a random upper one
    ordered = np.sort(upper[both].astype(np.float64))
    crossed = np.searchsorted(ordered, lower[both].astype(np.float64), side="left") / len(ordered)
    return float(crossed.sum()) >= CROSSINGS


def _chains(pairs: Sequence[tuple[str, str]]) -> Iterator[list[str]]:
    """Every pair once, in paths as long as they go without branching."""
    following = {low: [high for one, high in pairs if one == low] for low, _ in pairs}
    before = {high: [low for low, one in pairs if one == high] for _, high in pairs}
    for low, high in pairs:
        if len(before.get(low, ())) == 1 and len(following[before[low][0]]) == 1 and len(following[low]) == 1:
            continue  # in the middle of a chain that began before
        chain = [low, high]
        while len(following.get(chain[-1], ())) == 1 and len(before[chain[-1]]) == 1 and len(following[chain[-2]]) == 1:
            chain.append(following[chain[-1]][0])
        yield chain


# ----------------------------------------------------------------------------------------------------------- formulas


def _formulas(rows: Rows) -> Iterator[Formula]:
    """a = b + c and a = b · c over every triple (a = b − c is the first, read otherwise)."""
    specs = [spec for spec in rows.schema.modelled if spec.kind in ("integer", "float")][:MOST_NUMBERS]
    cells = {spec.name: natural_of(rows.values(spec.name), spec).cast(pa.float64()) for spec in specs}
    numbers = {name: column.fill_null(np.nan).to_numpy() for name, column in cells.items()}
    varied = [spec for spec in specs if len(np.unique(numbers[spec.name][:GLANCE])) >= 2]
    found: set[tuple[str, frozenset[str]]] = set()
    for target in varied:
        others = [spec.name for spec in varied if spec.name != target.name]
        for first, second in combinations(others, 2):
            for sign in "+*":
                key = sign, frozenset((target.name, first, second))
                if key not in found and _gives(rows, target, first, second, sign, numbers):
                    found.add(key)
                    yield Formula(column=target.name, equals=f"{_quoted(first)} {sign} {_quoted(second)}")


def _gives(rows: Rows, target: ColumnSpec, first: str, second: str, sign: str, numbers: dict[str, np.ndarray]) -> bool:
    a, b, c = numbers[target.name], numbers[first], numbers[second]
    decimals = decimals_of(target)
    if decimals is None:
        return False
    for some in (slice(GLANCE), slice(None)):
        due = b[some] + c[some] if sign == "+" else b[some] * c[some]
        there = ~np.isnan(a[some]) & ~np.isnan(due)
        off = np.abs(a[some] - due)[there]
        if not len(off) or (off > 0.5 * 10.0**-decimals * (1 + 1e-6) + 1e-12 * np.abs(due[there])).any():
            return False
    if there.sum() < FEWEST_ROWS or len(np.unique(a[there])) < FORMULA_VALUES:
        return False
    # both parts must matter, and not in a handful of rows only
    idle = (0.0,) if sign == "+" else (0.0, 1.0)
    moved = [np.count_nonzero(~np.isin(part[there], idle)) for part in (b, c)]
    if min(moved) < CROSSINGS or min(len(np.unique(part[there])) for part in (b, c)) < 3:
        return False
    rule = Formula(column=target.name, equals=f"{_quoted(first)} {sign} {_quoted(second)}")
    return bool(kept(rule, rows).all())


def _quoted(name: str) -> str:
    """A column's name as an expression takes it."""
    try:
        plain = Expression(name).names == (name,)
    except SchemaError:
        plain = False
    return name if plain else f"`{name}`"


# ---------------------------------------------------------------------------------------------------- missing together


def _null_together(rows: Rows) -> list[NullTogether]:
    groups: dict[bytes, list[str]] = {}
    for spec in rows.schema.modelled:
        missing = rows.values(spec.name).missing
        if min(missing.sum(), (~missing).sum()) >= CROSSINGS:
            groups.setdefault(np.packbits(missing).tobytes(), []).append(spec.name)
    return [NullTogether(columns=tuple(names)) for names in groups.values() if len(names) > 1]


# ------------------------------------------------------------------------------------------------------- combinations


def _combinations(rows: Rows) -> list[Combinations]:
    """Pairs of labels where combinations that chance would have made often are never seen, neither settling the other."""
    codes = {}
    for spec in rows.schema.modelled:
        if not spec.numeric and spec.kind != "constant":
            found = together([rows.values(spec.name)])
            if 3 <= len(np.unique(found)) <= MOST_LEVELS:
                codes[spec.name] = found
    return [
        Combinations(columns=pair) for pair in combinations(codes, 2) if _impossible(codes[pair[0]], codes[pair[1]])
    ]


def _impossible(first: np.ndarray, second: np.ndarray) -> bool:
    sizes = int(first.max()) + 1, int(second.max()) + 1
    if settled(first, second, sizes[0]) is not None or settled(second, first, sizes[1]) is not None:
        return False
    seen = np.bincount(first.astype(np.int64) * sizes[1] + second, minlength=sizes[0] * sizes[1]).reshape(sizes)
    due = np.outer(seen.sum(1), seen.sum(0)) / seen.sum()
    # cells that independent columns would have filled for sure, and that are empty
    surely = due >= EXPECTED
    empty = surely & (seen == 0)
    return bool(
        due[empty].sum() >= UNSEEN_SHARE * seen.sum() and (seen[surely] < due[surely] / 10).sum() == empty.sum()
    )
