"""Rows drawn again and again until enough of them meet a condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lookalike.schema.encoded import EncodedTable, concatenate
from lookalike.stats import draws_for, hopeless

FEWEST = 100
"""Rows drawn at once, at least."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn under a condition.

    Attributes
    ----------
    met
        The rows that meet it: as many as were wanted, or more, unless the draws gave out.
    missed
        The rows of the last draw that do not.
    rows
        How many were drawn in all.
    """

    met: EncodedTable
    missed: EncodedTable
    rows: int


def meets(codes: np.ndarray, conditions: Mapping[int, int]) -> np.ndarray:
    """Return (n,) bool: which rows of (n, d) codes have those of the conditions (columns' positions to codes).

    >>> meets(np.array([[0, 1], [2, 1]]), {0: 2, 1: 1}).tolist()
    [False, True]
    """
    return np.asarray(np.all([codes[:, place] == code for place, code in conditions.items()], axis=0))


def draw_meeting(
    draw: Callable[[int, int], EncodedTable],
    conditions: Mapping[int, int],
    rows: int,
    *,
    tries: int,
    most: int,
    patience: int,
    all_or_none: bool = False,
) -> Drawn:
    """Draw until ``rows`` meet the conditions, or it shows that they hardly will.

    Parameters
    ----------
    draw
        Gives so many rows; told which draw it is, from 0.
    tries, most
        Draws at most, and rows of each at most.
    patience
        Where none of so many rows met the conditions, no more are drawn.
    all_or_none
        Whether fewer than ``rows`` are of no use: then no more are drawn, either, once the draws left would hardly give the rest.

    >>> from lookalike.schema.encoded import EncodedColumn
    >>> columns = (EncodedColumn("a", 4, np.zeros(4, bool)),)
    >>> def draw(count, attempt):
    ...     return EncodedTable(columns, np.arange(count, dtype=np.int32)[:, None] % 4, np.zeros((count, 1)))
    >>> drawn = draw_meeting(draw, {0: 3}, 50, tries=2, most=1_000, patience=500)
    >>> len(drawn.met), len(drawn.missed), drawn.rows
    (52, 84, 211)
    """
    kept: list[EncodedTable] = []
    found, drawn = 0, 0
    for attempt in range(tries):
        count = max(draws_for(rows - found, found, drawn, most), FEWEST)
        table = draw(count, attempt)
        met = meets(table.codes, conditions)
        kept.append(table.take(np.flatnonzero(met)))
        found, drawn = found + int(met.sum()), drawn + count
        if found >= rows or (not found and drawn >= patience):
            break
        if all_or_none and hopeless(rows - found, found, drawn, most * (tries - attempt - 1)):
            break
    return Drawn(concatenate(kept), table.take(np.flatnonzero(~met)), drawn)
