"""A Gaussian copula, the instant baseline: every column's own distribution, and one correlation a pair.

By Sklar's theorem a joint distribution is its marginals and a copula (Nelsen 2006, An Introduction to Copulas, section 2.3);
the Gaussian one for synthetic tables is in Patki, Wedge and Veeramachaneni 2016, doi 10.1109/DSAA.2016.49.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

from lookalike.model.base import EngineSettings, Generator, not_fitted
from lookalike.model.counts.levels import coordinates, lacks_order, places
from lookalike.model.counts.shrink import Hierarchy
from lookalike.model.intervals import with_residuals
from lookalike.rng import generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable

LARGEST_CORRELATION = 0.995
BLOCK_CELLS = 2**23
DRAWS = 64
"""Draws of a row's normal variables that its likelihood is the mean of."""
MOST_CELLS = 1_000_000
"""Pairs of codes that are counted one by one; of two columns of 20,000 labels each there would be gigabytes, most of them nought."""


class CopulaSettings(EngineSettings):
    """Settings of the engine copula."""

    ridge: float = Field(
        1e-3,
        gt=0,
        lt=1,
        description="smallest eigenvalue of the correlations: lower ones, which noise makes, are raised to it",
    )


class Copula(Generator):
    """The engine copula: a column is a normal variable cut at thresholds, a stretch for each code, as long as it is frequent.

    Spikes and missing are codes, so they come back exactly and at their frequency; numbers inside an interval are drawn anew.
    Levels without an order are put in one: along the first principal coordinate of what the other columns hold beside them.
    Under a condition that column's variable is drawn within its stretch and the others given it; several conditions are
    drawn as if independent, so they are met but the rows are only near the conditional distribution.
    """

    Settings: ClassVar[type[EngineSettings]] = CopulaSettings
    intervals: ClassVar[Literal["modes", "quantiles"]] = "quantiles"
    settings: CopulaSettings

    def __init__(self, settings: EngineSettings | None = None) -> None:
        super().__init__(settings)
        self._columns: tuple[EncodedColumn, ...] = ()
        self._ranks: list[np.ndarray] = []  # (K,) of each column: the place of each code
        self._below: list[np.ndarray] = []  # (K + 1,) of each column: the share of rows below each place
        self._correlations = np.zeros((0, 0))

    def fit(self, table: EncodedTable, *, seed: int, run: Run) -> None:
        """Nothing in it is drawn: the seed changes nothing."""
        self._columns = table.columns
        counts = [
            np.bincount(table.codes[:, j], minlength=column.cardinality) for j, column in enumerate(table.columns)
        ]
        self._ranks = _places(table, counts)
        self._below = []
        for rank, count in zip(self._ranks, counts, strict=True):
            sorted_counts = np.empty_like(count)
            sorted_counts[rank] = count
            self._below.append(np.concatenate([[0.0], np.cumsum(sorted_counts) / len(table)]))
        scores = np.empty(table.codes.shape)
        for j, (rank, below) in enumerate(zip(self._ranks, self._below, strict=True)):
            scores[:, j] = expected_scores(below)[rank[table.codes[:, j]]]
            run.show("correlating", j + 1, len(table.columns))
        self._correlations = correlations(scores, self.settings.ridge)

    def sample(
        self, rows: int, *, seed: int, conditions: Mapping[int, int] | None = None, temperature: float = 1.0
    ) -> EncodedTable:
        columns, rng = self._known, generator(seed, "sample")
        root = np.linalg.cholesky(self._correlations)
        codes = np.zeros((rows, len(columns)), np.int32)
        size = max(BLOCK_CELLS // len(columns), 1)
        for start in range(0, rows, size):
            block = slice(start, min(start + size, rows))
            normal = rng.standard_normal((block.stop - start, len(columns))) @ root.T
            if conditions:
                normal = self._conditioned(normal, conditions, rng)
            for j, (rank, below) in enumerate(zip(self._ranks, self._below, strict=True)):
                codes[block, j] = np.argsort(rank)[np.searchsorted(thresholds(below)[1:-1], normal[:, j], side="right")]
            for column, code in (conditions or {}).items():
                codes[block, column] = code
        return with_residuals(columns, codes, rng)

    def _conditioned(self, normal: np.ndarray, conditions: Mapping[int, int], rng: np.random.Generator) -> np.ndarray:
        """Move rows (n, d) to where the conditioned variables are as wanted: adding the regression of all on the change of
        some gives the conditional normal distribution."""
        some, wanted = list(conditions), []
        for column, code in conditions.items():
            place = self._ranks[column][code]
            low, high = self._below[column][place], self._below[column][place + 1]
            inside = low + (high - low) * rng.random(len(normal))
            wanted.append(ndtri(np.clip(inside, 1e-12, 1 - 1e-12)))
        change = np.array(wanted).T.reshape(len(normal), len(some)) - normal[:, some]
        within = self._correlations[np.ix_(some, some)]
        return np.asarray(normal + change @ np.linalg.solve(within, self._correlations[some]))

    def likelihood(self, table: EncodedTable) -> np.ndarray:
        """Return the logarithm of the probability of the codes of each row (n,): that of a normal variable in a box.

        One variable after the other is drawn within its stretch, given those before it; the mean of the products of the shares that the
        stretches have is the box's (Genz 1992, doi 10.1080/10618600.1992.10477010). A code that no row had has none.
        """
        columns, rng = self._known, generator(0, "likelihood")
        root = np.linalg.cholesky(self._correlations)
        found = np.empty(len(table))
        size = max(BLOCK_CELLS // (DRAWS * len(columns)), 1)
        for start in range(0, len(table), size):
            codes = table.codes[start : start + size]
            drawn, total = np.zeros((len(codes), DRAWS, len(columns))), np.zeros((len(codes), DRAWS))
            for j, (rank, below) in enumerate(zip(self._ranks, self._below, strict=True)):
                place, edges = rank[codes[:, j]], thresholds(below)
                ends = np.stack([edges[place], edges[place + 1]])[:, :, None]
                low, high = (ends - drawn[:, :, :j] @ root[j, :j]) / root[j, j]
                drawn[:, :, j], shares = within(low, high, rng)
                with np.errstate(divide="ignore"):
                    total += np.log(shares)
            found[start : start + size] = np.logaddexp.reduce(total, axis=1) - math.log(DRAWS)
        return found

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        _ = self._known
        return {}, {
            "correlations": self._correlations,
            "ranks": np.concatenate(self._ranks),
            "below": np.concatenate(self._below),
        }

    @classmethod
    def from_state(
        cls,
        columns: tuple[EncodedColumn, ...],
        settings: EngineSettings,
        state: dict[str, Any],
        arrays: dict[str, np.ndarray],
    ) -> Copula:
        engine = cls(settings)
        engine._columns = columns
        lengths = np.array([column.cardinality for column in columns])
        engine._ranks = np.split(arrays["ranks"], np.cumsum(lengths)[:-1])
        engine._below = np.split(arrays["below"], np.cumsum(lengths + 1)[:-1])
        engine._correlations = arrays["correlations"]
        return engine

    @property
    def _known(self) -> tuple[EncodedColumn, ...]:
        if not self._columns:
            raise not_fitted("copula")
        return self._columns


def _places(table: EncodedTable, counts: list[np.ndarray]) -> list[np.ndarray]:
    """Return each column's places of codes (K,), as ``levels.ranks`` makes them; of each pair of columns it is enough to know
    how often their codes meet, as rows of many columns described one by one take ten times the table's memory."""
    described = []
    for column, count in zip(table.columns, counts, strict=True):
        told = coordinates(column, Hierarchy.of(column, count / len(table)), count)
        described.append(told - count @ told / len(table))
    result = [np.arange(column.cardinality) for column in table.columns]
    for j in [j for j, column in enumerate(table.columns) if lacks_order(column)]:
        others = [i for i in range(len(table.columns)) if i != j] or [j]
        sums = [_meetings(table, j, i) @ described[i] for i in others]
        result[j] = places(counts[j], np.concatenate(sums, axis=1))
    return result


def _meetings(table: EncodedTable, first: int, second: int) -> np.ndarray | csr_array:
    """Return (K, L): in how many rows each code of one column meets each code of the other; sparse where most never do."""
    shape = table.columns[first].cardinality, table.columns[second].cardinality
    codes = table.codes[:, first].astype(np.int64), table.codes[:, second]
    if shape[0] * shape[1] > MOST_CELLS:
        return csr_array((np.ones(len(table)), codes), shape=shape)
    return np.bincount(codes[0] * shape[1] + codes[1], minlength=shape[0] * shape[1]).reshape(shape)


def thresholds(below: np.ndarray) -> np.ndarray:
    """Return (K + 1,) where a standard normal variable has the shares ``below`` it.

    >>> thresholds(np.array([0.0, 0.5, 1.0]))
    array([-inf,   0.,  inf])
    """
    return np.asarray(ndtri(below))


def expected_scores(below: np.ndarray) -> np.ndarray:
    """Return (K,) the mean of a standard normal variable between each pair of neighbouring thresholds.

    >>> expected_scores(np.array([0.0, 0.5, 1.0])).round(3)
    array([-0.798,  0.798])
    """
    density = np.exp(-(thresholds(below) ** 2) / 2) / math.sqrt(2 * math.pi)
    shares = np.diff(below)
    return np.where(shares > 0, (density[:-1] - density[1:]) / np.where(shares > 0, shares, 1), 0.0)


def within(low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return standard normal draws between ``low`` and ``high``, and the share of the distribution that lies there.

    >>> drawn, share = within(np.array([0.0]), np.array([np.inf]), np.random.default_rng(0))
    >>> bool(drawn > 0), share.tolist()
    (True, [0.5])
    """
    upper = low > 0  # where 1 - 1e-20 is 1, 1e-20 is still a number: the upper half is looked at from the other side
    first, last = ndtr(np.where(upper, -high, low)), ndtr(np.where(upper, -low, high))
    drawn = ndtri(np.clip(first + rng.random(first.shape) * (last - first), 1e-300, 1 - 1e-16))
    return np.where(upper, -drawn, drawn), last - first


def correlations(scores: np.ndarray, ridge: float) -> np.ndarray:
    """Return (d, d) correlations of the normal variables behind expected scores (n, d), positive definite.

    NOTE[DIFF]: to draw a score at random within its code's stretch, as often done, weakens every correlation of a column of
    few codes. The covariance of expected scores is, to first order, the correlation times both columns' variances of expected
    scores; so it is divided by these.

    >>> scores = np.array([[-0.8, -0.8], [0.8, 0.8], [-0.8, 0.8], [0.8, -0.8]])
    >>> correlations(scores, 1e-3).round(3) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    centred = scores - scores.mean(axis=0)
    covariances = centred.T @ centred / len(scores)
    variances = covariances.diagonal()
    scale = np.where(variances > 0, variances, 1)
    raw = np.clip(covariances / np.outer(scale, scale), -LARGEST_CORRELATION, LARGEST_CORRELATION)
    np.fill_diagonal(raw, 1.0)
    values, vectors = np.linalg.eigh(raw)
    fixed = (vectors * np.maximum(values, ridge)) @ vectors.T
    deviations = np.sqrt(fixed.diagonal())
    return np.asarray(fixed / np.outer(deviations, deviations))
