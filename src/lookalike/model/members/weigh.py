"""What a member of an ensemble is worth: how like its rows are to rows held out, and how much closer they lie to those it learned from.

A composite of our own, counted on codes; no metric of the report is in it (the judge never sits inside the optimiser):

    quality = 1 − max(distance to the rows held out − the distance expected between two real samples, 0)
    privacy = 1 − max(share of rows closer to rows learned from than to rows held out − ½ − its margin, 0)
    weight  ∝ (quality · privacy) ^ 50

The distance is the mean total variation of columns and pairs of columns (:class:`lookalike.model.training.heldout.Distance`). A point of
closeness beyond chance costs as much as a point of likeness; two points less of either and a member draws about a third of the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lookalike.model.base import Generator
from lookalike.model.training.heldout import Distance, held_out_count
from lookalike.rng import derive_seed, generator
from lookalike.schema.encoded import EncodedTable
from lookalike.stats import hold_out

SHARPNESS = 50
"""Members that are any good differ by a few hundredths; without it all would weigh about the same."""
FEWEST_ROWS = 200
"""Weights learned on less than a tenth of this would be chance."""
DRAWN = 5_000
"""Rows drawn from a member to see how like they are."""
COMPARED = 1_000
"""Rows drawn whose nearest rows are looked for, and rows they are looked for among, on both sides, at most."""


@dataclass(frozen=True)
class Worth:
    """What was measured of a member."""

    distance: float
    expected: float
    closer: float
    margin: float
    """Two standard errors of ``closer``."""

    @property
    def quality(self) -> float:
        return 1 - max(self.distance - self.expected, 0.0)

    @property
    def privacy(self) -> float:
        return 1 - max(self.closer - 0.5 - self.margin, 0.0)

    @property
    def score(self) -> float:
        return self.quality * self.privacy


def held_out(rows: int, seed: int, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (numbers, sorted) that members may learn from, and those that none may; rows of a group (n,) go together."""
    return hold_out(rows, held_out_count(rows), generator(seed, "weights"), groups)


def worth(member: Generator, learned: EncodedTable, fresh: EncodedTable, seed: int) -> Worth:
    """Measure a member against the rows it learned from and the rows held out from all."""
    drawn = member.sample(DRAWN, seed=derive_seed(seed, "worth"))
    distance = Distance(fresh)
    rng = generator(seed, "closer")
    near = min(COMPARED, len(learned), len(fresh))
    learned, fresh = (table.take(rng.permutation(len(table))[:near]) for table in (learned, fresh))
    few = drawn.take(np.arange(COMPARED))
    closer, error = closer_share(few, learned, fresh)
    return Worth(distance(drawn), distance.expected(DRAWN), closer, 2 * error)


def weights_of(found: list[Worth]) -> np.ndarray:
    """Return (members,) weights that add up to 1.

    >>> weights_of([Worth(0.02, 0.02, 0.5, 0.0), Worth(0.04, 0.02, 0.5, 0.0)]).round(2).tolist()
    [0.73, 0.27]
    """
    scores = np.array([max(one.score, 1e-9) for one in found])
    powers = (scores / scores.max()) ** SHARPNESS
    return np.asarray(powers / powers.sum())


def closer_share(rows: EncodedTable, learned: EncodedTable, fresh: EncodedTable) -> tuple[float, float]:
    """Return the share of ``rows`` whose nearest row in ``learned`` is nearer than that in ``fresh``, ties counting half, and its
    standard error over the draw of all three.

    Were nothing remembered, a real row that is nearest to w of the q rows could as well be on the other side, and moves the share by
    w / q: the error is √(Σ (w − w̄)² · N / (N − 1)) / 2q over the N real rows, which are as many on both sides.

    >>> from lookalike.schema.encoded import EncodedColumn
    >>> column = EncodedColumn("a", 3, np.zeros(3, bool))
    >>> def table(*codes): return EncodedTable((column,), np.array([codes]).T, np.zeros((len(codes), 1)))
    >>> closer_share(table(0, 0, 1, 2), table(0), table(1))[0]
    0.625
    """
    apart = np.concatenate([distances(rows, learned), distances(rows, fresh)], axis=1)
    to_learned, to_fresh = apart[:, : len(learned)].min(axis=1), apart[:, len(learned) :].min(axis=1)
    share = (to_learned < to_fresh).mean() + (to_learned == to_fresh).mean() / 2
    nearest = apart == np.minimum(to_learned, to_fresh)[:, None]
    weights = (nearest / nearest.sum(axis=1, keepdims=True)).sum(axis=0)  # equally near rows share the point
    return float(share), float(weights.std(ddof=1)) * math.sqrt(len(weights)) / (2 * len(rows))


def distances(rows: EncodedTable, others: EncodedTable) -> np.ndarray:
    """Return (n, m) how far rows are apart: over columns, the gap between ordered codes as a share of all codes, 1 for other codes that
    differ."""
    total = np.zeros((len(rows), len(others)), np.float32)
    for place, column in enumerate(rows.columns):
        one, other = rows.codes[:, place, None], others.codes[None, :, place]
        if column.ordered:
            total += np.abs(one - other).astype(np.float32) / max(column.cardinality - 1, 1)
        else:
            total += one != other
    return total
