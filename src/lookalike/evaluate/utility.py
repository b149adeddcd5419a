"""Is the synthetic table good for what real ones are used for? Train on it, test on real rows that nobody saw.

Source: "train on synthetic, test on real", Esteban, Hyland, Rätsch, arXiv 1706.02633, with train on real, test on real
as its yardstick and a guess as its control. Parameters of the learners are in ``learners``, sizes in ``task``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lookalike.errors import SettingsError
from lookalike.evaluate import predictions
from lookalike.evaluate.associations import pearson
from lookalike.evaluate.learners import (
    LIBRARIES,
    STACK,
    Outcome,
    fit_all,
    fit_stacked,
    guess,
    missing_libraries,
    require_libraries,
)
from lookalike.evaluate.prepare import Column
from lookalike.evaluate.task import Impossible, Task, disjoint, pose
from lookalike.rng import generator
from lookalike.schema import ColumnSpec
from lookalike.stats import mean, mid_ranks

COMPARED = ("real", "synthetic")
TRAINED = ("real", "synthetic", "both")
SCATTER = "lightgbm"
"""Whose models of parts tell how much the choice of rows matters: its margin is the stack's, at half of the fits."""
TOP = 5
SHOWN_FEATURES = 20


def utility(columns: list[Column], target: str | None, seed: int) -> dict[str, Any]:
    """Predict ``target`` (or the column whose role is target) from all others.

    Trains on the real, the synthetic, and the real + synthetic rows ("both"), tests on the holdout. The target's kind
    decides the task: labels, and numbers with just two values, are classes; other numbers and dates are a regression,
    clipped to the middle 99 % of the real rows (``task.TARGET_TAIL`` says why). What is undefined is NaN or None.

    Returns
    -------
    dict
        ``target``, ``task`` ("binary", "multiclass", "regression"), ``measure`` ("auc" or "r2"), ``classes`` (most
        frequent first, each held by 5 real rows or more), ``rows`` {real, synthetic, both, test}: used after
        subsampling;

        ``learners`` {"xgboost", "lightgbm", "stack"} × {"real", "synthetic", "both"}, and ``baseline``, a guess that
        knows only the real target's shares or mean. Classification: {auc, interval, f1, accuracy, average_precision};
        of two classes the rarer one is the positive one, of more AUC and average precision are each class against the
        rest, weighted by test rows, and F1 is the plain mean. Regression: {r2, interval, mae}, the mean absolute error
        in standard deviations of the real target;

        ``headline`` {measure, learner, real, synthetic, both, baseline, intervals: {real, synthetic, both}, difference
        (synthetic − real), interval (of the difference), ratio (synthetic / real), kept (of real's lead over the
        baseline; null where real has none), gain (both − real), gain_interval};

        ``minority`` {class, shares: {real, synthetic, test}, real, synthetic, both: {f1, interval, precision, recall},
        gain, gain_interval} of the rarest class by the stack; null for a regression;

        ``importance`` {correlation (Spearman, of the features' shares of total gain, mean of both learners, real
        against synthetic), top, overlap (of the top features, a share), overlap_by_chance, fresh: {correlation,
        overlap, rows}: holdout instead of synthetic, columns: [{column, real, synthetic, fresh}] most important first};

        ``notes``. Where there is no target, no holdout, or nothing to learn, all but ``target`` and ``notes`` is None.

    Intervals are 95 %, from 200 bootstrap draws of the test rows, the same draws for all models: what another holdout
    would change. Those of a difference or gain compare tables, not models, so they also hold what other training rows
    would change, estimated from LightGBM's models of four disjoint parts of either side. Where more real rows were at hand than were
    used, part of a gain may be theirs: the generator saw them all.

    Raises
    ------
    SettingsError
        ``target`` is named, but no scored column, or the libraries are missing. (Without a name, missing libraries are
        a note.)

    >>> utility([], None, 0)["notes"]
    ['Utility was not measured: no column is the target.']
    """
    name = target_name([column.spec for column in columns], target)
    column = next((column for column in columns if column.name == name), None)
    if column is None:
        return _nothing(None, "Utility was not measured: no column is the target.")
    if "holdout" not in column.sides:
        return _nothing(column, "Utility was not measured: no real rows were kept back to test on.")
    if missing := missing_libraries():
        return _nothing(
            column,
            f"Utility was not measured: {' and '.join(missing)} cannot be imported (pip install 'lookalike[utility]').",
        )
    try:
        task = pose(columns, column, seed)
    except Impossible as reason:
        return _nothing(column, f"Utility was not measured for {column.name!r}: {reason}.")
    return _measure(column, task, seed)


def target_name(specs: Sequence[ColumnSpec], target: str | None) -> str | None:
    """The column to predict, None where there is none; a SettingsError where a named one cannot be predicted.

    ``specs`` are those of the scored columns.
    """
    if target is None:
        return next((spec.name for spec in specs if spec.role == "target"), None)
    if target not in [spec.name for spec in specs]:
        raise SettingsError(
            f"a target must be a column that metrics look at (no key, no free text, not dropped), however: {target!r} is "
            f"none. Choose one of {', '.join(repr(spec.name) for spec in specs)}."
        )
    require_libraries()
    return target


def _nothing(column: Column | None, note: str) -> dict[str, Any]:
    figures = ("task", "measure", "classes", "rows", "learners", "baseline", "headline", "minority", "importance")
    return {"target": column.name if column else None, **dict.fromkeys(figures), "notes": [note]}


def _measure(column: Column, task: Task, seed: int) -> dict[str, Any]:
    real, test = task.sides["real"], task.sides["holdout"]
    trained = {"real": real, "synthetic": task.sides["synthetic"], "both": real.and_also(task.sides["synthetic"])}
    # the holdout's own model only says which features matter: it saw the test rows, so it is never tested
    parts = {
        f"{side} {number}": rows
        for side in COMPARED
        for number, rows in enumerate(disjoint(trained[side], predictions.GROUPS, seed))
    }
    outcomes = fit_stacked(task, {**trained, "holdout": test}, seed) | fit_all(task, parts, seed, [SCATTER])
    weights = predictions.bootstrap(len(test), generator(seed, "utility", "bootstrap"))
    judge = _judge_numbers if task.kind == "regression" else _judge_classes
    measure = "r2" if task.kind == "regression" else "auc"
    learners: dict[str, dict[str, Any]] = {}
    draws = {}
    for learner in (*LIBRARIES, STACK):
        learners[learner] = {}
        for side in TRAINED:
            learners[learner][side], draws[side] = judge(task, outcomes[learner, side], weights)
    plain = weights[:, :1]
    margin = predictions.training_margin(
        *[np.array([judge(task, outcomes[SCATTER, part], plain)[1][0] for part in _names(side)]) for side in COMPARED]
    )
    baseline, _ = judge(task, Outcome(guess(task, real, len(test)), np.zeros(0)), plain)
    return {
        "target": column.name,
        "task": task.kind,
        "measure": measure,
        "classes": task.classes or None,
        "rows": {**{side: len(trained[side]) for side in TRAINED}, "test": len(test)},
        "learners": learners,
        "baseline": {figure: value for figure, value in baseline.items() if figure != "interval"},
        "headline": _headline(measure, draws, baseline[measure], margin),
        "minority": _minority(task, outcomes, weights),
        "importance": _importance(task, outcomes),
        "notes": task.notes + _row_notes(column, task),
    }


def _names(side: str) -> list[str]:
    return [f"{side} {number}" for number in range(predictions.GROUPS)]


def _row_notes(column: Column, task: Task) -> list[str]:
    used = task.part_used(column)
    notes = [f"Utility was measured on {used}."] if used else []
    real, synthetic = len(task.sides["real"]), len(task.sides["synthetic"])
    if abs(real - synthetic) > 0.1 * real:
        notes.append(
            f"The learners saw {real:,} real and {synthetic:,} synthetic rows: more rows alone make a better model."
        )
    return notes


# ----------------------------------------------------------------------------------------------------------- figures


def _judge_classes(task: Task, outcome: Outcome, weights: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """One model's figures, and its AUC in every draw."""
    truth = task.sides["holdout"].target.astype(np.int64)
    shares = outcome.predictions
    areas = predictions.auc_of_classes(truth, shares, weights)
    f1 = _plain_f1(truth, outcome, len(task.classes))
    figures = {
        "auc": float(areas[0]),
        "interval": predictions.interval(areas),
        "f1": float(f1[1]) if task.kind == "binary" else mean(f1.tolist()),
        "accuracy": float((truth == shares.argmax(axis=1)).mean()),
        "average_precision": _average_precision(task, truth, shares),
    }
    return figures, areas


def _average_precision(task: Task, truth: np.ndarray, shares: np.ndarray) -> float:
    if task.kind == "binary":
        return predictions.average_precision(truth == 1, shares[:, 1])
    held = np.unique(truth)
    scores = [predictions.average_precision(truth == place, shares[:, place]) for place in held]
    return float(np.average(scores, weights=np.bincount(truth)[held]))


def _judge_numbers(task: Task, outcome: Outcome, weights: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """One model's figures, and its R² in every draw."""
    truth, guesses = task.sides["holdout"].target, outcome.predictions
    scores = predictions.r_squared(truth, guesses, weights)
    figures = {
        "r2": float(scores[0]),
        "interval": predictions.interval(scores),
        "mae": float(np.abs(truth - guesses).mean()),
    }
    return figures, scores


def _headline(measure: str, draws: dict[str, np.ndarray], baseline: float, margin: float) -> dict[str, Any]:
    real, synthetic, both = (float(draws[side][0]) for side in TRAINED)
    lead = predictions.interval(draws["real"])
    leads = lead is not None and lead[0] > baseline
    return {
        "measure": measure,
        "learner": STACK,
        "real": real,
        "synthetic": synthetic,
        "both": both,
        "baseline": baseline,
        "intervals": {side: predictions.interval(draws[side]) for side in TRAINED},
        "difference": synthetic - real,
        "interval": predictions.widened(draws["synthetic"] - draws["real"], margin),
        "ratio": synthetic / real if real > 0 else math.nan,
        "kept": (synthetic - baseline) / (real - baseline) if leads else None,
        "gain": both - real,
        "gain_interval": predictions.widened(draws["both"] - draws["real"], margin),
    }


def _minority(task: Task, outcomes: dict[tuple[str, str], Outcome], weights: np.ndarray) -> dict[str, Any] | None:
    """The rarest class by the stack: what rows made for it would have to improve."""
    if task.kind == "regression":
        return None
    targets = {name: rows.target.astype(np.int64) for name, rows in task.sides.items()}
    truth, size = targets["holdout"], len(task.classes)
    rarest = int(np.bincount(targets["real"], minlength=size).argmin())
    figures: dict[str, Any] = {}
    draws = {}
    for side in TRAINED:
        table = predictions.confusion(truth, outcomes[STACK, side].predictions.argmax(axis=1), size, weights)
        draws[side] = predictions.f1(table)[rarest]
        figures[side] = {
            "f1": float(draws[side][0]),
            "interval": predictions.interval(draws[side]),
            **predictions.precision_and_recall(table, rarest),
        }
    margin = predictions.training_margin(
        *[
            np.array([_plain_f1(truth, outcomes[SCATTER, part], size)[rarest] for part in _names(side)])
            for side in COMPARED
        ]
    )
    shares = {name: float((targets[name] == rarest).mean()) for name in ("real", "synthetic", "holdout")}
    shares["test"] = shares.pop("holdout")
    return {
        "class": task.classes[rarest],
        "shares": shares,
        **figures,
        "gain": float(draws["both"][0] - draws["real"][0]),
        "gain_interval": predictions.widened(draws["both"] - draws["real"], margin),
    }


def _plain_f1(truth: np.ndarray, outcome: Outcome, size: int) -> np.ndarray:
    chosen = outcome.predictions.argmax(axis=1)
    return predictions.f1(predictions.confusion(truth, chosen, size, np.ones((len(truth), 1))))[:, 0]


def _importance(task: Task, outcomes: dict[tuple[str, str], Outcome]) -> dict[str, Any]:
    """Do models trained on either table look at the same features?"""
    gains = {side: outcomes[STACK, side].gains for side in ("real", "synthetic", "holdout")}
    top = min(TOP, len(task.names))
    first = np.argsort(-gains["real"], kind="stable")
    return {
        "correlation": _rank_correlation(gains["real"], gains["synthetic"]),
        "top": top,
        "overlap": _overlap(gains["real"], gains["synthetic"], top),
        "overlap_by_chance": top / len(task.names),
        "fresh": {
            "correlation": _rank_correlation(gains["real"], gains["holdout"]),
            "overlap": _overlap(gains["real"], gains["holdout"], top),
            "rows": len(task.sides["holdout"]),
        },
        "columns": [
            {
                "column": task.names[place],
                "real": float(gains["real"][place]),
                "synthetic": float(gains["synthetic"][place]),
                "fresh": float(gains["holdout"][place]),
            }
            for place in first[:SHOWN_FEATURES]
        ],
    }


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    return pearson(mid_ranks(first, np.sort(first)), mid_ranks(second, np.sort(second)))


def _overlap(first: np.ndarray, second: np.ndarray, top: int) -> float:
    """Share of the top features in common; a feature that was never used is in no top."""
    chosen = [
        {place for place in np.argsort(-gains, kind="stable")[:top] if gains[place] > 0} for gains in (first, second)
    ]
    return len(chosen[0] & chosen[1]) / top
