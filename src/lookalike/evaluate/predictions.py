"""How good predictions are, for many bootstrap draws of the test rows at once.

Shape legend: n test rows, k classes, b draws. ``weights`` (n, b) says how often each draw holds each row; the first
draw holds every row once, so the first figure is the plain one. What is undefined (an AUC without positives) is NaN.
"""

from __future__ import annotations

import numpy as np

DRAWS = 200
"""Bootstrap draws: the ends of a 95 % interval are the 5th smallest and 5th largest of them."""
GROUPS = 4
"""Disjoint parts of the training rows whose models tell how much the choice of rows matters."""
STUDENT = 2.4469
"""Student's t, 97.5 %, of 2 · (GROUPS − 1) = 6 degrees of freedom."""
STUDENT_PAIRED = 3.1824
"""The same, of GROUPS − 1 = 3 degrees of freedom."""
EXACT = np.finfo(np.float64).eps


def bootstrap(rows: int, random: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """Weights (rows, draws + 1) of draws with replacement, the first column all ones. Source: Efron, 1979.

    >>> bootstrap(5, np.random.default_rng(0)).sum(axis=0)[:3].tolist()
    [5.0, 5.0, 5.0]
    """
    picks = random.integers(0, rows, (rows, draws)) * draws + np.arange(draws)
    counts = np.bincount(picks.ravel(), minlength=rows * draws).reshape(rows, draws)
    return np.concatenate([np.ones((rows, 1)), counts], axis=1)


def interval(figures: np.ndarray) -> list[float] | None:
    """95 % percentile interval of the draws; None where fewer than half of them are defined.

    >>> interval(np.array([0.5, *np.linspace(0, 1, 201)]))
    [0.025, 0.975]
    """
    draws = figures[1:][~np.isnan(figures[1:])]
    if not len(draws) or len(draws) * 2 < len(figures) - 1:
        return None
    low, high = np.quantile(draws, [0.025, 0.975])
    return [float(low), float(high)]


def widened(figures: np.ndarray, margin: float) -> list[float] | None:
    """The interval of the draws, with an independent ± ``margin`` added in quadrature on either side.

    >>> [round(end, 3) for end in widened(np.array([0.5, *np.linspace(0.2, 0.8, 201)]), 0.4)]
    [0.009, 0.991]
    """
    plain = interval(figures)
    if plain is None or np.isnan(margin):
        return plain
    point = float(figures[0])
    return [point - float(np.hypot(point - plain[0], margin)), point + float(np.hypot(plain[1] - point, margin))]


def training_margin(*groups: np.ndarray) -> float:
    """95 % margin that other training rows would add to a difference of two models.

    Shape: one (g,) a model: what g models score, each trained on one of g disjoint parts of its rows. The variance of
    a model of all the rows is taken as a g-th of theirs; the margin is Student's t of both variances together.

    >>> round(training_margin(np.array([0.8, 0.9, 0.8, 0.9]), np.array([0.8, 0.8, 0.8, 0.8])), 4)
    0.0706
    """
    variance = sum(float(scores.var(ddof=1)) / len(scores) for scores in groups)
    return STUDENT * variance**0.5


def paired_margin(differences: np.ndarray) -> float:
    """95 % margin that other training rows would add to a difference of two models that learn from the same rows.

    Shape: (g,), the difference of two models of each of g disjoint parts of the rows. As :func:`training_margin`, but what both
    share is not counted.

    >>> round(paired_margin(np.array([0.0, 0.1, 0.0, 0.1])), 4)
    0.0919
    """
    return STUDENT_PAIRED * float(differences.var(ddof=1) / len(differences)) ** 0.5


def auc(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve, ties counted half; (b,) in [0, 1], .5 = a guess.

    Shape: (n,) bool, (n,) and (n, b).

    >>> auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.9]), np.ones((3, 1))).tolist()
    [0.75]
    """
    negatives = np.flatnonzero(~positive)
    ordered = negatives[np.argsort(scores[negatives], kind="stable")]
    below = np.zeros((len(ordered) + 1, weights.shape[1]))
    np.cumsum(weights[ordered], axis=0, out=below[1:])
    low = np.searchsorted(scores[ordered], scores[positive], side="left")
    high = np.searchsorted(scores[ordered], scores[positive], side="right")
    beaten = np.einsum("ib,ib->b", weights[positive], below[low] + below[high])
    return _ratio(beaten, 2 * weights[positive].sum(axis=0) * below[-1])


def auc_of_classes(truth: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC of the second of two classes; of more classes each against the rest, weighted by its test rows; (b,).

    Shape: (n,) classes, (n, k) probabilities and (n, b).

    >>> shares = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> auc_of_classes(np.array([0, 1, 1]), shares, np.ones((3, 1))).tolist()
    [1.0]
    """
    if shares.shape[1] == 2:
        return auc(truth == 1, shares[:, 1], weights)
    held = [place for place in range(shares.shape[1]) if (truth == place).any()]
    areas = np.array([auc(truth == place, shares[:, place], weights) for place in held])
    rows = np.array([weights[truth == place].sum(axis=0) for place in held])
    rows[np.isnan(areas)] = 0
    total = rows.sum(axis=0)
    return np.divide((np.nan_to_num(areas) * rows).sum(axis=0), total, out=np.full(len(total), np.nan), where=total > 0)


def average_precision(positive: np.ndarray, scores: np.ndarray) -> float:
    """Σ (Rᵢ − Rᵢ₋₁)·Pᵢ over the thresholds, as scikit-learn defines it; in [0, 1], the share of positives = a guess.

    Shape: (n,) bool and (n,).

    >>> average_precision(np.array([False, True, True]), np.array([0.5, 0.1, 0.9])) # doctest: +ELLIPSIS
    0.8333...
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # a threshold takes all its ties
    hits = np.cumsum(positive[order])[last]
    return float((np.diff(hits, prepend=0) * hits / (last + 1)).sum() / hits[-1])


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray) -> np.ndarray:
    """(classes, classes, b) how often each class was taken for each.

    Shape: (n,) and (n,) in [0, classes), (n, b).
    """
    cells = truth * classes + predicted
    table = np.zeros((classes * classes, weights.shape[1]))
    for cell in np.unique(cells):
        table[cell] = weights[cells == cell].sum(axis=0)
    return table.reshape(classes, classes, -1)


def f1(table: np.ndarray) -> np.ndarray:
    """(classes, b): 2·hits / (true + predicted) of each class; NaN for one that is neither held nor predicted.

    >>> f1(confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, np.ones((3, 1))))[1].round(3).tolist()
    [0.667]
    """
    hits = np.einsum("iib->ib", table)
    return _ratio(2 * hits, table.sum(axis=0) + table.sum(axis=1))


def precision_and_recall(table: np.ndarray, place: int) -> dict[str, float]:
    """Of one class of a confusion (classes, classes, b), in the first draw; NaN where none is taken for it, or is of it.

    >>> precision_and_recall(confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, np.ones((3, 1))), 1)
    {'precision': 1.0, 'recall': 0.5}
    """
    taken, held = table[:, place, 0].sum(), table[place, :, 0].sum()
    hits = table[place, place, 0]
    return {"precision": float(_ratio(hits, taken)), "recall": float(_ratio(hits, held))}


def r_squared(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """1 − Σ(y − ŷ)² / Σ(y − ȳ)²; (b,) at most 1, 0 = the test rows' own mean, below 0 = worse than it.

    >>> r_squared(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]), np.ones((3, 1))).tolist()
    [0.5]
    """
    centred = truth - truth.mean()
    parts = np.stack([np.ones(len(truth)), centred, centred**2, (truth - predicted) ** 2])
    rows, total, squares, errors = np.einsum("pi,ib->pb", parts, weights, optimize=False)
    spread = squares - total**2 / rows
    spread[spread <= 8 * EXACT * squares] = 0  # what is left of a constant draw is rounding
    return 1 - _ratio(errors, spread)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(below) != 0)
