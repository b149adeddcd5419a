"""The worst of many columns and of many pairs, where a mean over them hides one that is plainly wrong.

Of many figures some are low by chance, so each interval is as wide as the worst of as many fresh samples needs (Bonferroni).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from lookalike.evaluate.accuracy import Accuracies
from lookalike.evaluate.prepare import Column
from lookalike.evaluate.yardstick import Even

CHANCE = 0.025
"""How often the worst of all columns, or of all pairs, of a fresh sample lies above its interval, at most."""
TIED = 0.15
"""Two columns are clearly tied where so many of the rows have combinations that are commoner than chance would make them."""


def worst_column(shapes: list[dict[str, Any]], even: Even) -> dict[str, Any] | None:
    """The column that lies farthest below a fresh sample of as many rows; None without a holdout or columns.

    ``shapes`` are those of :func:`lookalike.evaluate.fidelity.joined`. Returns {column, missing, shortfall, interval}: by how
    much its shape lies below the fresh sample's, in [−1, 1], 0 is expected; or, where ``missing`` is true, how much farther
    its share of missing cells lies from the real one. Distance of shares p and q is Hellinger's, √(1 − √(pq) − √((1−p)(1−q))),
    so that gaps which vanish altogether count for more than as many cells among half that are missing.

    Either distance is a share of m rows at heart, whose standard error is at most ½/√m; the interval holds as many of those as
    the worst of k figures needs.
    """
    if not even.fresh:
        return None
    found, errors = [], NormalDist().inv_cdf(1 - CHANCE / max(1, 2 * len(shapes)))
    for shape in shapes:
        real, mine = shape["missing_real"], shape["missing_synthetic"]
        fresh = float(np.mean([shape[f"missing_{side}"] for side in even.fresh]))
        there = even.rows * (1 - max(mine, fresh))
        found.append((shape["score_fresh"] - shape["score_even"], there, shape["column"], False))
        found.append((hellinger(real, mine) - hellinger(real, fresh), even.rows, shape["column"], True))
    defined = [
        (short, errors * math.sqrt(2 / rows) / 2, column, missing)
        for short, rows, column, missing in found
        if rows > 0 and not math.isnan(short)
    ]
    if not defined:
        return None
    short, margin, column, missing = max(defined, key=lambda one: one[0] - one[1])
    return {"column": column, "missing": missing, "shortfall": short, "interval": [short - margin, short + margin]}


def hellinger(one: float, other: float) -> float:
    """Distance of two shares; in [0, 1].

    >>> round(hellinger(0.05, 0.0), 3), round(hellinger(0.5, 0.45), 3), hellinger(0.3, 0.3)
    (0.159, 0.035, 0.0)
    """
    alike = math.sqrt(one * other) + math.sqrt((1 - one) * (1 - other))
    return math.sqrt(max(0.0, 1 - min(1.0, alike))) if one != other else 0.0


def worst_pair(columns: list[Column], pairs: Accuracies, even: Even) -> dict[str, Any] | None:
    """The clearly tied pair of columns whose tie is lost most; None without a holdout or such a pair.

    Returns {columns, tied, kept, fresh, shortfall, interval}: the share of rows by which combinations common in the training rows
    are commoner than chance would make them, in the training, the synthetic and the holdout rows (:class:`Ties`), and what
    part of the training rows' the synthetic lie below the holdout's: 0 is expected of a fresh sample, 1 of columns drawn
    apart. The interval is that of the worst of as many pairs.
    """
    if not even.fresh or pairs.ties is None:
        return None
    ties = pairs.ties
    tied = np.flatnonzero(ties.kept["real"] >= TIED)
    if not len(tied):
        return None
    real, mine, fresh = (ties.kept[side][tied] for side in ("real", "even", "fresh"))
    spread = np.sqrt((ties.variances["even"][tied] + ties.variances["fresh"][tied]) / even.rows)
    short = (fresh - mine) / real
    margin = NormalDist().inv_cdf(1 - CHANCE / len(tied)) * spread / real
    worst = int(np.argmax(short - margin))
    return {
        "columns": [columns[place].name for place in pairs.places[tied[worst]]],
        "tied": float(real[worst]),
        "kept": float(mine[worst]),
        "fresh": float(fresh[worst]),
        "shortfall": float(short[worst]),
        "interval": [float(short[worst] - margin[worst]), float(short[worst] + margin[worst])],
    }
