"""What a pool is raked to: shares between an engine's and the real ones, as far as these tell more than chance."""

from __future__ import annotations

import math

import numpy as np

from lookalike.refine.margins import Cross, Grouped, Margin


def targets(crosses: list[Cross], real: Grouped, drawn: Grouped, least_rows: int) -> list[Margin]:
    """Count what is given and say how far to go from the engine's shares to the real ones."""
    margins = []
    for cross in crosses:
        counts = real.counts(cross)
        margin = Margin(cross, np.flatnonzero(counts >= least_rows), np.empty(0))
        goal = target(margin.pooled(counts), margin.pooled(drawn.counts(cross)))
        margins.append(Margin(cross, margin.kept, goal))
    return margins


def target(real: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return (m,) shares between those of the counts ``drawn`` (m,) from an engine and those of the ``real`` ones (m,).

    Each cell goes from the engine's share q towards the real p by 1 − v/(p − q)², v being the variance that p − q has by
    chance, and not at all where it is within it: the non-negative garrote (Breiman 1995, Technometrics 37, 373; as James
    and Stein, but a cell at a time). Then the whole is held off from p by the distance that the truth itself is
    expected to have from a sample of so many rows, ½ Σ √(2p(1−p)/(nπ)).

    >>> target(np.array([500, 500]), np.array([5000, 5000])).tolist()
    [0.5, 0.5]
    >>> target(np.array([700, 300]), np.array([5000, 5000])).round(3).tolist()
    [0.688, 0.312]
    """
    rows, made = real.sum(), drawn.sum()
    if not rows or not made:
        return real / max(rows, 1)
    true, engine = real / rows, drawn / made
    both = (real + drawn) / (rows + made)
    chance = both * (1 - both) * (1 / rows + 1 / made)
    apart = true - engine
    pull = np.maximum(1 - np.divide(chance, apart**2, out=np.ones_like(apart), where=apart != 0), 0)
    goal = np.maximum(engine + pull * apart, 0)
    goal = goal / goal.sum()
    return goal + _way_back(goal, engine, true, noise_floor(true, rows)) * (engine - goal)


def _way_back(goal: np.ndarray, engine: np.ndarray, true: np.ndarray, floor: float) -> float:
    """Return the share of the way from ``goal`` to ``engine`` after which its distance to ``true`` is ``floor``; all of it
    where the engine itself is nearer."""

    def apart(share: float) -> float:
        return float(np.abs(goal + share * (engine - goal) - true).sum()) / 2

    if apart(0.0) >= floor:
        return 0.0
    if apart(1.0) <= floor:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(15):
        middle = (low + high) / 2
        low, high = (low, middle) if apart(middle) >= floor else (middle, high)
    return high


def noise_floor(shares: np.ndarray, rows: float) -> float:
    """Return the L1 distance, ½ Σ |p − q|, expected between the truth and a sample of ``rows`` rows: what
    ``stats.expected_total_variation`` is beside a sample without end.

    >>> round(noise_floor(np.array([0.5, 0.5]), 100), 4)
    0.0399
    """
    return float(np.sqrt(2 * shares * (1 - shares) / (rows * math.pi)).sum() / 2)
