"""What one column settles about another, counted: by its levels, or by stretches of its axis, and whether chance would do so."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

BANDS_GLANCE = 1_000
"""Rows that tell most columns that stand for no stretches."""
MOST_LEVELS = 5_000
"""Distinct values of a column that may settle another, or be settled, at most: a number of more is an amount, not a label."""
MOST_BANDS = 200
"""Stretches of an axis, at most, that a column may stand for."""
DEPENDENCY_SURPRISE = 20
"""Rows that would break a dependency if both columns were shuffled, at least: below it, agreement may be chance."""
DEPENDENCY_REPEATED = 0.5
"""Share of rows whose level stands in two rows or more, at least: a column that hardly repeats itself settles all others."""


def settled(determinant: np.ndarray, dependent: np.ndarray, size: int) -> np.ndarray | None:
    """Which code of ``dependent`` each of the ``size`` codes of ``determinant`` comes with in every row (−1: it never
    occurs); None where one comes with several. Source: functional dependencies as in Codd, 1970.

    Shape: (n,) and (n,) codes, gives (size,).

    >>> settled(np.array([0, 1, 0, 2]), np.array([5, 6, 5, 5]), 4).tolist()
    [5, 6, 5, -1]
    """
    for part in (slice(0, 1_000), slice(None)):  # most pairs are told by their first rows
        found = np.full(size, -1)
        found[determinant[part]] = dependent[
            part
        ]  # the last row of each code; where any other differs nothing is settled
        if (found[determinant[part]] != dependent[part]).any():
            return None
    return found


def repeats(counts: np.ndarray) -> bool:
    """Whether a column's levels (their rows, (k,)) stand in several rows often enough to settle anything.

    >>> repeats(np.array([5, 5])), repeats(np.ones(10)), repeats(np.array([10]))
    (True, False, False)
    """
    again = counts[counts >= 2].sum()
    return bool(again >= DEPENDENCY_REPEATED * counts.sum() and (counts > 0).sum() >= 2)


def surprising(determinant: np.ndarray, dependent: np.ndarray) -> bool:
    """Whether agreement is more than chance, from the rows of each level of both columns: a row whose level repeats is
    expected to differ from another of its level as often as two rows at random do, 1 − Σ p².

    >>> surprising(np.array([50, 50]), np.array([50, 50])), surprising(np.array([99, 1]), np.array([99, 1]))
    (True, False)
    """
    again = determinant[determinant >= 2]
    shares = dependent / dependent.sum()
    # each level could have settled on anything, so one row of it is free
    return bool((again.sum() - len(again)) * (1 - float((shares**2).sum())) >= DEPENDENCY_SURPRISE)


def in_order(cells: np.ndarray, groups: np.ndarray) -> bool:
    """Whether (n,) cells never fall within groups (n,), whose rows stand together.

    >>> in_order(np.array([1, 2, 1]), np.array([0, 0, 1])), in_order(np.array([2, 1]), np.array([0, 0]))
    (True, False)
    """
    return not bool(((cells[1:] < cells[:-1]) & (groups[1:] == groups[:-1])).any())


def by_chance(cells: np.ndarray, groups: np.ndarray) -> bool:
    """Whether (n,) cells that are in order within groups (n,), whose rows stand together, may be so by chance: of all orders of a group's cells one
    is theirs.

    >>> by_chance(np.array([1, 2, 3]), np.zeros(3, int)), by_chance(np.arange(30), np.zeros(30, int))
    (True, False)
    """
    new = np.append(True, groups[1:] != groups[:-1])
    sizes = np.diff(np.append(np.flatnonzero(new), len(groups)))
    same = np.diff(np.append(np.flatnonzero(new | np.append(True, cells[1:] != cells[:-1])), len(groups)))
    orders = sum(math.lgamma(size + 1) for size in sizes.tolist()) - sum(
        math.lgamma(size + 1) for size in same.tolist()
    )
    return orders < DEPENDENCY_SURPRISE


def follows(name: str, other: str, sources: Mapping[str, Collection[str]]) -> bool:
    """Whether a column is another one, or is told by it over however many steps; ``sources`` are what each is told by.

    >>> sources = {"total": ["price", "tax"], "tax": ["price"]}
    >>> follows("total", "price", sources), follows("price", "total", sources)
    (True, False)
    """
    seen, waiting = set[str](), [name]
    while waiting:
        name = waiting.pop()
        if name == other:
            return True
        if name not in seen:
            seen.add(name)
            waiting += sources.get(name, ())
    return False


def bands(numbers: np.ndarray, codes: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Whether each code stands for a stretch of an axis, as a bracket does for incomes: the ends of the stretches, from low to high, and
    the code of each, (2 L,) and (2 L,); None where codes alternate, where there is but one, or where so many of so few numbers would do
    so by chance.

    Shape: (n,), (n,), and the (n,) order of the numbers, which is the same for all codes.

    >>> age = np.arange(60)
    >>> bands(age, (age >= 18) + (age >= 50) * 1, age.argsort())
    (array([ 0, 17, 18, 49, 50, 59]), array([0, 0, 1, 1, 2, 2]))
    >>> bands(age, age % 2, age.argsort()) is None
    True
    """
    axis, found = numbers[order], codes[order]
    changes = np.flatnonzero(found[1:] != found[:-1])
    if len(changes) + 1 > np.count_nonzero(np.bincount(found)):
        return None
    if not len(changes) or (axis[changes] == axis[changes + 1]).any():
        return None
    starts = np.append(0, changes + 1)
    distinct = np.append(True, axis[1:] != axis[:-1])
    sizes = np.add.reduceat(distinct.astype(np.int64), starts)
    chance = sum(math.lgamma(count + 1) for count in (len(sizes), *sizes.tolist())) - math.lgamma(sizes.sum() + 1)
    if chance > -DEPENDENCY_SURPRISE:
        return None
    ends = np.stack([starts, np.append(changes, len(axis) - 1)], 1).ravel()
    return axis[ends], found[ends]


class Bands:
    """Columns of codes, each of which may stand for stretches of some axis: some rows tell most of them that do not.

    Parameters
    ----------
    columns
        (n,) codes each, by what they are called.

    >>> columns = Bands({"bracket": np.arange(90) // 30, "parity": np.arange(90) % 2})
    >>> [(name, codes.tolist()) for name, ends, codes in columns.along(np.arange(90), np.ones(90, bool))]
    [('bracket', [0, 0, 1, 1, 2, 2])]
    """

    def __init__(self, columns: Mapping[Any, np.ndarray]) -> None:
        self.columns = columns
        rows = len(next(iter(columns.values()), ()))
        self.some = slice(None, None, max(rows // BANDS_GLANCE, 1))
        self.glance = np.stack([codes[self.some] for codes in columns.values()], 1) if columns else None
        self.distinct = np.array([len(np.unique(codes[self.some])) for codes in columns.values()])

    def along(self, numbers: np.ndarray, there: np.ndarray) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
        """Yield what each column that stands for stretches of an axis is called, and what :func:`bands` says; (n,) numbers, of which
        those that are ``there`` (n,) count."""
        if self.glance is None:
            return
        present = np.flatnonzero(there[self.some])
        codes = self.glance[present[np.argsort(numbers[self.some][present], kind="stable")]]
        maybe = (codes[1:] != codes[:-1]).sum(0) < self.distinct
        names = [name for name, may_be in zip(self.columns, maybe, strict=True) if may_be]
        if names:
            rows = np.flatnonzero(there)
            order = rows[np.argsort(numbers[rows], kind="stable")]
            for name in names:
                if (found := bands(numbers, self.columns[name], order)) is not None:
                    yield name, *found
