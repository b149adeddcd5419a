"""XGBoost and LightGBM under the same few settings: fit on one side, predict the test rows, say what was used.

Both come with ``pip install 'lookalike[utility]'`` and are imported on first use. Every fit runs on one thread, so that
figures are the same on every machine; several fits run side by side instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

import numpy as np

from lookalike.errors import SettingsError
from lookalike.evaluate.lanes import side_by_side
from lookalike.evaluate.task import Rows, Task

LIBRARIES = ("xgboost", "lightgbm")
STACK = "stack"
"""The mean of both learners' predictions; headlines are its figures.

NOTE[DIFF]: a stack in the strict sense learns its weights from out-of-fold predictions, at several times the fits. Equal
weights need no rows of their own, and cannot lean to the side that was used to choose them.
"""
ROUNDS = 60
LEARNING_RATE = 0.15
LEAVES = 31
DEPTH = 6
BINS = 64
LEAF_ROWS = 20
"""Fewest rows in a leaf of LightGBM, as its authors set it; a twentieth of the rows where there are few."""


@dataclass(frozen=True)
class Outcome:
    """What one fit gave.

    Attributes
    ----------
    predictions
        (n, k) probabilities of the classes, or (n,) numbers.
    gains
        (d,) each feature's share of the total gain; zeros where nothing was learnt.
    """

    predictions: np.ndarray
    gains: np.ndarray


Fit = Callable[[Task, Rows, Rows, int], Outcome]


def missing_libraries() -> list[str]:
    """Which of the libraries cannot be used here."""
    return [name for name in LIBRARIES if not usable(name)]


def usable(name: str) -> bool:
    """Whether a library can be imported here."""
    try:
        import_module(name)
    except (ImportError, OSError, ValueError):  # OSError, XGBoostError: installed, but without its OpenMP library
        return False
    return True


def require_libraries() -> None:
    """Raise a SettingsError where a library is missing."""
    missing = missing_libraries()
    if missing:
        raise SettingsError(
            f"utility needs xgboost and lightgbm, however: {' and '.join(missing)} cannot be imported. "
            "Install them with: pip install 'lookalike[utility]'."
        )


def fit_all(
    task: Task, sides: dict[str, Rows], seed: int, learners: Sequence[str] = LIBRARIES
) -> dict[tuple[str, str], Outcome]:
    """Fit the learners on every side, and predict the holdout: {(learner, side): outcome}."""
    fits: dict[str, Fit] = {"xgboost": _xgboost, "lightgbm": _lightgbm}
    jobs = [(learner, side) for side in sorted(sides, key=lambda name: -len(sides[name])) for learner in learners]
    outcomes = side_by_side(
        [partial(_fit, fits[learner], task, sides[side], task.sides["holdout"], seed) for learner, side in jobs]
    )
    return dict(zip(jobs, outcomes, strict=True))


def fit_stacked(task: Task, sides: dict[str, Rows], seed: int) -> dict[tuple[str, str], Outcome]:
    """As :func:`fit_all`, and the stack of both learners on every side."""
    outcomes = fit_all(task, sides, seed)
    return outcomes | {(STACK, side): _stack([outcomes[learner, side] for learner in LIBRARIES]) for side in sides}


def _stack(outcomes: Sequence[Outcome]) -> Outcome:
    """The mean of several outcomes of the same side."""
    return Outcome(
        np.mean([outcome.predictions for outcome in outcomes], axis=0),
        np.mean([outcome.gains for outcome in outcomes], axis=0),
    )


def _fit(fit: Fit, task: Task, train: Rows, test: Rows, seed: int) -> Outcome:
    if (train.target == train.target[0]).all():  # neither library takes a target of one value without a word
        return Outcome(guess(task, train, len(test)), np.zeros(len(task.names)))
    return fit(task, train, test, seed)


def guess(task: Task, train: Rows, rows: int) -> np.ndarray:
    """The control: every row gets the shares of the classes in ``train``, or its mean."""
    if task.kind == "regression":
        return np.full(rows, train.target.mean())
    shares = np.bincount(train.target.astype(np.int64), minlength=len(task.classes)) / len(train)
    return np.tile(shares, (rows, 1))


def _xgboost(task: Task, train: Rows, test: Rows, seed: int) -> Outcome:
    import xgboost

    objective = {"regression": "reg:squarederror", "binary": "binary:logistic", "multiclass": "multi:softprob"}
    settings = {
        "objective": objective[task.kind],
        "tree_method": "hist",
        "max_bin": BINS,
        "max_depth": DEPTH,
        "eta": LEARNING_RATE,
        "nthread": 1,
        "seed": seed % 2**31,
        "verbosity": 0,
        **({"num_class": len(task.classes)} if task.kind == "multiclass" else {}),
    }
    kinds = ["c" if label else "q" for label in task.labels]
    known = {"feature_types": kinds, "enable_categorical": True, "nthread": 1}
    data = xgboost.QuantileDMatrix(train.features, train.target, max_bin=BINS, **known)
    booster = xgboost.train(settings, data, ROUNDS)
    predictions = booster.predict(xgboost.DMatrix(test.features, **known))
    gains = np.zeros(len(task.names))
    for name, gain in booster.get_score(importance_type="total_gain").items():
        gains[int(name[1:])] = gain  # features without names are called f0, f1, …
    return Outcome(_probabilities(task, predictions), _shares(gains))


def _lightgbm(task: Task, train: Rows, test: Rows, seed: int) -> Outcome:
    import lightgbm

    settings = {
        "objective": task.kind,
        "num_leaves": LEAVES,
        "max_bin": BINS - 1,
        "learning_rate": LEARNING_RATE,
        "min_data_in_leaf": min(LEAF_ROWS, max(1, len(train) // 20)),
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed % 2**31,
        "verbosity": -1,
        **({"num_class": len(task.classes)} if task.kind == "multiclass" else {}),
    }
    levels = np.flatnonzero(task.labels).tolist()
    data = lightgbm.Dataset(train.features, train.target, categorical_feature=levels, params=settings)
    booster = lightgbm.train(settings, data, ROUNDS)
    predictions = np.asarray(booster.predict(test.features, num_threads=1))
    return Outcome(_probabilities(task, predictions), _shares(booster.feature_importance("gain")))


def _probabilities(task: Task, predictions: np.ndarray) -> np.ndarray:
    predictions = predictions.astype(np.float64)
    return np.column_stack([1 - predictions, predictions]) if task.kind == "binary" else predictions


def _shares(gains: np.ndarray) -> np.ndarray:
    total = float(gains.sum())
    return gains / total if total > 0 else np.zeros(len(gains))
