"""Cells and rows that only a few people have, and that turn up again.

Three ways a table gives someone away though no row is copied: a label that hardly anyone holds, a number at the very end
of its axis, and a person unlike all others who comes back nearly unchanged. Chance does all three as well, so each count
stands beside what the holdout scores, as many rows against as many. Only counts leave this module, never a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lookalike import stats
from lookalike.evaluate import confidence
from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import Column, count_rows, pick
from lookalike.neighbours import Rows, nearest, nearness

ENDS = 5
"""How many distinct numbers at either end of a column count as extreme."""
LOOKED_AT = 100_000
"""Rows a side in the search for outliers; 1,000 rows are their crowd at first, 400 of them are looked at in full."""
CROWD = 1_000
OUTLIERS = 400
ALONE = 1.5
"""A loner stands this many times farther from all others than a row at the edge of the outliers does."""
NEAR_COPY = 0.02
"""An outlier is nearly copied when a row lies fifty times closer to it than any other training row does. At ten times,
seven of 40 fresh samples of 500 rows held such a row by chance, at fifty times two."""


def leakage(columns: list[Column], sides: list[str], seed: int, encoder: Encoder) -> dict[str, Any]:
    """What training rows alone, or hardly any others, hold, and how much of it the synthetic table shows again.

    Keys ``rare_levels`` (labels held by fewer than five training rows), ``extremes`` (the five smallest and largest
    distinct numbers of a column, where fewer than five training rows hold them), ``outliers`` (the 400 training rows
    farthest from any other, at most 1 % of them, and near copies of them: see :func:`outliers`), ``loners`` (those of
    them half as far again from all others as the nearest of them), each a dict:

    possible, count, share, interval   values at risk; those found in the whole synthetic table; Wilson, 95 %
    rows                               rows compared with the holdout: of both as many as the smaller has, or None
    compared, fresh                    the share found in so many synthetic rows, and in so many holdout rows
    excess, excess_interval            compared − fresh, in [−1, 1], 0 is expected of a fresh sample; Newcombe, 95 %

    ``rows`` and all below it are None without a holdout; shares are None where nothing is at risk, and the excess 0.
    """
    return {
        "rare_levels": _reappearing(columns, sides, seed, _rare_levels),
        "extremes": _reappearing(columns, sides, seed, _extremes),
        **dict(zip(["outliers", "loners"], outliers(columns, sides, seed, encoder), strict=True)),
    }


def figures(possible: int, count: int, rows: int | None, compared: int | None, fresh: int | None) -> dict[str, Any]:
    """The dict that :func:`leakage` describes, from counts."""
    found: dict[str, Any] = {
        "possible": possible,
        "count": count,
        "share": count / possible if possible else None,
        "interval": list(confidence.wilson_interval(count, possible)),
        **dict.fromkeys(["rows", "compared", "fresh", "excess", "excess_interval"]),
    }
    if compared is None or fresh is None:
        return found
    if possible == 0:
        return {**found, "rows": rows, "excess": 0.0, "excess_interval": [0.0, 0.0]}
    return {
        **found,
        "rows": rows,
        "compared": compared / possible,
        "fresh": fresh / possible,
        "excess": (compared - fresh) / possible,
        "excess_interval": list(confidence.difference_interval(compared, possible, fresh, possible)),
    }


Finder = Callable[[Column], tuple[np.ndarray, Callable[[str, np.ndarray], np.ndarray]]]


def _reappearing(columns: list[Column], sides: list[str], seed: int, find: Finder) -> dict[str, Any]:
    """Values at risk over all columns, and how many of them stand in the synthetic rows and in the holdout's."""
    rows = min(count_rows(columns, "synthetic"), count_rows(columns, "holdout")) if "holdout" in sides else None
    everything = {side: np.arange(count_rows(columns, side)) for side in sides}
    chosen = {side: pick(len(everything[side]), rows, seed, "leakage", side) for side in sides} if rows else {}
    possible, count, found = 0, 0, dict.fromkeys(sides, 0)
    for column in columns:
        at_risk, values = find(column)
        possible += len(at_risk)
        if len(at_risk):
            count += int(np.isin(at_risk, values("synthetic", everything["synthetic"])).sum())
            for side, picks in chosen.items():
                found[side] += int(np.isin(at_risk, values(side, picks)).sum())
    return figures(possible, count, rows, found["synthetic"] if rows else None, found["holdout"] if rows else None)


def _rare_levels(column: Column) -> tuple[np.ndarray, Callable[[str, np.ndarray], np.ndarray]]:
    def codes(side: str, picks: np.ndarray) -> np.ndarray:
        chosen = column.sides[side]
        return np.asarray(chosen.codes[picks][~chosen.missing[picks]])

    if column.numeric:
        return np.zeros(0), codes
    real = column.sides["real"]
    counts = np.bincount(real.codes[~real.missing], minlength=column.size)
    return np.flatnonzero((counts > 0) & (counts < stats.FEW_PEOPLE)), codes


def _extremes(column: Column) -> tuple[np.ndarray, Callable[[str, np.ndarray], np.ndarray]]:
    def numbers(side: str, picks: np.ndarray) -> np.ndarray:
        chosen = column.sides[side]
        return np.asarray(chosen.as_numbers[picks][~chosen.missing[picks]])

    if not column.numeric:
        return np.zeros(0), numbers
    values, counts = np.unique(column.sides["real"].present, return_counts=True)
    end = np.zeros(len(values), dtype=bool)
    end[:ENDS] = end[-ENDS:] = True
    return values[end & (counts < stats.FEW_PEOPLE)], numbers


def outliers(
    columns: list[Column], sides: list[str], seed: int, encoder: Encoder
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Training rows far from all others, and how many of them have a near copy; keys as in :func:`leakage`.

    Returns the figures of all outliers, and of the loners among them, of whom one copy is one too many: outliers may
    share gaps and round numbers with a stranger, loners hardly do.

    Far is measured on quantiles and labels, and on each number's spread besides: a pay of a million is one rank above
    the next, and yet alone. An outlier is nearly copied when a row lies fifty times closer to it than any other
    training row does. Rows are sought in two steps, as a table against itself would take minutes: those farthest from a crowd of
    1,000 first, their true distances then. A row that is far from all is far from the crowd, so none is lost to it
    unless 400 others stand as far off.
    """
    picks = {side: pick(count_rows(columns, side), LOOKED_AT, seed, "outliers", side) for side in ("real", *sides)}
    many = min(OUTLIERS, math.ceil(len(picks["real"]) / 100))
    if not columns or len(picks["real"]) < 3:
        return figures(0, 0, None, None, None), figures(0, 0, None, None, None)
    rows = {side: _with_spreads(columns, encoder.rows(side, chosen), side, chosen) for side, chosen in picks.items()}
    train = rows["real"]
    far = _farthest(train, seed, min(len(train), 2 * many))
    alone = nearest(train.take(far), train, 1, cosine=False, own_places=far).distances[:, 0]
    order = np.argsort(-alone, kind="stable")[:many]
    order = order[alone[order] > 0]
    loners, alone = train.take(far[order]), alone[order]
    apart = alone > ALONE * alone.min(initial=np.inf)
    copied = _nearly_copied(loners, alone, rows["synthetic"])
    if "holdout" not in rows or len(rows["holdout"]) == 0:
        return figures(len(alone), int(copied.sum()), None, None, None), figures(
            int(apart.sum()), int(copied[apart].sum()), None, None, None
        )
    size = min(len(rows["synthetic"]), len(rows["holdout"]))
    mine, fresh = (
        _nearly_copied(loners, alone, rows[side].take(pick(len(rows[side]), size, seed, "outliers", side, "compared")))
        for side in ("synthetic", "holdout")
    )
    everyone = np.ones(len(alone), dtype=bool)
    of_all, of_loners = (
        figures(int(some.sum()), int(copied[some].sum()), size, int(mine[some].sum()), int(fresh[some].sum()))
        for some in (everyone, apart)
    )
    return of_all, of_loners


def _with_spreads(columns: list[Column], rows: Rows, side: str, picks: np.ndarray) -> Rows:
    """The rows with one more axis a number: how far from the median, in log spreads, so that a tail stays finite."""
    axes = []
    for column in columns:
        real, numbers = column.sides["real"], column.sides[side].numbers
        if numbers is None or real.missing.all():
            continue
        present = real.present.astype(np.float64) / 4
        low, middle, high = np.quantile(present, [0.25, 0.5, 0.75])
        # most cells equal: the spread of those that are not
        width = high - low if high > low else np.abs(present / len(present) - middle / len(present)).sum()
        if width == 0:
            continue
        with np.errstate(over="ignore"):
            away = np.minimum(np.abs(numbers[picks] / 4 - middle) / width, 1e300)
        places = np.sign(numbers[picks] / 4 - middle) * np.log1p(away)
        axes.append(np.where(column.sides[side].missing[picks], 0.0, places))
    if not axes:
        return rows
    more = np.stack(axes, axis=1).astype(np.float32)
    return Rows(np.concatenate([rows.dense, more], axis=1), rows.codes, rows.squares + (more**2).sum(axis=1))


def _farthest(train: Rows, seed: int, many: int) -> np.ndarray:
    """The rows farthest from a crowd of at most 1,000 others."""
    crowd = pick(len(train), CROWD, seed, "outliers", "crowd")
    place = np.full(len(train), -1)
    place[crowd] = np.arange(len(crowd))
    closest = np.zeros(len(train))
    for block, scores in nearness(train, train.take(crowd)):
        own = place[block]
        scores[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        closest[block] = train.squares[block] - 2 * scores.max(axis=1)
    return np.argsort(-closest, kind="stable")[:many]


def _nearly_copied(loners: Rows, alone: np.ndarray, rows: Rows) -> np.ndarray:
    """Which of them have a near copy among the rows: (n,) bool."""
    if len(loners) == 0 or len(rows) == 0:
        return np.zeros(len(loners), dtype=bool)
    return np.asarray(nearest(loners, rows, 1, cosine=False).distances[:, 0] < NEAR_COPY * alone)
