"""How far two tables of codes are apart: total variation of columns and of pairs of columns, for early stopping.

Plain counting, on purpose apart from the metrics of ``evaluate``: the judge never sits inside the optimiser.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from lookalike.schema.encoded import EncodedTable
from lookalike.stats import expected_total_variation

CELLS = 20
"""A column with more codes is cut to its most frequent ones and a rest: pair tables stay small and well filled."""
PAIRS = 300
"""Pairs compared at most; beyond 25 columns a fixed selection of them."""
HELD_OUT_SHARE, HELD_OUT_MOST = 0.1, 5_000
"""Part of the rows that is kept back, to stop early by or to weigh members by, and the most that is needed."""


def held_out_count(rows: int) -> int:
    """Return how many of so many rows are held out.

    >>> held_out_count(5), held_out_count(400), held_out_count(1_000_000)
    (0, 40, 5000)
    """
    return min(int(rows * HELD_OUT_SHARE), HELD_OUT_MOST)


class Distance:
    """Distance of tables to one reference table, in [0, 1]: mean of the columns' and of the pairs' total variation.

    >>> from lookalike.schema.encoded import EncodedColumn
    >>> column = EncodedColumn("colour", 2, np.zeros(2, bool))
    >>> def table(codes): return EncodedTable((column,), np.array([codes]).T, np.zeros((len(codes), 1)))
    >>> Distance(table([0, 0, 1, 1]))(table([0, 1, 1, 1]))
    0.25
    >>> round(Distance(table([0, 1] * 50)).expected(100), 3)
    0.056
    """

    def __init__(self, reference: EncodedTable) -> None:
        self.maps = [_fold(reference.codes[:, j], c.cardinality) for j, c in enumerate(reference.columns)]
        self.sizes = [int(fold.max()) + 1 for fold in self.maps]
        pairs = list(combinations(range(len(self.maps)), 2))
        if len(pairs) > PAIRS:
            pairs = [pairs[i] for i in np.random.default_rng(0).choice(len(pairs), PAIRS, replace=False)]
        self.pairs = pairs
        self.rows = len(reference)
        self.reference = self._shares(reference)

    def __call__(self, table: EncodedTable) -> float:
        apart = [0.5 * float(np.abs(a - b).sum()) for a, b in zip(self._shares(table), self.reference, strict=True)]
        return self._mean(apart)

    def expected(self, rows: int) -> float:
        """Return the distance that ``rows`` fresh rows from the reference's own source are expected to have."""
        return self._mean([expected_total_variation(shares * self.rows, rows) for shares in self.reference])

    def _mean(self, apart: list[float]) -> float:
        columns, pairs = apart[: len(self.maps)], apart[len(self.maps) :]
        return float(np.mean(columns)) if not pairs else float((np.mean(columns) + np.mean(pairs)) / 2)

    def _shares(self, table: EncodedTable) -> list[np.ndarray]:
        """Return the share of rows in each cell, a column or pair each."""
        folded = [fold[table.codes[:, j]] for j, fold in enumerate(self.maps)]
        single = [np.bincount(codes, minlength=size) for codes, size in zip(folded, self.sizes, strict=True)]
        double = [
            np.bincount(folded[a] * self.sizes[b] + folded[b], minlength=self.sizes[a] * self.sizes[b])
            for a, b in self.pairs
        ]
        return [counts / max(len(table), 1) for counts in single + double]


def _fold(codes: np.ndarray, cardinality: int) -> np.ndarray:
    """Return (K,) the cell of each code."""
    if cardinality <= CELLS:
        return np.arange(cardinality)
    order = np.argsort(-np.bincount(codes, minlength=cardinality), kind="stable")
    cells = np.full(cardinality, CELLS - 1)
    cells[order[: CELLS - 1]] = np.arange(CELLS - 1)
    return cells
