"""Rows that pass every check, to an exact count, in a bounded number of tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from lookalike.errors import SamplingError

LARGEST_DRAW = 8
"""Rows drawn at once, at most, for each row that is still lacking."""


class Check(Protocol):
    """What a row has to pass. It may count what it turned down."""

    @property
    def name(self) -> str:
        """In words, for the error: ``"rows below 5"``. It may tell what was counted so far."""

    def keep(self, table: pa.Table) -> np.ndarray:
        """Return (n,) bool: which rows pass."""


def refill(
    rows: int, draw: Callable[[int, int], pa.Table], checks: Sequence[Check] = (), *, tries: int = 100
) -> pa.Table:
    """Draw until ``rows`` rows pass all checks.

    Parameters
    ----------
    draw
        Called with (count, attempt), attempts counted from 0; returns a table of so many rows. With no checks the first
        draw is the result.
    checks
        Each sees the rows that passed those before it.

    Raises
    ------
    SamplingError
        Too few rows passed in so many tries: names the check that turned most of them down.

    >>> class Even:
    ...     name = "an even number"
    ...     def keep(self, table):
    ...         return table.column("n").to_numpy() % 2 == 0
    >>> numbers = lambda count, attempt: pa.table({"n": np.arange(count) + attempt})
    >>> refill(3, numbers, [Even()]).column("n").to_pylist()
    [0, 2, 2]
    """
    kept: list[pa.Table] = []
    found, drawn = 0, 0
    turned_down = [0] * len(checks)
    for attempt in range(tries):
        # as many as the share that passed so far says are needed, within bounds
        share = max(found / drawn, 1 / LARGEST_DRAW) if drawn else 1.0
        table = draw(rows if attempt == 0 else int((rows - found) / share * 1.1) + 1, attempt)
        drawn += table.num_rows
        for place, check in enumerate(checks):
            passed = check.keep(table)
            turned_down[place] += int((~passed).sum())
            table = table.filter(pa.array(passed))
        kept.append(table)
        found += table.num_rows
        if found >= rows:
            return pa.concat_tables(kept).slice(0, rows)
    worst = int(np.argmax(turned_down))
    raise SamplingError(
        f"rows must pass every check within max_tries_per_batch={tries} draws, however: {found:,} of {rows:,} did among {drawn:,} drawn. "
        f"Most were turned down by: {checks[worst].name} ({turned_down[worst]:,}). Relax it, ask for fewer rows, or fit with more tries (max_tries_per_batch)."
    )
