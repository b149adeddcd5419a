"""95 % confidence intervals: of shares, of their differences, of an AUC."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lookalike.stats import mid_ranks

Z95 = 1.959963984540054
"""Standard errors of a normal variable on either side that hold 95 %."""


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
