"""Does each column look alike, and does each pair move alike? sdmetrics 0.32's quality, under its own names.

Column Shapes (columns), Column Pair Trends (pairs, in :mod:`lookalike.evaluate.pairs`), Quality score (their mean).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike import stats
from lookalike.evaluate.pairs import PairTrends
from lookalike.evaluate.prepare import Column, Side
from lookalike.evaluate.yardstick import Even

ROUNDED_DECIMALS = 14
"""sdmetrics rounds numbers to 14 places before it compares them, so that 0.1 + 0.2 meets 0.3."""


def number_shape(real: Side, other: Side) -> float:
    """1 − Kolmogorov–Smirnov's D of the numbers that are present; in [0, 1]. Source: sdmetrics KSComplement.

    A flaw kept for parity: numbers below 1e-14 are all rounded to zero.

    >>> none = np.array([False, False])
    >>> codes = np.array([0, 0])
    >>> number_shape(Side(none, codes, np.array([1.0, 2.0])), Side(none, codes, np.array([2.0, 3.0])))
    0.5
    """
    return 1 - stats.kolmogorov_smirnov(_rounded(real.present), _rounded(other.present))


def _rounded(numbers: np.ndarray) -> np.ndarray:
    if numbers.dtype.kind != "f" or not len(numbers) or np.abs(numbers).max() > 1e6:
        return numbers  # at 1e6 a float's own spacing is coarser than the fourteenth place
    return np.round(numbers, ROUNDED_DECIMALS)


def label_shape(real: Side, other: Side, size: int) -> float:
    """1 − total variation of the labels that are present; in [0, 1]. Source: sdmetrics TVComplement.

    >>> none = np.array([False, False])
    >>> label_shape(Side(none, np.array([0, 1])), Side(none, np.array([0, 0])), size=3)
    0.5
    """
    counts = [np.bincount(side.codes, minlength=size)[: size - 1] for side in (real, other)]
    return 1 - stats.total_variation(*counts)


def column_shape(column: Column, side: str) -> float:
    """Shape score of one column: ``number_shape`` or ``label_shape``; NaN where one side is all missing."""
    real, other = column.sides["real"], column.sides[side]
    return number_shape(real, other) if column.numeric else label_shape(real, other, column.size)


def missing_share(side: Side) -> float:
    """Share of cells that are missing; in [0, 1]."""
    return float(side.missing.mean()) if len(side.missing) else float("nan")


def shapes(columns: list[Column], sides: list[str]) -> list[dict[str, Any]]:
    """One entry a column: its shape score and missing share for every side."""
    return [
        {
            "column": column.name,
            "kind": column.spec.kind,
            "metric": "KSComplement" if column.numeric else "TVComplement",
            "missing_real": missing_share(column.sides["real"]),
            **{f"score_{side}": column_shape(column, side) for side in sides},
            **{f"missing_{side}": missing_share(column.sides[side]) for side in sides},
        }
        for column in columns
    ]


def joined(entries: list[dict[str, Any]], even: Even) -> list[dict[str, Any]]:
    """The same entries with scores of "synthetic", "even" and "fresh", the means over draws."""
    scores = {side: np.array([entry[f"score_{side}"] for entry in entries], dtype=np.float64) for side in even.sides}
    means = even.joined(scores)
    return [
        {**entry, **{f"score_{side}": float(values[row]) for side, values in means.items()}}
        for row, entry in enumerate(entries)
    ]


def quality(entries: list[dict[str, Any]], pairs: PairTrends, side: str) -> dict[str, float]:
    """Column Shapes, Column Pair Trends and their mean, the Quality score, for one side.

    ``pair_trends`` is sdmetrics' default: pairs with real |ρ| ≤ .5 or Cramér's V ≤ .3 are left out of the mean.
    ``pair_trends_all`` is the mean over every pair that has a score; a table cannot shine there by having nothing to
    reproduce.
    """
    column_shapes = stats.mean([entry[f"score_{side}"] for entry in entries])
    scores = pairs.scores[side]
    trends = stats.mean(scores[pairs.strong].tolist())
    return {
        "quality": stats.mean([column_shapes, trends]),
        "column_shapes": column_shapes,
        "pair_trends": trends,
        "pair_trends_all": stats.mean(scores.tolist()),
    }
