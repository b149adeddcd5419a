"""Distances, ranks and draws: what several rooms need to count.

Arrays in, floats out. What cannot be computed (an empty column, a constant one) is NaN, never a warning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import chdtrc

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


def even_by_chance(counts: np.ndarray) -> float:
    """How likely (m,) counts of things that happen equally often differ at least so: Pearson's test, m − 1 degrees of freedom.

    >>> round(even_by_chance(np.array([10, 10, 10])), 3), even_by_chance(np.array([90, 10, 10])) < 1e-9
    (1.0, True)
    """
    usual = counts.mean()
    return float(chdtrc(len(counts) - 1, ((counts - usual) ** 2 / usual).sum()))


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
