"""What rows made for rare classes stand beside: SMOTENC, and the real rows simply repeated.

Source: Chawla et al., SMOTE, arXiv 1106.1813, its section on nominal and continuous features; as imbalanced-learn has it
(``pip install 'lookalike[utility]'``), imported on first use.
"""

from __future__ import annotations

import numpy as np

from lookalike.evaluate.task import Impossible, Rows
from lookalike.rng import derive_seed, generator

NEIGHBOURS = 5
"""Rows of its class that a made row may lean to, as the paper and imbalanced-learn set it; fewer in a smaller class."""


def repeated(rows: Rows, wanted: np.ndarray, seed: int) -> Rows:
    """The rows, and some of them again, drawn at random, until class k has ``wanted[k]`` rows. The control: nothing is new.

    >>> rows = Rows(np.zeros((3, 1), np.float32), np.array([0.0, 0.0, 1.0]))
    >>> repeated(rows, np.array([2, 4]), seed=0).target.tolist()
    [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    """
    random = generator(seed, "augmentation", "repeated")
    again = [
        random.choice(np.flatnonzero(rows.target == place), lacking)
        for place, lacking in enumerate(_lacking(rows, wanted))
        if lacking
    ]
    return rows.and_also(rows.take(np.concatenate(again))) if again else rows


def smotenc(rows: Rows, labels: np.ndarray, wanted: np.ndarray, seed: int) -> Rows:
    """The rows, and as many of SMOTENC's as make class k ``wanted[k]`` rows.

    Numbers are standardised, so that a column's unit does not decide which rows are neighbours, and missing ones are given the
    median; that a label is missing is a level. The real rows stay as they are, so all sides learn from the same ones.

    Parameters
    ----------
    labels
        (d,) bool: features that are levels.

    Raises
    ------
    Impossible
        A class that is to grow has a single row.
    """
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC

    lacking = _lacking(rows, wanted)
    grow = {place: int(wanted[place]) for place in np.flatnonzero(lacking)}
    if not grow:
        return rows
    smallest = min(int((rows.target == place).sum()) for place in grow)
    if smallest < 2:
        raise Impossible("SMOTENC needs two rows of a class that it fills up, and one has a single row")
    filled, centre, spread = _standardised(rows.features, labels)
    how = {
        "sampling_strategy": grow,
        "k_neighbors": min(NEIGHBOURS, smallest - 1),
        "random_state": derive_seed(seed, "augmentation", "smotenc") % 2**31,
    }
    if labels.all():
        method = SMOTEN(**how)
    elif labels.any():
        method = SMOTENC(categorical_features=np.flatnonzero(labels).tolist(), **how)
    else:
        method = SMOTE(**how)
    features, target = method.fit_resample(filled, rows.target.astype(np.int64))
    made = Rows((features[len(rows) :] * spread + centre).astype(np.float32), target[len(rows) :].astype(np.float64))
    return rows.and_also(made)


def _lacking(rows: Rows, wanted: np.ndarray) -> np.ndarray:
    """(k,) how many rows each class is to be given."""
    return np.maximum(wanted - np.bincount(rows.target.astype(np.int64), minlength=len(wanted)), 0)


def _standardised(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers filled and standardised, in float64, and what turns them back; levels as they are."""
    filled = features.astype(np.float64)
    centre, spread = np.zeros(filled.shape[1]), np.ones(filled.shape[1])
    for place in np.flatnonzero(~labels):
        column = filled[:, place]
        gaps = np.isnan(column)
        column[gaps] = np.median(column[~gaps]) if not gaps.all() else 0.0
        centre[place], spread[place] = column.mean(), column.std() or 1.0
        filled[:, place] = (column - centre[place]) / spread[place]
    return filled, centre, spread
