"""Iterative proportional fitting (Deming and Stephan 1940): a pool weighted to one table of counts after the other, until rows held out fit no better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.refine.margins import Grouped, Margin

LEAST_GAIN = 0.02
"""A sweep that gains less than this share of what all sweeps before it gained is the last, and not taken: on housing the first gained
81 parts of a hundred thousand, the second 5, those up to the twelfth 1 or less each."""
FURTHEST = 5.0
"""A cell's weights change by this factor at most in one step."""


@dataclass
class Raking:
    """Weights of a pool on their way to the targets."""

    pool: Grouped
    margins: list[Margin]
    heaviest: float

    def __post_init__(self) -> None:
        self.weights = np.ones(self.pool.count)
        sizes = [self.pool.groups.cells(one.cross) for one in self.margins]
        self.indices = [one.index(size) for one, size in zip(self.margins, sizes, strict=True)]

    def found(self, place: int, cells: np.ndarray) -> np.ndarray:
        """Return (m + 1,): the shares of one margin's cells as the weights are now."""
        index = self.indices[place]
        counts = np.bincount(cells, self.weights, minlength=len(index))
        shares: np.ndarray = np.bincount(index, counts, minlength=len(self.margins[place].shares))
        return shares / shares.sum()

    def sweep(self) -> None:
        """Rake to every margin once."""
        for place, margin in enumerate(self.margins):
            cells = self.pool.cells(margin.cross)
            shares = self.found(place, cells)
            ratio = np.divide(margin.shares, shares, out=np.ones(len(shares)), where=shares > 0)
            self.weights = self.weights * ratio.clip(1 / FURTHEST, FURTHEST)[self.indices[place]][cells]
        self.weights = bounded(self.weights / self.weights.mean(), self.heaviest)

    def shares(self) -> list[np.ndarray]:
        """Return the shares of all margins' cells as the weights are now."""
        return [self.found(place, self.pool.cells(margin.cross)) for place, margin in enumerate(self.margins)]


def rake(margins: list[Margin], drawn: Grouped, held: Grouped, heaviest: float, most: int) -> tuple[Raking, int]:
    """Sweep, at most ``most`` times, until the rows held out fit hardly better; return the weights and how many sweeps it took.

    The misfit is Σ (found − held out)²/p, a mean over tables: up to a constant it estimates the distance to the truth
    without bias, which L1 does not.
    """
    wanted = [one.pooled(held.counts(one.cross)) / max(held.count, 1) for one in margins]
    raking = Raking(drawn, margins, heaviest)
    first = best = _misfit(raking.shares(), wanted, margins)
    weights, sweeps = raking.weights, 0
    for done in range(1, most + 1):
        raking.sweep()
        misfit = _misfit(raking.shares(), wanted, margins)
        if best - misfit <= LEAST_GAIN * (first - best):
            break
        best, weights, sweeps = misfit, raking.weights, done
    raking.weights = weights
    return raking, sweeps


def _misfit(found: list[np.ndarray], wanted: list[np.ndarray], margins: list[Margin]) -> float:
    parts = [
        float(((one - other) ** 2 / np.maximum(margin.shares, 1e-4)).sum())
        for one, other, margin in zip(found, wanted, margins, strict=True)
    ]
    return sum(parts) / max(len(parts), 1)


def bounded(weights: np.ndarray, most: float) -> np.ndarray:
    """Return (n,) weights of the same sum, none above ``most``: what is cut off goes to the others in proportion. Where those that weigh
    anything are too few for that, they stay as they are.

    >>> bounded(np.array([5.0, 2.0, 1.0, 0.0]), 3).tolist()
    [3.0, 3.0, 2.0, 0.0]
    """
    weights, whole, limit = weights.copy(), weights.sum(), most * (1 + 1e-9)
    if whole > limit * np.count_nonzero(weights):
        return weights
    while (weights > limit).any():
        full = weights >= most
        weights[full] = most
        weights[~full] *= (whole - most * full.sum()) / weights[~full].sum()
    return weights
