"""Constraints that a table's rows keep without exception: all of them shown on request, and up to the user to declare; formulas,
shares and orders kept without being asked for.

Only what chance would hardly produce is reported. What one column settles about another is left out: encoders find and
keep that by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa

from lookalike.dependence import repeats, settled
from lookalike.errors import SchemaError
from lookalike.schema.axis import as_floats, common_unit, on_axis
from lookalike.schema.breaches import Rows, kept, together
from lookalike.schema.column import ColumnSpec, Schema
from lookalike.schema.constraints import (
    Combinations,
    Constraint,
    Formula,
    Inequality,
    NullTogether,
    Range,
    Share,
    Unique,
)
from lookalike.schema.found.arithmetic import FEWEST_ROWS, GLANCE, MOST_COLUMNS, evenly, has_favourites
from lookalike.schema.found.copies import find_copies
from lookalike.schema.found.formulas import find_formulas
from lookalike.schema.found.shares import find_shares
from lookalike.schema.parts import parts_of

CROSSINGS = 20
"""Rows that would break an order if one column were shuffled, at least: two ranges that lie apart need no rule."""
MOST_LEVELS = 200
"""Levels of a column whose combinations are counted, at most."""
EXPECTED = 10
"""Rows that chance is expected to give a combination, at least, for it to be missed: none of 10 is e⁻¹⁰."""
CLOSE = 0.25
"""How much the distance of two columns varies (nine tenths of the rows to one), of what they do themselves, for them to lie close."""
UNSEEN_SHARE = 0.1
"""Rows that fall into combinations never seen if columns were shuffled, at least, for the combinations to be a rule."""


def find_constraints(table: pa.Table, schema: Schema) -> list[Constraint]:
    """Return the constraints that all rows keep and that are no matter of course.

    Inequalities between numbers, or dates, whose ranges overlap; formulas (:func:`~lookalike.schema.found.formulas.find_formulas`), and
    numbers that are one of few shares of another (:func:`~lookalike.schema.found.shares.find_shares`);
    columns missing in the same rows; pairs of labels many of whose combinations never occur; pairs of columns that tell rows apart together
    (a device and a time). Each is a finding about these
    rows: whether it is a rule is for the user to say.

    >>> from lookalike.schema.infer import infer_schema
    >>> rng = np.random.default_rng(0)
    >>> net, tax = rng.integers(100, 999, 200), rng.integers(1, 99, 200)
    >>> table = pa.table({"net": net, "tax": tax, "gross": net + tax})
    >>> [found.words for found in find_constraints(table, infer_schema(table))]
    ['gross = net + tax']
    """
    rows = Rows(table, schema)
    formulas = find_formulas(rows)
    shares = find_shares(rows, formulas)
    computed = [set(rule.names) for rule in (*formulas, *shares)]
    # an amount lies above its own part as a matter of course
    orders = [
        order
        for order in _chained(_ordered_pairs(rows), rows)
        if not any(set(order.names) <= names for names in computed)
    ]
    return [*orders, *formulas, *shares, *_null_together(rows), *_combinations(rows), *_unique_together(rows)]


def with_constraints(table: pa.Table, schema: Schema) -> Schema:
    """Return the schema with what :func:`find_constraints` found beside what it declares."""
    return Schema(list(schema), [*schema.constraints, *find_constraints(table, schema)])


def with_rules_to_keep(table: pa.Table, schema: Schema) -> Schema:
    """Return the schema with the rules that are kept unasked: formulas, shares, copies, orders of columns, and pairs of columns that tell rows apart.

    Of two dates minutes apart in a year, or the lowest and the highest price of a day, the order is not learned, nor how far apart they
    lie: the distance is. Of columns far apart it nearly is, and a distance would blur them: in the few rows that break it the cells change places, or they are drawn again. What the schema declares goes first: a column that it
    settles is not looked at, nor an order within one of its own.

    >>> from lookalike.schema.infer import infer_schema
    >>> rng = np.random.default_rng(0)
    >>> start = rng.integers(0, 10_000, 200)
    >>> table = pa.table({"start": start, "end": start + rng.integers(0, 60, 200), "price": rng.integers(0, 20_000, 200)})
    >>> [found.words for found in with_rules_to_keep(table, infer_schema(table)).constraints]
    ['start ≤ end']
    """
    settled_there = {name for rule in schema.constraints for name in _settled_by(rule)}
    free = Schema([spec.replace(role="drop") if spec.name in settled_there else spec for spec in schema])
    everything = Rows(table, free)
    rows = evenly(everything)
    formulas = find_formulas(rows)
    shares = find_shares(rows, formulas)
    computed = {rule.names[0] for rule in (*formulas, *shares)}
    orders = [set(rule.names) for rule in schema.constraints if isinstance(rule, (Inequality, Range))]
    pairs = [
        pair
        for pair in _ordered_pairs(rows)
        if not computed & set(pair)
        and not any(set(pair) <= names for names in orders)
        and not _told_by_part(rows, *(schema[name] for name in pair))
    ]
    apart = {(low, high): None for low, high in pairs if _apart(rows, schema[low], schema[high])}
    close = {pair: None for pair in pairs if pair not in apart}
    chosen = [order.replace(kept_by="choice") for order in _chained(apart, rows)]
    told = {rule.names[0]: rule.names[1:] for rule in (*formulas, *shares)}
    told |= {rule.names[1]: rule.names[2:] for rule in formulas if rule.in_proportion}
    unique = [
        one.replace(kept_by="choice")
        for one in _unique_together(rows)
        if not any(isinstance(rule, Unique) and set(rule.columns) <= set(one.columns) for rule in schema.constraints)
    ]
    copies = find_copies(rows, told, settled_there | {name for pair in (*close, *orders) for name in pair})
    rules = (*_chained(close, rows), *formulas, *shares, *copies, *chosen, *_remainders(rows, formulas), *unique)
    found = [rule for rule in rules if rows is everything or kept(rule, everything).all()]
    return Schema(list(schema), [*schema.constraints, *found])


def _remainders(rows: Rows, formulas: Sequence[Formula]) -> list[Range]:
    """What is left over of numbers and never below nought, which the rest of parts drawn one by one may be: the last of shares that make one."""
    return [
        Range(column=formula.column, low=0, kept_by="choice")
        for formula in formulas
        if formula.expression.subtracts
        and not any(rows.schema[name].kind == "datetime" for name in formula.names)
        and np.nanmin(as_floats(rows.natural(formula.column))) >= 0
    ]


def _settled_by(rule: Constraint) -> tuple[str, ...]:
    """The columns that a declared rule leaves nothing to say about."""
    if isinstance(rule, (Formula, Share)):
        return (rule.column,)
    return rule.columns if isinstance(rule, Combinations) else ()


# ------------------------------------------------------------------------------------------------------------- order


def _ordered_pairs(rows: Rows) -> dict[tuple[str, str], None]:
    """Columns of which the first is never above the second, as a dict: a set would have another order in every process."""
    numbers = [spec for spec in rows.schema.modelled if spec.numeric][:MOST_COLUMNS]
    if not numbers:
        return {}
    glance = np.stack([as_floats(rows.natural(spec.name).slice(0, GLANCE)) for spec in numbers], 1)
    found: dict[tuple[str, str], None] = {}
    for place, low in enumerate(numbers):
        for other in np.flatnonzero(~(glance[:, [place]] > glance).any(0)):
            high = numbers[other]
            if high is not low and _ordered(rows, low, high):
                found[low.name, high.name] = None
    # two numbers that are always equal are a formula, and no order; two dates are one
    place_of = {spec.name: place for place, spec in enumerate(numbers)}
    dates = {spec.name for spec in numbers if spec.kind == "datetime"}
    return {
        (low, high): None
        for low, high in found
        if (high, low) not in found or ({low, high} <= dates and place_of[low] < place_of[high])
    }


def _chained(pairs: Mapping[tuple[str, str], None], rows: Rows) -> list[Inequality]:
    """Columns in order, joined to chains where they follow from each other."""
    below = {low for low, _ in pairs}
    direct = [
        (low, high)
        for low, high in pairs
        if not any((low, middle) in pairs and (middle, high) in pairs for middle in below)
    ]
    found_orders: list[Inequality] = []
    for chain in _chains(direct):
        order = Inequality(columns=tuple(chain))
        # where the middle cell of a chain is missing, its ends may be in no order
        whole = bool(kept(order, rows).all())
        found_orders += [order] if whole else [Inequality(columns=pair) for pair in pairwise(chain)]
    return found_orders


def _apart(rows: Rows, low: ColumnSpec, high: ColumnSpec) -> bool:
    """Whether the distance of two columns varies nearly as much as they do; so, too, where the higher one, a number, has favourite values,
    which a distance would blur."""
    unit = common_unit([low, high])
    one, other = rows.values(low.name), rows.values(high.name)
    both = ~one.missing & ~other.missing
    lower, upper = (
        on_axis(values, spec, unit)[both].astype(np.float64) for values, spec in ((one, low), (other, high))
    )
    varied = [np.subtract(*np.quantile(cells, (0.9, 0.1))) for cells in (lower, upper, upper - lower)]
    if varied[2] > CLOSE * min(varied[:2]):
        return True
    return high.kind != "datetime" and has_favourites(upper)


def _told_by_part(rows: Rows, low: ColumnSpec, high: ColumnSpec) -> bool:
    """Whether a part of the higher date settles the lower, as a day does the month that it lies in: then no order needs to be kept."""
    one, other = rows.values(high.name), rows.values(low.name)
    _, lower = np.unique(np.where(other.missing, -1, other.as_numbers), return_inverse=True)
    for part in parts_of(high):
        _, places, counts = np.unique(part(one.as_numbers), return_inverse=True, return_counts=True)
        if repeats(counts) and settled(places, lower, len(counts)) is not None:
            return not (one.missing | other.missing).any()
    return False


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
    if (lower[both] > upper[both]).any():
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


# ---------------------------------------------------------------------------------------------------- missing together


def _null_together(rows: Rows) -> list[NullTogether]:
    groups: dict[bytes, list[str]] = {}
    for spec in rows.schema.modelled:
        missing = rows.values(spec.name).missing
        if min(missing.sum(), (~missing).sum()) >= CROSSINGS:
            groups.setdefault(np.packbits(missing).tobytes(), []).append(spec.name)
    return [NullTogether(columns=tuple(names)) for names in groups.values() if len(names) > 1]


# ---------------------------------------------------------------------------------------------------- unique together


def _unique_together(rows: Rows) -> list[Unique]:
    """Pairs of labels, whole numbers, dates and keys of several rows each that are never the same in two rows, though shuffled ones would be
    in many; of several columns that part the rows alike the first."""
    places: dict[str, np.ndarray] = {}
    parted: set[bytes] = set()
    looked_at = [spec for spec in rows.schema.kept if spec.repeated or spec.kind not in ("key", "float", "constant")]
    for spec in looked_at[:MOST_COLUMNS]:
        codes = together([rows.values(spec.name)])
        _, first, place = np.unique(codes, return_index=True, return_inverse=True)
        parts = first[place].tobytes()  # the first row that is the same
        if codes.all() and len(first) < len(rows) and parts not in parted:
            places[spec.name] = codes
            parted.add(parts)
    # of all pairs of rows so many are the same; a row is no pair with itself
    counts = {name: np.bincount(codes) for name, codes in places.items()}
    same = {
        name: float((rows_of * (rows_of - 1)).sum()) / (len(rows) * (len(rows) - 1)) for name, rows_of in counts.items()
    }
    return [
        Unique(columns=pair)
        for pair in combinations(places, 2)
        # two rows in so many are the same by chance
        if len(rows) * (len(rows) - 1) / 2 * same[pair[0]] * same[pair[1]] >= CROSSINGS
        and _differ(*(places[name] for name in pair))
    ]


def _differ(first: np.ndarray, second: np.ndarray) -> bool:
    if int(first.max()) * int(second.max()) < len(first):  # codes count from 1: there are not so many pairs
        return False
    pairs = first.astype(np.int64) * (int(second.max()) + 1) + second
    glance = pairs[:GLANCE]
    return len(np.unique(glance)) == len(glance) and len(np.unique(pairs)) == len(pairs)


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
