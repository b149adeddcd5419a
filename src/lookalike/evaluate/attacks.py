"""Three attacks on people in the training table: single one out, link two halves of a row, infer a secret cell.

Each is made twice, on training rows and on holdout rows that no engine saw. What succeeds on both is knowledge about
people in general; only the surplus is owed to someone having been in the training table. Written from Giomi, Boenisch,
Wehmeyer, Tasnádi, *A unified framework for quantifying privacy risk in synthetic data*, 2023 (arXiv 2211.10459).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from lookalike.evaluate import confidence
from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import Column, count_rows, pick
from lookalike.neighbours import distance, nearest, nearness
from lookalike.rng import generator

ATTEMPTS = 1_000
"""Guesses an attack makes on either table; a rate is then known to ±3 points at worst."""
SECRET_ATTEMPTS = 500
"""Rows of either table whose every cell is guessed in turn."""
ROWS = 25_000
"""Rows of each table that attackers search."""
PREDICATE_COLUMNS = 12
"""Columns in a predicate that singles out, at most."""
REACH = 0.65
"""Half of the greatest squared distance in one column, that of a number beside a gap (1¼), and room for float32's rounding."""
TOLERANCE = 0.025
"""A number is guessed right when at most this share of real cells lies between guess and truth."""


def attacks(columns: list[Column], sides: list[str], seed: int, encoder: Encoder) -> dict[str, Any] | None:
    """All attacks; None without a holdout, or with fewer than two rows in any table.

    Keys ``singling_out_one`` (a value only one synthetic row has), ``singling_out_many`` (conditions on up to twelve
    columns that only one synthetic row meets all), ``linkability``, ``inference`` (the mean over secret columns), each a dict as :func:`risk`
    gives it, or None where the table offers nothing to attack. ``inference`` has two more keys: ``columns``, the same
    dict a secret column with its name, worst (highest lower end) first, intervals widened for the number of
    columns (Bonferroni); ``worst``, the first of them.

    NOTE[DIFF]: training and holdout rows are attacked in equal numbers, where the paper's tool extrapolates success at
    singling out from one size to another. Conditions are
    added until one synthetic row is left, where that tool draws a fixed number of columns and drops most draws. Rows are compared in :mod:`lookalike.evaluate.neighbours`' encoding, not by
    Gower's coefficient, and a number counts as guessed on its quantiles, since 5 % of the value is nothing near 0. Columns
    are parted in halves at random for linkability, where the tool has them named, and one neighbour is looked at.
    """
    if "holdout" not in sides or min(count_rows(columns, side) for side in ("real", *sides)) < 2:
        return None
    one, many = _singling_out(columns, seed)
    return {
        "singling_out_one": one,
        "singling_out_many": many,
        "linkability": _linkability(columns, seed, encoder),
        "inference": _inference(columns, seed, encoder),
    }


def risk(
    hits: float, attempts: int, control_hits: float, control_attempts: int, baseline: float | None, level: float = 0.95
) -> dict[str, Any]:
    """What an attack gains on training rows over holdout rows.

    ``attack``, ``control``, ``baseline`` (guessing without looking, None unknown) are success rates in [0, 1];
    ``risk`` = (attack − control)/(1 − control), 1 = every training row is open, 0 = no more than any stranger, below 0
    = less; ``interval`` at ``level``. The risk is computed from Wilson's centres, as in the paper, so that it stays
    defined at a control rate of 1, and both half-widths are propagated through it.

    >>> round(risk(500, 1000, 0, 1000, None)["risk"], 3)
    0.499
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    (rate, error), (control, control_error) = (
        confidence.wilson_centre(hits, attempts, z),
        confidence.wilson_centre(control_hits, control_attempts, z),
    )
    gained = (rate - control) / (1 - control)
    spread = math.hypot(error / (1 - control), (1 - rate) * control_error / (1 - control) ** 2)
    return {
        "attempts": attempts,
        "attack": hits / attempts,
        "control": control_hits / control_attempts,
        "baseline": baseline,
        "risk": gained,
        "interval": [max(-1.0, gained - spread), min(1.0, gained + spread)],
    }


Condition = tuple[int, str, float]
"""Column, one of "==", "<=", ">=", "missing", and the value or code it is held against."""


class _Cells:
    """Picked rows of one side, ready to be asked which of them meet a condition.

    Every column is sorted once, so that a condition is a stretch of rows that two searches find, and conditions are met
    by going through the shortest stretch, often a few rows long.
    """

    def __init__(self, columns: Sequence[Column], side: str, picks: np.ndarray) -> None:
        self.rows = len(picks)
        self.missing = [column.sides[side].missing[picks] for column in columns]
        self.values: list[np.ndarray] = []
        for column in columns:
            chosen = column.sides[side]
            self.values.append(
                chosen.codes[picks].astype(np.int32) if chosen.numbers is None else chosen.numbers[picks]
            )
        self.order = []
        for values, missing in zip(self.values, self.missing, strict=True):
            present = np.flatnonzero(~missing)
            self.order.append(present[np.argsort(values[present], kind="stable")])
        self.ordered = [values[order] for values, order in zip(self.values, self.order, strict=True)]
        self.gaps = [np.flatnonzero(missing) for missing in self.missing]

    def matches(self, predicate: Sequence[Condition]) -> int:
        """How many rows meet all conditions."""
        if not predicate:
            return 0
        stretches = [self._stretch(condition) for condition in predicate]
        first = min(range(len(predicate)), key=lambda place: len(stretches[place]))
        left = stretches[first]
        for place, condition in enumerate(predicate):
            if place != first:
                left = self.meeting(condition, left)
        return len(left)

    def meeting(self, condition: Condition, among: np.ndarray | None) -> np.ndarray:
        """Which rows, of all or ``among`` some, meet a condition."""
        if among is None:
            return self._stretch(condition)
        place, operator, value = condition
        if operator == "missing":
            return among[self.missing[place][among]]
        values = self.values[place][among]
        met = values == value if operator == "==" else values <= value if operator == "<=" else values >= value
        if len(self.gaps[place]):
            met &= ~self.missing[place][among]
        return among[met]

    def _stretch(self, condition: Condition) -> np.ndarray:
        place, operator, value = condition
        if operator == "missing":
            return self.gaps[place]
        ordered = self.ordered[place]
        if ordered.dtype.kind == "i":  # one of another type would have NumPy convert the whole column at every search
            value = ordered.dtype.type(math.ceil(value) if operator == ">=" else math.floor(value))
        start = 0 if operator == "<=" else int(np.searchsorted(ordered, value, side="left"))
        end = len(ordered) if operator == ">=" else int(np.searchsorted(ordered, value, side="right"))
        return self.order[place][start:end]


def _singling_out(columns: list[Column], seed: int) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    size = min(ROWS, *(count_rows(columns, side) for side in ("real", "holdout", "synthetic")))
    synthetic, real, holdout = (
        _Cells(columns, side, pick(count_rows(columns, side), size, seed, "singling out", side))
        for side in ("synthetic", "real", "holdout")
    )
    draw = generator(seed, "evaluate", "singling out")
    single = _single_values(columns, synthetic)
    chosen = [[single[place]] for place in pick(len(single), ATTEMPTS, seed, "singling out", "values")]
    several = _rows_described(columns, synthetic, draw)
    naive = [[_blind(columns, synthetic, draw, len(predicate)) for predicate in known] for known in (chosen, several)]
    one, many = (
        _isolated(predicates, blind, real, holdout) for predicates, blind in zip((chosen, several), naive, strict=True)
    )
    return one, many


def _isolated(
    predicates: list[list[Condition]], blind: list[list[Condition]], real: _Cells, holdout: _Cells
) -> dict[str, Any] | None:
    """Predicates that fit exactly one row of the table are hits."""
    if not predicates:
        return None
    hits, control, by_chance = (
        sum(table.matches(predicate) == 1 for predicate in attempts)
        for table, attempts in ((real, predicates), (holdout, predicates), (real, blind))
    )
    return risk(hits, len(predicates), control, len(predicates), by_chance / len(blind))


def _single_values(columns: list[Column], synthetic: _Cells) -> list[Condition]:
    """Conditions on one column that fit one synthetic row: a value held once, the ends of an axis, a single gap."""
    found: list[Condition] = []
    for place, column in enumerate(columns):
        missing = synthetic.missing[place]
        if missing.sum() == 1:
            found.append((place, "missing", 0.0))
        values, counts = np.unique(synthetic.values[place][~missing], return_counts=True)
        found += [(place, "==", value) for value in values[counts == 1]]
        if column.numeric and len(values):
            found += [(place, "<=", values[0])] if counts[0] == 1 else []
            found += [(place, ">=", values[-1])] if counts[-1] == 1 else []
    return found


def _rows_described(columns: list[Column], synthetic: _Cells, draw: np.random.Generator) -> list[list[Condition]]:
    """Cells of random synthetic rows, each once, numbers as bounds on the side of the fewer, until no other row fits them all.

    A row described twice tells no more than once: counted as two, it made the intervals of small tables too narrow.
    """
    if len(columns) < 2:
        return []
    medians = [
        float(np.median(values[~missing] / 4) * 4) if column.numeric and not missing.all() else 0.0
        for column, values, missing in zip(columns, synthetic.values, synthetic.missing, strict=True)
    ]
    found: list[list[Condition]] = []
    for row in draw.permutation(synthetic.rows)[:ATTEMPTS]:
        predicate: list[Condition] = []
        left: np.ndarray | None = None
        for place in draw.permutation(len(columns))[:PREDICATE_COLUMNS]:
            value = synthetic.values[place][row]
            if synthetic.missing[place][row]:
                predicate.append((place, "missing", 0.0))
            elif not columns[place].numeric:
                predicate.append((place, "==", value))
            else:
                predicate.append((place, ">=" if value >= medians[place] else "<=", value))
            left = synthetic.meeting(predicate[-1], left)
            if len(left) == 1:
                found.append(predicate)
                break
    return found


def _blind(columns: list[Column], synthetic: _Cells, draw: np.random.Generator, width: int) -> list[Condition]:
    """Conditions of someone who knows bounds and levels only."""
    predicate: list[Condition] = []
    for place in draw.permutation(len(columns))[:width]:
        column, there = columns[place], ~synthetic.missing[place]
        if column.numeric and there.any():
            values = synthetic.values[place][there]
            low, high = values.min() / 4, values.max() / 4
            point = (low + draw.random() * (high - low)) * 4
            predicate.append((place, ("<=", ">=")[draw.integers(2)], float(point)))
        elif column.numeric:
            predicate.append((place, "missing", 0.0))
        else:
            predicate.append((place, "==", int(draw.integers(column.size))))
    return predicate


def _linkability(columns: list[Column], seed: int, encoder: Encoder) -> dict[str, Any] | None:
    """Someone knows half of the columns from one source and half from another: do both lead to one synthetic row?"""
    if len(columns) < 2:
        return None
    targets = min(ATTEMPTS, count_rows(columns, "real"), count_rows(columns, "holdout"))
    order = generator(seed, "evaluate", "linkability").permutation(len(columns))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    searched = pick(count_rows(columns, "synthetic"), ROWS, seed, "linkability", "synthetic")
    picks = {side: pick(count_rows(columns, side), targets, seed, "linkability", side) for side in ("real", "holdout")}
    linked: dict[str, list[np.ndarray]] = {side: [] for side in picks}
    for half in halves:
        synthetic = encoder.rows("synthetic", searched, half.tolist())
        for side, chosen in picks.items():
            mine = encoder.rows(side, chosen, half.tolist())
            linked[side].append(nearest(mine, synthetic, 1, cosine=False).places[:, 0])
    hits = {side: int((first == second).sum()) for side, (first, second) in linked.items()}
    return risk(hits["real"], targets, hits["holdout"], targets, 1 / len(searched))


def _inference(columns: list[Column], seed: int, encoder: Encoder) -> dict[str, Any] | None:
    """Someone knows all cells of a row but one and takes that one from the nearest synthetic row."""
    secrets = [place for place, column in enumerate(columns) if _varies(column)]
    if len(columns) < 2 or not secrets:
        return None
    targets = min(SECRET_ATTEMPTS, count_rows(columns, "real"), count_rows(columns, "holdout"))
    searched = pick(count_rows(columns, "synthetic"), ROWS, seed, "inference", "synthetic")
    picks = {side: pick(count_rows(columns, side), targets, seed, "inference", side) for side in ("real", "holdout")}
    guesses = {side: _guesses(encoder, side, chosen, searched, secrets) for side, chosen in picks.items()}
    blind = generator(seed, "evaluate", "inference").integers(0, len(searched), targets)
    right = {side: np.zeros((targets, len(secrets)), dtype=bool) for side in ("real", "holdout", "blind")}
    for line, place in enumerate(secrets):
        for side, chosen in picks.items():
            right[side][:, line] = _is_right(encoder, place, side, chosen, searched[guesses[side][:, line]])
        right["blind"][:, line] = _is_right(encoder, place, "real", picks["real"], searched[blind])
    hits = {side: cells.sum(axis=0) for side, cells in right.items()}
    each = [
        {
            "column": columns[place].name,
            **risk(
                hits["real"][line],
                targets,
                hits["holdout"][line],
                targets,
                hits["blind"][line] / targets,
                1 - 0.05 / len(secrets),
            ),
        }
        for line, place in enumerate(secrets)
    ]
    each.sort(key=lambda entry: -entry["interval"][0])
    return {**_mean_risk(right, targets), "columns": each, "worst": each[0]}


def _varies(column: Column) -> bool:
    real = column.sides["real"]
    values = real.codes if real.numbers is None else real.numbers
    return bool((values != values[0]).any() or (real.missing != real.missing[0]).any())


def _guesses(encoder: Encoder, side: str, picks: np.ndarray, searched: np.ndarray, secrets: list[int]) -> np.ndarray:
    """For each target and secret the synthetic row nearest in all other columns: (n, secrets).

    No column takes more than REACH off a row's nearness. So who is nearest without it is within REACH of who is nearest with it, and
    only those few are looked at again, column by column.
    """
    found = np.zeros((len(picks), len(secrets)), np.int64)
    mine, theirs = (
        [encoder.rows(of, rows, [place], axes=0) for place in secrets]
        for of, rows in ((side, picks), ("synthetic", searched))
    )
    for block, scores in nearness(encoder.rows(side, picks), encoder.rows("synthetic", searched)):
        line, place = np.nonzero(scores >= scores.max(axis=1, keepdims=True) - REACH)
        target, with_secret = line + block.start, scores[line, place]
        first = np.flatnonzero(np.diff(line, prepend=-1))
        for secret, (known, guessed) in enumerate(zip(mine, theirs, strict=True)):
            without = with_secret + distance(known.take(target), guessed.take(place), cosine=False) ** 2 / 2
            hits = np.flatnonzero(without == np.maximum.reduceat(without, first)[line])[::-1]
            found[target[hits], secret] = place[hits]  # of several as near, the first row: it is written last
    return found


def _is_right(encoder: Encoder, place: int, side: str, rows: np.ndarray, guessed: np.ndarray) -> np.ndarray:
    """Which cells of ``side`` the guessed synthetic rows get right."""
    column = encoder.columns[place]
    truth, guess = column.sides[side], column.sides["synthetic"]
    if not column.numeric:
        return np.asarray(truth.codes[rows] == guess.codes[guessed])
    gaps, guessed_gaps = truth.missing[rows], guess.missing[guessed]
    apart = np.abs(encoder.ranks(side, rows, place) - encoder.ranks("synthetic", guessed, place))
    return np.asarray(np.where(gaps | guessed_gaps, gaps & guessed_gaps, apart <= TOLERANCE))


def _mean_risk(right: dict[str, np.ndarray], targets: int) -> dict[str, Any]:
    """The mean over secrets; its error is that of the targets, whose cells stand or fall together."""
    rates = {side: cells.mean(axis=1) for side, cells in right.items()}
    attack, control = float(rates["real"].mean()), float(rates["holdout"].mean())
    errors = {side: 1.96 * float(rate.std(ddof=1)) / math.sqrt(targets) for side, rate in rates.items()}
    room = max(1 - control, 1 / (targets + 1))
    gained = (attack - control) / room
    spread = math.hypot(errors["real"] / room, (1 - attack) * errors["holdout"] / room**2)
    return {
        "attempts": targets,
        "attack": attack,
        "control": control,
        "baseline": float(rates["blind"].mean()),
        "risk": gained,
        "interval": [max(-1.0, gained - spread), min(1.0, gained + spread)],
    }
