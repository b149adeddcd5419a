"""How often each column's codes occur, within a privacy budget."""

from __future__ import annotations

import numpy as np

from lookalike import noise
from lookalike.schema.encoded import EncodedTable


def noised_counts(table: EncodedTable, deviation: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return per column (K,) float64 each: how often each code occurs, with Gaussian noise on the integers, and that noise's deviation.

    Columns whose codes came with measured counts are not counted again. Whoever calls it has paid for the others.

    >>> from lookalike.schema.encoded import EncodedColumn
    >>> table = EncodedTable((EncodedColumn("a", 2, np.zeros(2, bool)),), np.array([[0], [1], [1]], np.int32), np.zeros((3, 1)))
    >>> noised_counts(table, 0.0)
    ([array([1., 2.])], [array([0., 0.])])
    """
    counts, deviations = [], []
    for j, column in enumerate(table.columns):
        if column.measured is not None and column.deviations is not None:
            counts.append(column.measured)
            deviations.append(column.deviations)
            continue
        exact = np.bincount(table.codes[:, j], minlength=column.cardinality)
        counts.append((exact + noise.integers(exact.shape, deviation)).astype(np.float64))
        deviations.append(np.full(len(exact), deviation))
    return counts, deviations
