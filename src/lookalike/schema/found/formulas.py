"""Arithmetic that a table's rows keep without exception: totals, products, units, logarithms, spans between two dates.

Each finding names a column and what gives it. No column is computed from itself, over however many steps, so all findings
can be kept at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations, product

import numpy as np

from lookalike.dependence import follows
from lookalike.schema.breaches import Rows, kept
from lookalike.schema.constraints import Formula
from lookalike.schema.found.arithmetic import (
    FEWEST_MOVED,
    FEWEST_ROWS,
    FINE,
    MOST_DIGITS,
    Numbers,
    evenly,
    has_favourites,
    holds,
    linear,
    offset_of,
    rounded,
    spread,
)
from lookalike.schema.found.sums import sums, sums_of_products

FIRST_GLANCE = 8
"""Rows that tell most pairs of columns that do not give a third."""
SECOND_GLANCE = 60
"""Rows that tell most lines that are none."""
MOST_RATIOS = 60
"""Columns whose ratios and products are looked through, at most; the first ones."""
CLOSE = 0.5
"""How much a quotient varies (the logarithm's nine tenths to one), of what its columns do themselves, to be in proportion."""
OPERATIONS = {"+": np.add, "*": np.multiply, "/": np.divide}


def find_formulas(rows: Rows) -> list[Formula]:
    """Return formulas that every row keeps and that are no matter of course.

    Looked for are one column that gives another (``fahrenheit = 1.8 * celsius + 32``, logarithms, roots, powers), two that give a
    third (sums, products, quotients, and multiples of the latter: ``margin = 100 - 100 * cost / price``), sums of several, dates among
    them (``nights = out - in``), and sums of products. A formula gives at least 10 different results, and each of its parts matters in
    at least 20 rows.

    >>> import pyarrow as pa
    >>> from lookalike.schema.infer import infer_schema
    >>> rng = np.random.default_rng(0)
    >>> fare, tip, toll = (rng.integers(0, 900, 200) for _ in range(3))
    >>> table = pa.table({"fare": fare, "tip": tip, "toll": toll, "paid": fare + tip + toll + 50})
    >>> [found.words for found in find_formulas(Rows(table, infer_schema(table)))]
    ['paid = fare + tip + toll + 50']
    """
    some = evenly(rows)
    numbers = Numbers(some)
    found: dict[str, Formula] = {}
    sources: dict[str, tuple[str, ...]] = {}
    for look in (_from_one, _from_two, sums, sums_of_products, _from_ratios):
        for formula in look(numbers, found):
            column, *parts = formula.names
            if column not in found and not any(follows(name, column, sources) for name in parts):
                found[column], sources[column] = formula, tuple(parts)
    return [formula for formula in found.values() if some is rows or kept(formula, rows).all()]


# --------------------------------------------------------------------------------------------------- from one column


def _from_one(numbers: Numbers, found: Mapping[str, Formula]) -> Iterator[Formula]:
    """One column gives another: the coarser one the finer; then a finer one a coarser, and what is computed itself what it can."""
    names = sorted(numbers.targets(), key=numbers.fineness)
    orders = {name: np.argsort(numbers.cells[name][numbers.glance], kind="stable") for name in names}
    first = [(target, source) for place, target in enumerate(names) for source in names[:place]]
    # a logarithm kept in 32 bits has fewer values than its column; a square of a logarithm follows from what follows itself
    for pairs, chained in ((first, False), (permutations(names, 2), True)):
        for target, source in pairs:
            if target in found or (source in found and not chained):
                continue
            if _monotone(numbers, source, target, orders[source]):
                formula = _curve(numbers, source, target)
                if formula is not None:
                    yield formula


def _monotone(numbers: Numbers, source: str, target: str, order: np.ndarray) -> bool:
    """Whether a glance shows one column rise, or fall, wherever the other rises."""
    first, second = (numbers.cells[name][numbers.glance][order] for name in (source, target))
    both = ~np.isnan(first) & ~np.isnan(second)
    first, second = first[both], second[both]
    if len(first) < FEWEST_ROWS // 2:
        return False
    same, steps = np.diff(first) == 0, np.diff(second)
    return bool((steps[same] == 0).all() and ((steps >= 0).all() or (steps <= 0).all()) and steps.any())


def _curve(numbers: Numbers, source: str, target: str) -> Formula | None:
    """A straight line through the two columns, or through what they are on other scales."""
    x, y = numbers.cells[source], numbers.cells[target]
    name = numbers.texts[source]
    scales: list[tuple[np.ndarray, np.ndarray, str, bool]] = [(x, y, name, False)]
    with np.errstate(divide="ignore", invalid="ignore"):
        scales += [
            (np.log(x), y, f"log({name})", False),
            (np.log(x + 1), y, f"log({name} + 1)", False),
            (np.sqrt(x), y, f"sqrt({name})", False),
            (x * x, y, f"{name} * {name}", False),
            (1 / x, y, f"1 / {name}", False),
            (x, np.log(y), name, True),
        ]
    for given, result, text, exponent in scales:
        both = np.isfinite(given) & np.isfinite(result)
        if both.sum() < FEWEST_ROWS or (both != (~np.isnan(x) & ~np.isnan(y))).any():
            continue
        formula = _line(numbers, target, text, given[both], result[both], exponent)
        if formula is not None:
            return formula
    return None


def _line(
    numbers: Numbers, target: str, text: str, given: np.ndarray, result: np.ndarray, exponent: bool = False
) -> Formula | None:
    """A straight line through (n,) what a text gives and (n,) what the target is, or its logarithm: with as few digits as do."""
    slope = _slope(given, result)
    for cut, digits in product((False, True), range(1, MOST_DIGITS + 1)):
        steepness = rounded(slope, digits)
        offset = float((result - steepness * given).mean())
        for constant in (0.0, offset_of(numbers, target, offset, digits, exponent)):
            line = linear({text: steepness}, constant)
            formula = None if line is None else holds(numbers, target, f"exp({line})" if exponent else line, cut)
            if formula is not None:
                return formula
    return None


def _slope(given: np.ndarray, result: np.ndarray) -> float:
    """Least squares."""
    centred = given - given.mean()
    spread = centred @ centred
    return float((result - result.mean()) @ centred / spread) if spread else 0.0


# -------------------------------------------------------------------------------------------------- from two columns


def _from_two(numbers: Numbers, found: Mapping[str, Formula]) -> Iterator[Formula]:
    """a = b + c and a = b · c over every three columns; then a = b / c."""
    names = [name for name in numbers.specs if name not in found and not numbers.date(name)]
    targets = [name for name in numbers.targets() if name in names]
    few = numbers.glance[spread(len(numbers.glance), FIRST_GLANCE)]
    cells = np.stack([numbers.cells[name][few] for name in names], 1) if names else np.zeros((len(few), 0))
    first, second = cells[:, :, None], cells[:, None, :]
    glances = {name: numbers.cells[name][numbers.glance] for name in names}
    seen: set[frozenset[str]] = set()
    for sign in OPERATIONS:
        due = _applied(sign, first, second)
        for target in targets:
            place, fits = names.index(target), np.asarray(numbers.near(target, due, few).all(0))
            fits[place, :] = fits[:, place] = False
            for one, other in np.argwhere(fits if sign == "/" else np.triu(fits, 1)):
                parts = names[one], names[other]
                if one == other or frozenset((target, *parts)) in seen:
                    continue
                if not numbers.near(target, _applied(sign, *(glances[name] for name in parts)), numbers.glance).all():
                    continue
                formula = holds(numbers, target, f"{numbers.texts[parts[0]]} {sign} {numbers.texts[parts[1]]}")
                if formula is not None and _both_matter(numbers, target, parts, sign):
                    seen.add(frozenset((target, *parts)))
                    yield formula.replace(in_proportion=sign == "/" and _in_proportion(numbers, parts))


def _applied(sign: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(OPERATIONS[sign](first, second))


def _both_matter(numbers: Numbers, target: str, parts: tuple[str, str], sign: str) -> bool:
    there = ~np.any([np.isnan(numbers.cells[name]) for name in (target, *parts)], axis=0)
    idle = (0.0,) if sign == "+" else (0.0, 1.0)
    cells = [numbers.cells[name][there] for name in parts]
    moved = [np.count_nonzero(~np.isin(part, idle)) for part in cells]
    return min(moved) >= FEWEST_MOVED and min(len(np.unique(part)) for part in cells) >= 3


def _from_ratios(numbers: Numbers, found: Mapping[str, Formula]) -> Iterator[Formula]:
    """A multiple of b / c or of b · c, with a constant: percentages, margins, what a hundred thousand people have."""
    names = [name for name in numbers.specs if name not in found and not numbers.date(name)][:MOST_RATIOS]
    targets = sorted((name for name in numbers.targets() if name in names), key=numbers.fineness, reverse=True)
    few = numbers.glance[spread(len(numbers.glance), SECOND_GLANCE)]
    if len(targets) == 0 or len(names) < 3:
        return
    cells, results = (np.stack([numbers.cells[name][few] for name in some], 1) for some in (names, targets))
    slack = np.array([numbers.slack(name) + FINE * np.nanmax(np.abs(numbers.cells[name])) for name in targets])
    for sign, first in product("/*", range(len(names))):
        # b · c is c · b
        others = np.arange(first + 1 if sign == "*" else 0, len(names))
        given = _applied(sign, cells[:, [first]], cells[:, others])
        for other, place in np.argwhere(_straight(given, results, slack)):
            target, parts = targets[place], (names[first], names[others[other]])
            if target not in (*parts, *found):
                formula = _multiple(numbers, target, parts, sign)
                if formula is not None:
                    yield formula


def _straight(given: np.ndarray, results: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """(m, t) bool: through which of (n, m) columns and which of (n, t) others a straight line runs, but for ``slack`` (t,) on either side; rows
    with a gap in either are left out."""
    there, known = np.isfinite(given), np.isfinite(results)
    x, y = (np.where(some, cells - _middles(cells, some), 0.0) for cells, some in ((given, there), (results, known)))
    count = np.maximum(there.T.astype(float) @ known, 1)
    sums, due = x.T @ known, there.T.astype(float) @ y
    varied = (x * x).T @ known - sums**2 / count
    both = x.T @ y - sums * due / count
    left = there.T.astype(float) @ (y * y) - due**2 / count
    with np.errstate(divide="ignore", invalid="ignore"):
        off = left - both**2 / varied
    return np.asarray((count >= FIRST_GLANCE) & (varied > 0) & (off <= count * (1.5 * slack) ** 2 + FINE * left))


def _middles(cells: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(m,) the mean of each column where it is there: far from nought, squares would leave no digits for what they differ by."""
    return np.asarray(np.where(there, cells, 0.0).sum(0) / np.maximum(there.sum(0), 1))


def _multiple(numbers: Numbers, target: str, parts: tuple[str, str], sign: str) -> Formula | None:
    """The line through what two columns give, where it leaves no more than rounding does, and both have a say."""
    given = _applied(sign, *(numbers.cells[name] for name in parts))
    there = np.flatnonzero(np.isfinite(given) & ~np.isnan(numbers.cells[target]))
    if len(there) < FEWEST_ROWS or not _both_matter(numbers, target, parts, sign):
        return None
    x, y = given[there], numbers.cells[target][there]
    left = y - y.mean() - _slope(x, y) * (x - x.mean())
    if not numbers.explained(target, left, there):
        return None
    formula = _line(numbers, target, f"{numbers.texts[parts[0]]} {sign} {numbers.texts[parts[1]]}", x, y)
    if formula is None or sign == "*":
        return formula
    return formula.replace(in_proportion=_in_proportion(numbers, parts))


def _in_proportion(numbers: Numbers, parts: tuple[str, str]) -> bool:
    """Whether a quotient varies far less than what it is of, as a country's dead for every mile driven do: computed from two columns that
    an engine draws side by side it would vary as they do."""
    cells = np.stack([numbers.cells[name] for name in parts])
    cells = cells[:, ~np.isnan(cells).any(0)]
    if (cells < 0).any() or has_favourites(cells[0]):
        return False
    one, other = np.log(cells[:, (cells > 0).all(0)])
    varied = [np.subtract(*np.quantile(some, (0.9, 0.1))) for some in (one - other, one, other)]
    return bool(varied[0] <= CLOSE * min(varied[1:]))
