"""How much of the real table's mass sits in the right cell: alone, in pairs and in triples of columns.

mostlyai-qa's accuracy under its own names: every column is cut into about a dozen bins, and the shares of the bins, of
the pairs of bins and of the triples of bins are compared. Beside each stands ``max``, what a fresh real sample of that
size is expected to score. It is no ceiling: to go above it is to fit noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lookalike import stats
from lookalike.evaluate import confidence
from lookalike.evaluate.prepare import Column, Side
from lookalike.evaluate.yardstick import Even
from lookalike.rng import generator

BINS = 10
RARE = 5
"""A label held by fewer real rows than this goes to "(other)", as do all but the ten most frequent."""
MAXIMUM_TRIPLES = 10_000
"""40 columns are scored in full; of more triples than this a seeded sample is scored. Source: mostlyai-qa."""
FOLDS = 10
"""Parts of the rows that are left out in turn, to know how far chance moves a mean over pairs (the jackknife)."""
TINY = 1e-12
"""Shares that differ by less are equal: of columns that say nothing of each other some products round up."""
AGAINST_TRAINING = "synthetic against training"
SEARCH_END = 1_000
"""Cut points are sought among at most this many quantiles. Source: mostlyai-qa."""


@dataclass(frozen=True)
class Binned:
    """One column in bins: ``codes`` holds (n,) uint16 in [0, size) a side; the last bin is missing."""

    size: int
    codes: dict[str, np.ndarray]


@dataclass(frozen=True)
class Ties:
    """How far pairs of columns keep the ties of the training rows.

    C are the combinations that are commoner in the training rows than their columns' own shares would make them.

    Attributes
    ----------
    kept
        For every side, the real one first: (g,) float, P(C) − Σ p(a) q(b) over C; 0 where nothing is tied, below 0 where it is turned round.
    variances
        For every side: (g,) float; what a row adds to the variance of it.
    """

    kept: dict[str, np.ndarray]
    variances: dict[str, np.ndarray]

    def joined(self, even: Even) -> Ties:
        """The same with sides "synthetic", "even" and "fresh", the means over draws."""
        real, kept = self.kept["real"], even.joined(self.kept)
        return Ties({"real": real, **kept}, even.joined(self.variances))


def _tie(common: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """One side's figure for the ``common`` combinations, (a, b) bool, and its variance a row."""
    if not counts.sum():
        return math.nan, math.nan
    shares = counts / counts.sum()
    first, second = shares.sum(axis=1), shares.sum(axis=0)
    by_first, by_second = common @ second, first @ common  # how common C is by chance, given one of both
    moved = common - by_first[:, None] - by_second[None, :]
    mean = float((shares * moved).sum())
    kept = float(shares[common].sum() - first @ by_first)
    return kept, max(0.0, float((shares * moved**2).sum()) - mean**2)


@dataclass(frozen=True)
class Accuracies:
    """One set of column groups (single columns, pairs or triples), scored.

    Attributes
    ----------
    places
        (g, k) int: positions of the k columns of each group.
    scores, expected
        For every side: (g,) float; the accuracy, and what a fresh real sample of as many rows is expected to score.
    possible
        How many groups there are; more than g where only a sample was scored.
    ties
        Of pairs.
    left_out
        Of pairs, for "synthetic" and "holdout": (g, FOLDS) accuracies against the training rows with a tenth of the rows left out.
    """

    places: np.ndarray
    scores: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    possible: int
    ties: Ties | None = None
    left_out: dict[str, np.ndarray] = field(default_factory=dict)

    def joined(self, even: Even) -> Accuracies:
        """The same with sides "synthetic", "even" and "fresh", the means over draws."""
        scores, expected = (even.joined(side, whole=AGAINST_TRAINING) for side in (self.scores, self.expected))
        return replace(self, scores=scores, expected=expected, ties=self.ties and self.ties.joined(even))


def cut_column(column: Column) -> Binned:
    """Bins drawn from the real rows, training and holdout together, and applied to every side.

    Source: mostlyai-qa 1.10. NOTE[DIFF]: labels tied for the tenth place are ranked by name, not by chance; numbers
    beyond 1e16, where one more is no more, fall into the last bin, not among the missing.
    """
    reference = [column.sides[name] for name in ("real", "holdout") if name in column.sides]
    if not column.numeric:
        return _cut_labels(column, reference)
    edges = _inner_edges(np.concatenate([side.present for side in reference]), dates=column.spec.kind == "datetime")
    missing = len(edges) + 1
    codes = {}
    for name, side in column.sides.items():
        places = np.searchsorted(edges, side.as_numbers.astype(np.float64), side="right")
        codes[name] = np.where(side.missing, missing, places).astype(np.uint16)
    return Binned(missing + 1, codes)


def _cut_labels(column: Column, reference: list[Side]) -> Binned:
    """The ten most frequent levels with a bin each (missing counts as a level), and the empty text; "(other)"; missing."""
    assert column.vocabulary is not None
    counts = np.sum([np.bincount(side.codes, minlength=column.size) for side in reference], axis=0)
    names = [*map(str, column.vocabulary.to_pylist()), ""]
    frequent = sorted(np.flatnonzero(counts >= RARE).tolist(), key=lambda code: (-counts[code], names[code]))[:BINS]
    kept = [code for code in frequent if code != column.size - 1]
    kept += [code for code, name in enumerate(names[:-1]) if name == "" and code not in kept]
    bins = np.full(column.size, len(kept), dtype=np.uint16)
    bins[kept] = np.arange(len(kept))
    bins[-1] = len(kept) + 1
    return Binned(len(kept) + 2, {name: bins[side.codes] for name, side in column.sides.items()})


def _inner_edges(numbers: np.ndarray, *, dates: bool) -> np.ndarray:
    """The edges between bins, ascending; what lies outside the outermost belongs to the first or last bin."""
    ordered = np.sort(numbers.astype(np.float64))
    distinct = np.unique(ordered)
    if len(distinct) < 2:
        return np.empty(0)
    if dates:
        return _quantile_breaks(ordered)[1:-1]
    few = len(distinct) <= BINS
    return _rounded_down(np.append(distinct, distinct[-1] + 1) if few else _quantile_breaks(ordered))[1:-1]


def _quantile_breaks(ordered: np.ndarray) -> np.ndarray:
    """The fewest evenly spaced quantiles of which eleven differ, both ends included; all found where none do."""
    runs = np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])])
    places: np.ndarray = np.empty(0, dtype=np.int64)
    for count in range(BINS, max(BINS + 1, min(SEARCH_END, len(ordered) + 1))):
        places = np.linspace(0, len(ordered) - 1, count).astype(np.int64)
        if np.count_nonzero(np.diff(runs[places])) >= BINS:
            break
    return np.unique(ordered[places])


def _rounded_down(breaks: np.ndarray) -> np.ndarray:
    """All breaks but the last, rounded down to the fewest decimals that keep them apart."""
    with np.errstate(over="ignore", invalid="ignore"):
        for decimals in range(20):
            floored = np.floor(breaks * 10.0**decimals) / 10.0**decimals
            if np.isfinite(floored).all() and (floored[1:] > floored[:-1]).all():
                return np.append(floored[:-1], breaks[-1])
    return breaks


def accuracies(binned: list[Binned], places: np.ndarray, possible: int, sides: list[str]) -> Accuracies:
    """Score groups of columns for every side.

    Shape: ``places`` (g, k), positions in ``binned``. The accuracy of one group is 1 − ½ Σ \\|f_reference − f_side\\| over
    joint bins; in [0, 1]. The reference of "synthetic" is all real rows, training and holdout together; that of any other
    side the training rows alone, as the holdout would be compared to itself. ``AGAINST_TRAINING`` is the synthetic table
    against the training rows as well: what stands beside the holdout must have the same reference, since more real
    rows are a kinder one. Source: mostlyai-qa 1.10.
    """
    names = list(dict.fromkeys(["real", "holdout", *sides]))
    names = [name for name in names if binned and name in binned[0].codes]
    stacked = [np.concatenate([column.codes[name] for name in names]) for column in binned]
    pairs = places.shape[1] == 2
    folds = {name: FOLDS if pairs and name in ("synthetic", "holdout") else 1 for name in names}
    starts = dict(zip(names, np.cumsum([0, *folds.values()]).tolist(), strict=False))
    offsets = [starts[name] + np.arange(len(binned[0].codes[name])) % folds[name] for name in names]
    sizes = [column.size for column in binned]
    keys = list(dict.fromkeys([*sides, AGAINST_TRAINING]))
    scores = {key: np.full(len(places), np.nan) for key in keys}
    expected = {key: np.full(len(places), np.nan) for key in keys}
    left_out = {name: np.full((len(places), FOLDS), np.nan) for name in names if folds[name] > 1}
    ties = Ties(*({side: np.full(len(places), np.nan) for side in ["real", *sides]} for _ in range(2)))
    placed = np.concatenate(offsets) if offsets else np.zeros(0, np.int64)
    for row, counts in enumerate(_joint_counts(stacked, sizes, placed, places.tolist(), sum(folds.values()))):
        tables = {name: counts[starts[name] : starts[name] + folds[name]].sum(axis=0) for name in names}
        everything = tables["real"] + tables["holdout"] if "holdout" in tables else tables["real"]
        for key in keys:
            reference = everything if key == "synthetic" else tables["real"]
            table = tables["synthetic" if key == AGAINST_TRAINING else key]
            scores[key][row] = 1 - stats.total_variation(reference, table)
            expected[key][row] = 1 - stats.expected_total_variation(reference, int(table.sum()))
        if pairs:
            square = {side: tables[side].reshape(sizes[places[row, 0]], -1) for side in ties.kept}
            real = square["real"] / max(1, square["real"].sum())
            common = real > real.sum(axis=1)[:, None] * real.sum(axis=0) + TINY
            for side, table in square.items():
                ties.kept[side][row], ties.variances[side][row] = _tie(common, table)
            for name, found in left_out.items():
                rest = tables[name] - counts[starts[name] : starts[name] + FOLDS]
                rest = rest / np.maximum(1, rest.sum(axis=1))[:, None]
                found[row] = 1 - np.abs(rest - square["real"].ravel() / max(1, square["real"].sum())).sum(axis=1) / 2
    return Accuracies(places, scores, expected, possible, ties if pairs else None, left_out)


def _joint_counts(
    stacked: list[np.ndarray], sizes: list[int], offsets: np.ndarray, groups: list[list[int]], tables: int
) -> Iterable[np.ndarray]:
    """For each group (tables, cells) counts, from one pass over all tables' rows.

    Neighbouring groups share their first columns, whose joint code is kept; in 16 bits where they suffice, which is a
    third faster.
    """
    prefix: list[int] = []
    code = offsets
    for group in groups:
        if group[:-1] != prefix or code is offsets:
            prefix, code = group[:-1], offsets.astype(_code_type(tables * math.prod(sizes[place] for place in group)))
            for place in prefix:
                code = code * code.dtype.type(sizes[place]) + stacked[place]
        last = group[-1]
        cells = math.prod(sizes[place] for place in group)
        wide = code.astype(np.promote_types(code.dtype, _code_type(tables * cells)), copy=False)
        flat = wide * wide.dtype.type(sizes[last]) + stacked[last]
        yield np.bincount(flat, minlength=tables * cells).reshape(tables, cells)


def _code_type(codes: int) -> np.dtype[Any]:
    return np.dtype(np.uint16 if codes <= 2**16 else np.int64)


def choose_triples(count: int, seed: int) -> tuple[np.ndarray, int]:
    """At most 10,000 triples of ``count`` columns, (t, 3) ascending, and how many there are.

    >>> choose_triples(4, seed=0)[0].tolist()
    [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]
    """
    possible = math.comb(count, 3)
    ranks: np.ndarray = np.arange(possible)
    if possible > MAXIMUM_TRIPLES:
        ranks = generator(seed, "evaluate", "triples").choice(possible, MAXIMUM_TRIPLES, replace=False)
    places = np.empty((len(ranks), 3), dtype=np.int64)
    for size in (3, 2, 1):  # the combinatorial number system: a rank is C(c₃, 3) + C(c₂, 2) + C(c₁, 1)
        below = np.array([math.comb(place, size) for place in range(count + 1)])
        places[:, size - 1] = np.searchsorted(below, ranks, side="right") - 1
        ranks = ranks - below[places[:, size - 1]]
    return places[np.lexsort(places.T[::-1])], possible


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of single columns, pairs and triples."""

    columns: Accuracies
    pairs: Accuracies
    triples: Accuracies

    def summary(self, side: str) -> dict[str, Any]:
        """Means over columns, pairs and triples and the mean of the three; ``max`` holds the same four expected.

        {overall, univariate, bivariate, trivariate, max: {overall, univariate, bivariate, trivariate}}
        """
        parts = {"univariate": self.columns, "bivariate": self.pairs, "trivariate": self.triples}
        return {
            **_means({name: part.scores[side] for name, part in parts.items()}),
            "max": _means({name: part.expected[side] for name, part in parts.items()}),
        }

    def bivariate_interval(self) -> list[float] | None:
        """95 % interval of the pairs' mean of "even", with the chance of the "fresh" that it is held against; None without pairs.

        Source: the jackknife by groups of rows, Efron and Tibshirani, 1993, chapter 11; what it says of all rows holds for
        the mean over draws that make up all rows.
        """
        middle, parts = stats.mean(self.pairs.scores["even"].tolist()), list(self.pairs.left_out.values())
        if math.isnan(middle) or not parts:
            return None
        means = [part.mean(axis=0) for part in parts]
        variance = sum((FOLDS - 1) * float(np.square(part - part.mean()).mean()) for part in means)
        error = confidence.Z95 * math.sqrt(variance)
        return [middle - error, middle + error]

    def joined(self, even: Even) -> Accuracy:
        """The same with sides "synthetic", "even" and "fresh", the means over draws."""
        return Accuracy(self.columns.joined(even), self.pairs.joined(even), self.triples.joined(even))


def _means(parts: dict[str, np.ndarray]) -> dict[str, float]:
    means = {name: stats.mean(values.tolist()) for name, values in parts.items()}
    return {"overall": stats.mean(list(means.values())), **means}


def accuracy(columns: list[Column], sides: list[str], pairs: tuple[np.ndarray, int], seed: int) -> Accuracy:
    """Score every column, the given pairs (places and how many are possible) and up to 10,000 triples."""
    binned = [cut_column(column) for column in columns]
    singles = np.arange(len(columns)).reshape(-1, 1)
    triples, possible = choose_triples(len(columns), seed)
    return Accuracy(
        accuracies(binned, singles, len(columns), sides),
        accuracies(binned, *pairs, sides),
        accuracies(binned, triples, possible, sides),
    )
