"""Rows that pass every check, to an exact count, in a bounded number of tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from lookalike.errors import SamplingError
from lookalike.stats import draws_for, hopeless

LARGEST_DRAW, SMALLEST_LIMIT = 8, 10_000
"""Rows drawn at once are no more than so many times those wanted, or than the second where that is more."""
BARREN = 0.1
"""Share of the rows lacking that a draw brings, at least: after one that brings fewer the next is of twice as many, as what passes grows rare
where each row may come once."""


class Check(Protocol):
    """What a row has to pass. It may count what it turned down."""

    @property
    def name(self) -> str:
        """In words, for the error: ``"rows below 5"``. It may tell what was counted so far."""

    def keep(self, table: pa.Table) -> np.ndarray:
        """Return (n,) bool: which rows pass."""


def refill(
    sizes: Sequence[int],
    draw: Callable[[list[int], int], tuple[pa.Table, np.ndarray]],
    checks: Sequence[Check] = (),
    *,
    tries: int = 100,
) -> pa.Table:
    """Draw until enough rows of each part (a class, a condition) pass all checks.

    Parameters
    ----------
    sizes
        How many rows of each part there are to be.
    draw
        Called with (rows of each part, attempt), attempts counted from 0; returns a table of so many rows, mixed, and (n,) which part each
        is of. With no checks the first draw is the result.
    checks
        Each sees the rows that passed those before it.

    Raises
    ------
    SamplingError
        Too few rows passed in so many tries, or would by all that is likely: names the check that turned most of them down.

    >>> class Even:
    ...     name = "an even number"
    ...     def keep(self, table):
    ...         return table.column("n").to_numpy() % 2 == 0
    >>> numbers = lambda counts, attempt: (pa.table({"n": np.arange(counts[0]) + attempt}), np.zeros(counts[0], int))
    >>> refill([3], numbers, [Even()]).column("n").to_pylist()
    [0, 2, 2]
    """
    rows, most = sum(sizes), max(LARGEST_DRAW * sum(sizes), SMALLEST_LIMIT)
    kept: list[pa.Table] = []
    found, drawn = np.zeros(len(sizes), int), np.zeros(len(sizes), int)
    turned_down = [0] * len(checks)
    times: np.ndarray = np.ones(len(sizes), int)
    for attempt in range(tries):
        lacking = np.maximum(np.asarray(sizes) - found, 0)
        parts = zip(lacking.tolist(), found.tolist(), drawn.tolist(), strict=True)
        counts = np.minimum(times * [draws_for(*part, most) for part in parts], most).tolist()
        table, part = draw(counts, attempt)
        drawn += counts
        for place, check in enumerate(checks):
            passed = check.keep(table)
            turned_down[place] += int((~passed).sum())
            table, part = table.filter(pa.array(passed)), part[passed]
        # no more of a part than it lacks: the first ones
        order = np.argsort(part, kind="stable")
        within = np.empty(len(part), int)
        within[order] = np.arange(len(part)) - np.searchsorted(part[order], part[order])
        wanted = within < lacking[part]
        kept.append(table if wanted.all() else table.filter(pa.array(wanted)))
        brought = np.bincount(part[wanted], minlength=len(sizes))
        times = np.where(brought < BARREN * lacking, np.minimum(2 * times, most), 1)
        found += brought
        if found.sum() == rows:
            return pa.concat_tables(kept)
        left = most * (tries - attempt - 1)
        if any(hopeless(size - has, has, of, left) for size, has, of in zip(sizes, found, drawn, strict=True)):
            break
    worst = int(np.argmax(turned_down))
    raise SamplingError(
        f"rows must pass every check within max_tries_per_batch={tries} draws, however: {found.sum():,} of {rows:,} did among {drawn.sum():,} drawn. "
        f"Most were turned down by: {checks[worst].name} ({turned_down[worst]:,}). Relax it, ask for fewer rows, or take more tries (max_tries_per_batch)."
    )
