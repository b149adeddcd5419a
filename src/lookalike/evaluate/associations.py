"""How strongly two columns go together: Pearson's ρ of numbers, Cramér's V of labels, η of one and the other.

What cannot be computed (an empty column, a constant one) is NaN, never a warning.
"""

from __future__ import annotations

import math

import numpy as np

DENSE_CELLS = 2**22
"""A contingency table with more cells than this is counted by sorting instead of by addressing."""


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's ρ; in [−1, 1], NaN where either side is constant or fewer than two rows are left.

    Shape: (n,) and (n,), without missing values.

    >>> round(pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])), 9)
    1.0
    """
    if len(first) < 2:
        return math.nan
    one, other = _unit_scale(first), _unit_scale(second)
    if one is None or other is None:
        return math.nan
    return max(-1.0, min(1.0, float((one * other).sum())))  # not @: BLAS threads cost more than they save here


def _unit_scale(numbers: np.ndarray) -> np.ndarray | None:
    """Centred, of length one; None where constant. Divided first, so that 1e308 does not overflow when squared."""
    numbers = numbers.astype(np.float64)
    if (numbers == numbers[0]).all():
        return None
    centred = numbers / np.abs(numbers).max()
    centred = centred - centred.mean()
    largest = np.abs(centred).max()
    if largest == 0:
        return None
    centred = centred / largest
    return np.asarray(centred / math.sqrt(float((centred * centred).sum())))


def joint_cells(
    pairs: list[tuple[np.ndarray, np.ndarray]], shape: tuple[int, int]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Count the joint codes of several tables over the same cells.

    Shape: ``pairs`` holds one (codes, codes) a table, each (n,) in [0, shape[0]) and [0, shape[1]). Returns the cells'
    flat indices (c,) and one count vector (c,) a table.

    >>> cells, (counts,) = joint_cells([(np.array([0, 1, 1]), np.array([1, 0, 0]))], (2, 2))
    >>> cells.tolist(), counts.tolist()
    ([0, 1, 2, 3], [0, 1, 2, 0])
    """
    flat = [first.astype(np.int64) * shape[1] + second for first, second in pairs]
    size = shape[0] * shape[1]
    if size <= DENSE_CELLS:
        return np.arange(size), [np.bincount(codes, minlength=size) for codes in flat]
    cells, places = np.unique(np.concatenate(flat), return_inverse=True)
    parts = np.split(places, np.cumsum([len(codes) for codes in flat])[:-1])
    return cells, [np.bincount(part, minlength=len(cells)) for part in parts]


def cramers_v(cells: np.ndarray, counts: np.ndarray, width: int) -> float:
    """Cramér's V of a contingency table, without bias correction; in [0, 1], NaN below two rows or two columns.

    Shape: ``cells`` (c,) flat indices (row·width + column), ``counts`` (c,). Source: Cramér, *Mathematical Methods of
    Statistics*, 1946, as in ``scipy.stats.contingency.association``.

    >>> cramers_v(np.arange(4), np.array([5, 0, 0, 5]), 2)
    1.0
    >>> cramers_v(np.arange(4), np.array([4, 4, 4, 4]), 2)
    0.0
    """
    used = counts > 0
    rows, columns = np.divmod(cells[used], width)
    observed = counts[used].astype(np.float64)
    row_index, row_totals = _totals(rows, observed)
    column_index, column_totals = _totals(columns, observed)
    freedom = min(len(row_totals), len(column_totals)) - 1
    if freedom < 1:
        return math.nan
    # χ²/n = Σ o²/(r·c) − 1 needs the cells in use only, so a 700 × 700 table costs what its rows cost
    phi_squared = float((observed / row_totals[row_index] * (observed / column_totals[column_index])).sum()) - 1
    return math.sqrt(min(1.0, max(0.0, phi_squared / freedom)))


def _totals(places: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Marginal totals of the places in use, and for each entry which one it belongs to."""
    _, index = np.unique(places, return_inverse=True)
    return index, np.bincount(index, weights=weights)


def correlation_ratio(codes: np.ndarray, numbers: np.ndarray) -> float:
    """η: the share of a number's spread that its label explains, square-rooted; in [0, 1], NaN where undefined.

    Shape: (n,) codes from 0 and (n,) numbers, without missing numbers. Source: Pearson, 1905.

    >>> correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 5.0, 5.0]))
    1.0
    """
    if len(numbers) < 2:
        return math.nan
    centred = _unit_scale(numbers)
    counts = np.bincount(codes)
    if centred is None or (counts > 0).sum() < 2:
        return math.nan
    sums = np.bincount(codes, weights=centred)
    used = counts > 0
    return math.sqrt(min(1.0, float((sums[used] ** 2 / counts[used]).sum())))
