"""Can boosted trees tell synthetic rows from real ones that no engine saw?

.5 is a toss of a coin, 1 is never wrong. Trees look at all columns at once, so they see what no figure of single columns
or pairs can: an impossible combination, a rounding, a gap. Even a good table rarely gets .5.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lookalike import stats
from lookalike.evaluate import confidence
from lookalike.evaluate.lanes import one_thread, side_by_side
from lookalike.evaluate.prepare import Column, Side, count_rows, pick
from lookalike.rng import derive_seed, generator

MAXIMUM_ROWS = 10_000
"""Rows of each table at most: the 95 % interval of a perfect table is then .5 ± .012. Source: mostlyai-qa."""
FRESH_ROWS = 5_000
"""Rows of each table for the yardstick: two real tables are expected at .5 whatever their size, so it needs no more."""
MINIMUM_ROWS = 20
"""With fewer rows a table there is nothing for trees to learn from, and no figure is given."""
FOLDS = 5
OVERLAP = 1 + FOLDS / (FOLDS - 1)
"""How much more the mean over folds varies than its scores do by themselves, as the folds' trees share training rows.

Source: Nadeau and Bengio, *Machine Learning* 52, 2003: 1 + folds · (test rows / training rows). On the safe side: over 40
fresh tables of 100, 500 and 2,000 rows the spread was 1.2 to 1.3 times that of independent scores; this makes 1.5 of it.
"""
ITERATIONS = 50
LEAVES = 15
"""Half of scikit-learn's 31: adult in two thirds of the time, .923 for .931 on an early TVAE."""
SHUFFLED_ROWS = 2_000
"""Rows on which columns are shuffled, at most: the drops of as many rows order the columns, and each costs a prediction."""
CELLS_AT_ONCE = 1_000_000
"""Cells that are predicted from at once, at most: every prediction looks at the levels of all labels anew, which on 400 columns took
seven times as long as to fit the trees."""
MAXIMUM_LEVELS = 200
"""Levels of a label that trees see one by one (they take 255 at most); the rarer ones are one level together."""


def detection(columns: list[Column], seed: int) -> dict[str, Any]:
    """Cross-validated AUC of gradient-boosted trees that tell the synthetic rows from the holdout.

    Without a holdout the training rows stand in for it, and ``against`` says so: it flatters a table that remembers them.
    As many rows of both tables, at most 10,000 of each.

    Returns {auc, interval, rows, against, columns}. ``auc`` in [0, 1] is the mean over five folds, with its 95 %
    ``interval`` (``confidence.auc_interval``, with ``OVERLAP`` times fewer rows). ``rows`` are those of one table; the AUC of the
    same generator grows with them, as trees learn more, so compare figures of as many rows. ``columns``, worst first, are {column, drop}: how much AUC is lost on one fold when the column is
    shuffled there; empty where the interval does not lie above .5, as there is nothing to explain.

    NOTE[DIFF]: mostlyai-qa compares with the training rows, on an encoding by text embedding, in ten folds. The holdout and
    the raw values are harder to please.
    """
    against = "holdout" if columns and "holdout" in columns[0].sides else "real"
    return _detect(columns, "synthetic", against, MAXIMUM_ROWS, seed)


def fresh_detection(columns: list[Column], seed: int, rows: int) -> dict[str, Any]:
    """The yardstick: the same for training rows, as if they were synthetic; at most ``rows``, and 5,000, of each table."""
    return _detect(columns, "real", "holdout", min(rows, FRESH_ROWS), seed)


def _detect(columns: list[Column], side: str, against: str, maximum: int, seed: int) -> dict[str, Any]:
    available = [count_rows(columns, name) for name in (side, against)]
    rows = min(maximum, *available)
    nothing = {"auc": math.nan, "interval": [math.nan, math.nan], "rows": rows, "against": against, "columns": []}
    if rows < MINIMUM_ROWS:
        return nothing
    draws = [pick(count, rows, seed, "detection", name) for name, count in zip((side, against), available, strict=True)]
    features = _features(columns, (side, against), draws)
    made = np.repeat([True, False], rows)
    folds = _folds(features.cells, made, seed, twins=against == "real")

    import sklearn.ensemble  # noqa: F401  half a second that a schema or a fit need not wait for; loaded before its threads are limited

    def fold_model(fold: int) -> tuple[Any, float]:
        with one_thread():
            model = _fit(features, made, folds != fold, seed)
            return model, _auc(model, features.cells[folds == fold], made[folds == fold])

    models = side_by_side([partial(fold_model, fold) for fold in range(FOLDS)])
    auc = stats.mean([score for _, score in models])
    interval = confidence.auc_interval(auc, rows / OVERLAP, rows / OVERLAP)
    with one_thread():
        drops = _drops(features, models[0][0], made, folds == 0, seed) if interval[0] > 0.5 else []
    return {**nothing, "auc": auc, "interval": list(interval), "columns": drops}


@dataclass(frozen=True)
class Features:
    """What trees see: ``cells`` (n, c) float64, NaN where missing; ``names`` (c,); ``labels`` (c,) bool: no order."""

    cells: np.ndarray
    names: list[str]
    labels: list[bool]


def _features(columns: list[Column], sides: tuple[str, str], draws: list[np.ndarray]) -> Features:
    cells = [
        np.concatenate([_cells(column, column.sides[side])[draw] for side, draw in zip(sides, draws, strict=True)])
        for column in columns
    ]
    cells = [values if column.numeric else _pooled(values) for column, values in zip(columns, cells, strict=True)]
    # -0.0 + 0.0 is 0.0: rows are later told apart by their bytes
    return Features(
        np.stack(cells, axis=1) + 0.0, [column.name for column in columns], [not column.numeric for column in columns]
    )


def _cells(column: Column, side: Side) -> np.ndarray:
    values = side.numbers if column.numeric else side.codes
    assert values is not None
    return np.where(side.missing, np.nan, values.astype(np.float64))


def _pooled(codes: np.ndarray) -> np.ndarray:
    """Codes by rank of frequency, so that the rare ones share the last."""
    present = ~np.isnan(codes)
    levels, places, counts = np.unique(codes[present], return_inverse=True, return_counts=True)
    rank = np.empty(len(levels))
    rank[np.lexsort((levels, -counts))] = np.arange(len(levels))
    pooled = np.full(len(codes), np.nan)
    pooled[present] = np.minimum(rank[places], MAXIMUM_LEVELS)
    return pooled


def _folds(cells: np.ndarray, made: np.ndarray, seed: int, *, twins: bool) -> np.ndarray:
    """A fold for every row, (n,) in [0, FOLDS), both tables spread evenly over all.

    With ``twins``, a row and its equal in the other table share a fold. Synthetic rows may be copies of the training rows
    they are set against: a tree that had learnt one by heart would call its twin real, and a table of copies would get
    less than .5. Rows drawn independently, as the holdout's are, must not be paired: what is left unpaired then leans the
    same way in every fold, which told two draws of one column of 2,000 levels apart at .537 (.494 without).
    """
    times: Counter[tuple[bytes, bool]] = Counter()
    units: dict[tuple[bytes, int], int] = {}
    unit = np.arange(len(cells))
    if twins:
        for row, (values, is_made) in enumerate(zip(cells, made.tolist(), strict=True)):
            key = values.tobytes()
            unit[row] = units.setdefault((key, times[key, is_made]), len(units))
            times[key, is_made] += 1
    kind = np.bincount(unit, weights=made + 1.0)  # real only, synthetic only, twins: each dealt out evenly
    chance = generator(seed, "evaluate", "detection", "folds").random(len(kind))
    fold = np.empty(len(kind), dtype=np.int64)
    fold[np.lexsort((chance, kind))] = np.arange(len(kind)) % FOLDS
    return fold[unit]


def _fit(features: Features, made: np.ndarray, rows: np.ndarray, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=ITERATIONS,
        max_leaf_nodes=LEAVES,
        categorical_features=np.array(features.labels),
        early_stopping=False,
        random_state=derive_seed(seed, "evaluate", "detection", "trees") % 2**32,
    )
    cells = features.cells[rows]
    # scikit-learn 1.9 fails at a column without a number; neither is split on
    cells[:, np.isnan(cells).all(axis=0)] = 0.0
    return model.fit(cells, made[rows])


def _auc(model: Any, cells: np.ndarray, made: np.ndarray) -> float:
    scores = model.decision_function(cells)
    return confidence.auc(scores[made], scores[~made])


def _drops(
    features: Features, model: Any, made: np.ndarray, rows: np.ndarray, seed: int
) -> list[dict[str, str | float]]:
    """Permutation importance (Breiman, 2001) on rows of one fold."""
    random = generator(seed, "evaluate", "detection", "shuffle")
    chosen = random.permutation(np.flatnonzero(rows))[:SHUFFLED_ROWS]
    cells, made = features.cells[chosen], made[chosen]
    whole = _auc(model, cells, made)
    drops: list[tuple[str, float]] = []
    step = max(CELLS_AT_ONCE // cells.size, 1)
    for start in range(0, len(features.names), step):
        names = features.names[start : start + step]
        shuffled = np.repeat(cells[None], len(names), axis=0)
        for place, table in enumerate(shuffled, start):
            table[:, place] = random.permutation(table[:, place])
        scores = model.decision_function(shuffled.reshape(-1, cells.shape[1])).reshape(len(names), -1)
        drops += zip(names, [whole - confidence.auc(each[made], each[~made]) for each in scores], strict=True)
    return [{"column": name, "drop": drop} for name, drop in sorted(drops, key=lambda entry: -entry[1])]
