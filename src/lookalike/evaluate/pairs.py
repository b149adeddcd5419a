"""Every pair of columns: sdmetrics' Column Pair Trends and the three association measures, from one count each.

Both kinds of figure count the same contingency tables, so they are made in one pass: a pair's joint codes are counted
once for all tables.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from lookalike import stats
from lookalike.evaluate.associations import correlation_ratio, cramers_v, joint_cells, pearson
from lookalike.evaluate.prepare import Column, Side
from lookalike.evaluate.yardstick import Even
from lookalike.rng import generator

CORRELATION_THRESHOLD = 0.5
ASSOCIATION_THRESHOLD = 0.3
"""sdmetrics' QualityReport leaves a pair out of the mean when the real |ρ| or Cramér's V is not above these."""
MAXIMUM_PAIRS = 20_000
"""200 columns are scored in full; of more pairs than this a seeded sample is scored, and the scorecard says so."""


@dataclass(frozen=True)
class PairTrends:
    """All scored pairs, as arrays.

    Attributes
    ----------
    places
        (p, 2) int: positions of both columns.
    strong
        (p,) bool: counted in sdmetrics' default mean.
    scores
        For every side but the real one: (p,) float, NaN where undefined.
    associations
        For every side, the real one first: (p,) float. Pearson's ρ, Cramér's V or the correlation ratio η.
    possible
        How many pairs there are; more than ``len(places)`` where only a sample was scored.
    """

    places: np.ndarray
    strong: np.ndarray
    scores: dict[str, np.ndarray]
    associations: dict[str, np.ndarray]
    possible: int

    def joined(self, even: Even) -> PairTrends:
        """The same with sides "synthetic", "even" and "fresh", the means over draws."""
        associations = {"real": self.associations["real"], **even.joined(self.associations)}
        return replace(self, scores=even.joined(self.scores), associations=associations)


def pair_trends(columns: list[Column], sides: list[str], seed: int) -> PairTrends:
    """Score every pair of columns for every side (``synthetic``, ``holdout``) against ``real``.

    - both numbers: 1 − \\|ρ_real − ρ_other\\| / 2 over rows where both are present; NaN where a column is constant
      (so a constant synthetic column drops out of the mean: a flaw kept for parity, which Column Shapes still sees);
    - both labels: 1 − ½ Σ \\|f_real − f_other\\| over joint shares, missing being a label;
    - mixed: the number is cut into ten bins of its own table first, see ``own_bins``.

    Range [0, 1]. Source: sdmetrics CorrelationSimilarity, ContingencySimilarity, without their subsampling.
    """
    places, possible = _choose(len(columns), seed)
    strong = np.zeros(len(places), dtype=bool)
    scores = {side: np.full(len(places), np.nan) for side in sides}
    associations = {side: np.full(len(places), np.nan) for side in ["real", *sides]}
    for row, (i, j) in enumerate(places.tolist()):
        first, second = columns[i], columns[j]
        compute = _numbers if first.numeric and second.numeric else _contingency
        strong[row], pair_scores, pair_associations = compute(first, second, sides)
        for side, score in pair_scores.items():
            scores[side][row] = score
        for side, association in pair_associations.items():
            associations[side][row] = association
    return PairTrends(places, strong, scores, associations, possible)


def _choose(count: int, seed: int) -> tuple[np.ndarray, int]:
    possible = count * (count - 1) // 2
    pairs: np.ndarray = np.array(list(itertools.combinations(range(count), 2)), dtype=np.int64).reshape(-1, 2)
    if possible > MAXIMUM_PAIRS:
        pairs = pairs[np.sort(generator(seed, "evaluate", "pairs").choice(possible, MAXIMUM_PAIRS, replace=False))]
    return pairs, possible


PairResult = tuple[bool, dict[str, float], dict[str, float]]
"""(strong in the real table, score a side, association a side)."""


def _numbers(first: Column, second: Column, sides: list[str]) -> PairResult:
    rho = {side: _correlation(first.sides[side], second.sides[side]) for side in ["real", *sides]}
    constant = {side: first.sides[side].constant or second.sides[side].constant for side in rho}
    scores = {side: 1 - abs(rho["real"] - rho[side]) / 2 for side in sides if not (constant["real"] or constant[side])}
    return abs(rho["real"]) > CORRELATION_THRESHOLD, scores, rho


def _correlation(first: Side, second: Side) -> float:
    both = ~(first.missing | second.missing)
    return pearson(first.as_numbers[both], second.as_numbers[both])


def _contingency(first: Column, second: Column, sides: list[str]) -> PairResult:
    names = ["real", *sides]
    cells, counts = joint_cells(
        [(first.sides[name].codes, second.sides[name].codes) for name in names], (first.size, second.size)
    )
    scores = {side: 1 - stats.total_variation(counts[0], count) for side, count in zip(sides, counts[1:], strict=True)}
    real_v = cramers_v(cells, counts[0], second.size)
    if first.numeric or second.numeric:
        label, number = (second, first) if first.numeric else (first, second)
        associations = {name: _ratio(label.sides[name], number.sides[name]) for name in names}
    else:
        later = [cramers_v(cells, count, second.size) for count in counts[1:]]
        associations = dict(zip(names, [real_v, *later], strict=True))
    return real_v > ASSOCIATION_THRESHOLD, scores, associations


def _ratio(label: Side, number: Side) -> float:
    present = ~number.missing
    return correlation_ratio(label.codes[present], number.as_numbers[present])


def association_matrix(pairs: PairTrends, size: int, side: str) -> np.ndarray:
    """Symmetric (size, size) matrix of associations, 1 on the diagonal, NaN where undefined or not scored."""
    matrix = np.full((size, size), np.nan)
    np.fill_diagonal(matrix, 1.0)
    rows, columns = pairs.places.T
    matrix[rows, columns] = matrix[columns, rows] = pairs.associations[side]
    return matrix
