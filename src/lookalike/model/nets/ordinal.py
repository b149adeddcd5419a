"""What ordered codes know of each other: features of a code going in, weights shared by neighbours going out."""

from __future__ import annotations

import math

import numpy as np

from lookalike.schema.encoded import EncodedColumn

FEWEST_CODES = 5
"""Fewer ordered codes are as well learned one by one."""
WAVES = (1, 2, 4, 8)
FEATURES = 4 + 2 * len(WAVES)
FARTHEST = 4.0
"""Standard deviations beyond which a number is as far as can be."""
FINEST = 64
"""Hats on the finest grid at most; what is finer, every code learns by itself."""


def is_scale(column: EncodedColumn) -> bool:
    """Whether the column's codes are an axis worth knowing.

    >>> is_scale(EncodedColumn("age", 90, np.zeros(90, bool), True, np.arange(90.0)))
    True
    """
    return column.ordered and column.cardinality >= FEWEST_CODES


def features(column: EncodedColumn, counts: np.ndarray) -> np.ndarray:
    """Return (K, FEATURES) float32: where each code lies, told in several ways; zeros for a missing one or a mere label.

    Its rank, its place in the distribution, its standardised value, that value's logarithm, and waves of its place
    (periodic features, Gorishniy et al. 2022, arXiv 2203.05556).

    Shape
    -----
    counts (K,) rows with each code
    """
    found = np.zeros((column.cardinality, FEATURES), np.float32)
    if not is_scale(column) or column.representatives is None:
        return found
    shares = counts / max(counts.sum(), 1)
    place = np.cumsum(shares) - shares / 2
    there = ~np.isnan(column.representatives)
    values = np.where(there, column.representatives, 0.0)
    weights = shares * there / max((shares * there).sum(), 1e-12)
    scale = max(float(np.abs(values).max()), 1e-300)  # divided first, so that 1e308 does not overflow when squared
    values = values / scale
    centre = float((weights * values).sum())
    spread = math.sqrt(float((weights * (values - centre) ** 2).sum()))
    standard = np.clip((values - centre) / max(spread, 1e-12), -FARTHEST, FARTHEST)
    rank = np.arange(column.cardinality) / max(column.cardinality - 1, 1)
    told = [2 * rank - 1, 2 * place - 1, standard, np.sign(standard) * np.log1p(np.abs(standard))]
    for wave in WAVES:
        told += [np.sin(math.pi * wave * place), np.cos(math.pi * wave * place)]
    found[there] = np.stack(told, axis=1)[there]
    return found


def hats(codes: int) -> np.ndarray:
    """Return (codes, hats) float32: hat functions over sorted codes, on grids of 2, 4, 8, … intervals.

    A head's weights are a sum over them, so that neighbouring codes learn together, on every scale.

    >>> hats(5).shape, hats(5)[2].tolist()
    ((5, 3), [0.0, 1.0, 0.0])
    """
    grids, intervals = [], 2
    while intervals <= min(codes / 1.5, FINEST):
        peaks = np.linspace(0, codes - 1, intervals + 1)
        grids.append(np.maximum(0, 1 - np.abs(np.arange(codes)[:, None] - peaks) / peaks[1]))
        intervals *= 2
    return np.concatenate(grids, axis=1).astype(np.float32) if grids else np.zeros((codes, 0), np.float32)
