"""Marginals, associations and intervals: what the judge and the refiner both need to count.

Pure NumPy: arrays in, floats out. What cannot be computed (an empty column, a constant one) is NaN, never a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

DENSE_CELLS = 2**22
"""A contingency table with more cells than this is counted by sorting instead of by addressing."""

Z95 = 1.959963984540054
"""Standard errors of a normal variable on either side that hold 95 %."""
FEW_PEOPLE = 5
"""What fewer rows than this hold tells of people: no page prints it, no form and no share is read off it, and the judge asks whether it comes
back. Source: the k of k-anonymity (Sweeney, 2002)."""
WEAK_HOLDOUT = 100
"""A holdout of fewer rows than this is a yardstick too short to lean on."""


def total_variation(first: np.ndarray, second: np.ndarray) -> float:
    """½ Σ |p − q| between two count vectors over the same cells; in [0, 1], 0 = the same shares.

    Shape: (k,) and (k,). Source: Levin, Peres, Wilmer, *Markov Chains and Mixing Times*, 4.1.

    >>> total_variation(np.array([1, 3]), np.array([2, 2]))
    0.25
    """
    first_total, second_total = first.sum(), second.sum()
    if first_total == 0 or second_total == 0:
        return math.nan
    return min(1.0, float(np.abs(first / first_total - second / second_total).sum() / 2))


def expected_total_variation(counts: np.ndarray, rows: int) -> float:
    """What ``total_variation`` is expected to be between a sample and a fresh one of ``rows`` rows from the same source.

    Shape: ``counts`` (k,), the sample's cells. ½ Σ √(2p(1−p)(1/n + 1/m)/π), each cell taken as normal; at most 1.
    Source: mostlyai-qa 1.10 (``accuracy_max``).

    >>> round(expected_total_variation(np.array([50, 50]), 100), 4)
    0.0564
    """
    total = counts.sum()
    if total == 0 or rows == 0:
        return math.nan
    shares = counts / total
    spread = np.sqrt(shares * (1 - shares)).sum()
    return min(1.0, float(spread) * math.sqrt(2 * (1 / int(total) + 1 / rows) / math.pi) / 2)


def onto_total(counts: np.ndarray, total: float) -> np.ndarray:
    """The nearest counts that are none negative and add up to ``total``: all moved by the same, and what falls below nought cut off.
    Source: Duchi et al. 2008, "Efficient projections onto the l1-ball".

    >>> onto_total(np.array([6.0, 5.0, -1.0]), 10.0)
    array([5.5, 4.5, 0. ])
    """
    counts = np.asarray(counts, np.float64)
    ordered = np.sort(counts)[::-1]
    moves = (np.cumsum(ordered) - total) / np.arange(1, len(ordered) + 1)
    kept = int(np.flatnonzero(ordered > moves).max(initial=0))
    return np.asarray(np.maximum(counts - moves[kept], 0.0))


def whole_rows(codes: np.ndarray) -> np.ndarray:
    """Rows of (n, d) codes as (n,) opaque values, which NumPy sorts and compares as wholes."""
    codes = np.ascontiguousarray(codes)
    return codes.view(np.dtype((np.void, codes.dtype.itemsize * codes.shape[1]))).ravel()


def places_among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (n,) int64: where each of (n,) values first stands among (k,) sorted ``known`` ones, −1 where it does not.

    >>> places_among(np.array([5, 1, 9, 10]), np.array([1, 5, 5, 9])).tolist()
    [1, 0, 3, -1]
    """
    if not len(known):
        return np.full(len(values), -1)
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[places] == values, places, -1)


def draws_for(lacking: int, found: int, drawn: int, most: int) -> int:
    """How many more to draw for ``lacking`` ones that meet a condition, when ``found`` of ``drawn`` did: a tenth more than that share asks
    for, at most ``most``. Where none did yet, the next one might have.

    >>> draws_for(50, 0, 0, 10_000), draws_for(50, 10, 1_000, 10_000), draws_for(50, 0, 1_000, 10_000)
    (50, 5501, 10000)
    """
    return min(11 * lacking * drawn // (10 * max(found, 1)) + 1 if drawn else lacking, most)


def hopeless(lacking: int, found: int, drawn: int, left: int) -> bool:
    """Whether ``left`` more draws would hardly give ``lacking`` ones that meet a condition, even if it is met as often as is barely likely
    (1 in 20,000, by Poisson's law) when ``found`` of ``drawn`` met it.

    >>> hopeless(1_000, 0, 40_000, 2_000_000), hopeless(100, 0, 40_000, 2_000_000), hopeless(1_000, 60, 40_000, 2_000_000)
    (True, False, False)
    """
    barely = found + 4 * math.sqrt(found + 1) + 6
    return barely * left < lacking * drawn


def middle(numbers: np.ndarray) -> Any:
    """The upper of the two numbers in the middle, so one that is there, not a mean of two; 0 where there is none. It has the array's dtype.

    Shape: (n,).

    >>> middle(np.array([9, 1, 4, 7])).item(), middle(np.array([], np.int64)).item()
    (7, 0)
    """
    return np.sort(numbers)[len(numbers) // 2] if len(numbers) else numbers.dtype.type(0)


def kolmogorov_smirnov(first: np.ndarray, second: np.ndarray) -> float:
    """Largest gap between two empirical distribution functions; in [0, 1], 0 = the same distribution.

    Shape: (n,) and (m,). Source: the two-sample statistic D of Kolmogorov and Smirnov.

    >>> kolmogorov_smirnov(np.array([1, 2, 3, 4]), np.array([3, 4, 5, 6]))
    0.5
    """
    if len(first) == 0 or len(second) == 0:
        return math.nan
    first, second = np.sort(first), np.sort(second)
    points = np.concatenate([first, second])
    below_first = np.searchsorted(first, points, side="right") / len(first)
    below_second = np.searchsorted(second, points, side="right") / len(second)
    return float(np.abs(below_first - below_second).max())


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


def hold_out(
    rows: int, count: int, rng: np.random.Generator, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draw about ``count`` of so many rows at random, and return the numbers of the others and of these, both sorted.

    Rows of one group (n,), counted from 1, go together, so that nobody's rows are on both sides, unless that makes them twice as many as
    were asked for; those of group 0 are each their own.

    >>> groups = np.repeat(np.arange(1, 26), 4)
    >>> others, aside = hold_out(100, 10, np.random.default_rng(0), groups)
    >>> len(aside), np.intersect1d(groups[others], groups[aside])
    (12, array([], dtype=int64))
    """
    if groups is None:
        order = rng.permutation(rows)
    else:
        turns = np.where(groups > 0, rng.random(int(groups.max(initial=0)) + 1)[groups], rng.random(rows))
        order = np.argsort(turns, kind="stable")
        whole = (
            int(np.searchsorted(turns[order], turns[order[count - 1]], side="right")) if 0 < count <= rows else count
        )
        count = whole if whole <= 2 * count else count
    return np.sort(order[count:]), np.sort(order[:count])


def mid_ranks(numbers: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Where each number stands among ``ordered`` ones, which rise, as a share: its uniform quantile, ties in the middle; in [0, 1].

    Shape: (n,) and (m,), gives (n,); .5 where there are none.

    >>> mid_ranks(np.array([1, 5, 9]), np.array([1, 5, 5, 9])).tolist()
    [0.125, 0.5, 0.875]
    """
    if len(ordered) == 0:
        return np.full(len(numbers), 0.5)
    below, up_to = np.searchsorted(ordered, numbers, side="left"), np.searchsorted(ordered, numbers, side="right")
    return np.asarray((below + up_to) / (2 * len(ordered)))


def central_range(numbers: np.ndarray, tail: float = 0.01) -> tuple[float, float]:
    """The quantiles ``tail`` and 1 − ``tail``: an axis that prints nobody's extreme.

    >>> central_range(np.arange(1001.0))
    (10.0, 990.0)
    """
    low, high = np.quantile(numbers.astype(np.float64), [tail, 1 - tail])
    return float(low), float(high)


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share, sound for 0 hits too; in [0, 1].

    Source: Wilson, 1927.

    >>> low, high = wilson_interval(0, 100)
    >>> round(low, 4), round(high, 4)
    (0.0, 0.037)
    """
    if trials == 0:
        return 0.0, 1.0
    middle, half = wilson_centre(hits, trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def wilson_centre(hits: float, trials: int, z: float = Z95) -> tuple[float, float]:
    """Centre and half-width of :func:`wilson_interval`, before it is cut to [0, 1].

    >>> wilson_centre(50, 100)[0]
    0.5
    """
    centre = (hits + z * z / 2) / (trials + z * z)
    return centre, z / (trials + z * z) * math.sqrt(hits * (trials - hits) / trials + z * z / 4)


def difference_interval(hits: int, trials: int, other_hits: int, other_trials: int) -> tuple[float, float]:
    """95 % interval of the difference of two shares. Source: Newcombe, 1998, method 10 (from two Wilson intervals).

    >>> low, high = difference_interval(56, 70, 48, 80)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    if trials == 0 or other_trials == 0:
        return -1.0, 1.0
    (low, high), (other_low, other_high) = (
        wilson_interval(hits, trials),
        wilson_interval(other_hits, other_trials),
    )
    share, other = hits / trials, other_hits / other_trials
    return (
        share - other - math.hypot(share - low, other_high - other),
        share - other + math.hypot(high - share, other - other_low),
    )


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """P(a positive's score is above a negative's) + ½ P(tie): the area under the ROC curve; in [0, 1], NaN where empty.

    Shape: (n,) and (m,). Source: Mann and Whitney, 1947, U / nm.

    >>> auc(np.array([1, 2, 2]), np.array([0, 2]))
    0.6666666666666666
    """
    if len(positive) == 0 or len(negative) == 0:
        return math.nan
    return float(mid_ranks(positive, np.sort(negative)).mean())


def auc_interval(area: float, positives: float, negatives: float) -> tuple[float, float]:
    """95 % interval of an AUC from so many scores of each kind, sound at 0 and 1 too; in [0, 1].

    All areas θ with |area − θ| ≤ z·√V(θ), V being Hanley and McNeil's variance for scores of like spread: what Wilson's
    interval is for a share. Source: Newcombe, *Statistics in Medicine* 25, 2006, method 5.

    >>> low, high = auc_interval(0.5, 100, 100)
    >>> round(low, 3), round(high, 3)
    (0.421, 0.579)
    >>> auc_interval(1.0, 100, 100)[0] < 1
    True
    """
    if math.isnan(area) or min(positives, negatives) <= 0:
        return 0.0, 1.0
    size = (positives + negatives) / 2

    def misses(theta: float) -> bool:
        spread = 1 + (size - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (area - theta) ** 2 > Z95**2 * theta * (1 - theta) * spread / (positives * negatives)

    return _edge(misses, 0.0, area), _edge(misses, 1.0, area)


def _edge(misses: Callable[[float], bool], outside: float, inside: float) -> float:
    """Where ``misses`` turns from true to false between two places; ``outside`` where it never is true."""
    if not misses(outside):
        return outside
    for _ in range(60):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if misses(middle) else (outside, middle)
    return outside


def mean(values: list[float]) -> float:
    """Mean of those that are defined; NaN where none is.

    >>> mean([1.0, math.nan, 2.0])
    1.5
    """
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def at(card: Any, path: str) -> Any:
    """What stands at a dotted path of a scorecard, or None.

    >>> at({"privacy": {"nndr": None}}, "privacy.nndr.ratio") is None
    True
    """
    for key in path.split("."):
        if not isinstance(card, Mapping):
            return None
        card = card.get(key)
    return card


def plain(value: Any) -> Any:
    """Ready for JSON: NumPy scalars become Python's, NaN becomes None.

    >>> plain({"a": [np.float64("nan"), np.int64(3)]})
    {'a': [None, 3]}
    """
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, (float, np.floating)):
        return None if math.isnan(value) else float(value)
    return int(value)
