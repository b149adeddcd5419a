"""Distributions over a column's codes from few rows: coarse differences are believed early, fine ones late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.schema.encoded import EncodedColumn

ATOM_SHARE = 0.03
"""A code of an ordered column with at least this share of the rows stands for itself: a spike is no neighbour of the values
around it."""


@dataclass(frozen=True)
class Hierarchy:
    """A column's K codes in groups, ever finer, as a Pólya tree over them (Lavine 1992, Annals of Statistics 20).

    Attributes
    ----------
    order
        (K,) int64: the codes, so arranged that every group is a stretch of them.
    levels
        For each level the starts of its groups in ``order``; the first level is everything, the last each code alone.

    Unordered columns have just these two. Ordered ones first tell apart their spikes, missing and the rest; the rest is
    halved again and again, by the rows in it.
    """

    order: np.ndarray
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
        if not column.ordered or column.cardinality < 3:
            return cls(codes, (codes[:1], codes))
        missing = np.isnan(column.representatives) if column.representatives is not None else np.zeros(len(codes), bool)
        alone = missing | ~column.interval & (shares >= ATOM_SHARE)
        order = np.concatenate([codes[alone], codes[~alone]])
        atoms = int(alone.sum())
        below = np.concatenate([[0.0], np.cumsum(shares[order] + 1e-9)])
        levels = [codes[:1], np.arange(min(atoms + 1, len(codes)))]
        while len(levels[-1]) < len(codes):
            starts, ends = levels[-1], np.append(levels[-1][1:], len(codes))
            middle = np.searchsorted(below, (below[starts] + below[ends]) / 2)
            nearer = below[middle] - (below[starts] + below[ends]) / 2 > (below[starts] + below[ends]) / 2 - below[middle - 1]
            middle = np.clip(middle - nearer, starts + 1, ends)
            levels.append(np.unique(np.concatenate([starts, middle[middle < ends]])))
        return cls(order, tuple(levels))

    def shrink(self, counts: np.ndarray, towards: np.ndarray, strength: float, growth: float) -> np.ndarray:
        """Return distributions (m, K) of rows counted (m, K), drawn ``towards`` other distributions (m, K).

        A group's share within the next coarser one is that of its rows and of ``strength`` rows more, which lie as
        ``towards`` says; ``strength`` grows by ``growth`` a level. So many rows speak for themselves, few change the coarse
        shape only, and none change nothing.

        >>> column = EncodedColumn("a", 2, np.zeros(2, bool))
        >>> Hierarchy.of(column, np.array([0.5, 0.5])).shrink(np.array([[3, 0]]), np.array([[0.5, 0.5]]), 1.0, 2.0)
        array([[0.875, 0.125]])
        """
        counts, towards = counts[:, self.order].astype(float), towards[:, self.order]
        result = np.ones((len(counts), 1))
        for coarse, fine in zip(self.levels, self.levels[1:]):
            owner = np.searchsorted(coarse, fine, side="right") - 1
            rows, prior = np.add.reduceat(counts, fine, axis=1), np.add.reduceat(towards, fine, axis=1)
            all_rows, all_prior = np.add.reduceat(counts, coarse, axis=1), np.add.reduceat(towards, coarse, axis=1)
            split = prior / np.maximum(all_prior[:, owner], 1e-300)
            result = result[:, owner] * (rows + strength * split) / (all_rows[:, owner] + strength)
            strength *= growth
        distributions = np.empty_like(result)
        distributions[:, self.order] = result
        return distributions / distributions.sum(axis=1, keepdims=True)
