"""The judge's columns as rows of numbers and labels, for the nearest neighbours of :mod:`lookalike.neighbours`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lookalike.evaluate.prepare import Column
from lookalike.neighbours import ONE_HOT, WEIGHT, Rows, one_hot
from lookalike.rng import generator
from lookalike.stats import mid_ranks

RANK_ROWS = 100_000
"""Quantiles of a column are those of at most so many real rows."""


class Encoder:
    """Turns rows of any side into :class:`Rows`; what it learns of a column is learnt once.

    Quantiles are those of the training and holdout rows together, so that neither has an axis of its own.
    """

    def __init__(self, columns: Sequence[Column], seed: int) -> None:
        self.columns = columns
        self._ordered = [_ordered(column, seed) if column.numeric else None for column in columns]
        self._code_type = np.uint16 if all(column.size < 2**16 for column in columns) else np.int32
        self._gaps = [any(side.missing.any() for side in column.sides.values()) for column in columns]

    def rows(self, side: str, picks: np.ndarray, places: Sequence[int] | None = None, axes: int = ONE_HOT) -> Rows:
        """The picked rows of one side, seen through all columns or through those at ``places``; labels of at most ``axes`` levels
        become axes of ``dense``."""
        dense: list[np.ndarray] = []
        codes: list[np.ndarray] = []
        for place in range(len(self.columns)) if places is None else places:
            column = self.columns[place]
            if not column.numeric:
                mine = column.sides[side].codes[picks]
                if column.size > axes:
                    codes.append(mine)
                else:
                    dense.append(one_hot(mine, column.size))
                continue
            missing = column.sides[side].missing[picks]
            dense.append(np.where(missing, 0.0, self.ranks(side, picks, place) - 0.5)[:, None])
            if self._gaps[place]:
                dense.append(one_hot(missing.astype(np.int64), 2))
        stacked = np.concatenate(dense, axis=1, dtype=np.float32) if dense else np.zeros((len(picks), 0), np.float32)
        lines = np.array(codes, dtype=self._code_type) if codes else np.zeros((0, len(picks)), self._code_type)
        squares = np.einsum("ij,ij->i", stacked, stacked) + WEIGHT * np.float32(len(lines))
        return Rows(stacked, lines, squares.astype(np.float32))

    def ranks(self, side: str, picks: np.ndarray, place: int) -> np.ndarray:
        """(n,) uniform quantiles of a number's cells, in [0, 1]; what stands where a cell is missing means nothing."""
        ordered, numbers = self._ordered[place], self.columns[place].sides[side].numbers
        assert ordered is not None and numbers is not None
        return mid_ranks(numbers[picks], ordered)


def _ordered(column: Column, seed: int) -> np.ndarray:
    present = np.concatenate([column.sides[side].present for side in ("real", "holdout") if side in column.sides])
    if len(present) > RANK_ROWS:
        present = generator(seed, "evaluate", "neighbours", column.name).choice(present, RANK_ROWS, replace=False)
    return np.sort(present)
