"""What a column's codes mean to others: coordinates of codes, and an order of levels that have none."""

from __future__ import annotations

import numpy as np

from lookalike.model.counts.shrink import Hierarchy, is_long
from lookalike.schema.encoded import EncodedColumn

COSINES = 4
MOST_INDICATORS = 12


def coordinates(column: EncodedColumn, hierarchy: Hierarchy, counts: np.ndarray) -> np.ndarray:
    """Return (K, m): few numbers a code, whose means over some rows tell how the column is distributed there.

    An indicator for each frequent level or spike; for codes on an axis also the first cosines of the rank, which are
    orthogonal under the column's own distribution (counts (K,)), so that distances of means are distances of densities;
    they are weighted by 1, 1/2, 1/3 …, as coarse differences are worth more than fine ones.

    >>> column = EncodedColumn("a", 4, np.zeros(4, bool), True, np.arange(4.0))
    >>> counts = np.full(4, 1)
    >>> coordinates(column, Hierarchy.of(column, np.full(4, 0.01)), counts)[:, 0].round(2)
    array([ 0.92,  0.38, -0.38, -0.92])
    """
    codes = np.arange(column.cardinality)
    if not is_long(column):
        frequent = np.argsort(-counts, kind="stable")[: min(MOST_INDICATORS, max(len(codes) - 1, 1))]
        return (codes[:, None] == frequent).astype(float)
    missing = np.zeros(len(codes), bool)
    if column.representatives is not None:
        missing = np.isnan(column.representatives)
    present = np.where(missing, 0, counts)
    rank = (np.cumsum(present) - present / 2) / max(present.sum(), 1)
    pitch = np.arange(1, min(COSINES, len(codes) - 1) + 1)
    waves = np.cos(np.pi * rank[:, None] * pitch) / pitch
    waves[missing] = 0
    return np.concatenate([waves, codes[:, None] == hierarchy.order[: hierarchy.atoms]], axis=1)


def lacks_order(column: EncodedColumn) -> bool:
    """Whether an axis must be found for a column's codes: more than two that have none."""
    return not column.ordered and column.cardinality > 2


def ranks(codes: np.ndarray, column: EncodedColumn, others: np.ndarray) -> np.ndarray:
    """Return (K,) int64: where each code of a column stands on an axis. Ordered codes stand as they are; unordered ones as
    :func:`places` puts them by what ``others`` (n, m), of mean 0, say of each row with codes (n,).

    >>> column = EncodedColumn("a", 3, np.zeros(3, bool))
    >>> order = ranks(np.array([0, 1, 2, 0, 1, 2]), column, np.array([[-4.0], [5.0], [-3.0], [-4.0], [9.0], [-3.0]]))
    >>> order.tolist() in ([0, 2, 1], [2, 0, 1])
    True
    """
    levels = column.cardinality
    if not lacks_order(column):
        return np.arange(levels)
    sums = [np.bincount(codes, weights=each, minlength=levels) for each in others.T]
    return places(np.bincount(codes, minlength=levels), np.stack(sums, axis=1))


def places(counts: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return (K,) int64: the places of levels with ``counts`` (K,) rows along the first principal coordinate of their means,
    given as ``sums`` (K, m) over their rows (means of few rows are drawn towards the mean of all, which is 0).

    >>> order = places(np.array([2, 2, 2]), np.array([[-8.0], [14.0], [-6.0]]))
    >>> order.tolist() in ([0, 2, 1], [2, 0, 1])
    True
    """
    means = sums / (counts[:, None] + 1)
    axes = np.linalg.svd(np.sqrt(counts)[:, None] * means, full_matrices=False)[2]
    result = np.empty(len(counts), np.int64)
    result[np.argsort((means @ axes[0]).round(12), kind="stable")] = np.arange(len(counts))
    return result
