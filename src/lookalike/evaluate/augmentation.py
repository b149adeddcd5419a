"""Do rows made for rare classes help a model? Real rows alone, with SMOTENC's, with ours; tested on real rows nobody saw.

All sides hold the same real rows, and all but the first are filled up to the same counts of each class. A model's choice is
the likeliest class, which of two is a threshold of .5: no side has one fitted to it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lookalike.errors import SettingsError
from lookalike.evaluate import predictions
from lookalike.evaluate.learners import LIBRARIES, STACK, Outcome, fit_stacked, missing_libraries, usable
from lookalike.evaluate.oversampling import repeated, smotenc
from lookalike.evaluate.prepare import Column
from lookalike.evaluate.task import Impossible, Rows, Task, disjoint, pose
from lookalike.rng import generator
from lookalike.stats import plain

SIDES = ("real", "repeated", "smotenc", "ours")
"""Real rows alone; with real ones drawn again, the control; with SMOTENC's; with ours."""
MEASURES = ("minority_f1", "macro_f1", "auc")
MOST_CELLS = 12_000_000
"""Rows × features × classes of the real and the made rows together; larger tables are thinned, both sides alike."""
TEST_ROWS = 25_000
"""Holdout rows that are predicted: differences of F1 are small, and more rows show them."""


def augmentation(columns: list[Column], target: str, seed: int) -> dict[str, Any]:
    """Compare what models learn from real rows alone with what they learn from real rows and rows made for rare classes.

    Parameters
    ----------
    columns
        Prepared columns of the sides "real", "synthetic" (the rows that were added, alone) and "holdout".
    target
        The column that holds the classes.

    Returns
    -------
    dict
        ``target``, ``classes`` (most frequent first), ``minority`` (the rarest), ``rows`` {real, added: {class:
        rows}, test: {class: rows}}: used after thinning;

        ``learners`` {"xgboost", "lightgbm", "stack"} × {"real", "repeated", "smotenc", "ours"}: {f1: {class: F1},
        minority_f1, macro_f1, auc, each in [0, 1], precision and recall of the minority, intervals: {minority_f1, macro_f1,
        auc}}. AUC is the rarer class's, of more than two classes each against the rest, weighted by test rows. "smotenc" is
        None where it cannot be run;

        ``gains`` {"real", "repeated", "smotenc"} × {minority_f1, macro_f1, auc}: {gain: ours − that side's by the stack,
        interval};

        ``notes``. What is undefined is None; where there is no holdout, nothing to learn, or no library to learn with, all but
        ``target`` and ``notes`` is.

    Intervals are 95 %, from 200 bootstrap draws of the test rows, the same for all sides; those of gains also hold what
    other training rows would change, estimated from four disjoint parts of the real and the made rows (where each has rows
    enough). They do not hold what another fit of the engine would change.

    Raises
    ------
    SettingsError
        The target is no scored column, or its values are no classes.

    >>> augmentation([], "income", 0)
    Traceback (most recent call last):
    lookalike.errors.SettingsError: a target must be a column that metrics look at, however: 'income' is none.
    """
    column = next((column for column in columns if column.name == target), None)
    if column is None:
        raise SettingsError(f"a target must be a column that metrics look at, however: {target!r} is none.")
    if missing := missing_libraries():
        return nothing(target, f"{' and '.join(missing)} cannot be imported (pip install 'lookalike[utility]')")
    if "holdout" not in column.sides:
        return nothing(target, "no real rows were kept back to test on")
    try:
        task = pose(columns, column, seed, lambda side, width: _most(column, side, width))
    except Impossible as reason:
        return nothing(target, str(reason))
    if task.kind == "regression":
        raise SettingsError(
            f"a target must hold classes, however: {target!r} holds numbers. Declare it a category in the schema, if its values are labels."
        )
    return dict(plain(_measure(column, task, seed)))


def nothing(target: str, why: str) -> dict[str, Any]:
    """What :func:`augmentation` returns where nothing can be measured, and why.

    >>> nothing("ill", "no real rows were kept back")["notes"]
    ["What the made rows are worth was not measured for 'ill': no real rows were kept back."]
    """
    note = f"What the made rows are worth was not measured for {target!r}: {why}."
    return {"target": target, **dict.fromkeys(("classes", "minority", "rows", "learners", "gains")), "notes": [note]}


def _most(column: Column, side: str, width: int) -> int:
    """Rows of a side that are used: the same share of the real and of the made rows, so that the mixture stays."""
    if side == "holdout":
        return TEST_ROWS
    rows = {name: len(column.sides[name].missing) for name in ("real", "synthetic")}
    return math.ceil(rows[side] * min(1.0, MOST_CELLS / (width * sum(rows.values()))))


def _measure(column: Column, task: Task, seed: int) -> dict[str, Any]:
    real, made, test = task.sides["real"], task.sides["synthetic"], task.sides["holdout"]
    trained, notes = _sides(task, real, made, seed)
    rarest = int(_counts(task, real).argmin())
    weights = predictions.bootstrap(len(test), generator(seed, "augmentation", "bootstrap"))
    parts = zip(disjoint(real, predictions.GROUPS, seed), disjoint(made, predictions.GROUPS, seed), strict=True)
    groups = [_sides(task, *part, seed)[0] for part in parts]
    outcomes = fit_stacked(
        task,
        {
            **trained,
            **{f"{side} {number}": rows for number, group in enumerate(groups) for side, rows in group.items()},
        },
        seed,
    )
    draws = {
        (learner, side): _draws(task, outcomes[learner, side], weights, rarest)
        for learner in (*LIBRARIES, STACK)
        for side in trained
    }
    in_parts = [
        {side: _draws(task, outcomes[STACK, f"{side} {number}"], weights[:, :1], rarest) for side in group}
        for number, group in enumerate(groups)
    ]
    used = task.part_used(column)
    return {
        "target": column.name,
        "classes": task.classes,
        "minority": task.classes[rarest],
        "rows": {name: _named(task, rows) for name, rows in (("real", real), ("added", made), ("test", test))},
        "learners": {
            learner: {side: _figures(task, draws[learner, side], rarest) if side in trained else None for side in SIDES}
            for learner in (*LIBRARIES, STACK)
        },
        "gains": {
            other: {
                measure: _gain(
                    draws[STACK, "ours"],
                    draws[STACK, other],
                    [(part["ours"], part.get(other)) for part in in_parts],
                    measure,
                )
                for measure in MEASURES
            }
            if other in trained
            else None
            for other in SIDES[:-1]
        },
        "notes": task.notes + notes + _untested(task, test) + ([f"Measured on {used}."] if used else []),
    }


def _sides(task: Task, real: Rows, made: Rows, seed: int) -> tuple[dict[str, Rows], list[str]]:
    """What each side learns from, and what a reader must know of it."""
    ours = real.and_also(made)
    wanted = _counts(task, ours)
    sides = {"real": real, "repeated": repeated(real, wanted, seed), "ours": ours}
    if not usable("imblearn.over_sampling"):
        return sides, ["SMOTENC was not run: imbalanced-learn cannot be imported (pip install 'lookalike[utility]')."]
    try:
        sides["smotenc"] = smotenc(real, task.labels, wanted, seed)
    except Impossible as reason:
        return sides, [f"SMOTENC was not run: {reason}."]
    gaps = int(np.isnan(real.features).any(axis=0).sum())
    note = f"SMOTENC knows no missing numbers: it was given the median of those that are there, in {gaps} of {len(task.names)} columns."
    return sides, [note] if gaps else []


def _counts(task: Task, rows: Rows) -> np.ndarray:
    return np.bincount(rows.target.astype(np.int64), minlength=len(task.classes))


def _named(task: Task, rows: Rows) -> dict[str, int]:
    return dict(zip(task.classes, _counts(task, rows).tolist(), strict=True))


def _untested(task: Task, test: Rows) -> list[str]:
    absent = [name for name, rows in _named(task, test).items() if not rows]
    if not absent:
        return []
    return [
        f"None of the {len(test):,} rows tested on is of class {', '.join(absent)}: nothing can be told of it. Keep more rows back."
    ]


# ----------------------------------------------------------------------------------------------------------- figures


def _draws(task: Task, outcome: Outcome, weights: np.ndarray, rarest: int) -> dict[str, np.ndarray]:
    """F1 of each class (k, b), and what is compared, (b,) each."""
    truth = task.sides["holdout"].target.astype(np.int64)
    table = predictions.confusion(truth, outcome.predictions.argmax(axis=1), len(task.classes), weights)
    scores = predictions.f1(table)
    known = ~np.isnan(scores)
    return {
        "table": table,
        "f1": scores,
        "minority_f1": scores[rarest],
        "macro_f1": np.where(known, scores, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1),
        "auc": predictions.auc_of_classes(truth, outcome.predictions, weights),
    }


def _figures(task: Task, draws: dict[str, np.ndarray], rarest: int) -> dict[str, Any]:
    return {
        "f1": dict(zip(task.classes, draws["f1"][:, 0].tolist(), strict=True)),
        **{measure: float(draws[measure][0]) for measure in MEASURES},
        **predictions.precision_and_recall(draws["table"], rarest),
        "intervals": {measure: predictions.interval(draws[measure]) for measure in MEASURES},
    }


def _gain(
    ours: dict[str, np.ndarray],
    other: dict[str, np.ndarray],
    parts: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray] | None]],
    measure: str,
) -> dict[str, Any]:
    """Ours less the other side; where a part has too few rows for the other side, the interval is that of the test rows."""
    difference = ours[measure] - other[measure]
    apart = np.array([math.nan if b is None else (a[measure] - b[measure])[0] for a, b in parts])
    margin = predictions.paired_margin(apart)
    return {"gain": float(difference[0]), "interval": predictions.widened(difference, margin)}
