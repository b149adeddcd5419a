"""Numbers that are one of few shares of another: a tax of 7 or 19 % of the price, a tip of a fifth or none."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from lookalike.dependence import follows
from lookalike.schema.axis import decimals_of
from lookalike.schema.breaches import Rows, kept
from lookalike.schema.constraints import Formula, Share
from lookalike.schema.found.arithmetic import FEWEST_ROWS, FEWEST_VALUES, WHOLE, Numbers, evenly
from lookalike.stats import FEW_PEOPLE

MOST_SHARES = 12
"""Different shares, at most."""
MOST_PLACES = 4
"""Places after the point of a share, at most: what needs more was fitted, not meant."""
MOST_NUMBERS = 60
"""Columns that are compared with each other, at most; the first ones."""
BY_CHANCE = 0.1
"""Rows that some share fits if the column is shuffled, at most, of those that are not nought."""


def find_shares(rows: Rows, formulas: Collection[Formula]) -> list[Share]:
    """Return which numbers are, in every row, one of at most 12 shares of another, but for rounding. None is what a formula computes, and
    none a share of what is computed from it.

    A share has at most four places, and five rows. At least 50 rows are not nought, ten different numbers, and of these no more than a tenth would
    have a share if the column were shuffled.

    >>> import pyarrow as pa
    >>> from lookalike.schema.infer import infer_schema
    >>> rng = np.random.default_rng(0)
    >>> price = rng.integers(500, 90_000, 300) / 100
    >>> tax = np.round(price * rng.choice([0, 0.07, 0.19], 300), 2)
    >>> table = pa.table({"price": price, "tax": tax, "pieces": rng.integers(1, 9, 300)})
    >>> [found.words for found in find_shares(Rows(table, infer_schema(table)), [])]
    ['tax = 0, 0.07 or 0.19 of price']
    """
    some = evenly(rows)
    numbers = Numbers(some)
    sources: dict[str, tuple[str, ...]] = {formula.column: formula.names[1:] for formula in formulas}
    names = [name for name in list(numbers.specs)[:MOST_NUMBERS] if not numbers.date(name)]
    found: list[Share] = []
    for target in [name for name in names if name in numbers.targets() and name not in sources]:
        offers = [
            (len(shares), name, shares)
            for name in names
            if not follows(name, target, sources) and (shares := _shares(numbers, target, name)) is not None
        ]
        for _, name, shares in sorted(offers):
            rule = Share(column=target, of=name, shares=shares)
            if some is rows or kept(rule, rows).all():
                sources[target] = (name,)
                found.append(rule)
                break
    return found


def _shares(numbers: Numbers, target: str, name: str) -> tuple[float, ...] | None:
    """The shares of one column that another has, in rising order; None where they are too many, or fit by chance."""
    decimals = decimals_of(numbers.specs[target])
    # of whole numbers, near enough may be chance: there are many round shares between two of them
    slack = 0.0 if decimals is None else 0.5 * 10.0**-decimals if decimals else WHOLE
    mine, theirs = numbers.cells[target], numbers.cells[name]
    if _fewest(mine[numbers.glance], theirs[numbers.glance], slack) is None:
        return None
    shares = _fewest(mine, theirs, slack, FEW_PEOPLE)
    if shares is None:
        return None
    telling = np.flatnonzero((mine != 0) & ~np.isnan(mine))
    if len(telling) < FEWEST_ROWS or min(len(np.unique(part[telling])) for part in (mine, theirs)) < FEWEST_VALUES:
        return None
    shuffled = mine[np.roll(telling, len(telling) // 2)]
    low, high = _bounds(shuffled, theirs[telling], slack)
    fits = np.any([(low <= share) & (share <= high) for share in shares], axis=0)
    return tuple(shares) if fits.mean() <= BY_CHANCE else None


def _fewest(mine: np.ndarray, theirs: np.ndarray, slack: float, each: int = 1) -> list[float] | None:
    """Few shares of which one fits every row, those that fit most rows first taken, the last ``each`` rows at least that none before
    it fits; None where there are none such."""
    there = ~np.isnan(mine)
    if np.isnan(theirs[there]).any() or (np.abs(mine[there & (theirs == 0)]) > slack).any():
        return None
    rows = np.flatnonzero(there & (theirs != 0))
    low, high = _bounds(mine[rows], theirs[rows], slack)
    for places in range(2, MOST_PLACES + 1):
        share = np.round(mine[rows] / theirs[rows], places)
        if not ((low <= share) & (share <= high)).all():
            continue
        values, counts = np.unique(share, return_counts=True)
        found, left = [], np.ones(len(rows), bool)
        for value in values[np.argsort(-counts, kind="stable")]:
            fits = left & (low <= value) & (value <= high)
            if fits.sum() >= each:
                found.append(float(value))
                left &= ~fits
            if len(found) == MOST_SHARES or not left.any():
                break
        if not left.any():
            return sorted(found)
    return None


def _bounds(mine: np.ndarray, theirs: np.ndarray, slack: float) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the least and the greatest share that gives each number, but for rounding and what floats leave."""
    ends = np.stack([(mine - slack) / theirs, (mine + slack) / theirs])
    reach = 1e-9 * np.abs(ends).max(0)
    return ends.min(0) - reach, ends.max(0) + reach
