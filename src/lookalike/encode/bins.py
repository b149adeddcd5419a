"""Quantile bins of one number: as many rows in each, and inside each its own quantile function, with steps at values that recur."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import pdtrc

from lookalike.encode.base import Arrays

ROWS_A_BIN = 10
"""Rows a bin holds at least: fewer would be a list of the values themselves."""
ROWS_A_PIECE = 5
"""Rows a linear piece of a bin's quantile function holds at least, so that none is drawn between two single rows."""
PIECES = 16
"""Linear pieces of a bin's quantile function at most, beside the values that recur."""
NEIGHBOURS = 5
"""Distinct values on either side by which it is told how many rows one would have by chance."""
MOST_RECURRING = 10_000
"""Values that recur at most, the most frequent: each takes some hundred bytes of a twin."""
BY_CHANCE = 0.01
"""So likely at most is a value that recurs by chance; where it does, no more happens than that it comes back."""


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
        (s,) float64: the share of the bin's rows below each knot; 0 at a bin's first, 1 at its last. Two knots at one place are a value
        that recurs, two of one share a stretch where there is none.

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
        # around a value that recurs no number is drawn, and what lies there is that value
        recurs = np.append(np.diff(self.positions) == 0, False)
        bare = np.append(np.diff(self.shares) <= 0, True)
        piece = np.where(bare[piece] & recurs[piece - 1] & (piece > first), piece - 1, piece)
        piece = np.where(bare[piece] & recurs[piece + 1] & (piece < last), piece + 1, piece)
        low, high = self.positions[piece], self.positions[piece + 1]
        inside = np.clip((numbers - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        share = self.shares[piece] + np.where(recurs[piece], 0.5, inside) * (
            self.shares[piece + 1] - self.shares[piece]
        )
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


def fit_bins(numbers: np.ndarray, *, maximum: int, grain: float, rare: int) -> Bins:
    """Cut (n,) float64 numbers into at most ``maximum`` bins of equally many rows, never through a value.

    Every value owns the stretch of the axis that is nearer to it than to its neighbours, and its rows lie there evenly:
    rounded to ``grain`` (the distance of neighbouring values; 0 where there is none) they are that value again, at its
    frequency. Stretches are merged until each piece holds at least ``ROWS_A_PIECE`` rows, so that within a piece values
    are drawn that nobody had. Values that recur (:func:`recurring`) are drawn as they are, and what lies between two of them
    goes to the nearer one where it is fewer than ``rare`` rows.
    """
    distinct, counts = np.unique(numbers, return_counts=True)
    recurs = recurring(distinct, counts, grain=grain, rare=rare)
    for outwards in (slice(None), slice(None, None, -1)):  # what lies beyond all of them is an extreme, and stays one
        outermost = recurs[outwards].argmax()
        recurs[outwards][outermost] &= not 0 < counts[outwards][:outermost].sum() < rare
    edges = np.empty(len(distinct) + 1)
    edges[1:-1] = _middles(distinct)
    edges[0], edges[-1] = distinct[0] - grain / 2, distinct[-1] + grain / 2
    below = np.concatenate([[0], np.cumsum(counts)])
    starts, positions, shares = [0], [], []
    for first, last in pairwise(_fill(below, maximum)):
        own = slice(first, last)
        alone = recurs[own] | _outstanding(distinct[own], counts[own], grain=grain, rare=rare)
        places, ends = _knots(*_without_rare(distinct[own], counts[own], alone, rare), edges[first], edges[last])
        positions.append(places)
        shares.append(ends)
        starts.append(starts[-1] + len(places))
    return Bins(np.array(starts), np.concatenate(positions), np.concatenate(shares))


def recurring(distinct: np.ndarray, counts: np.ndarray, *, grain: float, rare: int) -> np.ndarray:
    """Return (L,) bool: which sorted distinct values so many rows have as chance would hardly give them, ``rare`` at least.

    A price, a fare, a wage as a questionnaire has it: between two of them lie numbers that nobody has. How many rows a value would have by
    chance is what those above or below it come to, spread over all places that the ``grain`` leaves.

    >>> recurring(np.array([1.0, 1.31, 4.2]), np.array([9, 1, 9]), grain=0.01, rare=5).tolist()
    [True, False, True]
    >>> recurring(np.array([1.0, 1.01, 1.02]), np.array([9, 8, 9]), grain=0.01, rare=5).tolist()
    [False, False, False]
    """
    often = counts >= max(rare, ROWS_A_PIECE)
    often[np.argsort(-counts, kind="stable")[MOST_RECURRING:]] = False
    if not grain or not often.any():
        return often
    below = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(len(distinct))
    first, last = np.maximum(places - NEIGHBOURS, 0), np.minimum(places + NEIGHBOURS, len(distinct) - 1)
    beneath = (below[places] - below[first]) / np.maximum((distinct - distinct[first]) / grain, 1)
    above = (below[last + 1] - below[places + 1]) / np.maximum((distinct[last] - distinct) / grain, 1)
    return np.asarray(often & (pdtrc(counts - 1, np.maximum(beneath, above)) < BY_CHANCE))


def _outstanding(values: np.ndarray, counts: np.ndarray, *, grain: float, rare: int) -> np.ndarray:
    """Return (L,) bool: which values of one bin so many rows have as chance would hardly give them if all its rows lay evenly.

    One person of 4 years beside eighty of 5 would else make forty of each. Where a bin has wide gaps, what lies beyond them is an extreme.

    >>> _outstanding(np.array([4.0, 5.0]), np.array([1, 80]), grain=1, rare=5).tolist()
    [False, True]
    >>> _outstanding(np.array([4.0, 5.0]), np.array([75, 80]), grain=1, rare=5).tolist()
    [False, False]
    """
    others = (values[-1] - values[0]) / grain if grain else 0.0
    if not 1 <= others < 2 * len(values):
        return np.zeros(len(values), bool)
    return np.asarray(
        (counts >= max(rare, ROWS_A_PIECE)) & (pdtrc(counts - 1, (counts.sum() - counts) / others) < BY_CHANCE)
    )


def _knots(
    values: np.ndarray, counts: np.ndarray, recurs: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions and shares of one bin from ``low`` to ``high``, of its (L,) sorted values."""
    edges = np.concatenate([[low], _middles(values), [high]])
    below = np.concatenate([[0], np.cumsum(counts)])
    if not recurs.any():  # most bins of a measured number: one run, cut once
        cuts = _cuts(below, PIECES, ROWS_A_PIECE)
        return edges[cuts], below[cuts] / below[-1]
    pieces = [0]
    for first, last in pairwise(np.flatnonzero(np.diff(_runs(recurs), prepend=-1, append=-1))):
        parts = int(PIECES * (below[last] - below[first]) / below[-1])
        if parts < 2 or recurs[first]:
            pieces.append(int(last))
        else:
            pieces.extend(first + _cuts(below[first : last + 1] - below[first], parts, ROWS_A_PIECE)[1:])
    shares = below[pieces] / below[-1]
    alone = np.flatnonzero(recurs[pieces[:-1]])
    after = np.repeat(alone + 1, 2)
    places, ends = np.repeat(values[np.array(pieces)[alone]], 2), np.stack([shares[alone], shares[alone + 1]], axis=1)
    return np.insert(edges[pieces], after, places), np.insert(shares, after, ends.ravel())


def _without_rare(
    values: np.ndarray, counts: np.ndarray, recurs: np.ndarray, rare: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same, where runs of fewer than ``rare`` rows went to the nearest value that recurs.

    >>> _without_rare(np.array([1.0, 2.0, 9.0]), np.array([8, 1, 7]), np.array([True, False, True]), 5)
    (array([1., 9.]), array([9, 7]), array([ True,  True]))
    """
    if not recurs.any():
        return values, counts, recurs
    run = _runs(recurs)
    few = ~recurs & (np.bincount(run, weights=counts)[run] < rare)
    counts = counts.copy()
    np.add.at(counts, np.searchsorted(values, at_nearest(values[few], values[recurs])), counts[few])
    return values[~few], counts[~few], recurs[~few]


def _runs(recurs: np.ndarray) -> np.ndarray:
    """(L,) which run each value is in: one that recurs is a run of its own, neighbours that do not are one together."""
    return np.concatenate([[0], np.cumsum(recurs[1:] | recurs[:-1])])


def _middles(values: np.ndarray) -> np.ndarray:
    """(L - 1,) half-way between neighbours."""
    halves = values.astype(np.float64) / 2
    return np.asarray(halves[:-1] + halves[1:])


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
    rows, cuts, cut_at = int(below[-1]), [0], 0
    places = np.searchsorted(below, np.arange(1, parts) * (rows / parts))
    for place, at in zip(places.tolist(), below[places].tolist(), strict=True):
        if at - cut_at >= fewest and rows - at >= fewest:
            cuts.append(place)
            cut_at = at
    return np.array([*cuts, len(below) - 1])


def at_nearest(numbers: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return (n,) numbers, each moved to the nearest of (k,) sorted ones.

    >>> at_nearest(np.array([1, 6, 90]), np.array([2, 8, 20])).tolist()
    [2, 8, 20]
    """
    return np.asarray(among[np.searchsorted(_middles(among), numbers.astype(np.float64))])
