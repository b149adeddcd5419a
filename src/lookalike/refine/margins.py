"""The tables of counts that a pool is raked to: single columns in their own codes, pairs and triples in groups of codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from lookalike.schema.encoded import EncodedColumn, EncodedTable

SPIKE = 0.03
"""A single value with at least this share of the rows is no neighbour of the values around it: it stays by itself."""
CODES, PAIRS, TRIPLES = 0, 1, 2
"""How finely columns are counted: in their own codes, in groups fit for pairs, in fewer fit for triples."""


MOST_CELLS = 2**20
"""Cells of a pair that is counted in codes, at most."""


class Cross(NamedTuple):
    """Columns counted together (their positions), and how finely."""

    columns: tuple[int, ...]
    level: int


def groups_beside_spikes(column: EncodedColumn, shares: np.ndarray, groups: int) -> np.ndarray:
    """Return (K,) int64: the group of each of a column's codes, about ``groups`` of them.

    Ordered codes: neighbours are joined until they hold about as many rows as each other group. Missing, spikes, and any
    code that alone holds a group's worth of rows stay by themselves, so there may be some more than ``groups``.
    Unordered codes: the most frequent stay, the others are joined.

    Shape: ``shares`` (K,), of the rows.

    >>> column = EncodedColumn("a", 6, np.ones(6, bool), True, np.arange(6.0))
    >>> groups_beside_spikes(column, np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1]), 3).tolist()
    [0, 1, 1, 2, 2, 2]
    >>> groups_beside_spikes(EncodedColumn("b", 4, np.zeros(4, bool)), np.array([0.1, 0.6, 0.1, 0.2]), 3).tolist()
    [2, 0, 2, 1]
    """
    if column.cardinality <= groups:
        return np.arange(column.cardinality)
    if not column.ordered:
        rank = np.empty(column.cardinality, np.int64)
        rank[np.argsort(-shares, kind="stable")] = np.arange(column.cardinality)
        return np.minimum(rank, groups - 1)
    alone = (shares >= 1 / groups) | (~column.interval & (shares >= SPIKE))
    if column.representatives is not None:
        alone |= np.isnan(column.representatives)
    rest = np.where(alone, 0.0, shares)
    width = max(rest.sum() / max(groups - int(alone.sum()), 2), 1e-12)
    stretch = np.floor((np.cumsum(rest) - rest / 2) / width)
    begins = alone[1:] | alone[:-1] | (stretch[1:] != stretch[:-1])
    return np.concatenate([[0], np.cumsum(begins)])


@dataclass(frozen=True)
class Groups:
    """Which group each code of each column is in.

    Attributes
    ----------
    maps
        For each of ``CODES``, ``PAIRS`` and ``TRIPLES``, d arrays (K,) int64.
    """

    maps: tuple[tuple[np.ndarray, ...], ...]

    @classmethod
    def of(cls, table: EncodedTable, groups: int) -> Groups:
        """About ``groups`` groups a column for pairs, and for triples so many that they have as many cells as pairs."""
        maps: tuple[list[np.ndarray], ...] = ([], [], [])
        for place, column in enumerate(table.columns):
            shares = np.bincount(table.codes[:, place], minlength=column.cardinality) / max(len(table), 1)
            maps[0].append(np.arange(column.cardinality))
            maps[1].append(groups_beside_spikes(column, shares, groups))
            maps[2].append(groups_beside_spikes(column, shares, max(round(groups ** (2 / 3)), 2)))
        return cls(tuple(map(tuple, maps)))

    def sizes(self, cross: Cross) -> list[int]:
        """Return the number of groups of each column."""
        return [int(self.maps[cross.level][place].max()) + 1 for place in cross.columns]

    def cells(self, cross: Cross) -> int:
        """Return the number of cells."""
        return math.prod(self.sizes(cross))

    def apply(self, table: EncodedTable, levels: int) -> Grouped:
        """Group a table's codes, for counts in the first so many levels."""
        rows = []
        for maps in self.maps[:levels]:
            kind = np.int16 if max(len(codes) for codes in maps) < 2**15 else np.int32
            rows.append([codes.astype(kind)[table.codes[:, place]] for place, codes in enumerate(maps)])
        return Grouped(self, rows, len(table))

    def state(self) -> tuple[list[list[int]], np.ndarray]:
        """The lengths of all maps, and all maps in one array."""
        return [[len(codes) for codes in maps] for maps in self.maps], np.concatenate(
            [codes for maps in self.maps for codes in maps]
        ).astype(np.int32)

    @classmethod
    def from_state(cls, lengths: list[list[int]], joined: np.ndarray) -> Groups:
        ends = np.cumsum([length for row in lengths for length in row])
        parts = iter(np.split(joined.astype(np.int64), ends[:-1]))
        return cls(tuple(tuple(next(parts) for _ in row) for row in lengths))


@dataclass(frozen=True)
class Grouped:
    """A table's codes in groups: for each level d arrays (n,) of small integers."""

    groups: Groups
    rows: list[list[np.ndarray]]
    count: int

    def cells(self, cross: Cross) -> np.ndarray:
        """Return (n,) int64: the cell of each row."""
        level, sizes = self.rows[cross.level], self.groups.sizes(cross)
        kind = np.int16 if math.prod(sizes) < 2**15 else np.int64
        found: np.ndarray = level[cross.columns[0]].astype(kind, copy=False)
        for place, width in zip(cross.columns[1:], sizes[1:], strict=True):
            found = found * kind(width) + level[place].astype(kind, copy=False)
        return found.astype(np.intp, copy=False)

    def counts(self, cross: Cross) -> np.ndarray:
        """Return (cells,): the rows in each cell."""
        return np.bincount(self.cells(cross), minlength=self.groups.cells(cross))

    def take(self, rows: np.ndarray) -> Grouped:
        """Return some of the rows."""
        return Grouped(self.groups, [[codes[rows] for codes in level] for level in self.rows], len(rows))


@dataclass(frozen=True)
class Margin:
    """The target of one table of counts.

    Attributes
    ----------
    cross
        What is counted.
    kept
        (m,) int64, ascending: the cells with a target of their own.
    shares
        (m + 1,) float64, the targets; the last is that of all other cells together.
    """

    cross: Cross
    kept: np.ndarray
    shares: np.ndarray

    def index(self, size: int) -> np.ndarray:
        """Return (size,) int64: the place in ``shares`` of every cell."""
        found = np.full(size, len(self.kept))
        found[self.kept] = np.arange(len(self.kept))
        return found

    def pooled(self, counts: np.ndarray) -> np.ndarray:
        """Return (m + 1,) float64: a table's counts (cells,) in the cells kept, and the rest."""
        return np.append(counts[self.kept], counts.sum() - counts[self.kept].sum()).astype(np.float64)

    def coarser(self, least: float) -> Margin:
        """Return the same with cells under a share of ``least`` put to the rest."""
        enough = self.shares[:-1] >= least
        shares = np.append(self.shares[:-1][enough], self.shares[-1] + self.shares[:-1][~enough].sum())
        return Margin(self.cross, self.kept[enough], shares)


def pack(margins: list[Margin]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Margins as JSON and arrays."""
    state = {
        "crosses": [[list(one.cross.columns), one.cross.level] for one in margins],
        "cells": [len(one.kept) for one in margins],
    }
    empty = [np.empty(0)]
    arrays = {
        "kept": np.concatenate([one.kept for one in margins] or empty).astype(np.int64),
        "shares": np.concatenate([one.shares for one in margins] or empty).astype(np.float64),
    }
    return state, arrays


def unpack(state: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[Margin]:
    """What :func:`pack` packed."""
    margins, cell, share = [], 0, 0
    for (columns, level), cells in zip(state["crosses"], state["cells"], strict=True):
        kept, shares = arrays["kept"][cell : cell + cells], arrays["shares"][share : share + cells + 1]
        margins.append(Margin(Cross(tuple(columns), level), kept, shares))
        cell, share = cell + cells, share + cells + 1
    return margins


def varied(groups: Groups) -> list[int]:
    """Return the columns that have more than one code: a constant has nothing to rake."""
    return [place for place, codes in enumerate(groups.maps[CODES]) if len(codes) > 1]


def singles(groups: Groups) -> list[Cross]:
    """Return all columns."""
    return [Cross((place,), CODES) for place in varied(groups)]


def pairs(groups: Groups) -> list[Cross]:
    """Return all pairs of columns."""
    return [Cross(columns, PAIRS) for columns in combinations(varied(groups), 2)]


def finer(groups: Groups) -> list[Cross]:
    """Return the pairs of columns that have more cells in their own codes than in groups, unless they have very many."""
    coarse = [(one, Cross(one.columns, CODES)) for one in pairs(groups)]
    return [fine for one, fine in coarse if groups.cells(one) < groups.cells(fine) <= MOST_CELLS]


def triples(groups: Groups) -> list[Cross]:
    """Return all triples of columns."""
    return [Cross(columns, TRIPLES) for columns in combinations(varied(groups), 3)]
