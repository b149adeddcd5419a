"""Codes joined to groups, coarse enough for the noise; inside a group codes are as frequent as their column alone says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lookalike import stats
from lookalike.schema.encoded import EncodedColumn


@dataclass(frozen=True)
class Groups:
    """Every column's codes in groups.

    Attributes
    ----------
    groups
        d arrays (K,) int64: the group of each code.
    within
        d arrays (K,) float64: how frequent each code is within its group; they sum to 1 in each.
    """

    groups: list[np.ndarray]
    within: list[np.ndarray]

    @classmethod
    def none(cls) -> Groups:
        return cls([], [])

    @property
    def sizes(self) -> list[int]:
        """Groups of each column."""
        return [int(groups.max()) + 1 for groups in self.groups]

    @property
    def starts(self) -> np.ndarray:
        """(d + 1,) where each column's groups begin among those of all columns."""
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)

    def of(self, codes: np.ndarray) -> np.ndarray:
        """(n, d) codes → (n, d) int64 groups."""
        return np.stack([groups[codes[:, j]] for j, groups in enumerate(self.groups)], axis=1)

    def finer(self, coarse: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n, d) groups → (n, d) int32 codes, spread evenly within each group."""
        codes = np.empty(coarse.shape, np.int32)
        for j, (groups, within) in enumerate(zip(self.groups, self.within, strict=True)):
            codes[:, j] = _drawn_within(groups, within, coarse[:, j], rng)
        return codes

    def without(self, barred: Mapping[int, int]) -> tuple[Groups, np.ndarray]:
        """The same with a code of some columns never drawn, and (D,) bool: which groups have another code to draw."""
        within = list(self.within)
        allowed: list[np.ndarray] = [np.ones(size, bool) for size in self.sizes]
        for j, code in barred.items():
            left = within[j].copy()
            left[code] = 0.0
            sums = np.bincount(self.groups[j], weights=left)
            allowed[j] = sums > 0
            within[j] = np.where(
                (sums > 0)[self.groups[j]], left / np.where(sums > 0, sums, 1)[self.groups[j]], within[j]
            )
        return Groups(self.groups, within), np.concatenate(allowed)

    def likelihood(self, codes: np.ndarray, known: np.ndarray) -> np.ndarray:
        """(n,) log-probability of the known codes (n, d) given their groups."""
        with np.errstate(divide="ignore"):
            logs = [np.log(within)[codes[:, j]] for j, within in enumerate(self.within)]
        return np.sum(np.where(known.T, logs, 0.0), axis=0)


def _drawn_within(groups: np.ndarray, within: np.ndarray, coarse: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(within[order])  # group g's shares run from g to g + 1
    spread = spread_evenly(coarse, rng)
    place = np.searchsorted(ends, coarse + spread * (1 - 1e-9), side="right")
    return np.asarray(order[np.minimum(place, len(order) - 1)])


def spread_evenly(part: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) numbers in [0, 1): those of rows of the same ``part`` (n,) lie one in each of equally long stretches, in random order.

    >>> spread_evenly(np.array([0, 1, 0]), np.random.default_rng(0)).round(1)
    array([0.5, 0.8, 0.5])
    """
    order = np.lexsort((rng.random(len(part)), part))
    counts = np.bincount(part[order]) if len(part) else np.zeros(0, np.int64)
    firsts = np.repeat(np.cumsum(counts) - counts, counts)
    ranks = np.empty(len(part))
    ranks[order] = np.arange(len(part)) - firsts
    return np.asarray((ranks + rng.random(len(part))) / np.maximum(counts[part], 1))


def group_columns(columns: tuple[EncodedColumn, ...], singles: list[np.ndarray], most: int) -> Groups:
    """Join every column's codes to at most ``most`` groups of about as many rows, by their (noisy) counts."""
    groups, within = [], []
    for column, counts in zip(columns, singles, strict=True):
        shares = as_shares(counts)
        mine = even_groups(column, shares, most)
        sums = np.bincount(mine, weights=shares)[mine]
        groups.append(mine)
        within.append(shares / sums)
    return Groups(groups, within)


def as_shares(counts: np.ndarray) -> np.ndarray:
    """The nearest shares to noisy counts that are above zero and sum to 1, a little left everywhere.

    >>> as_shares(np.array([6.0, 5.0, -1.0])).round(2)
    array([0.55, 0.45, 0.  ])
    """
    total = max(float(np.sum(counts)), 1.0)
    shares = np.maximum(stats.onto_total(counts, total), 1e-6 * total)
    return np.asarray(shares / shares.sum())


def even_groups(column: EncodedColumn, shares: np.ndarray, most: int) -> np.ndarray:
    """Return (K,) the group of each code, of ``most`` at most: ordered codes are cut into as many parts of about as many rows, and missing
    apart; of others the most frequent have one each, and share the last.

    Shape: ``shares`` (K,), of the rows.

    >>> even_groups(EncodedColumn("a", 4, np.zeros(4, bool), True, np.arange(4.0)), np.array([0.4, 0.1, 0.1, 0.4]), 2).tolist()
    [0, 0, 1, 1]
    """
    cardinality = len(shares)
    if cardinality <= most:
        return np.arange(cardinality)
    if not column.ordered or column.representatives is None:
        groups = np.full(cardinality, most - 1)
        groups[np.argsort(-shares, kind="stable")[: most - 1]] = np.arange(most - 1)
        return groups
    missing = np.isnan(column.representatives)
    present = np.where(missing, 0.0, shares)
    middles = (np.cumsum(present) - present / 2) / max(present.sum(), 1e-12)
    places = np.minimum((middles * (most - bool(missing.any()))).astype(np.int64), most - 1)
    return np.asarray(np.unique(np.where(missing, most, places), return_inverse=True)[1]).reshape(-1)
