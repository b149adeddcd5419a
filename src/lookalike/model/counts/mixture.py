"""A mixture of products: within a component all columns are independent. Fitted to tables of one and two columns at once.

A component k has a weight w (K,) and, side by side for all columns, shares P (K, D). The tables of all pairs are the blocks of
Pᵀ diag(w) P (D, D), so one product gives them, and two more the gradient. Few components cannot follow noise far: what is
fitted is a low-rank approximation of all tables at once, consistent and nowhere negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.model.counts.groups import Groups, as_shares, spread_evenly
from lookalike.run import Run

SPREAD = 0.3
"""How far components start from each other, in logits."""
RATE = 0.1
WARM = 20
"""Steps until the rate is full."""
MEMORY = (0.9, 0.99)
REPORT = 25


@dataclass(frozen=True)
class Counts:
    """What the mixture is fitted to, as shares of all rows.

    Attributes
    ----------
    pairs, pair_weights
        (D, D) symmetric, blocks of two different columns; weights are one over the noise's variance, 0 in blocks of one column.
    singles, single_weights
        (D,) the same of columns alone.
    starts
        (d + 1,) where each column's groups begin.
    """

    pairs: np.ndarray
    pair_weights: np.ndarray
    singles: np.ndarray
    single_weights: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(
        cls,
        groups: Groups,
        singles: list[np.ndarray],
        deviations: list[np.ndarray],
        pairs: list[np.ndarray],
        places: list[tuple[int, int]],
        deviation: float,
        exact: bool,
    ) -> Counts:
        """From counts of codes and of pairs of groups; ``exact`` counts have the noise of sampling alone."""
        starts = groups.starts
        size = int(starts[-1])
        alone = [np.bincount(g, weights=as_shares(c)) for g, c in zip(groups.groups, singles, strict=True)]
        rows = np.array([max(c.sum(), 1.0) for c in singles])
        variances = [
            np.bincount(g, weights=(d / n) ** 2) for g, d, n in zip(groups.groups, deviations, rows, strict=True)
        ]
        table, weights = np.zeros((size, size)), np.zeros((size, size))
        total = max(float(np.mean([counts.sum() for counts in pairs])), 1.0) if pairs else 1.0
        for (i, j), counts in zip(places, pairs, strict=True):
            one, other = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            table[one, other] = counts / total
            table[other, one] = counts.T / total
            variance = total / counts.size if exact else deviation**2
            weights[one, other] = weights[other, one] = total**2 / max(variance, 1e-12)
        return cls(table, weights, np.concatenate(alone), 1 / np.maximum(np.concatenate(variances), 1e-12), starts)


@dataclass(frozen=True)
class Mixture:
    """K components.

    Attributes
    ----------
    weights
        (K,), sum to 1.
    shares
        (K, D): each column's shares side by side, each column's sum to 1.
    starts
        (d + 1,) where each column begins.
    """

    weights: np.ndarray
    shares: np.ndarray
    starts: np.ndarray

    @classmethod
    def none(cls) -> Mixture:
        return cls(np.zeros(0), np.zeros((0, 0)), np.zeros(1, np.int64))

    def given(self, fixed: dict[int, int]) -> Mixture:
        """The mixture of rows whose columns have some groups; it still draws these columns, which the caller overwrites."""
        weights = self.weights
        for column, group in fixed.items():
            weights = weights * self.shares[:, self.starts[column] + group]
        total = weights.sum()
        return Mixture(weights / total, self.shares, self.starts) if total > 0 else self

    def sample(self, rows: int, rng: np.random.Generator) -> np.ndarray:
        """(rows, d) int64 groups. Rows are spread evenly over components, and within each over every column's groups."""
        ends = np.cumsum(self.weights) / self.weights.sum()
        places = (np.arange(rows) + rng.random(rows)) / max(rows, 1)
        component = np.minimum(np.searchsorted(ends, places, side="right"), len(ends) - 1)
        drawn = np.empty((rows, len(self.starts) - 1), np.int64)
        for column in range(drawn.shape[1]):
            drawn[:, column] = self._column(column, component, spread_evenly(component, rng))
        return drawn[rng.permutation(rows)]

    def _column(self, column: int, component: np.ndarray, places: np.ndarray) -> np.ndarray:
        """The group that each row's place in [0, 1) falls to in its component."""
        ends = np.cumsum(self.shares[:, self.starts[column] : self.starts[column + 1]], axis=1)
        ends /= ends[:, -1:]
        size = ends.shape[1]
        running = (ends + np.arange(len(ends))[:, None]).ravel()  # component k's shares run from k to k + 1
        found = np.searchsorted(running, component + places * (1 - 1e-9), side="right") - component * size
        return np.clip(found, 0, size - 1)

    def logs(self, coarse: np.ndarray, known: np.ndarray) -> np.ndarray:
        """(n, K) log of each component's weight times the probability of the known groups (n, d)."""
        with np.errstate(divide="ignore"):
            shares, found = np.log(self.shares), np.tile(np.log(self.weights), (len(coarse), 1))
        for column in range(coarse.shape[1]):
            part = shares[:, self.starts[column] + coarse[:, column]].T
            found += np.where(known[:, column : column + 1], part, 0.0)
        return found

    def likelihood(self, coarse: np.ndarray, known: np.ndarray) -> np.ndarray:
        """(n,) log-probability of the known groups (n, d)."""
        return np.asarray(np.logaddexp.reduce(self.logs(coarse, known), axis=1))

    def complete(
        self, coarse: np.ndarray, known: np.ndarray, allowed: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """(n, d) groups, those not ``known`` (n, d) drawn given the known ones; never a group that is not ``allowed`` (D,)."""
        shares = np.where(allowed, self.shares, 0.0)
        mass = np.add.reduceat(shares, self.starts[:-1], axis=1)  # of allowed groups, in each component and column
        logs = self.logs(coarse, known)
        with np.errstate(divide="ignore"):
            logs += (~known).astype(np.float64) @ np.maximum(np.log(mass), -700.0).T
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        ends = np.cumsum(odds, axis=1)
        component = (ends < rng.random(len(coarse))[:, None] * ends[:, -1:]).sum(axis=1)
        component = np.minimum(component, len(self.weights) - 1)
        restricted = Mixture(self.weights, shares + 1e-300, self.starts)
        drawn = [restricted._column(j, component, rng.random(len(coarse))) for j in range(coarse.shape[1])]
        return np.where(known, coarse, np.stack(drawn, axis=1))


def fit_mixture(
    counts: Counts, components: int, *, iterations: int, misfit: float, rng: np.random.Generator, run: Run
) -> Mixture:
    """Weighted least squares by Adam (Kingma and Ba 2015, arXiv 1412.6980) on logits, from near independence.

    Stops once the squared error is no more than ``misfit`` times what the noise explains (the discrepancy principle of Morozov
    1966): to go on would be to fit noise. Ctrl-C, or the end of the run's time, keeps what was fitted so far.
    """
    starts = counts.starts
    sizes = np.diff(starts)
    logits = np.log(np.maximum(counts.singles, 1e-5)) + SPREAD * rng.standard_normal((components, int(starts[-1])))
    mixing = np.zeros(components)
    cells = max(np.count_nonzero(counts.pair_weights) / 2, 1) + len(counts.singles)
    moments = [np.zeros_like(part) for part in (logits, logits, mixing, mixing)]
    mixture = _mixture(mixing, logits, starts, sizes)
    try:
        for step in range(1, iterations + 1):
            error, slopes, slope = _gradient(mixture, counts, sizes)
            if step % REPORT == 0:
                run.show("fitting", step, iterations, f"misfit {error / cells:.2f}")
            if (error <= misfit * cells and step > WARM) or run.out_of_time:
                break
            rate = RATE * min(1.0, step / WARM)
            for part, gradient, first, second in ((logits, slopes, *moments[:2]), (mixing, slope, *moments[2:])):
                first += (1 - MEMORY[0]) * (gradient - first)
                second += (1 - MEMORY[1]) * (gradient**2 - second)
                scale = np.sqrt(second / (1 - MEMORY[1] ** step)) + 1e-12
                part -= rate / (1 - MEMORY[0] ** step) * first / scale
            mixture = _mixture(mixing, logits, starts, sizes)
    except KeyboardInterrupt:
        run.interrupted = True
    return mixture


def _mixture(mixing: np.ndarray, logits: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> Mixture:
    top = np.repeat(np.maximum.reduceat(logits, starts[:-1], axis=1), sizes, axis=1)
    shares = np.exp(logits - top)
    shares /= np.repeat(np.add.reduceat(shares, starts[:-1], axis=1), sizes, axis=1)
    weights = np.exp(mixing - mixing.max())
    return Mixture(weights / weights.sum(), shares, starts)


def _gradient(mixture: Mixture, counts: Counts, sizes: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The squared error in deviations of the noise, and the gradients of half of it by logits (K, D) and mixing logits (K,).

    NOTE: each pair stands twice in the symmetric table, so its error counts half.
    """
    weights, shares = mixture.weights, mixture.shares
    apart = (shares.T * weights) @ shares - counts.pairs
    weighted = counts.pair_weights * apart
    alone = weights @ shares - counts.singles
    weighted_alone = counts.single_weights * alone
    error = float((weighted * apart).sum() / 2 + (weighted_alone * alone).sum())
    pulled = shares @ weighted
    by_share = weights[:, None] * (pulled + weighted_alone)
    by_weight = 0.5 * (shares * pulled).sum(axis=1) + shares @ weighted_alone
    inner = np.add.reduceat(by_share * shares, mixture.starts[:-1], axis=1)
    slopes = shares * (by_share - np.repeat(inner, sizes, axis=1))
    slope = weights * (by_weight - (weights * by_weight).sum())
    scale = 1 / max(float(counts.pair_weights.max(initial=0.0)), float(counts.single_weights.max()))
    return error, slopes * scale, slope * scale
