"""The prediction task that utility is measured on: one target, all other columns as features, coded alike for every side.

Trees split by order, so a number becomes its rank among all rows at hand: exact for every kind of tree, and safe for
1e308. A label becomes the place of its level by frequency, the rare ones pooled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lookalike.evaluate.prepare import Column
from lookalike.rng import generator
from lookalike.stats import FEW_PEOPLE, central_range

TRAIN_ROWS = 10_000
"""Rows a side that learners see: more move the headline in the third digit and cost time in proportion."""
TRAIN_CELLS = 2_000_000
"""Rows × features × classes a side; wide tables train on fewer rows, but never on fewer than FEWEST_TRAIN_ROWS."""
FEWEST_TRAIN_ROWS = 2_000
TEST_ROWS = 10_000
"""Holdout rows that are predicted: they leave a standard error of about .005 on an AUC."""
LEAST_ROWS = 10
"""With fewer rows on any side there is nothing to learn from, or to test on."""
FEATURE_LEVELS = 64
"""Levels of a feature that stand alone, the most frequent among the real rows; the others are pooled."""
CLASSES = 10
"""Most classes of a target: beyond them the rarer levels are one class, because every class costs a tree a round."""
POOLED = "(other)"
TARGET_TAIL = 0.005
"""A number to predict is clipped to the real rows' quantiles .005 and .995.

NOTE[DIFF]: R² as such is not clipped. On housing one price can outweigh a thousand others in it: two models of 10,000
real rows each scored .54 and .10 before, and a figure that real rows cannot repeat judges nobody.
"""


@dataclass(frozen=True)
class Rows:
    """One side: features (n, d) float32, NaN where a number is missing; target (n,) classes or standardised numbers."""

    features: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: np.ndarray) -> Rows:
        """Some of the rows."""
        return Rows(self.features[rows], self.target[rows])

    def and_also(self, other: Rows) -> Rows:
        """Stack two sides."""
        return Rows(np.concatenate([self.features, other.features]), np.concatenate([self.target, other.target]))


def disjoint(rows: Rows, groups: int, seed: int) -> list[Rows]:
    """Split the rows at random into parts of about the same size."""
    order = generator(seed, "utility", "parts").permutation(len(rows))
    return [rows.take(np.sort(part)) for part in np.array_split(order, groups)]


@dataclass(frozen=True)
class Task:
    """What is predicted, from what.

    Attributes
    ----------
    classes
        Names of the classes, the most frequent among the real rows first; empty for a regression.
    names
        (d,) the features' names.
    labels
        (d,) bool: features whose codes are levels, not an order.
    sides
        "real", "synthetic" and "holdout", at most TRAIN_ROWS, TRAIN_ROWS and TEST_ROWS rows.
    notes
        What was left out or pooled, in sentences.
    """

    classes: list[str]
    names: list[str]
    labels: np.ndarray
    sides: dict[str, Rows]
    notes: list[str]

    @property
    def kind(self) -> str:
        """regression, binary or multiclass."""
        return ("regression", "", "binary")[len(self.classes)] if len(self.classes) < 3 else "multiclass"

    def part_used(self, target: Column) -> str:
        """Of which sides of the target's column not all rows are used, in words; empty where all are."""
        return ", ".join(
            f"{len(rows):,} of {len(target.sides[name].missing):,} {name} rows"
            for name, rows in self.sides.items()
            if len(rows) < len(target.sides[name].missing)
        )


class Impossible(Exception):
    """There is nothing to measure, for the reason given: caught inside this room, never seen outside."""


def pose(columns: list[Column], target: Column, seed: int, most: Callable[[str, int], int] | None = None) -> Task:
    """Turn prepared columns into a prediction task.

    ``most`` says how many rows of a side are used at most, by its name and the features × classes of the task; the limits
    of this module when left out.

    Raises
    ------
    Impossible
        The target is constant, no feature is left, or a side has too few rows.
    """
    features = [column for column in columns if column is not target and column.spec.kind != "constant"]
    if not features:
        raise Impossible("there is no other column to learn from")
    if _is_classification(target):
        classes, answers, notes = _classes(target)
    else:
        classes, answers, notes = [], _standardised(target), []
    picks = {}
    for name, answer in answers.items():
        kept = np.flatnonzero(~np.isnan(answer))
        if len(kept) < LEAST_ROWS:
            raise Impossible(f"the {name} table has only {len(kept)} rows with a usable target")
        picks[name] = _subsample(kept, (most or _limit)(name, len(features) * max(1, len(classes))), seed, name)
    gaps = {name: int(target.sides[name].missing.sum()) for name in answers}
    if any(gaps.values()):
        notes.append(f"Rows without a target were left out ({_counts(gaps)}).")
    coded = [_code(column, picks) for column in features]
    sides = {name: Rows(np.column_stack([code[name] for code in coded]), answers[name][picks[name]]) for name in picks}
    labels = np.array([not column.numeric for column in features])
    return Task(classes, [column.name for column in features], labels, sides, notes)


def _is_classification(target: Column) -> bool:
    return not target.numeric or len(np.unique(target.sides["real"].present)) == 2


def _limit(name: str, width: int) -> int:
    if name == "holdout":
        return TEST_ROWS
    return min(TRAIN_ROWS, max(FEWEST_TRAIN_ROWS, TRAIN_CELLS // width))


def _subsample(rows: np.ndarray, limit: int, seed: int, name: str) -> np.ndarray:
    if len(rows) <= limit:
        return rows
    return np.sort(generator(seed, "utility", "rows", name).choice(rows, limit, replace=False))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)


# ------------------------------------------------------------------------------------------------------------ target


def _classes(target: Column) -> tuple[list[str], dict[str, np.ndarray], list[str]]:
    """Classes by frequency, each side's classes as floats (NaN: left out), and what a reader must know."""
    places, names = _levels(target)
    real = places["real"]
    counts = np.bincount(real[real >= 0], minlength=len(names))
    ordered = np.argsort(-counts, kind="stable")
    ordered = ordered[counts[ordered] >= FEW_PEOPLE]  # fewer cannot be learnt, and must not be named
    if len(ordered) < 2:
        raise Impossible(f"fewer than two values of it are held by {FEW_PEOPLE} real rows or more")
    pooled = len(ordered) - CLASSES + 1 if len(ordered) > CLASSES else 0
    alone = len(ordered) - pooled
    class_of = np.full(len(names) + 1, np.nan)  # the last place is that of −1, missing
    class_of[ordered] = np.minimum(np.arange(len(ordered)), alone)
    answers = {name: class_of[place] for name, place in places.items()}
    notes = []
    if pooled:
        notes.append(f"The {pooled} rarer levels of the target are pooled into one class.")
    lost = {name: int((np.isnan(answers[name]) & (places[name] >= 0)).sum()) for name in places}
    if any(lost.values()):
        notes.append(f"Rows whose target is held by fewer than {FEW_PEOPLE} real rows were left out ({_counts(lost)}).")
    return [names[place] for place in ordered[:alone]] + [POOLED] * bool(pooled), answers, notes


def _levels(target: Column) -> tuple[dict[str, np.ndarray], list[str]]:
    """Each side's places in a list of level names, −1 where missing."""
    if target.vocabulary is not None:
        last = target.size - 1
        places = {name: np.where(side.codes == last, -1, side.codes) for name, side in target.sides.items()}
        return places, [str(level) for level in target.vocabulary.to_pylist()]
    values = np.unique(np.concatenate([side.present for side in target.sides.values()]))
    places = {
        name: np.where(side.missing, -1, np.searchsorted(values, side.as_numbers))
        for name, side in target.sides.items()
    }
    return places, [str(value) for value in values.tolist()]


def _standardised(target: Column) -> dict[str, np.ndarray]:
    """Clipped, in standard deviations of the real rows from their mean; NaN where missing."""
    real = target.sides["real"].present.astype(np.float64)
    if not len(real) or (real == real[0]).all():
        raise Impossible("it has fewer than two different values in the real table")
    low, high = central_range(real, TARGET_TAIL)
    if low == high:  # all but a few rows hold one value: the few are what there is to predict
        low, high = real.min(), real.max()
    scale = max(abs(low), abs(high))  # divided first, so that 1e308 does not overflow when squared
    scaled = np.clip(real, low, high) / scale
    centre, spread = float(scaled.mean()), float(scaled.std())
    if spread == 0:
        raise Impossible("its real values are too close to each other to tell apart")
    answers = {}
    for name, side in target.sides.items():
        answers[name] = (np.clip(side.as_numbers.astype(np.float64), low, high) / scale - centre) / spread
        answers[name][side.missing] = np.nan
    return answers


# ---------------------------------------------------------------------------------------------------------- features


def _code(column: Column, picks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    sides = {name: column.sides[name] for name in picks}
    if column.numeric:
        return _ranks({name: (side.as_numbers[picks[name]], side.missing[picks[name]]) for name, side in sides.items()})
    codes = {name: side.codes[picks[name]] for name, side in sides.items()}
    last = column.size - 1
    counts = np.bincount(codes["real"], minlength=column.size)
    counts[last] = 0
    frequent = np.argsort(-counts, kind="stable")[: FEATURE_LEVELS - 2]
    frequent = frequent[counts[frequent] > 0]
    place = np.full(column.size, len(frequent))
    place[frequent] = np.arange(len(frequent))
    place[last] = len(frequent) + 1
    return {name: place[code].astype(np.float32) for name, code in codes.items()}


def _ranks(sides: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Dense ranks over all sides; at most 30,000 different ones, which float32 tells apart exactly."""
    together = np.concatenate([numbers for numbers, _ in sides.values()])
    ranks = np.unique(together, return_inverse=True)[1].astype(np.float32)
    ranks[np.concatenate([missing for _, missing in sides.values()])] = np.nan
    parts = np.split(ranks, np.cumsum([len(numbers) for numbers, _ in sides.values()])[:-1])
    return dict(zip(sides, parts, strict=True))
