"""How much of each model to mix so that rows held out are likeliest: stacking of distributions (Yao, Vehtari, Simpson and Gelman 2018,
doi 10.1214/17-BA1091).

NOTE[DIFF]: rows are held out once, a tenth of them, not each in turn, as every model would have to be fitted as often as there are rows; so
weights have a prior.
"""

from __future__ import annotations

import numpy as np

BELIEF = 2.0
"""Held-out rows' worth of belief, for each model, that all are alike."""
LEAST_WEIGHT = 0.1
"""A model of less is left out: it would learn all rows anew for a few of those made."""
ROUNDS = 200


def stacked(likelihoods: np.ndarray) -> np.ndarray:
    """Return (k,) weights that add up to 1, nought where a model is left out.

    They maximise the likelihood of the mixture by expectation maximisation, with a prior towards equal weights, as few rows say little.

    Shape
    -----
    likelihoods (n, k) the logarithm of each row's probability under each model; −∞ where a model rules it out

    >>> stacked(np.array([[-1.0, -1.0, -9.0], [-2.0, -2.0, -9.0], [-3.0, -3.0, -9.0]] * 10)).round(2).tolist()
    [0.5, 0.5, 0.0]
    """
    rows, models = likelihoods.shape
    top = likelihoods.max(axis=1, keepdims=True)
    chances = np.exp(likelihoods - np.where(np.isfinite(top), top, 0.0))
    weights = np.full(models, 1 / models)
    for _ in range(ROUNDS):
        shares = weights * chances + 1e-300
        counts = (shares / shares.sum(axis=1, keepdims=True)).sum(axis=0) + BELIEF
        weights = counts / (rows + models * BELIEF)
    weights = np.where(weights >= LEAST_WEIGHT, weights, 0.0)
    return np.asarray(weights / weights.sum())
