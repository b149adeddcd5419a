"""What encoders hand to engines: every column as a code and a residual, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EncodedColumn:
    """What an engine may know about one column.

    Attributes
    ----------
    name
        For messages only.
    cardinality
        K, the number of codes.
    interval
        (K,) bool. True where the code stands for an interval, and so carries a residual.
    ordered
        Whether neighbouring codes are neighbouring values; then codes are sorted by value, missing last.
    representatives
        (K,) float64, one value a code for ordered columns (NaN for missing), else None.
    measured, deviations
        (K,) float64 each: counts of the codes that were paid for under differential privacy when the codes were made, and
        the standard deviation of each one's noise; else None.
    """

    name: str
    cardinality: int
    interval: np.ndarray
    ordered: bool = False
    representatives: np.ndarray | None = None
    measured: np.ndarray | None = None
    deviations: np.ndarray | None = None

    @property
    def has_residual(self) -> bool:
        return bool(self.interval.any())


@dataclass(frozen=True)
class EncodedTable:
    """n rows of d columns.

    Attributes
    ----------
    columns
        d descriptions.
    codes
        (n, d) int32, ``0 <= codes[:, j] < columns[j].cardinality``.
    residuals
        (n, d) float64; about [-1, 1], 0 wherever the code is not an interval. An encoder may give residuals a little
        outside [-1, 1] for the furthest values, so that decoding what was encoded is exact; engines clip.
    groups
        (n,) int64: whose each row is, counted from 1, 0 where it is nobody else's; None where every row stands for itself. Rows held
        out are not held out apart from others of their group.
    """

    columns: tuple[EncodedColumn, ...]
    codes: np.ndarray
    residuals: np.ndarray
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        assert self.codes.shape == self.residuals.shape == (len(self.codes), len(self.columns))

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> EncodedTable:
        """Return some of the rows, in the order given."""
        groups = None if self.groups is None else self.groups[rows]
        return EncodedTable(self.columns, self.codes[rows], self.residuals[rows], groups)


def no_rows(columns: tuple[EncodedColumn, ...]) -> EncodedTable:
    """Return the encoded table of these columns that has no rows."""
    return EncodedTable(columns, np.zeros((0, len(columns)), np.int32), np.zeros((0, len(columns))))


def concatenate(tables: list[EncodedTable]) -> EncodedTable:
    """Stack encoded tables of the same columns."""
    return EncodedTable(
        tables[0].columns,
        np.concatenate([table.codes for table in tables]),
        np.concatenate([table.residuals for table in tables]),
    )
