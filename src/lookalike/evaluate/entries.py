"""One entry a column, a pair or a triple, worst first: where to look.

"Worst" is the greatest shortfall against a fresh real sample of as many rows, or the lowest score where there is none.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lookalike.evaluate.accuracy import Accuracies
from lookalike.evaluate.pairs import PairTrends, association_matrix
from lookalike.evaluate.prepare import Column
from lookalike.evaluate.yardstick import Even

MAXIMUM_MATRIX = 100
"""Association matrices hold at most this many columns: the worst ones by shape."""
WORST_TRIPLES = 20
"""Of thousands of triples, those that fall short most."""


def worst_first(mine: float | None, fresh: float | None) -> tuple[int, float]:
    """Sort key: greatest shortfall first where there is a yardstick, lowest score first elsewhere; undefined last.

    >>> sorted([(0.9, 0.91), (0.5, None), (0.8, 0.95)], key=lambda pair: worst_first(*pair))
    [(0.8, 0.95), (0.9, 0.91), (0.5, None)]
    """
    if mine is None or math.isnan(mine):
        return 2, 0.0
    if fresh is None or math.isnan(fresh):
        return 1, mine
    return 0, mine - fresh


def _ranked(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def rank(entry: dict[str, Any]) -> tuple[int, float]:
        return worst_first(entry["score"] if entry["even"] is None else entry["even"], entry["fresh"])

    return sorted(entries, key=rank)


def column_entries(shapes: list[dict[str, Any]], even: Even, accuracies: Accuracies) -> list[dict[str, Any]]:
    """{column, kind, metric, score, even, fresh, accuracy, accuracy_max, missing_real, missing_synthetic} a column."""
    entries = [
        {
            "column": shape["column"],
            "kind": shape["kind"],
            "metric": shape["metric"],
            "score": shape["score_synthetic"],
            "even": shape["score_even"] if even.fresh else None,
            "fresh": shape["score_fresh"] if even.fresh else None,
            "accuracy": float(accuracies.scores["synthetic"][row]),
            "accuracy_max": float(accuracies.expected["synthetic"][row]),
            "missing_real": shape["missing_real"],
            "missing_synthetic": shape["missing_synthetic"],
        }
        for row, shape in enumerate(shapes)
    ]
    return _ranked(entries)


def pair_entries(columns: list[Column], pairs: PairTrends, even: Even, accuracies: Accuracies) -> list[dict[str, Any]]:
    """{columns, measure, score, even, fresh, accuracy, accuracy_max, real, synthetic, strong} a pair.

    ``real`` and ``synthetic`` are the two tables' associations, as ``measure`` says.
    """
    entries = [
        {
            "columns": [columns[i].name, columns[j].name],
            "measure": _measure(columns[i], columns[j]),
            "score": float(pairs.scores["synthetic"][row]),
            "even": float(pairs.scores["even"][row]) if even.fresh else None,
            "fresh": float(pairs.scores["fresh"][row]) if even.fresh else None,
            "accuracy": float(accuracies.scores["synthetic"][row]),
            "accuracy_max": float(accuracies.expected["synthetic"][row]),
            "real": float(pairs.associations["real"][row]),
            "synthetic": float(pairs.associations["synthetic"][row]),
            "strong": bool(pairs.strong[row]),
        }
        for row, (i, j) in enumerate(pairs.places.tolist())
    ]
    return _ranked(entries)


def triple_entries(columns: list[Column], triples: Accuracies) -> list[dict[str, Any]]:
    """{columns, accuracy, accuracy_max} of the triples that fall furthest below what is expected."""
    short = triples.expected["synthetic"] - triples.scores["synthetic"]
    return [
        {
            "columns": [columns[place].name for place in triples.places[row]],
            "accuracy": float(triples.scores["synthetic"][row]),
            "accuracy_max": float(triples.expected["synthetic"][row]),
        }
        for row in np.argsort(-short, kind="stable")[:WORST_TRIPLES]
    ]


def _measure(first: Column, second: Column) -> str:
    if first.numeric and second.numeric:
        return "correlation"
    return "correlation ratio" if first.numeric or second.numeric else "Cramér's V"


def associations(columns: list[Column], pairs: PairTrends, fresh: bool, order: list[str]) -> dict[str, Any]:
    """Symmetric matrices of every pair's association in each table, for the columns first in ``order``."""
    shown = set(order[:MAXIMUM_MATRIX])
    keep = np.array([place for place, column in enumerate(columns) if column.name in shown], dtype=np.int64)

    def matrix(side: str) -> list[list[float]]:
        whole = association_matrix(pairs, len(columns), side)
        return list(whole[np.ix_(keep, keep)].tolist())

    return {
        "columns": [columns[place].name for place in keep],
        "left_out": len(columns) - len(keep),
        "measures": "number × number: Pearson's ρ; label × label: Cramér's V; label × number: correlation ratio η",
        "real": matrix("real"),
        "synthetic": matrix("synthetic"),
        "fresh": matrix("fresh") if fresh else None,
    }
