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


def ranks(codes: np.ndarray, column: EncodedColumn, others: np.ndarray) -> np.ndarray:
    """Return (K,) int64: where each code of a column stands on an axis. Ordered codes stand as they are; unordered ones by
    the first principal coordinate of the means, over the rows of each level, of what ``others`` (n, m) say of each row
    (means of few rows are drawn towards the mean of all).

    >>> column = EncodedColumn("a", 3, np.zeros(3, bool))
    >>> order = ranks(np.array([0, 1, 2, 0, 1, 2]), column, np.array([[0.0], [9.0], [1.0], [0.0], [9.0], [1.0]]))
    >>> order.tolist() in ([0, 2, 1], [2, 0, 1])
    True
    """
    levels = column.cardinality
    if column.ordered or levels <= 2:
        return np.arange(levels)
    counts = np.bincount(codes, minlength=levels).astype(float)
    centred = others - others.mean(axis=0)
    sums = np.stack([np.bincount(codes, weights=each, minlength=levels) for each in centred.T], axis=1)
    means = sums / (counts[:, None] + 1)
    axes = np.linalg.svd(np.sqrt(counts)[:, None] * means, full_matrices=False)[2]
    result = np.empty(levels, np.int64)
    result[np.argsort((means @ axes[0]).round(12), kind="stable")] = np.arange(levels)
    return result
