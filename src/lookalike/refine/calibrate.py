"""Calibration: rows chosen from a pool so that the shares of values, and of pairs of values, are those of the real rows.

An engine's rows are weighted by iterative proportional fitting (raking: Deming and Stephan 1940; Deville and Särndal
1992, Journal of the American Statistical Association 87, 376) to tables of counts, and drawn by weight. It is kept honest:

- what the real rows say is believed only as far as it differs from what the engine says by more than chance, and no
  target comes nearer to the real rows than the truth itself is expected to be (the noise floor);
- cells of fewer than ``least_rows`` rows have no target of their own;
- sweeps over the tables stop as soon as rows kept back, whose counts the targets do not hold, fit no better;
- no row weighs more than a few times its share.

Counts of pairs say nothing of single rows unless they are followed to the last row: the winner of a competition that was
judged by such counts scored .9928 where a fresh real sample scores .9901, so the noise of the very sample was fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from lookalike.config import Settings
from lookalike.errors import SettingsError
from lookalike.refine.margins import (
    CODES,
    PAIRS,
    TRIPLES,
    Cross,
    Grouped,
    Groups,
    Margin,
    finer,
    pack,
    pairs,
    singles,
    triples,
    unpack,
)
from lookalike.refine.raking import Raking, bounded, rake
from lookalike.refine.targets import noise_floor, targets
from lookalike.rng import generator
from lookalike.schema.encoded import EncodedTable

HELD_OUT = 0.1
"""Share of the rows whose counts stop the raking."""
FEWEST_ROWS = 100
"""A tenth of a smaller table is too little to stop by."""
SMALLEST_POOL = 20_000
"""Rows drawn at least, however few are wanted: a small pool can be raked to its frequent cells only."""
MOST_PAIRS = 2_000
"""64 columns are raked to all their pairs; of more pairs than this, to those in which the engine is furthest off."""
SCREENED_ROWS, SCREENED = 20_000, 20_000
"""Rows a side, and tables of counts (a seeded sample of them), that are looked through for where the engine is off."""


class CalibrationSettings(Settings):
    """How drawn rows are calibrated."""

    only_with: ClassVar[Mapping[str, tuple[str, Any]]] = dict.fromkeys(
        ("pool", "groups", "fine_pairs", "triples", "least_rows", "sweeps", "heaviest"), ("calibrate", True)
    )

    calibrate: bool = Field(
        False,
        description="choose rows from a larger pool, so that values and pairs of values are as frequent as in reality",
    )
    pool: int = Field(5, ge=2, le=100, description="calibrate: rows drawn for each row wanted, 20,000 in all at least")
    groups: int = Field(16, ge=2, le=100, description="calibrate: groups in which a column's values are paired")
    fine_pairs: int = Field(
        0,
        ge=0,
        le=10_000,
        description="calibrate: pairs of columns in single values besides, where the engine is furthest off",
    )
    triples: int = Field(
        0, ge=0, le=10_000, description="calibrate: triples of columns besides, those where the engine is furthest off"
    )
    least_rows: int = Field(10, ge=2, description="calibrate: real rows below which a cell has no target of its own")
    sweeps: int = Field(
        20, ge=1, description="calibrate: passes over all pairs at most; rows held back stop it earlier"
    )
    heaviest: float = Field(4.0, gt=1, description="calibrate: how many times its share a drawn row may weigh at most")

    def pool_rows(self, rows: int) -> int:
        """Return how many rows to draw for so many: never a pool so small that it would be raked coarsely."""
        return max(self.pool * rows, SMALLEST_POOL) if rows else 0


def check(rows: int) -> None:
    """Raise unless a table of so many rows can be calibrated to."""
    if rows < FEWEST_ROWS:
        raise SettingsError(
            f"calibration needs {FEWEST_ROWS} rows or more, some of them to stop by, however: the table has {rows}. Leave calibrate off."
        )


class Calibration:
    """Targets, and how far to follow them. It holds shares of cells of ``least_rows`` rows or more, never a row.

    Attributes
    ----------
    notes
        For the report; see :meth:`fit`.
    """

    def __init__(
        self,
        groups: Groups,
        margins: list[Margin],
        sweeps: int,
        heaviest: float,
        least_rows: int,
        notes: dict[str, Any],
    ) -> None:
        self.groups, self.margins, self.sweeps = groups, margins, sweeps
        self.heaviest, self.least_rows, self.notes = heaviest, least_rows, notes

    @classmethod
    def fit(cls, table: EncodedTable, pool: EncodedTable, settings: CalibrationSettings, seed: int) -> Calibration:
        """Learn targets from the rows that an engine learned from and rows drawn from it.

        ``notes`` holds ``sweeps``, ``tables`` of counts, of which ``pairs``, ``fine_pairs`` and ``triples``, ``cells`` with a target, ``pooled_cells``
        (occupied cells without one), ``share_pooled`` (the rows in them), ``moved`` (share of the way from the engine's
        tables to the real ones that targets go), means over tables of the L1 distance (½ Σ |p − q|) to the rows fitted to and to
        those held out, ``before`` and ``after``, and what is expected of the truth itself (``floor``), and
        ``effective_rows`` of the ``pool_rows``: (Σw)²/Σw² (Kish 1965). With no sweeps nothing was gained, and rows are
        drawn as they come.

        Raises
        ------
        SettingsError
            The table has fewer than 100 rows.
        """
        check(len(table))
        order = generator(seed, "calibrate", "held out").permutation(len(table))
        back = round(len(table) * HELD_OUT)
        groups = Groups.of(table, settings.groups)
        levels = 3 if settings.triples else 2
        whole, drawn = groups.apply(table, levels), groups.apply(pool, levels)
        fitting, held = whole.take(np.sort(order[back:])), whole.take(np.sort(order[:back]))
        crosses = pairs(groups)
        if len(crosses) > MOST_PAIRS:
            even = Raking(drawn, [], settings.heaviest)
            crosses = _Look(even, fitting, settings.least_rows, seed).worst(crosses, MOST_PAIRS)
        crosses += singles(groups)  # last, so that they fit best
        margins = targets(crosses, fitting, drawn, settings.least_rows)
        raking, sweeps = rake(margins, drawn, held, settings.heaviest, settings.sweeps)
        if settings.fine_pairs or settings.triples:
            look = _Look(raking, fitting, settings.least_rows, seed)
            chosen = look.worst(triples(groups), settings.triples) + look.worst(finer(groups), settings.fine_pairs)
            crosses = [*chosen, *crosses]
            margins = targets(crosses, fitting, drawn, settings.least_rows)
            raking, sweeps = rake(margins, drawn, held, settings.heaviest, settings.sweeps)
        notes = {
            "sweeps": sweeps,
            **_cell_notes(margins, fitting),
            **_distances(raking, drawn, fitting, held),
            "pool_rows": drawn.count,
            "effective_rows": round(effective_rows(raking.weights)),
        }
        margins = targets(crosses, whole, drawn, settings.least_rows)
        return cls(groups, margins, sweeps, settings.heaviest, settings.least_rows, notes)

    def weights(self, pool: EncodedTable) -> np.ndarray:
        """Return (n,) the weight of each row of a pool, with a mean of 1.

        Cells of which the pool is expected to hold fewer than ``least_rows`` rows are left to the rest: so a small pool is
        raked coarsely.
        """
        if not self.sweeps or not len(pool):
            return np.ones(len(pool))
        least = self.least_rows / len(pool)
        margins = [one.coarser(least) for one in self.margins]
        margins = [one for one in margins if len(one.kept)]
        drawn = self.groups.apply(pool, max((one.cross.level for one in margins), default=0) + 1)
        raking = Raking(drawn, margins, self.heaviest)
        for _ in range(self.sweeps):
            raking.sweep()
        return raking.weights

    def choose(self, pool: EncodedTable, rows: int, seed: int) -> np.ndarray:
        """Return (rows,) positions in the pool, in random order: each as often as its weight says, and, as long as no
        row is due more than once, none twice (systematic sampling; Madow 1949)."""
        return systematic(self.weights(pool), rows, seed)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Everything needed to choose again: (JSON, arrays)."""
        lengths, maps = self.groups.state()
        margins, arrays = pack(self.margins)
        state = {
            "margins": margins,
            "maps": lengths,
            "sweeps": self.sweeps,
            "heaviest": self.heaviest,
            "least_rows": self.least_rows,
            "notes": self.notes,
        }
        return state, {**arrays, "maps": maps}

    @classmethod
    def from_state(cls, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> Calibration:
        """Rebuild what :meth:`state` described."""
        return cls(
            Groups.from_state(state["maps"], arrays["maps"]),
            unpack(state["margins"], arrays),
            state["sweeps"],
            state["heaviest"],
            state["least_rows"],
            state["notes"],
        )


def effective_rows(weights: np.ndarray) -> float:
    """Return the rows of equal weight that tell as much: (Σw)²/Σw². Source: Kish, *Survey Sampling*, 1965.

    >>> effective_rows(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def systematic(weights: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """Return (rows,) positions drawn by weight, in random order; none twice as long as the rows suffice.

    >>> sorted(systematic(np.array([1.0, 0.0, 1.0]), 2, seed=0).tolist())
    [0, 2]
    """
    if not rows:
        return np.empty(0, np.int64)
    rng = generator(seed, "calibrate", "choose")
    order = rng.permutation(len(weights))
    ends = np.cumsum(bounded(weights[order] * (rows / weights.sum()), 1.0))
    ends *= rows / ends[-1]
    picks = np.searchsorted(ends, np.arange(rows) + rng.random(), side="right")
    return np.asarray(rng.permutation(order[np.minimum(picks, len(order) - 1)]))


class _Look:
    """Looks for what the pool, weighted as it is, still gets wrong beyond chance."""

    def __init__(self, raking: Raking, real: Grouped, least_rows: int, seed: int) -> None:
        rng = generator(seed, "calibrate", "look")
        self.real = real.take(rng.permutation(real.count)[:SCREENED_ROWS])
        self.drawn = raking.pool.take(systematic(raking.weights, min(SCREENED_ROWS, raking.pool.count), seed))
        self.least_rows, self.seed = least_rows, seed

    def worst(self, crosses: list[Cross], count: int) -> list[Cross]:
        """Return at most ``count``, those furthest off."""
        if not count:
            return []
        if len(crosses) > SCREENED:
            places = generator(self.seed, "calibrate", "screened").permutation(len(crosses))[:SCREENED]
            crosses = [crosses[place] for place in np.sort(places)]
        excess = np.array([self._excess(cross) for cross in crosses])
        return [crosses[place] for place in np.argsort(-excess, kind="stable")[:count] if excess[place] > 0]

    def _excess(self, cross: Cross) -> float:
        counts = self.real.counts(cross)
        margin = Margin(cross, np.flatnonzero(counts >= self.least_rows), np.empty(0))
        true = margin.pooled(counts) / self.real.count
        made = margin.pooled(self.drawn.counts(cross)) / self.drawn.count
        rows = 1 / (1 / self.real.count + 1 / self.drawn.count)
        return float(np.abs(true - made).sum()) / 2 - noise_floor((true + made) / 2, rows)


def _cell_notes(margins: list[Margin], real: Grouped) -> dict[str, Any]:
    pooled, rows = 0, 0
    for margin in margins:
        counts = real.counts(margin.cross)
        counts[margin.kept] = 0
        pooled, rows = pooled + int(np.count_nonzero(counts)), rows + int(counts.sum())
    return {
        "tables": len(margins),
        "pairs": sum(one.cross.level == PAIRS for one in margins),
        "fine_pairs": sum(one.cross.level == CODES and len(one.cross.columns) == 2 for one in margins),
        "triples": sum(one.cross.level == TRIPLES for one in margins),
        "cells": sum(len(one.kept) for one in margins),
        "pooled_cells": pooled,
        "share_pooled": round(rows / max(real.count * len(margins), 1), 4),
    }


def _distances(raking: Raking, drawn: Grouped, fitting: Grouped, held: Grouped) -> dict[str, Any]:
    """Means over tables of the distances between shares of cells."""
    margins, after = raking.margins, raking.shares()
    if not margins:
        return {}
    before = [one.pooled(drawn.counts(one.cross)) / drawn.count for one in margins]
    notes: dict[str, Any] = {}
    moved = [np.abs(one.shares - was).sum() for one, was in zip(margins, before, strict=True)]
    for name, rows in (("fitting", fitting), ("held_out", held)):
        if not rows.count:
            continue
        true = [one.pooled(rows.counts(one.cross)) / rows.count for one in margins]
        if name == "fitting":
            apart = [np.abs(one - was).sum() for one, was in zip(true, before, strict=True)]
            notes["moved"] = round(float(np.sum(moved) / max(np.sum(apart), 1e-12)), 4)
        notes[name] = {
            "before": _mean_distance(before, true),
            "after": _mean_distance(after, true),
            "floor": round(float(np.mean([noise_floor(one, rows.count) for one in true])), 5),
        }
    return notes


def _mean_distance(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    return round(float(np.mean([np.abs(one - other).sum() / 2 for one, other in zip(first, second, strict=True)])), 5)
