"""Arithmetic that a table's rows keep without exception: totals, products, units, logarithms, spans between two dates.

Each finding names a column and what gives it. No column is computed from itself, over however many steps, so all findings
can be kept at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
import pyarrow as pa

from lookalike.errors import InputError
from lookalike.schema.axis import as_floats, decimals_of
from lookalike.schema.breaches import Rows, kept
from lookalike.schema.column import ColumnSpec
from lookalike.schema.constraints import SPANS, Formula
from lookalike.schema.expression import quoted

FEWEST_ROWS = 50
"""Rows with all cells of a formula there, at least."""
FEWEST_VALUES = 10
"""Different results that a formula has to give, at least."""
FEWEST_MOVED = 20
"""Rows in which each part of a formula is another than it mostly is, at least."""
MOST_COLUMNS = 200
"""Numbers and dates that are looked through, at most; the first ones."""
GLANCE = 500
"""Rows that tell most formulas that do not hold."""
FIRST_GLANCE = 8
"""Rows that tell most pairs of columns that do not give a third."""
WHOLE = 0.01
"""How far from a whole number what gives one may lie, at most, where it is not rounded."""
OPERATIONS = {"+": np.add, "*": np.multiply, "/": np.divide}
MOST_DIGITS = 7
"""Digits of a constant, at most: what needs more was fitted, not meant."""
MOST_PARTS = 100
"""What a sum is divided by, at most, where it is a mean."""


class _Numbers:
    """The columns that formulas may be made of, as float64 with NaN where a cell is missing; dates count days."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.specs: dict[str, ColumnSpec] = {}
        self.cells: dict[str, np.ndarray] = {}
        self.values: dict[str, int] = {}
        for spec in rows.schema.modelled:
            if spec.kind not in ("integer", "float", "datetime") or spec.storage.startswith(SPANS) or "`" in spec.name:
                continue
            cells = as_floats(rows.natural(spec.name))
            if len(self.specs) < MOST_COLUMNS and len(np.unique(cells[~np.isnan(cells)][:GLANCE])) >= 2:
                self.specs[spec.name], self.cells[spec.name] = spec, cells
                self.values[spec.name] = len(np.unique(cells[~np.isnan(cells)]))
        step = max(len(rows) // GLANCE, 1)
        self.glance = np.arange(0, len(rows), step)[:GLANCE]

    def date(self, name: str) -> bool:
        return self.specs[name].kind == "datetime"

    def targets(self) -> list[str]:
        """Columns that a formula may give: numbers of enough different values."""
        return [name for name in self.specs if not self.date(name) and self.values[name] >= FEWEST_VALUES]

    def slack(self, name: str) -> float:
        """How far a cell may lie from what gives it: half a unit of its last decimal, or a whole one where decimals were cut off."""
        decimals = decimals_of(self.specs[name])
        return 0.0 if decimals is None else (1.0 if decimals else 0.5) * 10.0**-decimals * (1 + 1e-6)

    def near(self, name: str, due: np.ndarray, rows: np.ndarray, *, rounds: bool = False) -> np.ndarray:
        """Whether cells of a column are what they are due to be, or either is missing.

        ``rounds``: whole numbers may have been rounded. Of several numbers, near enough may mean that something else was added.
        """
        mine = self.cells[name][rows]
        off = np.abs(mine.reshape(-1, *[1] * (due.ndim - 1)) - due)
        slack = self.slack(name) if rounds or decimals_of(self.specs[name]) != 0 else WHOLE
        return np.isnan(off) | (off <= slack + 1e-9 * np.abs(due))


def find_formulas(rows: Rows) -> list[Formula]:
    """Return formulas that every row keeps and that are no matter of course.

    Looked for are one column that gives another (``fahrenheit = 1.8 * celsius + 32``, logarithms, roots, powers), two that give a
    third (sums, products, quotients), and sums of several, dates among them (``nights = out - in``). A formula gives at
    least 10 different results, and each of its parts matters in at least 20 rows.

    >>> from lookalike.schema.infer import infer_schema
    >>> rng = np.random.default_rng(0)
    >>> fare, tip, toll = (rng.integers(0, 900, 200) for _ in range(3))
    >>> table = pa.table({"fare": fare, "tip": tip, "toll": toll, "paid": fare + tip + toll + 50})
    >>> [found.words for found in find_formulas(Rows(table, infer_schema(table)))]
    ['paid = fare + tip + toll + 50']
    """
    numbers = _Numbers(rows)
    found: dict[str, Formula] = {}

    def needs(name: str, other: str) -> bool:
        """Whether a column is computed from another, over however many steps."""
        return name == other or any(needs(source, other) for source in sources.get(name, ()))

    sources: dict[str, tuple[str, ...]] = {}
    for look in (_from_one, _from_two, _sums):
        for formula in look(numbers, found):
            names = formula.expression.names
            if formula.column in found or any(needs(name, formula.column) for name in names):
                continue
            found[formula.column], sources[formula.column] = formula, names
    return list(found.values())


def _holds(numbers: _Numbers, target: str, text: str, cut: bool = False) -> Formula | None:
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
    return formula if kept(formula, numbers.rows).all() else None


# --------------------------------------------------------------------------------------------------- from one column


def _from_one(numbers: _Numbers, found: Mapping[str, Formula]) -> Iterator[Formula]:
    """One column gives another: the coarser one the finer."""
    names = sorted(numbers.targets(), key=lambda name: _fineness(numbers, name))
    orders = {name: np.argsort(numbers.cells[name][numbers.glance], kind="stable") for name in names}
    for place, target in enumerate(names):
        for source in names[:place]:
            if source not in found and _monotone(numbers, source, target, orders[source]):
                formula = _curve(numbers, source, target)
                if formula is not None:
                    yield formula
                    break


def _fineness(numbers: _Numbers, name: str) -> tuple[float, int]:
    decimals = decimals_of(numbers.specs[name])
    return (math.inf if decimals is None else decimals), numbers.values[name]


def _monotone(numbers: _Numbers, source: str, target: str, order: np.ndarray) -> bool:
    """Whether a glance shows one column rise, or fall, wherever the other rises."""
    first, second = (numbers.cells[name][numbers.glance][order] for name in (source, target))
    both = ~np.isnan(first) & ~np.isnan(second)
    first, second = first[both], second[both]
    if len(first) < FEWEST_ROWS // 2:
        return False
    same, steps = np.diff(first) == 0, np.diff(second)
    return bool((steps[same] == 0).all() and ((steps >= 0).all() or (steps <= 0).all()) and steps.any())


def _curve(numbers: _Numbers, source: str, target: str) -> Formula | None:
    """A straight line through the two columns, or through what they are on other scales."""
    x, y = numbers.cells[source], numbers.cells[target]
    name = quoted(source)
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
        slope = _slope(given[both], result[both])
        for cut, digits in product((False, True), range(1, MOST_DIGITS + 1)):
            steepness = _rounded(slope, digits)
            offset = float((result[both] - steepness * given[both]).mean())
            for constant in (0.0, _offset(numbers, target, offset, digits, exponent)):
                line = _linear({text: steepness}, constant)
                formula = None if line is None else _holds(numbers, target, f"exp({line})" if exponent else line, cut)
                if formula is not None:
                    return formula
    return None


def _slope(given: np.ndarray, result: np.ndarray) -> float:
    """Least squares."""
    centred = given - given.mean()
    spread = centred @ centred
    return float((result - result.mean()) @ centred / spread) if spread else 0.0


# -------------------------------------------------------------------------------------------------- from two columns


def _from_two(numbers: _Numbers, found: Mapping[str, Formula]) -> Iterator[Formula]:
    """a = b + c and a = b · c over every three columns; then a = b / c."""
    names = [name for name in numbers.specs if name not in found and not numbers.date(name)]
    targets = [name for name in numbers.targets() if name in names]
    few = numbers.glance[np.linspace(0, len(numbers.glance) - 1, FIRST_GLANCE).astype(int)]
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
                formula = _holds(numbers, target, f"{quoted(parts[0])} {sign} {quoted(parts[1])}")
                if formula is not None and _both_matter(numbers, target, parts, sign):
                    seen.add(frozenset((target, *parts)))
                    yield formula


def _applied(sign: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(OPERATIONS[sign](first, second))


def _both_matter(numbers: _Numbers, target: str, parts: tuple[str, str], sign: str) -> bool:
    there = ~np.any([np.isnan(numbers.cells[name]) for name in (target, *parts)], axis=0)
    idle = (0.0,) if sign == "+" else (0.0, 1.0)
    cells = [numbers.cells[name][there] for name in parts]
    moved = [np.count_nonzero(~np.isin(part, idle)) for part in cells]
    return min(moved) >= FEWEST_MOVED and min(len(np.unique(part)) for part in cells) >= 3


# ---------------------------------------------------------------------------------------------------- sums of several


def _sums(numbers: _Numbers, found: Mapping[str, Formula]) -> Iterator[Formula]:
    """Columns that are sums of multiples of others, with a constant.

    Gram-Schmidt over the columns, dates and those with few gaps first: a column of which nothing is left follows from those
    before it, in one way. Differences of dates alone count, as a date itself is no number.
    """
    names = [name for name in numbers.specs if name not in found]
    targets = set(numbers.targets())
    gaps = {name: float(np.isnan(numbers.cells[name]).mean()) for name in names}
    names.sort(key=lambda name: (not numbers.date(name), gaps[name], *_fineness(numbers, name)))
    # the rows with all cells there: columns that leave too few are passed over
    whole = np.ones(len(numbers.rows), bool)
    taken = []
    for name in sorted(names, key=lambda name: gaps[name]):
        both = whole & ~np.isnan(numbers.cells[name])
        if both.sum() >= max(FEWEST_ROWS, 2 * len(names)):
            whole = both
            taken.append(name)
    some = np.flatnonzero(whole)
    if len(taken) < 3:
        return
    some = some[np.linspace(0, len(some) - 1, min(len(some), max(GLANCE, 10 * len(taken)))).astype(int)]
    ones = np.full((len(some), 1), 1 / math.sqrt(len(some)))
    basis: np.ndarray = ones
    pivots: list[str] = []
    for name in [name for name in names if name in taken]:
        column = numbers.cells[name][some]
        left = column - column.mean()
        for _ in range(2):  # once more, for what rounding left
            left = left - basis @ (basis.T @ left)
        size = np.abs(column).max()
        # least squares may leave a little more than what rounding took
        if np.abs(left).max() > 1.5 * numbers.slack(name) + 1e-9 * size or name not in targets or not pivots:
            norm = np.linalg.norm(left)
            if norm > 1e-9 * size * math.sqrt(len(some)):
                basis = np.column_stack([basis, left / norm])
                pivots.append(name)
            continue
        formula = _combined(numbers, name, pivots, some)
        if formula is not None:
            yield formula


def _combined(numbers: _Numbers, target: str, pivots: list[str], some: np.ndarray) -> Formula | None:
    """What a column is, as a sum of multiples of others: with as few digits as do."""
    result = numbers.cells[target][some]
    names, factors = _fewest(numbers, target, pivots, some)
    if len(names) < 2 or any(_mostly_idle(numbers, name) for name in names):
        return None
    parts = round(1 / float(np.abs(factors).mean()))
    if 2 <= parts <= MOST_PARTS and np.allclose(np.abs(factors) * parts, 1, atol=0.02):  # a mean
        terms = _with_dates(numbers, dict(zip(names, np.sign(factors).tolist(), strict=True)))
        line = None if terms is None else _linear(terms, 0.0)
        formula = None if line is None else _holds(numbers, target, f"({line}) / {parts}")
        if formula is not None:
            return formula
    for cut, digits in product((False, True), range(1, MOST_DIGITS)):
        terms = {name: _rounded(float(factor), digits) for name, factor in zip(names, factors, strict=True)}
        text = _with_dates(numbers, terms)
        if text is None:
            continue
        sums = sum(factor * numbers.cells[name][some] for name, factor in terms.items())
        line = _linear(text, _offset(numbers, target, float((result - sums).mean()), max(digits, 3)))
        formula = None if line is None else _holds(numbers, target, line, cut)
        if formula is not None:
            return formula
    return None


def _fewest(numbers: _Numbers, target: str, names: list[str], some: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The columns that a sum cannot do without, and (k,) their factors: those that move it least are tried first."""
    result = numbers.cells[target][some]
    result = result - result.mean()
    most = 1.5 * numbers.slack(target) + 1e-9 * np.abs(numbers.cells[target][some]).max()

    def fitted(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        given = np.stack([numbers.cells[name][some] for name in names], 1)
        given = given - given.mean(0)
        scale = given.std(0)
        parts = given / scale
        weights = np.linalg.lstsq(parts, result, rcond=None)[0]
        return weights / scale, np.abs(weights)

    def enough(names: list[str]) -> bool:
        given = np.stack([numbers.cells[name][some] for name in names], 1)
        return bool(np.abs((given - given.mean(0)) @ fitted(names)[0] - result).max() <= most)

    moved = fitted(names)[1]
    for name in [names[place] for place in np.argsort(moved)]:
        fewer = [other for other in names if other != name]
        if fewer and enough(fewer):
            names = fewer
    names = [name for name in numbers.specs if name in names]  # in the table's order
    return names, fitted(names)[0]


def _mostly_idle(numbers: _Numbers, name: str) -> bool:
    """Whether a column hardly ever leaves its commonest value."""
    cells = numbers.cells[name][~np.isnan(numbers.cells[name])]
    return len(cells) - int(np.unique(cells, return_counts=True)[1].max()) < FEWEST_MOVED


def _with_dates(numbers: _Numbers, terms: Mapping[str, float]) -> dict[str, float] | None:
    """The terms as an expression takes them: dates only as differences, two by two; None where they are not such."""
    dated = {name: factor for name, factor in terms.items() if numbers.date(name)}
    plain = {quoted(name): factor for name, factor in terms.items() if name not in dated}
    if not dated:
        return plain
    if len(dated) != 2:
        return None
    (later, factor), (earlier, other) = sorted(dated.items(), key=lambda item: -item[1])
    if factor != -other or factor <= 0:
        return None
    return {f"({quoted(later)} - {quoted(earlier)})": factor} | plain


# --------------------------------------------------------------------------------------------------------- expressions


def _rounded(number: float, digits: int) -> float:
    """A number with so many digits."""
    return float(f"{number:.{digits - 1}e}")


def _offset(numbers: _Numbers, target: str, number: float, digits: int, exponent: bool = False) -> float:
    """A constant with so many digits, none of them finer than a tenth of what the target shows."""
    decimals = decimals_of(numbers.specs[target])
    places = MOST_DIGITS if decimals is None or exponent else decimals + 1
    return round(_rounded(number, digits), places)


def _linear(terms: Mapping[str, float], offset: float) -> str | None:
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
