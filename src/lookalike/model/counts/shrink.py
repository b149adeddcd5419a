"""Distributions over a column's codes from few rows: coarse differences are believed early, fine ones late."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lookalike.schema.encoded import EncodedColumn

ATOM_SHARE = 0.03
"""A code that is no interval and has at least this share of the rows stands for itself: a spike is no neighbour of the
values around it."""
TINY = 1e-300


@dataclass(frozen=True)
class Hierarchy:
    """A column's K codes in groups, ever finer: a Pólya tree over them (Lavine 1992, Annals of Statistics 20, 1222).

    Attributes
    ----------
    order
        (K,) int64: the codes, so arranged that every group is a stretch of them.
    atoms
        How many codes, first in ``order``, stand for themselves.
    levels
        For each level the starts of its groups in ``order``; the first level is everything, the last each code alone.

    Unordered columns have just these two. Ordered ones first tell apart their spikes, missing and the rest; the rest is
    halved again and again, by the rows in it.
    """

    order: np.ndarray
    atoms: int
    levels: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, column: EncodedColumn, shares: np.ndarray) -> Hierarchy:
        """Arrange the codes of a column by their shares of the rows (K,).

        >>> column = EncodedColumn("a", 5, np.zeros(5, bool), True, np.arange(5.0))
        >>> hierarchy = Hierarchy.of(column, np.array([0.92, 0.02, 0.02, 0.02, 0.02]))
        >>> hierarchy.order.tolist(), [starts.tolist() for starts in hierarchy.levels]
        ([0, 1, 2, 3, 4], [[0], [0, 1], [0, 1, 3], [0, 1, 2, 3, 4]])
        """
        codes = np.arange(column.cardinality)
        if not is_long(column):
            return cls(codes, len(codes), (codes[:1], codes))
        missing = np.zeros(len(codes), bool)
        if column.representatives is not None:
            missing = np.isnan(column.representatives)
        alone = missing | (~column.interval & (shares >= ATOM_SHARE))
        order = np.concatenate([codes[alone], codes[~alone]])
        atoms = int(alone.sum())
        below = np.concatenate([[0.0], np.cumsum(shares[order] + 1e-9)])
        levels = [codes[:1], codes[: atoms + 1]]
        while len(levels[-1]) < len(codes):
            levels.append(_halved(levels[-1], below))
        return cls(order, atoms, tuple(levels))

    def shrink(self, counts: np.ndarray, towards: np.ndarray, strength: float, growth: float) -> np.ndarray:
        """Return distributions (m, K) of rows counted (m, K), drawn ``towards`` other distributions (m, K).

        A group's share within the next coarser one is that of its rows and of ``strength`` rows more, which lie as
        ``towards`` says; ``strength`` grows by ``growth`` a level. So many rows speak for themselves, few change the coarse
        shape only, and none change nothing.

        >>> column = EncodedColumn("a", 2, np.zeros(2, bool))
        >>> Hierarchy.of(column, np.array([0.5, 0.5])).shrink(np.array([[3, 0]]), np.array([[0.5, 0.5]]), 1.0, 2.0)
        array([[0.875, 0.125]])
        """
        counts, towards = counts[:, self.order].astype(float), towards[:, self.order].astype(float)
        result = np.ones((len(counts), 1))
        rows, prior = counts.sum(axis=1, keepdims=True), towards.sum(axis=1, keepdims=True)
        for coarse, fine in pairwise(self.levels):
            owner = np.searchsorted(coarse, fine, side="right") - 1
            all_rows, all_prior = rows[:, owner], prior[:, owner]
            rows, prior = np.add.reduceat(counts, fine, axis=1), np.add.reduceat(towards, fine, axis=1)
            split = prior / np.maximum(all_prior, TINY)
            result = result[:, owner] * (rows + strength * split) / (all_rows + strength)
            strength *= growth
        distributions = np.empty_like(result)
        distributions[:, self.order] = result
        return np.asarray(distributions / distributions.sum(axis=1, keepdims=True))


def is_long(column: EncodedColumn) -> bool:
    """Whether the column's codes lie on an axis worth speaking of."""
    return column.ordered and column.cardinality > 2


def _halved(starts: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Cut every group of two codes or more where about half its share ``below`` (K + 1,) lies.

    >>> _halved(np.array([0, 3]), np.array([0.0, 0.1, 0.2, 0.3, 1.0])).tolist()
    [0, 1, 3]
    """
    ends = np.append(starts[1:], len(below) - 1)
    half = (below[starts] + below[ends]) / 2
    upper = np.searchsorted(below, half)
    nearer = below[upper] - half > half - below[upper - 1]
    middle = np.clip(upper - nearer, starts + 1, ends)
    return np.unique(np.concatenate([starts, middle[middle < ends]]))
