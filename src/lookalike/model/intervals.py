"""Residuals for engines that know codes alone."""

from __future__ import annotations

import numpy as np

from lookalike.schema.encoded import EncodedColumn, EncodedTable


def with_residuals(columns: tuple[EncodedColumn, ...], codes: np.ndarray, rng: np.random.Generator) -> EncodedTable:
    """Put a residual, uniform in [-1, 1], wherever a code (n, d) stands for an interval: in quantile bins that is how
    residuals lie.

    >>> column = EncodedColumn("a", 2, np.array([False, True]))
    >>> table = with_residuals((column,), np.array([[0], [1]]), np.random.default_rng(0))
    >>> (table.residuals[:, 0] != 0).tolist()
    [False, True]
    """
    inside = np.stack([column.interval[codes[:, j]] for j, column in enumerate(columns)], axis=1)
    return EncodedTable(columns, codes.astype(np.int32), np.where(inside, rng.uniform(-1, 1, codes.shape), 0.0))
