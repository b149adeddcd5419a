"""Quantile bins of one number: as many rows in each, and inside each its own quantile function."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lookalike.encode.base import Arrays

ROWS_A_BIN = 10
"""Rows a bin holds at least: fewer would be a list of the values themselves."""
ROWS_A_PIECE = 5
"""Rows a linear piece of a bin's quantile function holds at least, so that none is drawn between two single rows."""
PIECES = 16
"""Linear pieces of a bin's quantile function at most."""


@dataclass(frozen=True)
class Bins(Arrays):
    """k bins on a number's axis, each with a piecewise linear distribution function.

    Attributes
    ----------
    starts
        (k + 1,) int64. Bin i owns the knots ``starts[i]`` to ``starts[i + 1]``.
    positions
        (s,) float64, sorted: where on the axis the knots lie.
    shares
        (s,) float64: the share of the bin's rows below each knot; 0 at a bin's first, 1 at its last.

    A residual is where a value stands among the values of its bin, from -1 to 1. So residuals are uniform whatever the
    column's distribution, and an engine that knows codes alone draws them so.
    """

    starts: np.ndarray
    positions: np.ndarray
    shares: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def means(self) -> np.ndarray:
        """(k,) float64: the median of each bin, by which codes are sorted."""
        return self.values(np.arange(len(self)), np.zeros(len(self)))

    def assign(self, numbers: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return each number's bin (n,) int64 and its residual (n,) float64. Nothing is drawn.

        >>> bins = Bins(np.array([0, 2, 4]), np.array([0.0, 10.0, 10.0, 30.0]), np.array([0.0, 1.0, 0.0, 1.0]))
        >>> bins.assign(np.array([5.0, 20.0]), np.random.default_rng(0))
        (array([0, 1]), array([0., 0.]))
        """
        upper = self.positions[self.starts[1:] - 1]
        bins = np.minimum(np.searchsorted(upper, numbers, side="left"), len(self) - 1)
        first, last = self.starts[bins], self.starts[bins + 1] - 2
        piece = np.clip(np.searchsorted(self.positions, numbers, side="right") - 1, first, last)
        low, high = self.positions[piece], self.positions[piece + 1]
        inside = np.clip((numbers - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        share = self.shares[piece] + inside * (self.shares[piece + 1] - self.shares[piece])
        return bins, 2 * share - 1

    def values(self, bins: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`assign`."""
        share = np.clip((residuals + 1) / 2, 0.0, 1.0)
        first, last = self.starts[bins], self.starts[bins + 1] - 2
        # shares run from 0 to 1 in each bin: with the bin's number added they are sorted over all bins
        owner = np.repeat(np.arange(len(self)), np.diff(self.starts))
        piece = np.clip(np.searchsorted(self.shares + 2 * owner, share + 2 * bins, side="right") - 1, first, last)
        low, high = self.shares[piece], self.shares[piece + 1]
        inside = np.clip((share - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        return np.asarray(self.positions[piece] + inside * (self.positions[piece + 1] - self.positions[piece]))


def fit_bins(numbers: np.ndarray, *, maximum: int, grain: float) -> Bins:
    """Cut (n,) float64 numbers into at most ``maximum`` bins of equally many rows, never through a value.

    Every value owns the stretch of the axis that is nearer to it than to its neighbours, and its rows lie there evenly:
    rounded to ``grain`` (the distance of neighbouring values; 0 where there is none) they are that value again, at its
    frequency. Stretches are merged until each piece holds at least ``ROWS_A_PIECE`` rows, so that within a piece values
    are drawn that nobody had.
    """
    distinct, counts = np.unique(numbers, return_counts=True)
    edges = np.empty(len(distinct) + 1)
    edges[1:-1] = distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2
    edges[0], edges[-1] = distinct[0] - grain / 2, distinct[-1] + grain / 2
    below = np.concatenate([[0], np.cumsum(counts)])
    cuts = _fill(below, maximum)
    starts, positions, shares = [0], [], []
    for first, last in pairwise(cuts):
        inside = below[first : last + 1] - below[first]
        pieces = first + _cuts(inside, PIECES, ROWS_A_PIECE)
        positions.append(edges[pieces])
        shares.append((below[pieces] - below[first]) / inside[-1])
        starts.append(starts[-1] + len(pieces))
    return Bins(np.array(starts), np.concatenate(positions), np.concatenate(shares))


def _fill(below: np.ndarray, maximum: int) -> np.ndarray:
    """As :func:`_cuts`, but where frequent values fill bins alone, what they leave over goes to the rest."""
    parts, cuts = maximum, _cuts(below, maximum, ROWS_A_BIN)
    while len(cuts) <= maximum and parts < below[-1]:
        parts = -(-parts * 5 // 4)
        finer = _cuts(below, parts, ROWS_A_BIN)
        if len(finer) > maximum + 1:
            break
        cuts = finer
    return cuts


def _cuts(below: np.ndarray, parts: int, fewest: int) -> np.ndarray:
    """Places in ``below`` (rows below each edge), first and last included, that cut it into ``parts`` of equally many rows
    or fewer parts, such that each has ``fewest`` rows.

    >>> _cuts(np.array([0, 1, 2, 3, 4, 5, 6, 7]), 9, 3).tolist()
    [0, 3, 7]
    """
    rows, cuts = below[-1], [0]
    for place in np.unique(np.searchsorted(below, np.linspace(0, rows, parts + 1)[1:-1])):
        if below[place] - below[cuts[-1]] >= fewest and rows - below[place] >= fewest:
            cuts.append(int(place))
    return np.array([*cuts, len(below) - 1])
