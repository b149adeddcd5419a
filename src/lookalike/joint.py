"""What two or three columns settle together, counted: a route its distance, an article and a size their price."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations as subsets
from typing import TypeVar

import numpy as np

from lookalike.dependence import DEPENDENCY_SURPRISE, repeats, settled

Name = TypeVar("Name", bound=Hashable)

MOST_TOGETHER = 3
"""Columns that settle another together, at most."""
MOST_LEVELS = 1_000
"""Levels of a column that settles others together with more, at most."""
MOST_LOOKS = 250_000
"""Sets of columns held against another one, at most, those of the fewest levels first: all of 35 columns, all twos of 79."""
GLANCE = 2_000
"""Rows that tell most sets of columns that settle nothing."""
GLANCE_EXCEPTIONS = 0.02
"""Rows of these that do not agree with the one beside them of their combination, at most, of those that two rows at random would."""
EXCEPTIONS = 0.005
"""Rows that do not agree with the others of their combination, at most, of those that would not if a column were shuffled."""
PART = 10
"""One in so many rows tells most sets that came through the glance."""
DENSE = 4
"""Codes are counted one by one where they are no more than so many a row, else sorted."""


def joined(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return (n,) one code for each combination of the columns' (n,) codes, in their order.

    >>> joined([np.array([0, 1, 0, 1]), np.array([5, 5, 7, 5])]).tolist()
    [0, 2, 1, 2]
    """
    codes = crossed(_sized(columns))
    if codes.max(initial=0) > DENSE * len(codes):
        return np.unique(codes, return_inverse=True)[1]
    return (np.cumsum(np.bincount(codes) > 0) - 1)[codes]


def crossed(columns: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """Return (n,) a whole number for each combination of codes, in their order: its digits are the codes (n,) of each column, of which
    there are so many.

    >>> crossed([(np.array([0, 1, 2]), 3), (np.array([5, 0, 5]), 10)]).tolist()
    [5, 10, 25]
    """
    number = np.zeros(len(columns[0][0]), np.int64)
    for codes, count in columns:
        number = number * count + codes
    return number


def _sized(columns: Sequence[np.ndarray]) -> list[tuple[np.ndarray, int]]:
    return [(codes, int(codes.max(initial=0)) + 1) for codes in columns]


def _counted(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of codes that rows have, (p,) and (p,), and how many rows each has."""
    codes, kinds = crossed(_sized([first, second])), int(second.max(initial=0)) + 1
    if codes.max(initial=0) > DENSE * len(codes):
        pairs, rows = np.unique(codes, return_counts=True)
    else:
        counts = np.bincount(codes)
        pairs = np.flatnonzero(counts)
        rows = counts[pairs]
    return pairs // kinds, pairs % kinds, rows


def settled_together(columns: Sequence[np.ndarray], dependent: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return (n,) which combination of the columns' codes each row has, and (k,) the code of ``dependent`` that each settles: −1 where
    its rows do not agree, or there is but one. None where too many do not agree, or where not all of the columns are needed.

    A column is needed where at least :data:`~lookalike.dependence.DEPENDENCY_SURPRISE` of the rows that agree would not if it were
    shuffled among those that have the others' codes: of m rows of a combination, m − 1 are expected to differ from the first as often
    as two rows of the others' codes do, 1 − Σ p².

    Shape: (n,) codes each.

    >>> article, size = np.arange(600) % 5, np.arange(600) % 3
    >>> rows, found = settled_together([article, size], article * 7 + size * 2)
    >>> found[rows[:3]].tolist(), settled_together([article, size], article) is None
    ([0, 9, 18], True)
    """
    # others' codes leave no more to chance than there is without them
    may_be = EXCEPTIONS * len(dependent) * (1 - ((np.bincount(dependent) / len(dependent)) ** 2).sum())
    for part in (slice(0, len(dependent) // PART), slice(None)):  # rows that do not agree in a part do not in the whole
        together = joined([codes[part] for codes in columns])
        counts = np.bincount(together)
        combinations, codes, rows = _counted(together, dependent[part])
        most = np.zeros(len(counts), np.int64)
        np.maximum.at(most, combinations, rows)
        exceptions = (counts - most).sum()
        if exceptions > may_be:
            return None
    if not repeats(counts):
        return None
    agree, found = (most == counts) & (counts > 1), np.full(len(counts), -1)
    found[combinations] = codes
    found[~agree] = -1
    expected = min(
        _broken_by_chance(together, counts * agree, joined([*columns[:one], *columns[one + 1 :]]), dependent)
        for one in range(len(columns))
    )
    rule = expected >= DEPENDENCY_SURPRISE and exceptions <= EXCEPTIONS * expected
    return (together, found) if rule else None


def _broken_by_chance(together: np.ndarray, counts: np.ndarray, others: np.ndarray, dependent: np.ndarray) -> float:
    """Rows that would not agree with the first of their combination if they were any of the ``others``' (n,); (k,) rows of each."""
    codes, _, rows = _counted(others, dependent)
    alike = np.bincount(codes, rows.astype(np.float64) ** 2) / np.maximum(np.bincount(others), 1.0) ** 2  # Σ p²
    other_of = np.zeros(len(counts), np.int64)
    other_of[together] = others
    return float((np.maximum(counts - 1, 0) * (1 - alike[other_of])).sum())


def find_together(
    columns: Mapping[Name, np.ndarray],
) -> Iterator[tuple[tuple[Name, ...], Name, np.ndarray, np.ndarray]]:
    """Yield columns that settle another together and none of which does alone, which that is, and what :func:`settled_together` says.

    Shape: (n,) codes each, from 0, by what they are called.

    >>> article, size = np.arange(600) % 5, np.arange(600) % 3
    >>> columns = {"article": article, "size": size, "price": article * 7 + size * 2, "day": np.arange(600) // 100}
    >>> [(together, dependent) for together, dependent, *_ in find_together(columns)]
    [(('size', 'article'), 'price')]
    """
    names = list(columns)
    held = {name: np.count_nonzero(np.bincount(codes)) for name, codes in columns.items()}
    able = [name for name in names if 2 <= held[name] <= MOST_LEVELS]
    if not able:
        return

    @cache
    def alone(one: Name, other: Name) -> bool:
        return settled(columns[one], columns[other], int(columns[one].max()) + 1) is not None

    step = -(-len(columns[names[0]]) // GLANCE)
    glance = np.stack([codes[::step] for codes in columns.values()], axis=1).astype(np.int32)
    rows = len(glance)
    varied = np.array([1 - ((np.bincount(codes) / rows) ** 2).sum() for codes in glance.T])
    found: dict[Name, list[set[Name]]] = {name: [] for name in names}
    for chosen in _sets(sorted(able, key=held.__getitem__), held, alone, MOST_LOOKS // len(names)):
        codes = crossed(_sized([glance[:, names.index(name)] for name in chosen]))
        order = np.argsort(codes, kind="stable")
        beside = np.flatnonzero(np.diff(codes[order]) == 0)
        differ = (glance[order[beside]] != glance[order[beside + 1]]).sum(0)
        chance = len(beside) * varied
        for place in np.flatnonzero((chance > 1) & (differ <= GLANCE_EXCEPTIONS * chance)):
            dependent = names[place]
            if (
                dependent in chosen
                or any(fewer <= set(chosen) for fewer in found[dependent])
                or any(alone(name, dependent) for name in chosen)
            ):
                continue
            settles = settled_together([columns[name] for name in chosen], columns[dependent])
            if settles is not None:
                found[dependent].append(set(chosen))
                yield chosen, dependent, *settles


def _sets(
    names: Sequence[Name], held: Mapping[Name, int], alone: Callable[[Name, Name], bool], most: int
) -> list[tuple[Name, ...]]:
    """Twos, then threes, of columns none of which settles another, those of few combinations first; of the first ``names`` alone where
    all have more than ``most``."""
    found: list[tuple[Name, ...]] = []
    for size in range(2, MOST_TOGETHER + 1):
        count = max(number for number in range(len(names) + 1) if math.comb(number, size) <= most)
        most -= math.comb(count, size)
        sets = [
            chosen
            for chosen in subsets(names[:count], size)
            if not any(alone(*pair) or alone(*pair[::-1]) for pair in subsets(chosen, 2))
        ]
        found += sorted(sets, key=lambda chosen: math.prod(held[name] for name in chosen))
    return found
