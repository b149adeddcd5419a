"""Levels too many for a code each: those whose rows are alike share one.

A shop's five thousand articles, an airline's aeroplanes, postcodes: the most frequent have a code of their own, and an engine learns what
goes with each. Were the others to share a single code, they would come back beside anything. So they are sorted into pools by what the
other columns hold in their rows: what goes with a pool can be learned, and within it a level is drawn by its frequency.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.schema import Values

MOST_POOLS = 250
"""Codes that the levels without one of their own share, at most."""
LEVELS_A_POOL = 8
"""Levels of a pool, on average: of fewer there is no need to share."""
PARTS = 16
"""Parts into which another column's codes are taken together, to be counted beside every level."""
SURE = 3.0
"""Standard deviations of chance by which levels must differ in a column to be told apart by it."""
ROUNDS = 25
"""Of k-means, at most."""


def part_pools(encoders: Mapping[str, ColumnEncoder], columns: Mapping[str, Values], rng: np.random.Generator) -> None:
    """Sort pooled levels of as many rows as would do for a code of their own, in columns that have enough of them. Levels of fewer rows
    stay in one pool: what their rows hold would be told by it.
    """
    told = {
        name: encoder.pool[encoder.counts[encoder.pool] >= encoder.settings.rare_rows]
        for name, encoder in encoders.items()
        if isinstance(encoder, CategoryEncoder)
    }
    told = {name: levels for name, levels in told.items() if len(levels) >= 2 * LEVELS_A_POOL}
    parted = {name: _in_parts(encoder, columns[name]) for name, encoder in encoders.items()} if told else {}
    sorted_in = {}
    for name, levels in told.items():
        encoder = encoders[name]
        assert isinstance(encoder, CategoryEncoder)
        level = _places(encoder, columns[name], levels)
        rows = np.flatnonzero(level >= 0)
        beside = [(parts[rows], ordered) for other, (parts, ordered) in parted.items() if other != name]
        profiles = np.concatenate(
            list(_profiles(level[rows], len(levels), beside)) or [np.zeros((len(levels), 1))], axis=1
        )
        pools = min(MOST_POOLS, len(levels) // LEVELS_A_POOL)
        sorted_in[name] = _alike(profiles, encoder.counts[levels], pools, rng)
    for name, pools_of in sorted_in.items():  # only now: what a column's codes are is what others were compared by
        encoder = encoders[name]
        assert isinstance(encoder, CategoryEncoder)
        encoder.part_pool(told[name], pools_of)


def _places(encoder: CategoryEncoder, values: Values, levels: np.ndarray) -> np.ndarray:
    """(n,) which of ``levels`` each cell holds, −1 where none."""
    assert values.codes is not None
    place = np.full(len(encoder.levels) + 1, -1)
    place[levels] = np.arange(len(levels))
    known = place[np.append(encoder.places_of(values), -1)]
    return np.asarray(known[values.codes])  # code −1 (missing) reads the last entry


def _in_parts(encoder: ColumnEncoder, values: Values) -> tuple[np.ndarray, bool]:
    """(n,) a column's codes in ``PARTS`` parts at most, of about as many rows each where they are in order; and whether they are."""
    codes, _ = encoder.encode(values, np.random.default_rng(0))
    counts = np.bincount(codes, minlength=encoder.column.cardinality)
    if encoder.column.ordered:
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()
        return np.minimum((middle * PARTS).astype(np.int64), PARTS - 1)[codes], True
    part = np.full(len(counts), PARTS - 1)
    frequent = np.argsort(-counts, kind="stable")[: PARTS - 1]
    part[frequent] = np.arange(len(frequent))
    return part[codes], False


def _profiles(level: np.ndarray, levels: int, beside: Sequence[tuple[np.ndarray, bool]]) -> Iterator[np.ndarray]:
    """What the rows of each level hold of each column that tells levels apart: (L, ``PARTS``) shares, of those in order the shares up to
    each part, in standard deviations of a row.

    They are drawn towards the shares of all rows, as far as chance explains the difference (empirical Bayes; Efron and Morris 1975, "Data
    analysis using Stein's estimator", with the moment estimate of DerSimonian and Laird 1986).
    """
    counts = np.bincount(level, minlength=levels).astype(np.float64)
    rows = counts.sum()
    for parts, ordered in beside:
        table = np.bincount(level * PARTS + parts, minlength=levels * PARTS).reshape(levels, PARTS).astype(np.float64)
        shares = (np.cumsum(table, axis=1) if ordered else table) / counts[:, None]
        mean = counts @ shares / rows
        by_chance = float((mean * (1 - mean)).sum())
        apart = shares - mean
        between, expected = float((counts @ apart**2).sum()), (levels - 1) * by_chance
        if between > expected * (1 + SURE * np.sqrt(2 / (levels - 1))):
            true = (between - expected) / (rows - counts @ counts / rows)
            yield apart * (true / (true + by_chance / counts))[:, None] / np.sqrt(by_chance)


def _alike(profiles: np.ndarray, counts: np.ndarray, pools: int, rng: np.random.Generator) -> np.ndarray:
    """(L,) the pool of each level: k-means, every level weighing as much as its rows, so that as little as may be of what tells rows
    apart is lost."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    pools = min(pools, len(np.unique(profiles, axis=0)))
    found = KMeans(pools, n_init=1, max_iter=ROUNDS, random_state=int(rng.integers(2**31)))
    with threadpool_limits(1):  # threads add up in the order in which they arrive
        found.fit(profiles, sample_weight=counts)
    return np.asarray(found.labels_, np.int64)
