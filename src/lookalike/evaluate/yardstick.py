"""What a fresh real sample scores: whether it can be leaned on, and on even terms.

Fewer rows score lower by chance alone, so a small holdout would be too kind a yardstick for a large synthetic table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lookalike.evaluate.copies import OVERLAP
from lookalike.evaluate.prepare import Column
from lookalike.rng import generator
from lookalike.stats import WEAK_HOLDOUT

SKEWED = 0.05
"""A control share further than this from ½ (and than four standard errors) betrays a holdout that is no random draw."""
UNEVEN = 0.1
"""Tables whose numbers of rows differ by more than this share of the larger are made even."""
DRAWS = 10
"""Draws at most: their mean then varies a third as much as one of them, and they hold no more rows than the table."""
DRAWN_PAIRS = 5_000
"""Pairs of columns over all draws, at most: each costs some 50 µs, whatever the rows."""


@dataclass(frozen=True)
class Even:
    """Two groups of sides of about as many rows each, to be compared with each other.

    Attributes
    ----------
    synthetic
        "synthetic" alone, or disjoint draws from it, each as long as the holdout.
    fresh
        "holdout" alone, or disjoint draws from it, each as long as the synthetic table; empty without a holdout.
    rows
        How many each side has at least.
    """

    synthetic: tuple[str, ...]
    fresh: tuple[str, ...]
    rows: int

    @property
    def sides(self) -> list[str]:
        """Every side that fidelity is measured for, the whole synthetic table first."""
        return list(dict.fromkeys(["synthetic", *self.synthetic, *self.fresh]))

    @property
    def draws(self) -> int:
        """How many draws the figures are means of; 1 where both tables are compared whole."""
        return max(len(self.synthetic), len(self.fresh))

    def joined(self, scores: Mapping[str, np.ndarray], *, whole: str = "synthetic") -> dict[str, np.ndarray]:
        """{"synthetic", "even", "fresh"} from figures of every side: means over the draws, of those that are defined.

        Shape: (n,) a side, and out. ``whole`` names the figures of the whole synthetic table that fresh ones are set
        against; "fresh" is missing without a holdout.

        >>> draws = {"synthetic": np.ones(1), "a": np.array([0.5]), "b": np.array([1.0]), "holdout": np.zeros(1)}
        >>> Even(("a", "b"), ("holdout",), 10).joined(draws)["even"].tolist()
        [0.75]
        """
        even = [scores[whole if side == "synthetic" else side] for side in self.synthetic]
        joined = {"synthetic": scores["synthetic"], "even": _mean(even)}
        return {**joined, "fresh": _mean([scores[side] for side in self.fresh])} if self.fresh else joined


def _mean(parts: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(parts)
    defined = ~np.isnan(stacked)
    total, count = np.where(defined, stacked, 0.0).sum(axis=0), defined.sum(axis=0)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def even_out(columns: list[Column], rows: dict[str, int], seed: int) -> tuple[list[Column], Even]:
    """Add disjoint draws from the larger of synthetic table and holdout as sides, where they differ by over 10 %.

    ``rows`` counts those of every table. One draw of few rows is as much chance as the holdout itself, so as many are
    taken as the table holds, at most ``DRAWS``, and fewer of wide tables (``DRAWN_PAIRS``). Their bins are cut anew, as
    any table's are.
    """
    if "holdout" not in rows:
        return columns, Even(("synthetic",), (), rows["synthetic"])
    size = min(rows["synthetic"], rows["holdout"])
    if max(rows["synthetic"], rows["holdout"]) * (1 - UNEVEN) <= size:
        return columns, Even(("synthetic",), ("holdout",), size)
    source, name = ("synthetic", "even") if rows["synthetic"] > size else ("holdout", "fresh")
    count = max(1, min(DRAWS, rows[source] // size, DRAWN_PAIRS // max(1, math.comb(len(columns), 2))))
    order = generator(seed, "evaluate", "even").permutation(rows[source])
    draws = {f"{name} {place}": np.sort(order[place * size : (place + 1) * size]) for place in range(count)}
    columns = [
        replace(
            column,
            sides={**column.sides, **{draw: column.sides[source].take(picks) for draw, picks in draws.items()}},
        )
        for column in columns
    ]
    names = tuple(draws)
    return columns, Even(names, ("holdout",), size) if name == "even" else Even(("synthetic",), names, size)


def yardstick(rows: int, nearness: Mapping[str, Any] | None, shared: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """How far to trust a holdout of so many rows: {strength: "none" | "weak" | "overlapping" | "skewed" | "good", rows, note}.

    ``nearness`` is what ``privacy.closeness`` found, ``shared`` what ``copies.exact_copies`` found of the holdout in the
    training table.
    """
    if rows == 0:
        note = "No yardstick: no real rows were kept back, so nothing says what a fresh real sample would score."
        return {"strength": "none", "rows": 0, "note": note}
    if shared is not None and shared["excess_interval"][0] > OVERLAP:
        note = (
            f"Overlap: {shared['count']:,} of the {rows:,} real rows kept back stand in the training table as well, more than "
            "chance explains, so they are no yardstick. Keep back rows that nothing was learned from."
        )
        return {"strength": "overlapping", "rows": rows, "note": note}
    if rows < WEAK_HOLDOUT:
        note = f"Weak yardstick: only {rows} real rows were kept back; what they score is mostly chance."
        return {"strength": "weak", "rows": rows, "note": note}
    control = (nearness or {}).get("control")
    if control and abs(control["share"] - 0.5) > max(SKEWED, 4 * control["standard_error"]):
        note = f"Skewed yardstick: the {rows:,} real rows kept back are not a random draw from the same table as the training rows."
        return {"strength": "skewed", "rows": rows, "note": note}
    return {"strength": "good", "rows": rows, "note": f"Yardstick: {rows:,} real rows that no engine saw."}
