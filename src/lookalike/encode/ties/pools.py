"""Levels too many for a code each: those whose rows are alike share one.

A shop's five thousand articles, an airline's aeroplanes, postcodes: the most frequent have a code of their own, and an engine learns what
goes with each. Were the others to share a single code, they would come back beside anything. So they are sorted into pools by what the
other columns hold in their rows: what goes with a pool can be learned, and within it a level is drawn by its frequency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.schema import Values

MOST_POOLS = 250
"""Codes that the levels without one of their own share, at most."""
LEVELS_A_POOL = 8
"""Levels of a pool, on average: of fewer there is no need to share."""
MOST_CELLS = 2**23
"""Of all levels' profiles together."""
PARTS = 16
"""Parts into which another column's codes are taken together, to be counted beside every level."""
SURE = 3.0
"""Standard deviations of chance by which levels must differ in a column to be told apart by it."""
MOST_LOOKED_AT = 10_000
"""Levels that settle where pools lie, at most, those of the most rows; others go to the nearest."""
ROUNDS = 25
"""Of k-means, at most."""


def part_pools(encoders: Mapping[str, ColumnEncoder], columns: Mapping[str, Values], rng: np.random.Generator) -> None:
    """Sort pooled levels of as many rows as would do for a code of their own, in columns that have enough of them. Levels of fewer rows
    stay in one pool: what their rows hold would be told by it.
    """
    labels = {name: encoder for name, encoder in encoders.items() if isinstance(encoder, CategoryEncoder)}
    told = {
        name: encoder.pool[encoder.counts[encoder.pool] >= encoder.settings.rare_rows]
        for name, encoder in labels.items()
    }
    told = {name: levels for name, levels in told.items() if len(levels) >= 2 * LEVELS_A_POOL}
    parted = {name: _in_parts(encoder, columns[name]) for name, encoder in encoders.items()} if told else {}
    for name, levels in told.items():
        level = _places(labels[name], columns[name], levels)
        rows = np.flatnonzero(level >= 0)
        beside = [(parts[rows], ordered) for other, (parts, ordered) in parted.items() if other != name]
        counts = labels[name].counts[levels].astype(np.float64)
        pools = min(MOST_POOLS, len(levels) // LEVELS_A_POOL)
        labels[name].part_pool(levels, _alike(_profiles(level[rows], counts, beside), counts, pools, rng))


def _places(encoder: CategoryEncoder, values: Values, levels: np.ndarray) -> np.ndarray:
    """(n,) which of ``levels`` each cell holds, −1 where none."""
    place = np.full(len(encoder.levels) + 1, -1)
    place[levels] = np.arange(len(levels))
    return np.asarray(place[values.codes_in(encoder.levels)])  # code −1 (missing) reads the last entry


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


def _profiles(level: np.ndarray, counts: np.ndarray, beside: Sequence[tuple[np.ndarray, bool]]) -> np.ndarray:
    """(L, f) what the rows of each level hold of the columns that tell levels apart, the best first, as many as there is room for."""
    room = MOST_CELLS // (len(counts) * PARTS) + 1
    telling = sorted((-_telling(level, counts, *column)[1], place) for place, column in enumerate(beside))[:room]
    found = [_telling(level, counts, *beside[place])[0] for less, place in telling if less < 0]
    return np.concatenate(found, axis=1) if found else np.zeros((len(counts), 1))


def _telling(level: np.ndarray, counts: np.ndarray, parts: np.ndarray, ordered: bool) -> tuple[np.ndarray, float]:
    """(L, ``PARTS``) what the rows of each level hold of a column, and how far levels truly differ in it, 0 where that may be chance.

    It is their shares of its parts, or where these are in order the shares up to each, in standard deviations of a row, from those of all
    rows, and drawn towards them as far as chance explains the difference (empirical Bayes; Efron and Morris 1975, "Data analysis using
    Stein's estimator", with the moment estimate of DerSimonian and Laird 1986).
    """
    levels, rows = len(counts), counts.sum()
    table = np.bincount(level * PARTS + parts, minlength=levels * PARTS).reshape(levels, PARTS).astype(np.float64)
    shares = (np.cumsum(table, axis=1) if ordered else table) / counts[:, None]
    mean = counts @ shares / rows
    by_chance = float((mean * (1 - mean)).sum())
    apart = shares - mean
    between, expected = float((counts @ apart**2).sum()), (levels - 1) * by_chance
    if between <= expected * (1 + SURE * np.sqrt(2 / (levels - 1))):
        return apart, 0.0
    true = (between - expected) / (rows - counts @ counts / rows)
    return apart * (true / (true + by_chance / counts))[:, None] / np.sqrt(by_chance), true / by_chance


def _alike(profiles: np.ndarray, counts: np.ndarray, pools: int, rng: np.random.Generator) -> np.ndarray:
    """(L,) the pool of each level: k-means, every level weighing as much as its rows, so that as little as may be of what tells rows
    apart is lost."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    often = np.argsort(-counts, kind="stable")[:MOST_LOOKED_AT]
    pools = min(pools, len(np.unique(profiles[often], axis=0)))
    found = KMeans(pools, n_init=1, max_iter=ROUNDS, random_state=int(rng.integers(2**31)))
    with threadpool_limits(1):  # threads add up in the order in which they arrive
        found.fit(profiles[often], sample_weight=counts[often])
        return np.asarray(found.predict(profiles), np.int64)
