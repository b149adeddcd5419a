"""Columns that are sums of multiples of others, or of products of others, with a constant: totals, means, hours between dates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

import numpy as np

from lookalike.schema.constraints import Formula
from lookalike.schema.found.arithmetic import (
    FEWEST_MOVED,
    FEWEST_ROWS,
    GLANCE,
    MOST_DIGITS,
    Numbers,
    holds,
    linear,
    offset_of,
    rounded,
    spread,
)

MOST_FACTORS = 10
"""Columns whose products are looked through, at most; the first ones."""
MOST_PARTS = 100
"""What a sum is divided by, at most, where it is a mean."""


def sums(numbers: Numbers, found: Mapping[str, Formula]) -> Iterator[Formula]:
    """Columns that are sums of multiples of others, with a constant.

    Gram-Schmidt over the columns, dates and those with few gaps first: a column of which nothing is left follows from those
    before it, in one way. Differences of dates alone count, as a date itself is no number.
    """
    names = [name for name in numbers.specs if name not in found]
    targets = set(numbers.targets())
    gaps = {name: float(np.isnan(numbers.cells[name]).mean()) for name in names}
    names.sort(key=lambda name: (not numbers.date(name), gaps[name], *numbers.fineness(name)))
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
    some = some[spread(len(some), max(GLANCE, 10 * len(taken)))]
    basis: np.ndarray = np.full((len(some), 1), 1 / math.sqrt(len(some)))
    pivots: list[str] = []
    for name in [name for name in names if name in taken]:
        column = numbers.cells[name][some]
        left = column - column.mean()
        for _ in range(2):  # once more, for what rounding left
            left = left - basis @ (basis.T @ left)
        if not numbers.explained(name, left, some) or name not in targets or not pivots:
            norm = np.linalg.norm(left)
            if norm > 1e-9 * np.abs(column).max() * math.sqrt(len(some)):
                basis = np.column_stack([basis, left / norm])
                pivots.append(name)
            continue
        formula = _combined(numbers, name, pivots, some)
        if formula is not None:
            yield formula


def sums_of_products(numbers: Numbers, found: Mapping[str, Formula]) -> Iterator[Formula]:
    """Columns that are sums of products of two or three others, and of others: a total of pieces, price and discount."""
    names = [name for name in numbers.specs if name not in found and not numbers.date(name)][:MOST_FACTORS]
    gaps = {name: float(np.isnan(numbers.cells[name]).mean()) for name in names}
    targets = [name for name in numbers.targets() if name in names]
    for target in sorted(targets, key=lambda name: (gaps[name], *numbers.fineness(name)), reverse=True):
        others = [name for name in names if name != target and gaps[name] <= gaps[target]]
        # a total, once it is known what it is made of, would stand in for that: a tax is a fifth of the price, and nearly a sixth of the total
        for given in dict.fromkeys((tuple(name for name in others if name not in found), tuple(others))):
            formula = _of_products(numbers, target, given)
            if formula is not None:
                yield formula
                break


def _of_products(numbers: Numbers, target: str, others: Sequence[str]) -> Formula | None:
    parts = [*others, *(numbers.multiply(factors) for size in (2, 3) for factors in combinations(others, size))]
    whole = np.flatnonzero(~np.any([np.isnan(numbers.cells[name]) for name in (target, *others)], axis=0))
    if len(others) < 2 or len(whole) < max(FEWEST_ROWS, 3 * len(parts)):
        return None
    some = whole[spread(len(whole), max(GLANCE, 4 * len(parts)))]
    if not numbers.explained(target, _fitted(numbers, target, parts, some)[2], some):
        return None
    return _combined(numbers, target, parts, some)


def _combined(numbers: Numbers, target: str, pivots: list[str], some: np.ndarray) -> Formula | None:
    """What a column is, as a sum of multiples of others: with as few digits as do."""
    result = numbers.cells[target][some]
    names, factors = _fewest(numbers, target, pivots, some)
    if (len(names) == 1 and names[0] in numbers.specs) or any(_mostly_idle(numbers, name) for name in names):
        return None
    parts = round(1 / float(np.abs(factors).mean()))
    if 2 <= parts <= MOST_PARTS and np.allclose(np.abs(factors) * parts, 1, atol=0.02):  # a mean
        terms = _with_dates(numbers, dict(zip(names, np.sign(factors).tolist(), strict=True)))
        line = None if terms is None else linear(terms, 0.0)
        formula = None if line is None else holds(numbers, target, f"({line}) / {parts}")
        if formula is not None:
            return formula
    for cut, digits in product((False, True), range(1, MOST_DIGITS)):
        terms = {name: rounded(float(factor), digits) for name, factor in zip(names, factors, strict=True)}
        text = _with_dates(numbers, terms)
        if text is None:
            continue
        due = sum(factor * numbers.cells[name][some] for name, factor in terms.items())
        line = linear(text, offset_of(numbers, target, float((result - due).mean()), max(digits, 3)))
        formula = None if line is None else holds(numbers, target, line, cut)
        if formula is not None:
            return formula
    return None


def _fewest(numbers: Numbers, target: str, names: list[str], some: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The parts that a sum cannot do without, and (k,) their factors: those that move it least are tried first."""
    moved = _fitted(numbers, target, names, some)[1]
    for name in [names[place] for place in np.argsort(moved)]:
        fewer = [other for other in names if other != name]
        if fewer and numbers.explained(target, _fitted(numbers, target, fewer, some)[2], some):
            names = fewer
    names = [name for name in numbers.texts if name in names]  # in the table's order
    return names, _fitted(numbers, target, names, some)[0]


def _fitted(
    numbers: Numbers, target: str, names: list[str], some: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares: (k,) the parts' factors, (k,) how much each moves the sum, and (n,) what is left of the target."""
    result = numbers.cells[target][some]
    result = result - result.mean()
    given = np.stack([numbers.cells[name][some] for name in names], 1)
    given = given - given.mean(0)
    scale = np.maximum(given.std(0), np.finfo(float).tiny)
    weights = np.linalg.lstsq(given / scale, result, rcond=None)[0]
    return weights / scale, np.abs(weights), given @ (weights / scale) - result


def _mostly_idle(numbers: Numbers, name: str) -> bool:
    """Whether a column hardly ever leaves its commonest value."""
    cells = numbers.cells[name][~np.isnan(numbers.cells[name])]
    return len(cells) - int(np.unique(cells, return_counts=True)[1].max()) < FEWEST_MOVED


def _with_dates(numbers: Numbers, terms: Mapping[str, float]) -> dict[str, float] | None:
    """The terms as an expression takes them: dates only as differences, two by two; None where they are not such."""
    dated = {name: factor for name, factor in terms.items() if numbers.date(name)}
    plain = {numbers.texts[name]: factor for name, factor in terms.items() if name not in dated}
    if not dated:
        return plain
    if len(dated) != 2:
        return None
    (later, factor), (earlier, other) = sorted(dated.items(), key=lambda item: -item[1])
    if factor != -other or factor <= 0:
        return None
    return {f"({numbers.texts[later]} - {numbers.texts[earlier]})": factor} | plain
